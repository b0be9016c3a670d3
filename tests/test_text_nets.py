"""Nets that read texts: batches by length, recurrent layers, and encoders that are fine-tuned."""

import json
import shutil
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from siaga.bundle import SUFFIXES
from siaga.errors import BundleError, DataError, RecipeError
from siaga.features.encoders import TextReader
from siaga.features.tokens import PretrainedTokenizer, Vocabulary
from siaga.models.classifier import Progress
from siaga.models.examples import Examples, answers
from siaga.models.feed import Feed, single
from siaga.models.net import NetClassifier
from siaga.models.recurrent import RecurrentLayers
from siaga.models.text_backbone import TextTower
from siaga.models.tokens import PADDING, Tokens
from siaga.models.training import train
from siaga.post import Post
from siaga.recipe import check_recipe
from siaga.schema import Cleaning, Encoder, Recurrent, Training
from tests.made import made_posts
from tests.tiny_encoders import tiny_static_encoder, tiny_text_encoder

CPU = torch.device("cpu")
LONGER = Training(epochs=12, batch_size=16, learning_rate=2e-2)


@pytest.fixture(scope="session")
def text_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_text_encoder(tmp_path_factory.mktemp("encoders") / "text")


def lengthy(count: int, *, seed: int = 0) -> Tokens:
    """Texts of 1 to 40 tokens; a text's tokens are all its number."""
    lengths = np.random.default_rng(seed).integers(1, 41, count).tolist()
    return Tokens([[number] * length for number, length in enumerate(lengths)])


def feed(tokens: Tokens, **settings: object) -> Feed:
    chosen = Training.model_validate({"batch_size": 8, **settings})
    return Feed(tokens, torch.arange(len(tokens)) % 2, chosen, seed=1, device=CPU)


def ordered(count: int, *, seed: int = 0) -> list[Post]:
    """Posts of the same words, in which only their order tells the label."""
    random = np.random.default_rng(seed)
    posts = []
    for i in range(count):
        noise = [f"w{random.integers(8)}" for _ in range(random.integers(1, 5))]
        first, second = ("flood", "over") if i % 2 else ("over", "flood")
        posts.append(Post(f"{seed}-{i}", text=" ".join([*noise, first, second, *noise[::-1]]), label="ab"[i % 2]))
    return posts


def accuracy(model: NetClassifier, posts: list[Post]) -> float:
    best = model.predict_proba(posts).argmax(1)
    return float(np.mean([model.classes_[k] == post.label for k, post in zip(best, posts, strict=True)]))


def tuned(weights: Path, **changes: object) -> Encoder:
    training = Training(epochs=12, batch_size=16, learning_rate=5e-3)
    given = {"modality": "text", "weights": str(weights), "frozen": False, "head": "linear", "training": training}
    return Encoder.model_validate({**given, **changes})


def test_rows_of_tokens_are_padded_to_the_longest_among_them_alone() -> None:
    tokens = Tokens([[1, 2, 3], [4], [5, 6]])
    assert single(tokens[torch.tensor([1, 2])]).tolist() == [[4, PADDING], [5, 6]]
    assert single(tokens[torch.tensor([0, 1])]).tolist() == [[1, 2, 3], [4, PADDING, PADDING]]
    assert single(tokens[torch.tensor([], dtype=torch.int64)]).shape == (0, 0)
    assert tokens.lengths.tolist() == [3, 1, 2]


def test_texts_of_like_length_share_a_batch_and_each_comes_once_an_epoch() -> None:
    tokens = lengthy(400)
    batches = list(feed(tokens).batches(1))
    assert sorted(chain.from_iterable(batch.rows.tolist() for batch in batches)) == list(range(400))
    spread = [int(tokens.lengths[batch.rows].max() - tokens.lengths[batch.rows].min()) for batch in batches]
    assert max(spread) <= 3
    longest = [single(batch.inputs).shape[1] for batch in batches]
    assert longest == [int(tokens.lengths[batch.rows].max()) for batch in batches]
    assert longest != sorted(longest)


def test_batches_by_length_differ_by_epoch_and_can_be_resumed_anywhere() -> None:
    made = feed(lengthy(90))
    whole = [batch.rows.tolist() for batch in made.batches(2)]
    assert whole == [batch.rows.tolist() for batch in made.batches(2)]
    assert whole != [batch.rows.tolist() for batch in made.batches(3)]
    assert len(whole) == len(made)
    for start in range(len(whole)):
        assert [batch.rows.tolist() for batch in made.batches(2, start=start)] == whole[start:]


