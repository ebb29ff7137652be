"""The yardstick job as a user writes it: three stages, each choosing its block, width and depth, on the digits."""

import naslab
from naslab import choice

stage = {
    "block": choice({"type": "residual"}, {"type": "inverted_bottleneck"}, {"type": "depthwise_separable"}),
    "width": choice(16, 24, 32, 48),
    "repeats": choice(1, 2, 3),
}
stages = [stage, stage | {"stride": 2}, stage | {"stride": 2}]
space = naslab.SearchSpace({"input": [1, 8, 8], "num_classes": 10, "stages": stages})
study = naslab.search(space, trials=16, epochs=2, workers=2, limits=["macs<=5e6"], study="yardstick")
naslab.front_figure(study).write_html("front.html")
