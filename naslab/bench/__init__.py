"""Strategies measured on tables of known results, without training anything."""
