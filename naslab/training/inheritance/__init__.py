"""Weights handed on from one network to another: each layer of the child starts from the parent's where one fits."""

from naslab.training.inheritance.inherit import Inheritance, Inherited, inherit

__all__ = ["Inheritance", "Inherited", "inherit"]
