"""Pretrained image encoders that are fine-tuned, of every architecture that there is a tiny one of."""

import io
import json
import shutil
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from siaga.bundle import SUFFIXES
from siaga.errors import BundleError, DataError
from siaga.features.encoders import ImageReader, image_side
from siaga.models.backbone import load_backbone
from siaga.models.net import NetClassifier
from siaga.models.optimizers import build_optimizer
from siaga.models.towers import Headed
from siaga.models.training import train
from siaga.post import Pixels, Post
from siaga.schema import Encoder, Training
from tests.made import made_posts, picture
from tests.tiny_encoders import tiny_image_encoder

ARCHITECTURES = ("resnet", "vit", "convnext", "efficientnet")
TRAINING = Training(epochs=15, batch_size=16, learning_rate=5e-3)


@pytest.fixture(scope="session")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each architecture, and for a ViT whose pooler was never trained."""
    folder = tmp_path_factory.mktemp("encoders")
    made = {name: tiny_image_encoder(folder / name, architecture=name) for name in ARCHITECTURES}
    return {**made, "bare": tiny_image_encoder(folder / "bare", architecture="vit", pooler=False)}


def spec(weights: Path, training: Training = TRAINING, **changes: object) -> Encoder:
    given = {"modality": "image", "weights": str(weights), "frozen": False, "head": "linear", "training": training}
    return Encoder.model_validate({**given, **changes})


def coloured(count: int, *, seed: int = 0) -> list[Post]:
    """Pictures that are mostly blue below, or mostly brown."""
    random = np.random.default_rng(seed)
    return [
        Post(f"{i}", image=picture(i % 2 == 0, int(random.integers(10**6))), label=("blue", "brown")[i % 2])
        for i in range(count)
    ]


def accuracy(model: NetClassifier, posts: list[Post]) -> float:
    best = model.predict_proba(posts).argmax(1)
    return float(np.mean([model.classes_[k] == post.label for k, post in zip(best, posts, strict=True)]))


def tuned(folder: Path, *, side: int = 32) -> Headed:
    """A backbone and a head, as they are before they learn."""
    backbone = load_backbone(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Headed(backbone, nn.Linear(backbone.width(side), 2))


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: each.clone() for name, each in module.state_dict().items()}


def learn(module: nn.Module, **settings: object) -> None:
    from siaga.models.examples import Examples

    pixels = torch.randint(0, 256, (12, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    examples = Examples(pixels, torch.arange(12) % 2, [str(i) for i in range(12)], ["a", "b"])
    train(module, examples, settings=Training.model_validate({"batch_size": 4, "epochs": 1, **settings}), seed=0)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_fine_tuning_learns_and_what_is_saved_answers_the_same_without_the_weights(
    name: str, encoders: dict[str, Path], tmp_path: Path
) -> None:
    mine = shutil.copytree(encoders[name], tmp_path / "weights")
    model = NetClassifier(spec(mine), seed=1).fit(coloured(60))
    posts = coloured(40, seed=1)
    assert accuracy(model, posts) > 0.9
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    shutil.rmtree(mine)
    loaded = NetClassifier(spec(mine), seed=1).load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.predict_proba(posts), model.predict_proba(posts), atol=1e-6)
    kinds = {path.suffix for path in (tmp_path / "saved").rglob("*") if path.is_file()}
    assert kinds == {".json", ".safetensors"}
    assert kinds <= SUFFIXES


@pytest.mark.parametrize("name", [*ARCHITECTURES, "bare"])
def test_the_layers_hold_every_parameter_once_from_the_stem_to_the_head(name: str, encoders: dict[str, Path]) -> None:
    module = tuned(encoders[name])
    layers = module.layers_upwards()
    held = [id(each) for each in chain.from_iterable(layer.parameters() for layer in layers)]
    assert sorted(held) == sorted(id(each) for each in module.parameters())
    names = {id(each): number for number, each in enumerate(module.parameters())}  # From the stem on, as it is built.
    lowest = [min(names[id(each)] for each in layer.parameters()) for layer in layers]
    assert lowest == sorted(lowest)
    assert layers[-1] is module.head
    assert len(layers) >= 4


@pytest.mark.parametrize("name", [*ARCHITECTURES, "bare"])
def test_every_parameter_learns(name: str, encoders: dict[str, Path]) -> None:
    module = tuned(encoders[name])
    before = weights(module)
    learn(module, epochs=3, optimizer="adam", learning_rate=1e-2, weight_decay=0)
    still = [key for key, each in module.named_parameters() if torch.equal(each, before[key])]
    assert still == []


@pytest.mark.parametrize("name", [*ARCHITECTURES, "bare"])
def test_lower_layers_have_lower_rates(name: str, encoders: dict[str, Path]) -> None:
    module = tuned(encoders[name])
    groups = build_optimizer(module, Training(layer_decay=0.5)).param_groups
    share = {id(each): group["share"] for group in groups for each in group["params"]}
    for above, layer in enumerate(reversed(module.layers_upwards())):
        assert {share[id(each)] for each in layer.parameters()} == {0.5**above}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_frozen_epochs_leave_the_body_and_its_statistics_as_they_were(name: str, encoders: dict[str, Path]) -> None:
    module = tuned(encoders[name])
    body, head = weights(module.lower), weights(module.head)
    learn(module, epochs=2, epochs_frozen=2)
    assert all(torch.equal(each, body[key]) for key, each in module.lower.state_dict().items())
    assert not torch.equal(module.head.state_dict()["weight"], head["weight"])


@pytest.mark.parametrize("name", [*ARCHITECTURES, "bare"])
def test_a_backbone_starts_from_what_the_frozen_encoder_says(name: str, encoders: dict[str, Path]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    reader = ImageReader(encoders[name], image_size=None, batch_size=2)
    rows = np.stack([np.asarray(row) for row in reader.rows([Pixels(32, 32, 3, each.tobytes()) for each in pixels])])
    backbone = load_backbone(encoders[name]).eval()
    with torch.inference_mode():
        features = backbone(torch.from_numpy(pixels).permute(0, 3, 1, 2))
        as_shares = backbone(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    np.testing.assert_allclose(features.numpy(), rows, atol=1e-4)
    torch.testing.assert_close(as_shares, features)


def test_a_pooler_that_was_never_trained_is_left_out(encoders: dict[str, Path]) -> None:
    bare, whole = load_backbone(encoders["bare"]), load_backbone(encoders["vit"])
    assert not [name for name in bare.state_dict() if "pooler" in name]
    assert [name for name in whole.state_dict() if "pooler" in name]


def test_grey_pictures_are_read_without_their_colours(encoders: dict[str, Path]) -> None:
    model = NetClassifier(spec(encoders["resnet"], Training(epochs=1), grey=True), seed=1).fit(coloured(20))
    posts = coloured(6, seed=1)
    drained = []
    for post in posts:
        assert isinstance(post.image, bytes)
        stream = io.BytesIO()
        Image.open(io.BytesIO(post.image)).convert("L").save(stream, "PNG")
        drained.append(Post(post.id, image=stream.getvalue()))
    np.testing.assert_allclose(model.predict_proba(drained), model.predict_proba(posts), atol=1e-6)
    in_colour = NetClassifier(spec(encoders["resnet"], Training(epochs=1)), seed=1).fit(coloured(20))
    assert np.abs(in_colour.predict_proba(drained) - in_colour.predict_proba(posts)).max() > 1e-3


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_pictures_of_another_side_than_its_own_are_read(name: str, encoders: dict[str, Path], tmp_path: Path) -> None:
    model = NetClassifier(spec(encoders[name], Training(epochs=1), image_size=48), seed=1).fit(coloured(20))
    model.save(tmp_path)
    loaded = NetClassifier(spec(encoders[name], Training(epochs=1), image_size=48)).load(tmp_path)
    posts = coloured(6, seed=1)
    np.testing.assert_allclose(loaded.predict_proba(posts), model.predict_proba(posts), atol=1e-6)
    rows = ImageReader(encoders[name], image_size=48, batch_size=4).rows([picture(True, 1)])
    assert np.isfinite(np.asarray(rows[0])).all()


def test_a_side_that_the_encoder_cannot_read_is_refused(encoders: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=r"does not read pictures of 4 × 4 pixels: .*Set model\.image_size"):
        NetClassifier(spec(encoders["vit"], image_size=4)).fit(coloured(8))


def test_the_encoders_own_side_is_that_of_what_it_crops_or_else_of_what_it_resizes(
    encoders: dict[str, Path], tmp_path: Path
) -> None:
    assert image_side(encoders["resnet"], None) == 32
    assert image_side(encoders["resnet"], 48) == 48
    square, crop = {"height": 30, "width": 30}, {"height": 40, "width": 40}
    for is_cropped, side in ((True, 40), (False, 30)):
        config = {"size": square, "crop_size": crop, "do_center_crop": is_cropped}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
        assert image_side(tmp_path, None) == side
    (tmp_path / "preprocessor_config.json").write_text("{}")
    with pytest.raises(DataError, match=r"does not say how large its images are\. Set model\.image_size"):
        image_side(tmp_path, None)


def test_posts_without_an_image_get_the_class_frequencies(encoders: dict[str, Path]) -> None:
    model = NetClassifier(spec(encoders["resnet"], Training(epochs=1)), seed=1).fit(made_posts(30))
    answer = model.answer([Post("words", text="banjir"), Post("broken", image=b"nothing")])
    np.testing.assert_allclose(answer.probabilities, 0.5)
    assert answer.used == [(), ()]
    assert list(answer.faults) == [1]


def test_a_backbone_that_was_tampered_with_is_refused(encoders: dict[str, Path], tmp_path: Path) -> None:
    NetClassifier(spec(encoders["resnet"], Training(epochs=1)), seed=1).fit(coloured(8)).save(tmp_path)
    (tmp_path / "tower" / "backbone.json").write_text("[]")
    with pytest.raises(BundleError, match=r"backbone\.json does not describe an encoder"):
        NetClassifier(spec(encoders["resnet"])).load(tmp_path)
