"""Starting from what is known: weights of others, matched by structure."""
