"""How well the first words of topics go together, on texts they were not learned from."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from siaga.evaluation.intervals import Interval
from siaga.evaluation.topics.intervals import GROUPS, coherence_interval
from siaga.features.documents import Documents
from siaga.models.topics.coherence import C_V_WINDOW, NPMI_WINDOW, Cooccurrences, count_together

ByTopic = dict[str, list[float | None]]


def measure_coherence(words: NDArray[np.int64], texts: Documents) -> tuple[dict[str, Interval], ByTopic]:
    """Return NPMI and C_v of topics with these first words, (topics, n): their means, and each topic's own."""
    groups = max(1, min(GROUPS, len(texts)))
    together = partial(count_together, words, texts, groups=groups)
    near, wide = together(window=NPMI_WINDOW), together(window=C_V_WINDOW)
    means = {
        "npmi": coherence_interval(near, Cooccurrences.npmi),
        "c_v": coherence_interval(wide, Cooccurrences.c_v),
    }
    return means, {"npmi": near.npmi().tolist(), "c_v": wide.c_v().tolist()}
