"""Weight transfer from a parent network to a child: each layer of the child starts from the parent's where one fits.

In the order in which to read them:

- `inherit`: the whole of it, from two architectures and the parent's weights to the child's, with a report. Opens with
  the words of Net2Net and what they are called here.
- `alignment`: which block of the parent a block of the child stands for.
- `flow`: which channels of the parent's map a map of the child carries; it goes through both plans.
- `transfer`: the fold over two plans, for blocks that both networks have.
- `insertion`: the fold over a plan that the parent lacks, made an identity where it can be.
- `rules`: what is done with one kind of layer, and what where nothing is said. `declare_transfer` adds a rule.
- `weighted_layers`, `plain_layers`: the rules of naslab's layers with weights and without.
- `wanted_channels`: which of the parent's channels a layer should make for the one that reads it.
- `channels`: what layers do to channels, read from their declarations.
- `weight_transfer`: both networks' tensors, and the arithmetic that widens, slices and splits them, with its notation.
"""

from naslab.training.inheritance.inherit import Inheritance, Inherited, inherit

__all__ = ["Inheritance", "Inherited", "inherit"]
