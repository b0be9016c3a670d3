import json
import logging
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from siaga.errors import BundleError, DataError
from siaga.features.embeddings import Embeddings
from siaga.features.encoders import ImageReader, TextReader
from siaga.features.images import read_image
from siaga.features.weights import find_weights, fingerprint
from siaga.models.classifier import Progress, build_model, silent
from siaga.models.encoder import EncoderClassifier
from siaga.post import Picture, Pixels, Post
from siaga.schema import Encoder
from tests.made import made_posts, picture
from tests.tiny_encoders import tiny_image_encoder, tiny_static_encoder, tiny_text_encoder

SHARED = Path(os.environ.get("SIAGA_SHARED", Path(__file__).parents[2] / "shared"))
TRAIN = made_posts(120)
ASKED = made_posts(60, seed=1)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("weights")
    return {
        "text": tiny_text_encoder(root / "text"),
        "image": tiny_image_encoder(root / "image"),
        "static": tiny_static_encoder(root / "static"),
    }


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a cache of its own and no network."""

    def refuse(*_: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setenv("SIAGA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(socket.socket, "connect", refuse)


def encoder(folders: dict[str, Path], name: str, **choices: object) -> Encoder:
    modality = "image" if name == "image" else "text"
    return Encoder.model_validate({"modality": modality, "weights": str(folders[name]), "hidden": (8,), **choices})


def embed(spec: Encoder, posts: list[Post]) -> NDArray[np.float32]:
    return Embeddings(spec, find_weights(spec.weights)).embed(posts, progress=silent).rows


def texts(*contents: str) -> list[Post]:
    return [Post(str(i), text=content) for i, content in enumerate(contents)]


@pytest.mark.parametrize("name", ["text", "static", "image"])
@pytest.mark.parametrize("head", ["logistic", "mlp"])
def test_a_head_on_random_features_learns(name: str, head: str, folders: dict[str, Path]) -> None:
    model = EncoderClassifier(encoder(folders, name, head=head), seed=1).fit(TRAIN, validation=made_posts(60, seed=2))
    answer = model.answer(ASKED)
    right = [
        model.classes_[row.argmax()] == post.label
        for row, post, used in zip(answer.probabilities, ASKED, answer.used, strict=True)
        if used
    ]
    assert len(right) > 40
    assert np.mean(right) > 0.75


def test_text_rows_are_the_mean_over_the_texts_own_tokens(folders: dict[str, Path]) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folders["text"])
    model = AutoModel.from_pretrained(folders["text"]).eval()
    posts = texts("banjir", "air tergenang setinggi lutut di jalan kota", "promo kopi 12345")
    for pooling in ("mean", "first"):
        rows = embed(encoder(folders, "text", pooling=pooling), posts)
        for row, post in zip(rows, posts, strict=True):
            with torch.inference_mode():
                hidden = model(**tokenizer(post.text, return_tensors="pt")).last_hidden_state[0]
            expected = hidden.mean(0) if pooling == "mean" else hidden[0]
            np.testing.assert_allclose(row, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("name", ["text", "static", "image"])
def test_a_row_does_not_depend_on_its_company(
    name: str, folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = encoder(folders, name, batch_size=7)
    posts = [post for post in made_posts(80) if post.text and post.image]
    together = embed(spec, posts)
    monkeypatch.setenv("SIAGA_CACHE", str(tmp_path / "other"))
    alone = np.vstack([embed(spec, [post]) for post in posts[:12]])
    np.testing.assert_allclose(alone, together[:12], atol=1e-5)


def test_pixels_have_the_row_of_the_picture_that_they_are(folders: dict[str, Path]) -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    one, other = Pixels(40, 40, 3, drawn.tobytes()), Pixels(40, 40, 3, drawn[::-1].tobytes())
    images: list[Picture] = [one, read_image(one), other]
    spec = encoder(folders, "image")
    computed = embed(spec, [Post(str(i), image=image) for i, image in enumerate(images)])
    np.testing.assert_array_equal(computed[0], computed[1])
    assert not np.allclose(computed[0], computed[2])
    np.testing.assert_array_equal(embed(spec, [Post("again", image=other)])[0], computed[2])  # From the cache.


def test_long_texts_are_cut_where_the_encoder_ends(folders: dict[str, Path]) -> None:
    long = "banjir " * 500
    for tokens in (16, 128):
        rows = embed(encoder(folders, "text", max_tokens=tokens), texts(long, long + "kopi " * 9))
        np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)


@pytest.mark.parametrize("shortest_edge", [False, True])
def test_image_rows_are_those_of_transformers_own_preprocessing(shortest_edge: bool, tmp_path: Path) -> None:
    from transformers import AutoImageProcessor, AutoModel

    from siaga.features.images import open_image

    folder = tiny_image_encoder(tmp_path / "image", shortest_edge=shortest_edge)
    content = picture(True, 3)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    inputs = processor(open_image(content), return_tensors="pt")
    with torch.inference_mode():
        expected = AutoModel.from_pretrained(folder).eval()(**inputs).pooler_output.flatten()
    spec = Encoder(modality="image", weights=str(folder))
    np.testing.assert_allclose(embed(spec, [Post("1", image=content)])[0], expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("shortest_edge", [False, True])
def test_the_image_size_can_be_chosen(shortest_edge: bool, tmp_path: Path) -> None:
    folder = tiny_image_encoder(tmp_path / "image", shortest_edge=shortest_edge)
    read = ImageReader(folder, image_size=48, batch_size=4)._read(picture(True, 3))
    assert not isinstance(read, str)
    assert read.shape[0] == 3
    assert min(read.shape[1:]) == 48
    own, other = (Encoder(modality="image", weights=str(folder), image_size=side) for side in (None, 48))
    post = [Post("1", image=picture(True, 3))]
    assert not np.allclose(embed(own, post), embed(other, post))


def test_a_pooler_that_was_never_trained_is_not_used(tmp_path: Path) -> None:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16
    )
    folder = tiny_image_encoder(tmp_path / "vit")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ViTForImageClassification(config).eval()
    model.save_pretrained(folder)
    spec = Encoder(modality="image", weights=str(folder))
    before = torch.get_rng_state()
    rows = embed(spec, [Post("1", image=picture(True, 3))])
    assert torch.equal(torch.get_rng_state(), before)
    reader = ImageReader(folder, image_size=None, batch_size=1)
    pixels = reader._read(picture(True, 3))
    assert not isinstance(pixels, str)
    with torch.inference_mode():
        expected = model.vit(torch.from_numpy(pixels)[None]).last_hidden_state.mean(1)
    np.testing.assert_allclose(rows, expected.numpy(), atol=1e-5)


def test_a_second_run_computes_nothing(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, reader in (("text", TextReader), ("image", ImageReader)):
        spec = encoder(folders, name)
        first = EncoderClassifier(spec).fit(TRAIN)
        expected = first.predict_proba(ASKED)

        def refuse(*_: object, **__: object) -> None:
            raise AssertionError("the encoder was loaded")

        with monkeypatch.context() as patch:
            patch.setattr(reader, "__init__", refuse)
            np.testing.assert_array_equal(EncoderClassifier(spec).fit(TRAIN).predict_proba(ASKED), expected)


def test_the_fingerprint_holds_all_that_changes_a_row_and_nothing_else(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folders["text"], copy)
    assert fingerprint(copy, {"a": 1}) == fingerprint(folders["text"], {"a": 1}) != fingerprint(copy, {"a": 2})
    (copy / "notes.md").write_text("something")
    assert fingerprint(copy, {"a": 1}) == fingerprint(folders["text"], {"a": 1})
    (copy / "tokenizer.json").write_text((copy / "tokenizer.json").read_text() + " ")
    assert fingerprint(copy, {"a": 1}) != fingerprint(folders["text"], {"a": 1})
    other = tiny_text_encoder(tmp_path / "other", seed=1)
    posts = texts("banjir di jalan")
    assert not np.allclose(embed(encoder(folders, "text"), posts), embed(encoder({"text": other}, "text"), posts))


def test_images_that_cannot_be_read_are_faults_and_teach_nothing(
    folders: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "page.jpg").write_text("<html>")
    readable = [post for post in TRAIN if post.image]
    broken = [replace(readable[0], id="b1", image=tmp_path / "page.jpg"), replace(readable[1], id="b2", image=b"x")]
    absent = replace(readable[2], id="b3", image=tmp_path / "absent.jpg")
    model = EncoderClassifier(encoder(folders, "image")).fit([*broken, absent, *readable])
    assert "3 images cannot be read" in caplog.text
    assert "'b1'" in caplog.text
    plain = EncoderClassifier(encoder(folders, "image")).fit(readable)
    np.testing.assert_array_equal(model.predict_proba(readable), plain.predict_proba(readable))
    answer = model.answer([*broken, absent, readable[0]])
    assert answer.used == [(), (), (), ("image",)]
    assert sorted(answer.faults) == [0, 1, 2]
    assert answer.faults[0].startswith(f"{tmp_path / 'page.jpg'} is not a JPEG")
    assert "absent.jpg is missing" in answer.faults[2]


def test_a_text_of_which_cleaning_leaves_nothing_is_missing(folders: dict[str, Path]) -> None:
    model = EncoderClassifier(encoder(folders, "text")).fit(TRAIN)
    answer = model.answer(texts("https://t.co/x @someone", "banjir", "lone \ud800 surrogate"))
    assert answer.used == [(), ("text",), ("text",)]


def test_without_the_modality_the_answer_is_the_class_frequencies(
    folders: dict[str, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model = EncoderClassifier(encoder(folders, "image")).fit([post.without_image() for post in TRAIN])
    assert "Fewer than two classes have a readable image" in caplog.text
    (tmp_path / "m").mkdir()
    model.save(tmp_path / "m")
    loaded = EncoderClassifier(encoder(folders, "image")).load(tmp_path / "m")
    for fitted in (model, loaded):
        np.testing.assert_allclose(fitted.predict_proba(ASKED), 0.5)


@pytest.mark.parametrize("head", ["logistic", "mlp"])
def test_balance_raises_the_rare_class(head: str, folders: dict[str, Path]) -> None:
    info = [post for post in made_posts(400, seed=3) if post.label == "INFO"]
    rare = [post for post in made_posts(400, seed=3) if post.label == "NO_INFO"][:12]
    shares = []
    for balanced in (False, True):
        remedy = {"balanced": True} if head == "logistic" else {"training": {"class_weights": True, "epochs": 60}}
        spec = encoder(folders, "text", head=head, **(remedy if balanced else {}))
        model = EncoderClassifier(spec).fit([*info, *rare])
        shares.append(model.predict_proba([post for post in ASKED if post.text])[:, 1].mean())
    assert shares[1] > shares[0] + 0.1


@pytest.mark.parametrize("head", ["logistic", "mlp"])
def test_a_class_without_a_training_post_keeps_its_frequency(head: str, folders: dict[str, Path]) -> None:
    validation = [*made_posts(20, seed=4), Post("m", text="banjir", label="MAYBE"), Post("s", text="x", label="ODD")]
    model = EncoderClassifier(encoder(folders, "text", head=head))
    model.fit(TRAIN, validation=validation, classes=["INFO", "MAYBE", "NO_INFO"])
    np.testing.assert_allclose(model.predict_proba(ASKED)[:, 1], 1 / 123)


@pytest.mark.parametrize("name", ["text", "static", "image"])
def test_a_saved_folder_needs_nothing_else(name: str, tmp_path: Path) -> None:
    make = {"text": tiny_text_encoder, "static": tiny_static_encoder, "image": tiny_image_encoder}[name]
    folder = make(tmp_path / "weights")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling.py").write_text("raise SystemExit")
    spec = Encoder(modality="image" if name == "image" else "text", weights=str(folder))
    model = EncoderClassifier(spec).fit(TRAIN)
    expected = model.predict_proba(ASKED)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    shutil.rmtree(folder)
    shutil.rmtree(tmp_path / "cache", ignore_errors=True)
    loaded = EncoderClassifier(spec).load(tmp_path / "saved")
    np.testing.assert_allclose(loaded.predict_proba(ASKED), expected, atol=1e-6)
    kinds = {path.suffix for path in (tmp_path / "saved").rglob("*.*") if path.is_file()}
    assert kinds <= {".json", ".safetensors", ".skops"}


def test_a_changed_head_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    spec = encoder(folders, "text", head="mlp")
    EncoderClassifier(spec).fit(TRAIN).save(tmp_path)
    (tmp_path / "head.json").write_text(json.dumps({"width": 9, "classes": [0, 1]}))
    with pytest.raises(BundleError, match="does not hold the weights"):
        EncoderClassifier(spec).load(tmp_path)
    (tmp_path / "head.json").write_text("{}")
    with pytest.raises(BundleError, match="does not describe a head"):
        EncoderClassifier(spec).load(tmp_path)


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("{")


def break_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"short")


def lack_a_layer(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "layer.1.output.dense" not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def set_positions(folder: Path, value: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "max_position_embeddings": value}))


def hold_a_nan(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor * torch.nan for name, tensor in tensors.items()}, folder / "model.safetensors", {"format": "pt"}
    )


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (break_config, "config.json cannot be read|cannot be used as an encoder"),
        (break_weights, "cannot be used as an encoder"),
        (lack_a_layer, "its weights lack encoder.layer.1.output.dense.bias"),
        (hold_a_nan, "not finite"),
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "model.safetensors").rename(folder / "model.bin"), r"\*.safetensors is missing"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot be used as an encoder"),
        (lambda folder: set_positions(folder, "many"), "cannot be used as an encoder"),
        (lambda folder: [path.unlink() for path in folder.glob("tokenizer*")], "its tokenizer knows no words"),
        (shutil.rmtree, "does not exist|on this machine"),
    ],
)
def test_weights_that_cannot_be_used_are_said(damage: object, said: str, tmp_path: Path) -> None:
    folder = tiny_text_encoder(tmp_path / "w")
    assert callable(damage)
    damage(folder)
    with pytest.raises(DataError, match=said) as caught:
        EncoderClassifier(Encoder(modality="text", weights=str(folder))).fit(TRAIN)
    assert "\n" not in str(caught.value)


def test_an_encoder_of_the_other_modality_is_said(folders: dict[str, Path]) -> None:
    for modality, name in (("image", "text"), ("text", "image")):
        spec = Encoder.model_validate({"modality": modality, "weights": str(folders[name])})
        with pytest.raises(DataError, match=r"preprocessor_config\.json|cannot be used as an encoder"):
            EncoderClassifier(spec).fit(TRAIN)


@pytest.mark.parametrize(
    ("changes", "image_size"),
    [
        ({"image_std": [0.5]}, None),
        ({"image_mean": ["a", 0.5, 0.5]}, None),
        ({"size": {"height": -1, "width": -1}}, None),
        ({"size": 0}, None),
        ({"crop_size": [1]}, None),
        ({}, 7),
    ],
)
def test_pictures_that_cannot_be_prepared_for_an_encoder_are_said(
    changes: dict[str, object], image_size: int | None, tmp_path: Path
) -> None:
    folder = tiny_image_encoder(tmp_path / "w", architecture="vit")  # Of patches of 8 × 8 pixels.
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    for tuned in ({}, {"frozen": False, "head": "linear"}) if "crop_size" not in changes else ({},):
        spec = {"modality": "image", "weights": str(folder), "image_size": image_size, **tuned}
        with pytest.raises(DataError, match=r"cannot be used as an encoder|does not (read pictures|say how large)"):
            build_model(Encoder.model_validate(spec)).fit(TRAIN[:20])


@pytest.mark.parametrize("frozen", [True, False])
def test_an_encoder_that_was_not_made_for_the_modality_alone_is_said(frozen: bool, tmp_path: Path) -> None:
    from transformers import T5Config, T5Model

    text, other = tiny_text_encoder(tmp_path / "text"), tmp_path / "t5"
    shutil.copy(tiny_image_encoder(tmp_path / "image") / "preprocessor_config.json", text)
    T5Model(T5Config(vocab_size=200, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)).save_pretrained(other)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(text / name, other)
    head = "logistic" if frozen else "linear"
    for modality, folder in (("image", text), ("text", other)):
        spec = Encoder.model_validate({"modality": modality, "weights": str(folder), "frozen": frozen, "head": head})
        with pytest.raises(DataError, match=f"is no encoder of {modality}s alone"):
            build_model(spec).fit(TRAIN[:20])


FROM_THE_HUB = """
import sys
from siaga.errors import DataError
from siaga.features.weights import find_weights
try:
    print(find_weights("owner/model", download=sys.argv[1] == "yes"))
