"""Packages on the Hugging Face Hub and in local folders, by huggingface_hub's own mixin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin, hf_hub_download
from torch import Tensor, nn

from naslab.atomic_write import atomic_write
from naslab.errors import NaslabError, shown
from naslab.package.card import CARD_FILE, model_card
from naslab.package.facts import FACTS_FILE, WEIGHTS_FILE, Facts, header, open_facts
from naslab.package.folder import write_package
from naslab.package.prepared import packaged_module
from naslab.training.hub import hub_or_cache
from naslab.training.weights import load_weights, save_weights


class HubNetwork(nn.Module, ModelHubMixin):  # type: ignore[misc, unused-ignore]
    """A network with its `facts`, which takes images as they are where they say how.

    Images have the shape (batch, channels, height, width), logits the shape (batch, outputs). `save_pretrained`,
    `push_to_hub` and `from_pretrained` are those of huggingface_hub: they write and read what `naslab train` writes,
    and a model card beside it.
    """

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        self.facts = facts
        self.network = packaged_module(facts.arch, facts.preprocessing)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(images)
        return logits

    def _save_pretrained(self, save_directory: Path) -> None:
        folder = Path(save_directory)
        facts = self.facts.published()
        save_weights(self.network, folder / WEIGHTS_FILE, header(facts))
        write_package(folder, facts, f"{facts.name}, written by naslab; weights.safetensors fits it.")
        atomic_write(folder / CARD_FILE, model_card(facts))

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Upload to the repository `repo_id`; `options` are those of huggingface_hub. The address of the commit.

        Raises `NaslabError` where the hub cannot be reached.
        """
        with hub_or_cache() as is_reached:
            if not is_reached:
                raise NaslabError(f"{shown(repo_id)} is not written: the hub cannot be reached from here")
            return str(super().push_to_hub(repo_id, **options))

    @classmethod
    def _from_pretrained(cls, *, model_id: str, **options: Any) -> HubNetwork:
        folder = Path(model_id)
        if not folder.is_dir():
            known = ("revision", "cache_dir", "force_download", "local_files_only", "token")
            asked = {name: options[name] for name in known if name in options}
            places = [Path(hf_hub_download(model_id, name, **asked)) for name in (WEIGHTS_FILE, FACTS_FILE)]
            folder = places[0].parent
        return cls.opened(folder)

    @classmethod
    def opened(cls, folder: Path) -> HubNetwork:
        """The network of a local `folder`, ready to predict. Raises `DataError` for a folder that holds none."""
        facts, weights = open_facts(folder)
        made = cls(facts)
        load_weights(made.network, weights)
        return made.eval()
