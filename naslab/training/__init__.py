"""Data on the device, recipes and the training loop."""
