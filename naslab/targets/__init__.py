"""Targets: runtimes on a device at a precision that a network is timed in, one row and one file each."""
