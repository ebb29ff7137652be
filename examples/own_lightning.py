"""Your own Lightning module and trainer as the training of a search; it needs `pip install lightning`.

naslab search digits_demo --estimator own_lightning:evaluate --objectives f1:max,loss:min,macs --trials 20 --epochs 3
"""

import lightning
import torch
from own_training import images, labels, training, validation
from sklearn.metrics import f1_score
from torch.utils.data import DataLoader, TensorDataset


class Classifier(lightning.LightningModule):
    def __init__(self, network, trial):
        super().__init__()
        self.network, self.trial, self.found = network, trial, {}

    def training_step(self, batch, index):
        return torch.nn.functional.cross_entropy(self.network(batch[0]), batch[1])

    def validation_step(self, batch, index):
        logits = self.network(batch[0])
        f1 = f1_score(batch[1].cpu(), logits.argmax(1).cpu(), average="macro")
        self.found = {"f1": f1, "loss": torch.nn.functional.cross_entropy(logits, batch[1]).item()}
        self.trial.report(self.current_epoch + 1, **self.found)
        self.trainer.should_stop = self.trial.should_stop()

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def evaluate(network, trial):
    train, held = (TensorDataset(images[part], labels[part]) for part in (training, validation))
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(max_epochs=trial.epochs, num_sanity_val_steps=0, accelerator="auto", devices=1, **quiet)
    classifier = Classifier(network, trial)
    trainer.fit(classifier, DataLoader(train, 64, shuffle=True), DataLoader(held, len(held)))
    return classifier.found
