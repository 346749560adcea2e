"""Metrics that equal the official tools."""
