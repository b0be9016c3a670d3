"""Each change to training pictures does what its setting says, and no more."""

import base64
import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from siaga.features.augmentation import Mix, build_augmentation, shown_batch
from siaga.schema import Augmentation

SIDE, MIDDLE = 33, 16


def change(pictures: Tensor, *, seed: int = 0, **settings: Any) -> tuple[Tensor, Mix | None]:  # Any: of its settings.
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        augment = build_augmentation(Augmentation.model_validate(settings))
        assert augment is not None
        return augment(pictures)


def dots(count: int, *, right: int = 0) -> Tensor:
    """Black pictures with a white square of 3 × 3, so far to the right of the middle."""
    pictures = torch.zeros(count, 1, SIDE, SIDE)
    pictures[:, :, MIDDLE - 1 : MIDDLE + 2, MIDDLE + right - 1 : MIDDLE + right + 2] = 1
    return pictures


def offsets(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Where the light of each picture is, down and right of the middle."""
    light = pictures[:, 0]
    steps = torch.arange(SIDE) - MIDDLE
    whole = light.sum((1, 2))
    return (light * steps[:, None]).sum((1, 2)) / whole, (light * steps).sum((1, 2)) / whole


def plain(values: list[float], count: int) -> Tensor:
    """Pictures of one colour."""
    return torch.tensor(values)[None, :, None, None].expand(count, len(values), 8, 8).contiguous()


def test_nothing_is_changed_where_nothing_is_set() -> None:
    assert build_augmentation(Augmentation()) is None


def test_flip_mirrors_half_of_the_pictures_and_leaves_the_others() -> None:
    pictures = torch.rand(400, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    changed, mix = change(pictures, flip=True)
    mirrored = (changed == pictures.flip(3)).all(dim=3).all(dim=2).all(dim=1)
    same = (changed == pictures).all(dim=3).all(dim=2).all(dim=1)
    assert (mirrored ^ same).all()
    assert 0.4 < float(mirrored.float().mean()) < 0.6
    assert mix is None


def test_rotation_turns_about_the_middle_by_so_many_degrees_both_ways() -> None:
    down, right = offsets(change(dots(400, right=10), rotate=30)[0])
    angles = torch.atan2(down, right) * 180 / math.pi
    assert -30.1 <= float(angles.min()) < -27
    assert 27 < float(angles.max()) <= 30.1
    torch.testing.assert_close((down**2 + right**2).sqrt(), torch.full((400,), 10.0), atol=0.05, rtol=0)


def test_a_shift_moves_by_a_share_of_the_side_both_ways() -> None:
    for moved in offsets(change(dots(400), shift=0.2)[0]):
        assert -0.2 * SIDE - 0.05 <= float(moved.min()) < -0.18 * SIDE
        assert 0.18 * SIDE < float(moved.max()) <= 0.2 * SIDE + 0.05


def test_zoom_makes_larger_and_smaller_and_keeps_the_middle() -> None:
    down, right = offsets(change(dots(400, right=10), zoom=0.3)[0])
    assert 6.95 <= float(right.min()) < 7.3
    assert 12.7 < float(right.max()) <= 13.05
    assert float(down.abs().max()) < 0.01


def test_what_a_move_uncovers_is_filled_from_the_border() -> None:
    light = torch.full((50, 1, SIDE, SIDE), 0.5)
    for moved in (change(light, rotate=45), change(light, shift=0.3), change(light, zoom=0.3), change(light, crop=0.2)):
        torch.testing.assert_close(moved[0], light)


def test_a_warp_moves_a_corner_by_a_share_of_the_side_at_most() -> None:
    changed, _ = change(torch.ones(300, 1, 40, 40), warp=0.2)
    assert (changed[:, :, 9:-9, 9:-9] > 0.999).all()
    uncovered = changed[:, 0].diagonal(dim1=1, dim2=2)[:, :9] < 0.5  # From the upper left corner inwards.
    assert 5 <= int(uncovered.sum(1).max()) <= 8
    down, right = offsets(change(dots(300), warp=0.2)[0])
    assert 2 < float(torch.maximum(down.abs(), right.abs()).max()) < 0.2 * SIDE


def test_a_crop_shifts_by_whole_pixels_within_its_border() -> None:
    down, right = offsets(change(dots(300), crop=0.125)[0])
    assert {round(float(each), 4) for each in down} == set(range(-4, 5))
    assert {round(float(each), 4) for each in right} == set(range(-4, 5))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (2, 2), (8, 16)])
def test_the_widest_crop_goes_with_any_picture(height: int, width: int) -> None:
    assert change(torch.rand(4, 3, height, width), crop=0.99)[0].shape == (4, 3, height, width)


def test_light_changes_brightness_and_contrast_within_its_share() -> None:
    changed = change(plain([0.3, 0.5], 400)[:, 1:], light=0.2)[0][:, 0, 0, 0]
    assert (0.5 - 0.2) * 0.8 - 1e-5 <= float(changed.min()) < 0.28
    assert 0.78 < float(changed.max()) <= (0.5 + 0.2) * 1.2 + 1e-5


def test_colour_changes_hue_and_saturation_and_never_the_brightest_channel() -> None:
    changed = change(plain([0.8, 0.5, 0.4], 400), colour=0.4)[0][:, :, 0, 0]
    torch.testing.assert_close(changed.amax(1), torch.full((400,), 0.8))
    saturation = (changed.amax(1) - changed.amin(1)) / 0.8
    assert 0.5 * 0.6 - 1e-4 <= float(saturation.min()) < 0.33
    assert 0.67 < float(saturation.max()) <= 0.5 * 1.4 + 1e-4
    green_over_blue = (changed[:, 1] - changed[:, 2]) / (changed.amax(1) - changed.amin(1))
    assert float(green_over_blue.min()) < -0.1
    assert float(green_over_blue.max()) > 0.55


def test_grey_pictures_have_no_colour_to_change() -> None:
    grey = torch.rand(8, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(change(grey, colour=0.5)[0], grey)
    flipped = change(grey, colour=0.5, flip=True)[0]
    assert torch.equal(flipped.sort(3).values, grey.sort(3).values)


def test_cutout_erases_one_square_of_the_share_anywhere() -> None:
    changed, _ = change(torch.zeros(60, 3, 32, 32), cutout=0.25)
    erased = (changed == 0.5).all(dim=1)
    corners = set()
    for picture in erased:
        rows, columns = picture.any(1).nonzero().flatten(), picture.any(0).nonzero().flatten()
        assert int(rows[-1] - rows[0]) == int(columns[-1] - columns[0]) == 7
        corners.add((int(rows[0]), int(columns[0])))
    assert (erased.sum((1, 2)) == 64).all()
    assert (changed[~erased[:, None].expand_as(changed)] == 0).all()
    assert len(corners) > 40


def test_the_share_of_cutmix_is_the_part_of_the_pixels_that_was_kept() -> None:
    pictures = (torch.arange(16) / 16)[:, None, None, None].expand(16, 3, 20, 20).contiguous()
    changed, mix = change(pictures, cutmix=1.0)
    assert mix is not None
    kept = changed == pictures
    others = mix.partner != torch.arange(16)  # A picture that is mixed with itself is kept whole.
    torch.testing.assert_close(kept.float().mean(dim=(1, 2, 3))[others], mix.share[others])
    torch.testing.assert_close(torch.where(kept, pictures, pictures[mix.partner]), changed)
    assert (mix.partner.sort().values == torch.arange(16)).all()
    assert len(set(mix.share[others].tolist())) > 3
    for own, patch in zip(range(16), (~kept).any(dim=1), strict=True):
        rows, columns = patch.any(1).sum(), patch.any(0).sum()
        assert int(rows * columns) == int(patch.sum()), f"the patch of picture {own} is no rectangle"


def test_the_share_of_mixup_is_the_weight_of_the_picture_itself() -> None:
    pictures = torch.rand(16, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    changed, mix = change(pictures, mixup=1.0)
    assert mix is not None
    share = mix.share[:, None, None, None]
    torch.testing.assert_close(share * pictures + (1 - share) * pictures[mix.partner], changed)
    assert float(mix.share.min()) < 0.3
    assert float(mix.share.max()) > 0.7


def test_batches_are_mixed_as_often_as_the_chances_say() -> None:
    pictures = torch.rand(4, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    counts = {"cutmix": 0, "mixup": 0, "neither": 0}
    augment = build_augmentation(Augmentation(cutmix=0.5, mixup=0.2))
    assert augment is not None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(300):
            changed, mix = augment(pictures)
            is_patched = mix is not None and all(each in pictures.flatten().tolist() for each in changed.flatten())
            counts["neither" if mix is None else "cutmix" if is_patched else "mixup"] += 1
    assert counts == {
        "cutmix": pytest.approx(150, abs=30),
        "mixup": pytest.approx(60, abs=24),
        "neither": pytest.approx(90, abs=28),
    }


EVERYTHING: dict[str, Any] = {  # Any: values of settings.
    "flip": True,
    "rotate": 20.0,
    "shift": 0.1,
    "zoom": 0.2,
    "warp": 0.1,
    "light": 0.9,
    "colour": 0.9,
    "crop": 0.1,
    "cutout": 0.2,
    "mixup": 0.5,
    "cutmix": 0.5,
}


@pytest.mark.parametrize("channels", [1, 3])
def test_whatever_is_set_pictures_stay_pictures(channels: int) -> None:
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (64, channels, 16, 16), generator=generator, dtype=torch.uint8)
    changed, mix = change(pictures, **EVERYTHING)
    assert changed.shape == pictures.shape
    assert changed.dtype == torch.float32
    assert 0.0 <= float(changed.min()) < 0.1
    assert 0.9 < float(changed.max()) <= 1.0
    assert mix is not None
    assert (mix.share >= 0).all()
    assert (mix.share <= 1).all()


def test_bytes_are_read_as_shares_of_255() -> None:
    pictures = torch.tensor([0, 51, 255], dtype=torch.uint8)[:, None, None, None].expand(3, 3, 4, 4).contiguous()
    changed, _ = change(pictures, flip=True)
    torch.testing.assert_close(changed[:, 0, 0, 0], torch.tensor([0.0, 0.2, 1.0]))


def test_the_seed_of_torch_decides_everything() -> None:
    pictures = torch.rand(16, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    (first, mix), (again, mix_again) = change(pictures, **EVERYTHING), change(pictures, **EVERYTHING)
    assert torch.equal(first, again)
    assert mix is not None
    assert mix_again is not None
    assert torch.equal(mix.share, mix_again.share)
    assert not torch.equal(first, change(pictures, seed=1, **EVERYTHING)[0])


def shown(event: dict[str, object]) -> tuple[list[Any], list[Any]]:  # Any: what an event holds.
    """Return the pictures of an event as arrays, and their labels."""
    images, labels = event["images"], event["labels"]
    assert isinstance(images, list)
    assert isinstance(labels, list)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(image)))) for image in images], labels


def test_a_shown_batch_holds_its_first_pictures_as_the_net_sees_them() -> None:
    pictures = (torch.arange(20)[:, None, None, None] / 20).expand(20, 3, 5, 7)
    images, labels = shown(shown_batch(pictures, None, torch.arange(20) % 3, ["a", "b"]))
    assert len(images) == 16
    assert [image.shape for image in images] == [(5, 7, 3)] * 16
    assert [int(image[0, 0, 0]) for image in images] == [round(255 * i / 20) for i in range(16)]
    assert labels == [["a", "b", "2"][i % 3] for i in range(16)]
    grey, _ = shown(shown_batch(pictures[:2, :1], None, torch.zeros(2, dtype=torch.int64), ["a"]))
    assert grey[0].shape == (5, 7)


def test_a_mixed_row_is_shown_with_both_labels_and_their_shares() -> None:
    mix = Mix(torch.tensor([1, 2, 3, 0]), torch.tensor([0.7, 0.4, 1.0, 0.25]))
    _, labels = shown(shown_batch(torch.rand(4, 1, 4, 4), mix, torch.tensor([0, 1, 1, 0]), ["cat", "dog"]))
    assert labels == ["cat 0.70 + dog 0.30", "dog", "dog", "cat"]
