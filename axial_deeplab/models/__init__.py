"""Whole models and the table of their names."""
