"""Comparing two sides: why, diff, lock, reproduce, provenance."""
