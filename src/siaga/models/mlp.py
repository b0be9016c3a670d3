"""A head on embeddings with one hidden layer, trained by the one loop."""

import json
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from siaga.errors import BundleError
from siaga.files import write_text
from siaga.models.classifier import Probabilities, Progress, silent
from siaga.models.heads import Labelled, Matrix
from siaga.models.modules import load_module, save_module
from siaga.models.training import Examples, Schedule, logits, train

EPOCHS, BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY, PATIENCE, DROPOUT = 60, 32, 2e-3, 1e-2, 8, 0.2


class MlpHead:
    """Stops early where there are validation posts; see `siaga.models.heads.Head`."""

    def __init__(self, *, hidden: int, balanced: bool, seed: int) -> None:
        self._hidden, self._balanced, self._seed = hidden, balanced, seed

    def fit(self, examples: Labelled, *, validation: Labelled | None = None, progress: Progress = silent) -> Self:
        """Learn; validation posts of a class without a training post are left out."""
        self.classes_ = np.unique(examples.labels)
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self._net = _Net(examples.rows.shape[1], self._hidden, len(self.classes_))
        self._net.learn_scale(torch.from_numpy(examples.rows))
        schedule = Schedule(
            epochs=EPOCHS,
            batch_size=BATCH_SIZE,
            learning_rate=LEARNING_RATE,
            weight_decay=WEIGHT_DECAY,
            patience=PATIENCE,
            seed=self._seed,
            class_weights=_weights(examples.labels) if self._balanced else None,
        )
        learned = self._examples(examples)
        held_out = self._examples(validation) if validation else None
        train(self._net, learned, schedule=schedule, validation=held_out or None, progress=progress)
        return self

    def predict_proba(self, rows: Matrix) -> Probabilities:
        """Return (n, classes_); n is at least 1."""
        found = logits(self._net, torch.from_numpy(rows)).double().softmax(1).numpy()
        return np.asarray(found, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write `head.json` and `head.safetensors`."""
        facts = {"width": self._net.width, "hidden": self._hidden, "classes": self.classes_.tolist()}
        write_text(folder / "head.json", json.dumps(facts))
        save_module(folder / "head.safetensors", self._net)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        path = folder / "head.json"
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            self.classes_ = np.array(facts["classes"], dtype=np.int64)
            self._net = _Net(facts["width"], facts["hidden"], len(self.classes_))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path} does not describe a head: {error}. Train or copy it again.") from None
        load_module(folder / "head.safetensors", self._net)
        return self

    def _examples(self, labelled: Labelled) -> Examples:
        known = np.isin(labelled.labels, self.classes_)
        ids = [labelled.ids[i] for i in np.flatnonzero(known).tolist()]
        labels = torch.from_numpy(np.searchsorted(self.classes_, labelled.labels[known]))
        return Examples(torch.from_numpy(labelled.rows[known]), labels, ids)


class _Net(nn.Module):
    def __init__(self, width: int, hidden: int, n_classes: int) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(hidden, n_classes)
        )

    def learn_scale(self, rows: Tensor) -> None:
        """Standardise by these rows; a column that is constant in them is only centred."""
        scale, mean = torch.std_mean(rows.double(), dim=0, correction=0)
        self.mean = mean.float()
        self.scale = torch.where(scale > 1e-8 * (1 + mean.abs()), scale, 1.0).float()

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.layers((rows - self.mean) / self.scale)
        return found


def _weights(labels: NDArray[np.int64]) -> Tensor:
    """Return the inverse of each present class's frequency, (classes,), of mean 1 over the posts."""
    counts = np.unique(labels, return_counts=True)[1]
    return torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)
