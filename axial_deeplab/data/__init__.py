"""Data sets, records, augmentation and training targets."""
