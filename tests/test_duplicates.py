import io
import random
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from siaga.features.duplicates import (
    Groups,
    duplicate_facts,
    find_duplicates,
    fingerprints,
    rows_by_group,
)
from siaga.features.similarity import similar_pictures, similar_texts
from siaga.post import Picture, Pixels, Post

FLOOD = "Banjir 60cm di Jl. Kemang Raya, motor tidak bisa lewat, hati-hati kawan"
OTHER = "Diskon besar-besaran! Banjir hadiah untuk semua pelanggan setia kami"


def picture(seed: int, *, side: int = 96, compress_level: int = 6) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return encoded(Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC), compress_level=compress_level)


def encoded(image: Image.Image, *, form: str = "PNG", **how: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **how)
    return stream.getvalue()


def reencoded(content: bytes, *, form: str, **how: int) -> bytes:
    return encoded(Image.open(io.BytesIO(content)), form=form, **how)


def posts_of(*contents: tuple[str | None, bytes | None]) -> list[Post]:
    return [Post(str(i), text, image) for i, (text, image) in enumerate(contents)]


def tied(*contents: tuple[str | None, bytes | None]) -> list[list[int]]:
    return rows_by_group(find_duplicates(fingerprints(posts_of(*contents))).exact)


def near(*contents: tuple[str | None, bytes | None]) -> list[list[int]]:
    return rows_by_group(find_duplicates(fingerprints(posts_of(*contents))).near)


def test_no_posts_give_no_groups() -> None:
    found = find_duplicates(fingerprints([]))
    assert [len(groups) for groups in (found.same, found.exact, found.near)] == [0, 0, 0]


def test_texts_that_differ_in_case_and_links_are_tied() -> None:
    assert tied((FLOOD, None), (OTHER, None), (FLOOD.upper() + " https://t.co/x", None)) == [[0, 2]]


def test_pictures_are_tied_by_their_pixels_not_by_their_bytes() -> None:
    one, two = picture(1, compress_level=1), picture(1, compress_level=9)
    assert one != two
    assert tied((FLOOD, one), (OTHER, two), (None, picture(2))) == [[0, 1]]


def test_ties_are_passed_on_from_text_to_picture() -> None:
    a, b = picture(1), picture(2)
    assert tied((FLOOD, a), (None, a), (FLOOD, b), (None, b), (OTHER, None)) == [[0, 1, 2, 3]]


def test_a_short_text_ties_posts_without_a_picture_but_not_posts_with_different_ones() -> None:
    short = "banjir!"
    assert tied((short, picture(1)), (short, picture(2)), (short, None), ("Banjir", None)) == [[2, 3]]
    assert tied((FLOOD, picture(1)), (FLOOD, picture(2)), (FLOOD, None)) == [[0, 1, 2]]


def test_posts_with_nothing_are_tied_to_nothing_but_each_other() -> None:
    assert tied((None, picture(1)), (FLOOD, None), (None, picture(2)), (OTHER, picture(3))) == []


def test_a_picture_that_cannot_be_read_is_a_fault_and_counts_as_missing(tmp_path: Path) -> None:
    prints = fingerprints([Post("a", None, b"no picture"), Post("b", FLOOD, tmp_path / "gone.jpg"), Post("c", FLOOD)])
    assert [print_.fault is not None for print_ in prints] == [True, True, False]
    assert rows_by_group(find_duplicates(prints).same) == [[1, 2]]


def test_the_size_is_width_and_height() -> None:
    image = encoded(Image.new("RGB", (40, 30), "red"))
    assert fingerprints([Post("a", None, image)])[0].size == (40, 30)


def test_a_text_with_a_word_more_is_near_but_not_exact() -> None:
    changed = FLOOD + " semua"
    assert tied((FLOOD, None), (changed, None), (OTHER, None)) == []
    assert near((FLOOD, None), (changed, None), (OTHER, None)) == [[0, 1]]


def test_near_pictures_differ_by_compression_size_or_blur() -> None:
    whole = picture(1)
    blurred = encoded(Image.open(io.BytesIO(whole)).filter(ImageFilter.GaussianBlur(1)))
    contents = [(None, image) for image in (whole, reencoded(whole, form="JPEG", quality=60), blurred, picture(2))]
    assert tied(*contents) == []
    assert near(*contents) == [[0, 1, 2]]


def test_pixels_are_tied_to_the_file_of_the_same_picture() -> None:
    drawn = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    grey = Pixels(28, 28, 1, drawn.tobytes())
    colour = Pixels(28, 28, 3, np.repeat(drawn, 3).tobytes())
    file = encoded(Image.fromarray(drawn))
    other = Pixels(28, 28, 1, drawn.T.tobytes())
    images: list[Picture] = [grey, other, file, colour]
    prints = fingerprints([Post(str(i), image=image) for i, image in enumerate(images)])
    assert rows_by_group(find_duplicates(prints).exact) == [[0, 2, 3]]
    assert [(print_.size, print_.outline) for print_ in prints] == [((28, 28), None)] * 4


def test_large_pictures_looked_at_by_threads_keep_their_posts() -> None:
    noise = [np.random.default_rng(i % 5).integers(0, 256, (96, 96, 3), dtype=np.uint8) for i in range(12)]
    contents = [encoded(Image.fromarray(each)) for each in noise]
    assert min(map(len, contents)) > 16 << 10
    groups = rows_by_group(find_duplicates(fingerprints(posts_of(*((None, each) for each in contents)))).exact)
    assert groups == [[0, 5, 10], [1, 6, 11], [2, 7], [3, 8], [4, 9]]


