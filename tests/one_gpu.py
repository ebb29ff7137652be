"""The device of these tests."""

DEVICE = "cuda:0"