def test_answers_stand_in_the_order_of_the_rows_whatever_their_lengths() -> None:
    class Echo(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = nn.Parameter(torch.zeros(1))

        def forward(self, tokens: Tensor) -> Tensor:
            return tokens[:, :1].float()

    assert answers(Echo(), lengthy(700))[:, 0].tolist() == list(range(700))


def test_a_vocabulary_holds_the_words_of_enough_texts_most_frequent_first(tmp_path: Path) -> None:
    words = Vocabulary(min_posts=2, most=3, max_tokens=4).learn(["a b c a", "b c d", "b, e", "c"])
    assert words.numbers(["b c a d", "e b", "", "b b b b b b"]) == [[1, 2, 0, 0], [0, 1], [0], [1, 1, 1, 1]]
    words.save(tmp_path / "words.json")
    loaded = Vocabulary(min_posts=2, most=3, max_tokens=4).load(tmp_path / "words.json")
    assert loaded.numbers(["c b x"]) == [[2, 1, 0]]
    assert len(loaded) == len(words) == 3


def test_of_words_that_are_all_rare_each_is_known() -> None:
    assert Vocabulary(min_posts=5, most=9, max_tokens=4).learn(["x y"]).numbers(["y x z"]) == [[2, 1, 0]]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_recurrent_net_learns_what_the_order_of_words_says(cell: str, pooling: str) -> None:
    changes = {"cell": cell, "pooling": pooling, "embedding": 16, "hidden": 16, "dropout": 0.0, "training": LONGER}
    model = NetClassifier(Recurrent.model_validate(changes), seed=1).fit(ordered(160))
    assert accuracy(model, ordered(60, seed=1)) > 0.9


def test_what_stands_after_the_end_of_a_text_is_never_read() -> None:
    model = NetClassifier(Recurrent(min_posts=1, training=Training(epochs=1)), seed=1).fit(made_posts(40))
    short, long = Post("s", text="banjir air"), Post("l", text="banjir air " * 30)
    alone, beside = model.predict_proba([short]), model.predict_proba([short, long])[:1]
    np.testing.assert_allclose(alone, beside, atol=1e-7)


def test_a_text_of_words_that_were_never_seen_is_read_all_the_same() -> None:
    model = NetClassifier(Recurrent(training=Training(epochs=1)), seed=1).fit(made_posts(40))
    answer = model.answer([Post("x", text="zzz qqq"), Post("e", text="http://t.co/x"), Post("s", text="\ud800")])
    assert answer.used == [("text",), (), ("text",)]
    assert np.isfinite(answer.probabilities).all()


def test_a_vocabulary_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    spec = Recurrent(training=Training(epochs=1))
    NetClassifier(spec).fit(made_posts(20)).save(tmp_path)
    path = tmp_path / "tower" / "words.json"
    words = path.read_text()
    path.write_text("3")
    with pytest.raises(BundleError, match="is not a vocabulary"):
        NetClassifier(spec).load(tmp_path)
    path.write_text(words.replace('"', '"x", "', 1))
    with pytest.raises(BundleError, match="does not hold the weights"):
        NetClassifier(spec).load(tmp_path)


def test_a_text_encoder_learns_and_what_is_saved_answers_the_same_without_its_folder(
    text_encoder: Path, tmp_path: Path
) -> None:
    mine = shutil.copytree(text_encoder, tmp_path / "weights")
    model = NetClassifier(tuned(mine), seed=1).fit(made_posts(120))
    posts = [post for post in made_posts(60, seed=1) if post.text]
    assert accuracy(model, posts) > 0.8
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    shutil.rmtree(mine)
    loaded = NetClassifier(tuned(mine), seed=1).load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.predict_proba(posts), model.predict_proba(posts), atol=1e-6)
    files = [path for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} <= SUFFIXES
    assert [path.name for path in files if path.suffix == ".safetensors"] == ["net.safetensors"]
    assert "tokenizer.json" in {path.name for path in files}


@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_tuning_starts_from_what_the_frozen_encoder_says(text_encoder: Path, pooling: str) -> None:
    texts = ["banjir air", "kopi murah lucu the flood water", "hujan"]
    reader = TextReader(text_encoder, pooling=pooling, max_tokens=16, batch_size=2)
    frozen = np.stack([np.asarray(row) for row in reader.rows([text.encode() for text in texts])])
    tower = TextTower(tuned(text_encoder, pooling=pooling, max_tokens=16))
    tower.prepare([])
    readings = tower.read([Post(str(i), text=text) for i, text in enumerate(texts)])
    layers, width = tower.build(readings)
    found = answers(layers, readings.inputs)
    assert found.shape == (3, width)
    np.testing.assert_allclose(found.numpy(), frozen, atol=1e-5)


def test_the_layers_of_a_text_encoder_hold_every_parameter_once_from_embeddings_upwards(text_encoder: Path) -> None:
    tower = TextTower(tuned(text_encoder))
    tower.prepare([])
    layers, _ = tower.build(tower.read([]))
    upwards = layers.layers_upwards()  # type: ignore[operator]  # Every tower's layers name their own.
    held = [id(each) for each in chain.from_iterable(layer.parameters() for layer in upwards)]
    assert sorted(held) == sorted(id(each) for each in layers.parameters())
    assert len(upwards) == 3  # Embeddings and two layers.


def test_a_text_that_is_too_long_for_the_encoder_is_cut(text_encoder: Path) -> None:
    assert len(PretrainedTokenizer(text_encoder, max_tokens=500).numbers(["air " * 200])[0]) == 64
    assert len(PretrainedTokenizer(text_encoder, max_tokens=8).numbers(["air " * 200])[0]) == 8


