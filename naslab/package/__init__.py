"""What leaves naslab: a trained network with all that makes an image its input and its output a prediction."""
