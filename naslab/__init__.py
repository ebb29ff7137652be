"""naslab: a neural architecture search and scaling lab."""
