"""The few functions that people call: search, train, rescale, calibrate, share weights."""
