"""Weight sharing: one bank of weights of which every network of a space is a slice."""
