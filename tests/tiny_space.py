"""A space of networks that train on the digits in a second, each a child that another can give weights to."""

SPACE = """
input: [1, 8, 8]
num_classes: 10
stem: [{block: {type: conv}, width: 8}]
stages:
  - {block: {choice: [{type: residual}, {type: inverted_bottleneck, expansion: 2}]}, width: {choice: [8, 12, 16, 20]},
     repeats: {choice: [1, 2, 3]}, stride: 2}
"""
