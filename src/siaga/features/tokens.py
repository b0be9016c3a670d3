"""Texts as tokens: by a pretrained encoder's own tokenizer, or as words of a vocabulary that is learned."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from siaga.extras import require
from siaga.features.weights import LOCAL, loading, quiet, read_config
from siaga.files import write_text

UNKNOWN = 0  # The number of every word that is not in the vocabulary.
_WORD = re.compile(r"\w+|[^\w\s]")
_UNLIMITED = 1 << 20  # Tokenizers say "no limit" with astronomic numbers.


class PretrainedTokenizer:
    """The tokenizer in an encoder's folder; `padding` is the number that fills short texts up."""

    def __init__(self, folder: Path, *, max_tokens: int) -> None:
        transformers = require("transformers", extra="deep")
        with loading(folder), quiet():
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, **LOCAL)  # Any: untyped.
            if len(self._tokenizer) <= len(set(self._tokenizer.all_special_ids)):  # What it makes of no file at all.
                raise ValueError("its tokenizer knows no words; tokenizer.json or vocab.txt is missing")
        self._max_tokens = min(max_tokens, _longest(folder), int(self._tokenizer.model_max_length))
        self.padding = int(self._tokenizer.pad_token_id or 0)

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts, those that mark beginning and end included."""
        if not texts:
            return []
        found: list[list[int]] = self._tokenizer(list(texts), truncation=True, max_length=self._max_tokens)["input_ids"]
        return found


class Vocabulary:
    """The words that stand in at least `min_posts` texts, the most frequent first, `most` of them; 0 is any other."""

    def __init__(self, *, min_posts: int, most: int, max_tokens: int) -> None:
        self._min_posts, self._most, self._max_tokens = min_posts, most, max_tokens
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        """Return how many numbers there are, that of unknown words among them."""
        return len(self._numbers) + 1

    def learn(self, texts: Sequence[str]) -> Self:
        """Take the words of texts; where none stands in enough of them, take every word."""
        counts = Counter(word for text in texts for word in set(_WORD.findall(text)))
        chosen = [word for word, count in counts.items() if count >= self._min_posts] or list(counts)
        chosen.sort(key=lambda word: (-counts[word], word))
        self._numbers = {word: number for number, word in enumerate(chosen[: self._most], UNKNOWN + 1)}
        return self

    def numbers(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the words of texts; a text in which there is no word at all is one unknown word."""
        most = self._max_tokens
        return [
            [self._numbers.get(word, UNKNOWN) for word in _WORD.findall(text)[:most]] or [UNKNOWN] for text in texts
        ]

    def save(self, path: Path) -> None:
        """Write the words in order, as JSON."""
        write_text(path, json.dumps(list(self._numbers), ensure_ascii=True))

    def load(self, path: Path) -> Self:
        """Read what `save` wrote."""
        words = json.loads(path.read_text(encoding="utf-8"))
        self._numbers = {word: number for number, word in enumerate(words, UNKNOWN + 1)}
        return self


def _longest(folder: Path) -> int:
    """Return how many tokens an encoder has positions for."""
    config = read_config(folder)
    inner = config.get("text_config")
    positions = (inner if isinstance(inner, dict) else config).get("max_position_embeddings")
    if not isinstance(positions, int):
        return _UNLIMITED
    offset = 2 if config.get("model_type") in _OFFSET else 0  # Their positions start after that of padding.
    return positions - offset


_OFFSET = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "data2vec-text", "xlm-roberta-xl")
