"""Networks of the literature, one file a family."""

from naslab.zoo.entry import Paper, Published, ZooEntry
from naslab.zoo.registry import model, model_names, zoo_entries, zoo_entry

__all__ = ["Paper", "Published", "ZooEntry", "model", "model_names", "zoo_entries", "zoo_entry"]