except DataError as error:
    print(error)
"""


def from_the_hub(cache: Path, *, download: bool) -> str:
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "HF_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", FROM_THE_HUB, "yes" if download else "no"]
    run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, timeout=60)
    assert run.stderr == ""
    return run.stdout.strip()


def test_a_hub_model_is_taken_from_the_local_cache_and_fetched_only_when_asked(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    assert "Set weights to a local folder, or download = true" in from_the_hub(tmp_path, download=False)
    assert "cannot be fetched" in from_the_hub(tmp_path, download=True)
    stored = tmp_path / "models--owner--model"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text("c0ffee")
    shutil.copytree(folders["text"], stored / "snapshots" / "c0ffee")
    for download in (False, True):
        assert from_the_hub(tmp_path, download=download) == str(stored / "snapshots" / "c0ffee")


def test_progress_is_told_and_nothing_is_drawn(
    folders: dict[str, Path], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    events: list[Mapping[str, object]] = []
    spec = encoder(folders, "text", batch_size=4)
    before = torch.get_rng_state()
    EncoderClassifier(spec).fit(TRAIN, progress=Progress(events.append))
    done = [event["done"] for event in events if event["step"] == "embed"]
    assert done == [32, 64, 96, 120]
    assert {event["total"] for event in events if event["step"] == "embed"} == {120}
    assert torch.equal(torch.get_rng_state(), before)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert [record.name for record in caplog.records if record.name.startswith("transformers")] == []


def test_real_encoders_tell_real_posts_apart() -> None:
    if not (SHARED / "weights").is_dir():
        pytest.skip(f"the real weights are not at {SHARED}")
    images = sorted((SHARED / "data" / "disaster_images").glob("*/*"))
    floods = [path for path in images if path.parent.name == "flood"][:60]
    fires = [path for path in images if path.parent.name == "wild_fire"][:60]
    posts = [Post(str(path), image=path, label=path.parent.name) for path in [*floods, *fires]]
    spec = Encoder(modality="image", weights=str(SHARED / "weights" / "mobilenet_v1_0.75_224"), C=0.01)
    model = EncoderClassifier(spec).fit(posts[::2])
    named = [model.classes_[k] for k in model.predict_proba(posts[1::2]).argmax(axis=1)]
    assert np.mean([name == post.label for name, post in zip(named, posts[1::2], strict=True)]) > 0.85
    static = Encoder(modality="text", weights=str(SHARED / "weights" / "potion_base_4m_int8"))
    rows = embed(static, texts("the river floods our street", "water is rising in the road", "a new phone for sale"))
    near, far = rows[0] @ rows[1], rows[0] @ rows[2]
    assert near > far + 0.1
