"""The single record of a study."""
