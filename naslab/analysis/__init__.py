"""Outcomes in, tables out."""
