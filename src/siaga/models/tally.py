"""A running tally of what a net answered: loss, accuracy and macro-F1 of the rows so far."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Tally:
    """`confusion` is (classes, classes) int64: a row for each true class, a column for each answered one."""

    confusion: Tensor
    loss: float = 0.0  # The sum over rows.

    @classmethod
    def of(cls, n_classes: int) -> "Tally":
        """Return an empty tally."""
        return cls(torch.zeros(n_classes, n_classes, dtype=torch.int64))

    @property
    def rows(self) -> int:
        """How many rows were counted."""
        return int(self.confusion.sum())

    def add(self, rows: Tensor, labels: Tensor, loss: float) -> None:
        """Count logits (n, classes) with their labels (n,) and their mean loss."""
        n = len(self.confusion)
        cells = labels.cpu() * n + rows.argmax(1).cpu()
        self.confusion += torch.bincount(cells, minlength=n * n).view(n, n)
        self.loss += loss * len(labels)

    def figures(self, name: str) -> dict[str, float]:
        """Return `NAME_loss`, `NAME_accuracy` and `NAME_macro_f1`; a class that is neither true nor answered is out."""
        right = self.confusion.diagonal().double()
        asked, answered = self.confusion.sum(1).double(), self.confusion.sum(0).double()
        present = (asked + answered) > 0
        f1 = 2 * right[present] / (asked + answered)[present]
        return {
            f"{name}_loss": self.loss / self.rows,
            f"{name}_accuracy": float(right.sum()) / self.rows,
            f"{name}_macro_f1": float(f1.mean()),
        }