def test_static_embeddings_cannot_be_tuned(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no layers to tune"):
        NetClassifier(tuned(tiny_static_encoder(tmp_path))).fit(made_posts(10))


def test_settings_that_change_pictures_are_refused_where_texts_are_read() -> None:
    augmented = {"augmentation": {"flip": True}}
    source = {"kind": "synthetic"}
    for model in (
        {"kind": "recurrent", "training": augmented},
        {"kind": "encoder", "modality": "text", "weights": "x", "frozen": False, "head": "mlp", "training": augmented},
    ):
        with pytest.raises(RecipeError, match=r"training\.augmentation changes pictures"):
            check_recipe({"name": "x", "source": source, "model": model}, where="it")


class Killed(Exception):
    """The process ends here."""


@dataclass
class Deadly:
    """Texts that kill whoever asks for them once too often."""

    tokens: Tokens
    left: int

    @property
    def lengths(self) -> Tensor:
        return self.tokens.lengths

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, rows: Tensor, /) -> Tensor:
        self.left -= 1
        if self.left < 0:
            raise Killed
        return self.tokens[rows]


def test_a_fit_on_texts_that_dies_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    spec = Recurrent(min_posts=1, hidden=8, embedding=8, training=Training(epochs=2, batch_size=8))
    posts = [post for post in made_posts(40) if post.text]
    labels = torch.tensor([post.label == "INFO" for post in posts]).long()

    def run(folder: Path | None, left: int = 10**9) -> list[Tensor]:
        classifier = NetClassifier(spec, seed=1)
        tower = classifier._tower
        tower.prepare(posts)
        readings = tower.read(posts)
        with torch.random.fork_rng():
            torch.manual_seed(3)
            layers, width = tower.build(readings)
            module = nn.Sequential(layers, nn.Linear(width, 2))
        assert isinstance(readings.inputs, Tokens)
        examples = Examples(readings.inputs, labels, [post.id for post in posts], ["a", "b"])
        deadly = replace(examples, inputs=Deadly(readings.inputs, left))
        train(module, deadly, settings=spec.training, seed=2, progress=Progress(checkpoints=folder, every_s=0.0))
        return [each.clone() for each in module.state_dict().values()]

    whole = run(None)
    for left in (1, 4, 7):
        folder = tmp_path / str(left)
        with pytest.raises(Killed):
            run(folder, left)
        assert all(torch.equal(a, b) for a, b in zip(run(folder), whole, strict=True))


def test_cleaning_is_what_the_recipe_says() -> None:
    spec = Recurrent(min_posts=1, cleaning=Cleaning(lower=False), training=Training(epochs=1))
    tower = NetClassifier(spec)._tower
    posts = [Post("1", text="AIR @you http://x.yz"), Post("2", text="@only"), Post("3")]
    tower.prepare(posts)
    readings = tower.read(posts)
    assert readings.seen.tolist() == [True, False, False]
    assert single(readings.inputs[torch.tensor([0])]).tolist() == [[1]]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_recurrent_net_learns_in_half_precision_too(cell: str) -> None:
    for precision in ("float16", "bfloat16"):
        training = Training.model_validate({"epochs": 1, "precision": precision})
        spec = Recurrent.model_validate({"cell": cell, "hidden": 4, "training": training})
        assert np.isfinite(NetClassifier(spec).fit(made_posts(20)).predict_proba(made_posts(8))).all()


def test_what_a_recurrent_net_drops_is_drawn_by_the_seed_and_not_by_the_cells_on_their_own() -> None:
    layers = RecurrentLayers(Recurrent(layers=3, dropout=0.5, embedding=4, hidden=4), n_words=9)
    assert [each.dropout for each in layers.modules() if isinstance(each, nn.RNNBase)] == [0.0] * 3
    words, passes = torch.arange(8).view(1, 8), []
    layers.dropout.eval()
    for training in (True, False):
        layers.dropout.train(training)
        torch.manual_seed(0)
        states: list[Tensor] = []
        handle = layers.cells[1].register_forward_pre_hook(lambda _, inputs, to=states: to.append(inputs[0].data))
        layers(words)
        handle.remove()
        passes.append(float((states[0] == 0).float().mean()))
    assert passes[0] > 0.3
    assert passes[1] == 0


def test_a_text_without_a_token_is_answered_whatever_its_company(tmp_path: Path) -> None:
    path = tiny_text_encoder(tmp_path / "bare") / "tokenizer.json"
    facts = json.loads(path.read_text())
    path.write_text(json.dumps({**facts, "post_processor": None}))  # So that nothing marks beginning and end.
    model = NetClassifier(tuned(path.parent, training=Training(epochs=1))).fit(made_posts(20))
    empty = Post("empty", text="\u200b")
    alone, together = model.predict_proba([empty]), model.predict_proba([empty, *made_posts(4)])
    np.testing.assert_allclose(alone, together[:1], atol=1e-5)
