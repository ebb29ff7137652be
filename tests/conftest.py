"""Fixtures that several folders of tests share."""

from postgres import postgres_database, postgres_url

__all__ = ["postgres_database", "postgres_url"]
