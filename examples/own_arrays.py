"""Arrays of 13 channels: satellite images of 16 bits, say, searched, and the best network trained."""

import tempfile
from pathlib import Path

import numpy as np

import naslab


def make_data():
    """Fields, forests and water of 12 x 12 pixels: each is bright in other bands."""
    random = np.random.default_rng(0)
    labels = np.arange(240) % 3
    images = random.integers(500, 2000, (240, 13, 12, 12), dtype=np.uint16)
    for label, bands in enumerate(([3, 7], [2, 8], [11, 12])):
        images[np.ix_(labels == label, bands)] += 900
    return naslab.Data(train=(images, labels), classes=["field", "forest", "water"])


def main(folder, trials=4, epochs=3):
    """Search a space on the arrays, which its networks are fitted to, and train the best one."""
    how = {"epochs": epochs, "ledger": folder / "studies.db"}
    study = naslab.search(
        "digits_demo", dataset=make_data(), resolution=12, trials=trials, study="bands", workers=1, **how
    )
    print([(each.label, each.value("accuracy")) for each in naslab.pareto_front(study).front])
    return naslab.train("bands:best", save_to=folder / "weights.safetensors", **how).result


if __name__ == "__main__":
    print(main(Path(tempfile.mkdtemp())).test_accuracy)
