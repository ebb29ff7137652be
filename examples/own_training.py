"""Your own training loop: any function of a torch module and a trial that returns numbers.

naslab search digits_demo --estimator own_training:evaluate --objectives f1:max,macs --trials 20 --epochs 3
"""

import torch
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score

digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)
training, validation = torch.arange(len(labels)).split([1400, len(labels) - 1400])


def evaluate(network, trial):
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, trial.schedule_epochs)
    for epoch in range(1, trial.epochs + 1):
        network.train()
        for batch in training[torch.randperm(len(training))].split(64):
            loss = torch.nn.functional.cross_entropy(
                network(images[batch].to(trial.device)), labels[batch].to(trial.device)
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
        network.eval()
        with torch.no_grad():
            predicted = network(images[validation].to(trial.device)).argmax(1).cpu()
        f1 = f1_score(labels[validation], predicted, average="macro")
        trial.report(epoch, f1=f1, train_loss=loss.item())
        if trial.should_stop():
            break
    return {"f1": f1}
