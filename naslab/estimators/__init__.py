"""Turning candidates into estimates."""
