"""Encoders of pairs: each half gives what it was trained to give, alone or tuned, whatever its company."""

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open

from siaga.errors import DataError
from siaga.features.embeddings import Embeddings
from siaga.features.encoders import image_side
from siaga.features.weights import find_weights
from siaga.models.classifier import Features, build_model, silent
from siaga.post import Post
from siaga.schema import Encoder, Fusion, JointFusion, Training
from tests.made import made_posts
from tests.tiny_encoders import tiny_pair_encoder

TRAIN = made_posts(48)
ASKED = [post for post in made_posts(24, seed=1) if post.text and post.image]
KINDS = ["clip", "siglip"]


def square(number: int) -> bytes:
    """Return a PNG of 32 × 32 pixels, which nobody needs to resize or crop."""
    stream = io.BytesIO()
    drawn = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(drawn).save(stream, "PNG")
    return stream.getvalue()


SQUARE = [replace(post, image=square(i)) for i, post in enumerate(ASKED[:8])]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    return {kind: tiny_pair_encoder(root / kind, siglip=kind == "siglip") for kind in KINDS}


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIAGA_CACHE", str(tmp_path / "cache"))


def half(folder: Path, modality: str, **choices: object) -> Encoder:
    return Encoder.model_validate({"modality": modality, "weights": str(folder), **choices})


def embed(spec: Encoder, posts: list[Post]) -> NDArray[np.float32]:
    return Embeddings(spec, find_weights(spec.weights)).embed(posts, progress=silent).rows


def dense(found: Features) -> NDArray[np.float32]:
    assert isinstance(found.rows, np.ndarray)
    return found.rows


def of_transformers(folder: Path, posts: list[Post], modality: str) -> NDArray[np.float32]:
    """What the whole model says of each post alone, prepared as its own documentation has it."""
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    rows = []
    for post in posts:
        with torch.inference_mode():
            if modality == "image":
                assert isinstance(post.image, bytes)
                picture = Image.open(io.BytesIO(post.image)).convert("RGB")
                output = model.get_image_features(**processor(picture, return_tensors="pt"))
            else:
                whole = {"padding": "max_length", "max_length": 16} if "siglip" in folder.name else {}
                tokens = tokenizer([post.text], return_tensors="pt", truncation=True, **whole)
                output = model.get_text_features(tokens["input_ids"])
        rows.append(output.pooler_output[0].numpy())
    return np.stack(rows)


@pytest.mark.parametrize("modality", ["text", "image"])
@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_those_of_the_whole_model_whatever_their_company(
    kind: str, modality: str, folders: dict[str, Path]
) -> None:
    posts = [Post("short", text="banjir", image=ASKED[0].image), *ASKED[:6]]
    rows = embed(half(folders[kind], modality), posts)
    np.testing.assert_allclose(rows, of_transformers(folders[kind], posts, modality), atol=1e-5)
    assert rows.std(0).max() > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_a_tuned_half_starts_from_the_same_features_whatever_their_company(kind: str, folders: dict[str, Path]) -> None:
    training = Training(epochs=1, epochs_frozen=1, batch_size=16)  # The head alone.
    for modality in ("text", "image"):
        spec = half(folders[kind], modality, frozen=False, head="linear", training=training)
        model = build_model(spec).fit(TRAIN)
        together = dense(model.features(SQUARE)[""])
        np.testing.assert_allclose(together, of_transformers(folders[kind], SQUARE, modality), atol=1e-5)
        one = np.vstack([dense(model.features([post])[""]) for post in SQUARE])
        np.testing.assert_allclose(one, together, atol=1e-5)


def test_the_halves_of_one_folder_keep_rows_of_their_own_in_the_cache(folders: dict[str, Path]) -> None:
    same = [Post("1", text="banjir", image=b"banjir"), *ASKED[:2]]
    rows = {modality: embed(half(folders["clip"], modality), same) for modality in ("text", "image")}
    again = {modality: embed(half(folders["clip"], modality), same) for modality in ("text", "image")}
    assert rows["text"].shape == (3, 24)
    assert rows["image"].shape == (2, 24)
    for modality, expected in rows.items():
        np.testing.assert_array_equal(again[modality], expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_joint_net_of_both_halves_is_tuned_and_answers_where_the_weights_are_not(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders[kind], tmp_path / kind)
    members = {name: half(folder, name, frozen=False, head="linear") for name in ("text", "image")}
    training = Training(epochs=2, batch_size=16, learning_rate=5e-3, layer_decay=0.9)
    spec = Fusion(members=members, level="joint", joint=JointFusion(width=8, hidden=(), training=training))
    model = build_model(spec).fit(TRAIN)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    shutil.rmtree(folder)
    loaded = build_model(spec).load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.predict_proba(ASKED), model.predict_proba(ASKED), atol=1e-6)
    with safe_open(tmp_path / "saved" / "joint.safetensors", framework="np") as tensors:
        names = list(tensors.keys())
    text, image = ([name for name in names if name.startswith(f"towers.{i}.")] for i in (0, 1))
    assert any("token_embedding" in name for name in text)
    assert any("patch_embedding" in name for name in image)
    assert not any("patch_embedding" in name for name in text)
    assert not any("token_embedding" in name for name in image)


def test_how_pictures_are_prepared_may_stand_in_the_file_of_a_processor_of_pairs(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = shutil.copytree(folders["clip"], tmp_path / "clip")
    own = (folder / "preprocessor_config.json").read_text()
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(DataError, match=r"preprocessor_config\.json cannot be read"):
        image_side(folder, None)
    (folder / "processor_config.json").write_text(f'{{"processor_class": "CLIPProcessor", "image_processor": {own}}}')
    assert image_side(folder, None) == 32
    found, expected = (embed(half(each, "image"), ASKED[:2]) for each in (folder, folders["clip"]))
    np.testing.assert_array_equal(found, expected)
