"""The pictures of posts as a net reads them: what is missing or broken, and sets too large for memory."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from siaga.errors import DataError, ImageError
from siaga.models import pictures
from siaga.models.classifier import Progress
from siaga.models.feed import single
from siaga.models.net import NetClassifier
from siaga.models.pictures import read_pictures
from siaga.models.towers import Readings
from siaga.post import Pixels, Post
from siaga.schema import Convnet, Residual, Training


def drawn(red: int, *, width: int = 12, height: int = 12) -> bytes:
    """A PNG of one red, with a black right half."""
    pixels = np.zeros((height, width, 3), dtype=np.uint8)
    pixels[:, : width // 2, 0] = red
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def some(count: int) -> list[Post]:
    return [Post(str(i), image=drawn(10 * i + 50), label=("a", "b")[i % 2]) for i in range(count)]


def inputs(read: Readings) -> Tensor:
    return single(read.inputs[torch.arange(len(read.inputs))])


def test_posts_become_pictures_in_their_order() -> None:
    read = read_pictures(some(5), side=12, grey=False)
    assert isinstance(read.inputs, Tensor)
    assert read.inputs.dtype == torch.uint8
    assert read.inputs.shape == (5, 3, 12, 12)
    assert read.inputs[:, 0, 3, 2].tolist() == [50, 60, 70, 80, 90]
    assert int(read.inputs[:, 1:].sum()) == int(read.inputs[:, :, :, 6:].sum()) == 0
    assert read.seen.all()
    assert read.faults == {}


def test_missing_pictures_are_no_faults_and_broken_ones_say_why(tmp_path: Path) -> None:
    whole = drawn(200)
    (tmp_path / "cut.png").write_bytes(whole[:60])
    images = [whole, None, b"no image", tmp_path / "gone.png", tmp_path / "cut.png", whole]
    read = read_pictures([Post(str(i), image=image) for i, image in enumerate(images)], side=8, grey=False)
    assert read.seen.tolist() == [True, False, False, False, False, True]
    assert len(read.inputs) == 2
    assert sorted(read.faults) == [2, 3, 4]
    assert "not a JPEG, PNG, WebP or GIF" in read.faults[2]
    assert f"{tmp_path / 'gone.png'} is missing" in read.faults[3]
    assert f"{tmp_path / 'cut.png'} is damaged" in read.faults[4]


@pytest.mark.parametrize("posts", [[], [Post("1", text="banjir")], [Post("1", image=b"broken")]])
@pytest.mark.parametrize("grey", [True, False])
def test_without_a_readable_picture_there_are_no_rows(posts: list[Post], grey: bool) -> None:
    read = read_pictures(posts, side=8, grey=grey)
    assert inputs(read).shape == (0, 1 if grey else 3, 8, 8)
    assert not read.seen.any()


def test_grey_pictures_have_one_channel_of_their_light() -> None:
    read = read_pictures(some(1), side=12, grey=True)
    assert inputs(read).shape == (1, 1, 12, 12)
    assert int(inputs(read)[0, 0, 3, 2]) == round(0.299 * 50)


def test_the_square_in_the_middle_is_what_is_read() -> None:
    wide = read_pictures([Post("1", image=drawn(100, width=36))], side=12, grey=False)
    assert inputs(wide)[0, 0].float().mean(dim=0)[[0, 5, 6, 11]].tolist() == [100, 100, 0, 0]


def test_pixels_are_taken_as_they_are_and_resized_where_they_must_be() -> None:
    random = np.random.default_rng(0)
    colour = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    grey = random.integers(0, 256, (8, 8), dtype=np.uint8)
    posts = [Post("1", image=Pixels(8, 8, 3, colour.tobytes())), Post("2", image=Pixels(8, 8, 1, grey.tobytes()))]
    read = inputs(read_pictures(posts, side=8, grey=False))
    assert torch.equal(read[0], torch.from_numpy(colour).permute(2, 0, 1))
    assert torch.equal(read[1], torch.from_numpy(grey).expand(3, 8, 8))
    assert torch.equal(inputs(read_pictures(posts[1:], side=8, grey=True))[0, 0], torch.from_numpy(grey))
    assert inputs(read_pictures(posts, side=16, grey=False)).shape == (2, 3, 16, 16)


def many(tmp_path: Path, count: int) -> list[Post]:
    """Posts whose pictures are files; the third one is broken, and the fifth has none."""
    posts = []
    for i in range(count):
        path = tmp_path / f"{i}.png"
        path.write_bytes(b"broken" if i == 2 else drawn(2 * i % 200 + 20))
        posts.append(Post(str(i), image=None if i == 4 else path, label=("a", "b")[i % 2]))
    return posts


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "IN_MEMORY", 1000)


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("grey", [True, False])
def test_a_set_too_large_for_memory_is_decoded_when_it_is_asked_for(
    tmp_path: Path, grey: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = many(tmp_path, 300)
    lazy = read_pictures(posts, side=8, grey=grey)
    assert not isinstance(lazy.inputs, Tensor)
    monkeypatch.undo()
    whole = read_pictures(posts, side=8, grey=grey)
    assert isinstance(whole.inputs, Tensor)
    assert len(lazy.inputs) == 298
    assert lazy.seen.tolist() == whole.seen.tolist()
    assert lazy.faults == whole.faults
    for rows in ([], [7], [297, 0, 5], [3, 3, 2], list(range(298))):
        asked = torch.tensor(rows, dtype=torch.int64)
        assert torch.equal(single(lazy.inputs[asked]), single(whole.inputs[asked]))


@pytest.mark.usefixtures("little_memory")
def test_a_picture_that_is_changed_while_a_net_learns_ends_it_with_its_name(tmp_path: Path) -> None:
    posts = many(tmp_path, 20)
    read = read_pictures(posts, side=8, grey=False)
    (tmp_path / "9.png").write_bytes(b"changed")
    with pytest.raises(ImageError, match=r"9\.png is not a JPEG.*could be read before; leave the images alone"):
        read.inputs[torch.arange(18)]
    assert len(read.inputs[torch.tensor([0, 1])]) == 2


SPEC = Convnet(image_size=8, net=Residual(channels=(4,), blocks=0), training=Training(epochs=2, batch_size=8))


def test_a_net_learns_the_same_from_pictures_in_memory_and_from_those_that_are_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    posts = many(tmp_path, 40)
    whole = NetClassifier(SPEC, seed=1).fit(posts, validation=posts[:10])
    monkeypatch.setattr(pictures, "IN_MEMORY", 1000)
    lazy = NetClassifier(SPEC, seed=1).fit(posts, validation=posts[:10])
    monkeypatch.undo()
    np.testing.assert_array_equal(lazy.predict_proba(posts), whole.predict_proba(posts))


@pytest.mark.usefixtures("little_memory")
def test_a_fit_whose_pictures_vanish_stops_with_a_fault_that_people_can_mend(tmp_path: Path) -> None:
    posts = many(tmp_path, 40)
    calls = 0

    def vanish(event: object) -> None:
        nonlocal calls
        calls += 1
        for path in tmp_path.glob("*.png"):
            path.unlink()

    with pytest.raises(DataError, match=r"\.png is missing.*leave the images alone while a net learns"):
        NetClassifier(SPEC, seed=1).fit(posts, progress=Progress(vanish))
    assert calls
