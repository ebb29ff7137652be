"""Detection, instance segmentation, keypoints and segmentation on any backbone: data, networks, training, metrics."""
