"""What models cost: trainable scalars and multiply-adds, layer by layer."""
