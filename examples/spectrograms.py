"""Sounds as log-mel images: tones, chirps and noise, made here, searched and exported."""

import tempfile
from pathlib import Path

import torch

import naslab
from naslab.lab.training import export_network


def log_mel(sound, rate=8000, mels=32):
    """A sound, of shape (samples,), as an image of mel bands over time, of shape (1, 32, frames)."""
    power = torch.stft(sound, 512, 256, window=torch.hann_window(512), return_complex=True).abs() ** 2
    mel = torch.linspace(0, 2595 * torch.log10(torch.tensor(1 + rate / 1400)), mels + 2)
    low, mid, high = (700 * (10 ** (mel / 2595) - 1)).unfold(0, 3, 1).T[:, :, None]
    bins = torch.linspace(0, rate / 2, 257)
    bank = torch.minimum((bins - low) / (mid - low), (high - bins) / (high - mid)).clamp(min=0)
    return (bank @ power + 1e-6).log()[None]


def make_data(count=180, rate=8000):
    """A second of each: a tone of random pitch, one that rises, or noise."""
    draws, time, labels = torch.Generator().manual_seed(0), torch.arange(rate) / rate, torch.arange(count) % 3
    pitch = 200 + 1000 * torch.rand(count, 1, generator=draws)
    tones = torch.sin(6.2832 * pitch * (1 + time * (labels == 1)[:, None]) * time) * (labels < 2)[:, None]
    sounds = tones + torch.randn(count, rate, generator=draws) * (0.1 + 0.9 * (labels == 2))[:, None]
    return naslab.Data((torch.stack([log_mel(each) for each in sounds]), labels), classes=["tone", "chirp", "noise"])


def main(folder, trials=3, epochs=3):
    """Search on images of 32 bands by 32 frames, and write the best network as a file that needs torch alone."""
    how = {"resolution": 32, "trials": trials, "epochs": epochs, "workers": 1, "ledger": folder / "studies.db"}
    naslab.search("digits_demo", dataset=make_data(), study="sounds", **how)
    return export_network(naslab.find_model("sounds:best", how["ledger"]).arch, folder / "network.py", "Sounds.")


if __name__ == "__main__":
    print(main(Path(tempfile.mkdtemp())))
