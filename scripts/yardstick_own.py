"""The yardstick job with a training function of the user's own: the same space, data, budget, limit and picture."""

import sys

import torch
from sklearn.datasets import load_digits

import naslab

images, labels = (torch.tensor(each) for each in load_digits(return_X_y=True))
images = images.float().reshape(-1, 1, 8, 8) / 16


def evaluate(network, trial):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, nesterov=True)
    for epoch in range(1, trial.epochs + 1):
        for batch in torch.randperm(1150).split(32):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(network.train()(images[batch]), labels[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            right = network.eval()(images[1150:1438]).argmax(1) == labels[1150:1438]
        trial.report(epoch, accuracy=100 * right.float().mean())
    return {"accuracy": 100 * right.float().mean()}


trials = int(sys.argv[1]) if len(sys.argv) > 1 else 16
given = {"trials": trials, "epochs": 2, "workers": 2, "limits": ["macs<=5M"], "study": "own"}
study = naslab.search("yardstick", estimator=evaluate, objectives=["accuracy", "macs"], **given)
naslab.front_figure(study).write_html("front.html")
