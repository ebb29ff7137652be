"""Families from a baseline."""
