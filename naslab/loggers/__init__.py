"""A run told to other programs while it goes: TensorBoard, MLflow, Weights & Biases."""

from naslab.loggers.registry import open_logger as open_logger
