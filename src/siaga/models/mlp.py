"""A head on embeddings, one layer or several, trained by the one loop."""

import json
from pathlib import Path
from typing import Self

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from siaga.errors import BundleError
from siaga.files import write_text
from siaga.models.classifier import Probabilities, Progress, silent
from siaga.models.examples import Examples, answers
from siaga.models.facts import read_indices, read_width
from siaga.models.heads import Labelled, Matrix
from siaga.models.layers import build_output, perceptron
from siaga.models.modules import load_module, save_module
from siaga.models.standardised import Standardised
from siaga.models.training import train
from siaga.models.unlabelled import Unlabelled
from siaga.schema.fusions import FeatureFusion
from siaga.schema.nets import Encoder


class MlpHead:
    """Linear or with hidden layers; stops early where there are validation posts; see `siaga.models.heads.Head`.

    The embeddings of unlabelled posts, if there are any, are learned from beside the labelled ones.
    """

    def __init__(self, spec: Encoder | FeatureFusion, *, seed: int, unlabelled: Unlabelled | None = None) -> None:
        self._spec, self._seed, self._unlabelled = spec, seed, unlabelled

    def fit(self, examples: Labelled, *, validation: Labelled | None = None, progress: Progress = silent) -> Self:
        """Learn; validation posts of a class without a training post are left out."""
        self.classes_ = np.unique(examples.labels)
        with torch.random.fork_rng():
            torch.manual_seed(self._seed)
            self._net = _Net(self._spec, examples.rows.shape[1], len(self.classes_))
        is_stacked = isinstance(self._spec, FeatureFusion)
        self._net.standardised.learn_scale(_tensor(examples.rows), keep_small=is_stacked)
        held_out = self._examples(validation) if validation else None
        train(
            self._net,
            self._examples(examples),
            settings=self._spec.training,
            seed=self._seed,
            validation=held_out or None,
            unlabelled=self._unlabelled,
            progress=progress,
        )
        self._unlabelled = None
        return self

    def predict_proba(self, rows: Matrix) -> Probabilities:
        """Return (n, classes_); n is at least 1."""
        found = answers(self._net, _tensor(rows)).double().softmax(1).numpy()
        return np.asarray(found, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write `head.json` and `head.safetensors`."""
        facts = {"width": self._net.width, "classes": self.classes_.tolist()}
        write_text(folder / "head.json", json.dumps(facts))
        save_module(folder / "head.safetensors", self._net)

    def load(self, folder: Path) -> Self:
        """Read what `save` wrote."""
        path = folder / "head.json"
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            self.classes_ = read_indices(facts["classes"])
            self._net = _Net(self._spec, read_width(facts["width"]), len(self.classes_))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(f"{path} does not describe a head: {error}. Train or copy it again.") from None
        load_module(folder / "head.safetensors", self._net)
        return self

    def _examples(self, labelled: Labelled) -> Examples:
        known = np.isin(labelled.labels, self.classes_)
        ids = [labelled.ids[i] for i in np.flatnonzero(known).tolist()]
        labels = torch.from_numpy(np.searchsorted(self.classes_, labelled.labels[known]))
        names = [str(k) for k in self.classes_.tolist()]
        return Examples(_tensor(labelled.rows)[torch.from_numpy(known)], labels, ids, names)


class _Net(nn.Module):
    def __init__(self, spec: Encoder | FeatureFusion, width: int, n_classes: int) -> None:
        super().__init__()
        self.width = width
        self.standardised = Standardised(width)
        hidden = spec.hidden if spec.head == "mlp" else ()
        output = build_output(hidden[-1] if hidden else width, n_classes, ordinal=spec.ordinal)
        self.layers = perceptron(width, hidden, activation=spec.activation, dropout=spec.dropout, output=output)

    def forward(self, rows: Tensor) -> Tensor:
        found: Tensor = self.layers(self.standardised(rows))
        return found


def _tensor(rows: Matrix) -> Tensor:
    if isinstance(rows, csr_matrix):
        raise TypeError("this head learns on dense rows")
    return torch.from_numpy(rows)