def test_pictures_of_one_colour_or_of_few_pixels_are_not_near_each_other() -> None:
    plain = [encoded(Image.new("RGB", (64, 64), colour)) for colour in ("red", "blue")]
    small = picture(1, side=28)
    assert near((None, plain[0]), (None, plain[1])) == []
    assert near((None, small), (None, reencoded(small, form="JPEG"))) == []


def test_exact_duplicates_are_near_ones_too() -> None:
    assert near((OTHER, picture(1)), (FLOOD, picture(1)), (FLOOD + " semua", None)) == [[0, 1, 2]]


def test_the_groups_do_not_depend_on_the_order_of_the_posts() -> None:
    posts = posts_of(*((f"{FLOOD} {i // 3} {'x' * (i % 3)}", picture(i // 4) if i % 2 else None) for i in range(24)))
    shuffled = random.Random(0).sample(posts, len(posts))

    def named(given: list[Post]) -> list[set[frozenset[str]]]:
        found = find_duplicates(fingerprints(given))
        return [_named(groups, given) for groups in (found.same, found.exact, found.near)]

    assert named(shuffled) == named(posts)


def _named(groups: Groups, posts: list[Post]) -> set[frozenset[str]]:
    return {frozenset(posts[row].id for row in rows) for rows in rows_by_group(groups)}


@pytest.mark.parametrize("n", [0, 1, 400])
def test_similar_texts_are_linked_as_all_pairs_would_link_them(n: int) -> None:
    words = [f"word{i}" for i in range(40)]
    rng = random.Random(1)
    texts = [" ".join(rng.choices(words, k=14)) for _ in range(n // 2)]
    texts = sorted({*texts, *(" ".join([*text.split()[: rng.randint(9, 14)], "end"]) for text in texts)})
    grams = [{text[i : i + 4] for i in range(len(text) - 3)} for text in texts]
    every = {(i, j) for i in range(len(texts)) for j in range(i) if _jaccard(grams[i], grams[j]) >= 0.8}
    found = {(max(pair), min(pair)) for pair in similar_texts(texts).tolist()}
    assert found <= every
    assert _linked(found, len(texts)) == _linked(every, len(texts))
    assert bool(every) == (n > 1)


def _linked(pairs: set[tuple[int, int]], n: int) -> list[int]:
    heads = list(range(n))
    for _ in range(n.bit_length() * 4):
        for a, b in pairs:
            heads[a] = heads[b] = min(heads[a], heads[b])
    return heads


def _jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b)


def test_a_crowd_of_alike_texts_is_one_group() -> None:
    crowd = [
        f"Tolong sebarkan: banjir besar melanda kota kami malam ini, butuh perahu segera, nomor {i}"
        for i in range(3000)
    ]
    pairs = similar_texts(crowd)
    assert set(pairs.ravel().tolist()) == set(range(3000))
    assert len(rows_by_group(find_duplicates(fingerprints([Post(text, text) for text in crowd])).near)) == 1


def test_similar_pictures_are_those_that_all_pairs_would_give() -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(1 << 63, size=300, dtype=np.uint64)
    flips = [sum(1 << int(bit) for bit in rng.choice(64, size=rng.integers(1, 7), replace=False)) for _ in base]
    hashes = np.concatenate([base, base ^ np.array(flips, dtype=np.uint64)])
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    assert similar_pictures(hashes).tolist() == np.argwhere(np.triu(apart <= 4, 1)).tolist()
    assert similar_pictures(hashes[:0]).shape == (0, 2)


def test_only_posts_that_are_equal_as_a_whole_contradict_each_other() -> None:
    posts = [
        Post("a", FLOOD, label="INFO"),
        Post("b", FLOOD.lower(), label="NO_INFO"),
        Post("c", OTHER, picture(1), label="INFO"),
        Post("d", FLOOD + " semua", picture(1), label="NO_INFO"),
        Post("e", "banjir di mana-mana hari ini ya", label="INFO"),
        Post("f", "banjir di mana-mana hari ini ya", label=None),
    ]
    splits = ["train", "test", "train", "train", "train", "unlabelled"]
    facts = duplicate_facts(posts, splits, find_duplicates(fingerprints(posts)))
    assert facts["contradictory"] == {
        "groups": 1,
        "posts": 2,
        "listed": [
            {
                "text": FLOOD.lower(),
                "labels": {"INFO": 1, "NO_INFO": 1},
                "posts": [
                    {"id": "b", "split": "test", "label": "NO_INFO"},
                    {"id": "a", "split": "train", "label": "INFO"},
                ],
                "size": 2,
            }
        ],
    }
    assert [facts[kind]["groups"] for kind in ("exact", "near", "contradictory_near")] == [3, 1, 1]
    assert facts["across"] == [
        {"splits": ["train", "test"], "exact": 1, "near": 1},
        {"splits": ["train", "unlabelled"], "exact": 1, "near": 0},
        {"splits": ["test", "unlabelled"], "exact": 0, "near": 0},
    ]


def test_near_texts_of_13_000_posts_take_seconds() -> None:
    rng = random.Random(0)
    words = [f"{rng.randrange(10**6)}" for _ in range(3000)]
    posts = [Post(str(i), " ".join(rng.choices(words, k=16))) for i in range(13_000)]
    started = time.perf_counter()
    find_duplicates(fingerprints(posts))
    assert time.perf_counter() - started < 8  # About one second on a quiet core.
