"""Search strategies: problems and outcomes in, proposals out."""
