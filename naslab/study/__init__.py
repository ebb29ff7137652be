"""What a study is made of, without torch: the problem, how networks are trained, and what came of them."""
