"""Files of messages become posts, for recipes and for bundles that answer."""

import bz2
import gzip
import logging
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from siaga.bundle import Bundle, build_classifier, load_bundle, save_bundle
from siaga.cli.posts import reading
from siaga.errors import DataError
from siaga.post import Post
from siaga.quarantine import Quarantine
from siaga.recipe import check_recipe
from siaga.schema import SourceSpec, TableSource, TwitterSource
from siaga.sources import read_source
from siaga.sources.items.plain import to_line
from siaga.sources.items.source import MessageReading, is_message_file, read_messages
from tests.made import made_posts
from tests.messages import DELETE, EVENT, POST, STATUS, TWEET, TWEET_V2, line

TWEETS = b"\n".join([line(TWEET), line(DELETE), b"", line(TWEET, id_str="2", text=None)]) + b"\n"
PLAIN = [Post("a", "banjir", label="yes"), Post("b", "kopi", label="no")]


def read(spec: SourceSpec, part: str = "posts") -> tuple[list[Post], Quarantine]:
    quarantine = Quarantine()
    return list(read_source(spec, quarantine=quarantine)[part]), quarantine


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("t.json", bytes),
        ("T.JSONL", bytes),
        ("t.ndjson", bytes),
        ("t.json.gz", gzip.compress),
        ("t.json.bz2", bz2.compress),
        ("t.jsonl.xz", lzma.compress),
    ],
)
def test_files_are_read_by_their_suffixes(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / name).write_bytes(pack(TWEETS))
    posts, quarantine = read(TwitterSource(path=tmp_path / name))
    assert [(post.id, post.text) for post in posts] == [
        ("1146304835119177728", "Air naik di Kemang & Cipete <3"),
        ("2", None),
    ]
    assert not quarantine
    assert is_message_file(tmp_path / name)


def test_a_folder_is_its_files_by_name_and_every_form_is_known(tmp_path: Path) -> None:
    for name, message in (("b.json", TWEET), ("a.json.gz", EVENT), ("deep/a.jsonl", STATUS), ("c.jsonl", TWEET_V2)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        data = line(message)
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    (tmp_path / "d.json").write_bytes(line(POST))
    (tmp_path / "e.json").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("not read")
    posts, quarantine = read(TwitterSource(path=tmp_path))
    assert [post.language for post in posts] == ["en", "id", "pt", "in", "de"]
    assert not quarantine


def test_what_cannot_be_read_is_set_aside_with_its_line_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(TWEETS + b'{"id_str": 5}\n' + line(TWEET) + b"\n" + line(TWEET, id_str="3"))
    posts, quarantine = read(TwitterSource(path=path, form="twitter"))
    assert [post.id for post in posts] == ["1146304835119177728", "2", "3"]
    assert [(row.file, row.line, row.reason) for row in quarantine.rows] == [
        (str(path), 5, "Wrong type: Expected `str`, got `int` - at `$.id_str`."),
        (str(path), 6, "Repeated id: '1146304835119177728' stands in an earlier message."),
    ]
    assert quarantine.rows[0].raw == '{"id_str": 5}\n'


def test_an_id_repeats_across_the_files_of_a_folder_but_not_across_parts(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_bytes(line(TWEET))
    posts, quarantine = read(TwitterSource(path=tmp_path))
    assert (len(posts), quarantine.counts) == (1, {"Repeated id": 1})
    spec = TwitterSource(train=tmp_path / "a.json", test=tmp_path / "b.json")
    parts = read_source(spec, quarantine=quarantine)
    assert {part: len(list(posts)) for part, posts in parts.items()} == {"train": 1, "test": 1}


def test_notices_are_counted_in_the_log_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(TWEETS + line(DELETE))
    with caplog.at_level(logging.INFO, logger="siaga"):
        _, quarantine = read(TwitterSource(path=path))
    assert caplog.messages == [f"{path}: notices: 2 delete, 1 keep-alive."]
    assert not quarantine


def test_posts_of_ours_have_labels_and_pictures_and_labels_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "7.jpg").write_bytes(b"x")
    unknown, pictured = Post("c", "x", label="maybe"), line({"id": "d", "image": "7.jpg", "label": "no"})
    lines = [*map(to_line, [*PLAIN, unknown]), pictured]
    (tmp_path / "p.jsonl").write_bytes(b"\n".join(lines))
    spec = TwitterSource(path=tmp_path / "p.jsonl", form="posts", labels={"yes": "INFO", "no": "NO_INFO"})
    posts, quarantine = read(spec)
    assert [(post.id, post.label) for post in posts] == [("a", "INFO"), ("b", "NO_INFO"), ("d", "NO_INFO")]
    assert posts[-1].image == tmp_path.resolve() / "7.jpg"
    assert [(row.line, row.reason) for row in quarantine.rows] == [
        (3, "Unknown label: 'maybe' is not among yes, no."),
    ]
    unlabelled = TwitterSource(path=tmp_path / "p.jsonl", unlabelled=tmp_path / "p.jsonl", form="posts")
    assert {post.label for post in read(unlabelled, "unlabelled")[0]} == {None}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.json", "does not exist. Check the path. Did you mean 'one.json'"),
        ("t.csv", "is not named like a file of messages"),
        ("empty", "holds no file of messages. They are named .json, .jsonl, .ndjson, each also with"),
    ],
)
def test_a_path_without_messages_is_refused_at_once(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "one.json").write_bytes(TWEETS)
    (tmp_path / "t.csv").write_text("text\nx\n")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=message):
        read_source(TwitterSource(path=tmp_path / name), quarantine=Quarantine())


@pytest.mark.parametrize("content", [b'[{"id_str": "1"},', b"[\n", b'[{"id_str": "1"}]'])
def test_one_large_list_is_refused_with_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.json").write_bytes(content)
    with pytest.raises(DataError, match=r"is one JSON list, .* Write one object a line: jq -c '\.\[\]'"):
        read(TwitterSource(path=tmp_path / "t.json"))


def test_a_line_too_long_is_one_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siaga.sources.lines.LINE_BYTES", 1000)
    (tmp_path / "t.json").write_bytes(b'{"a":"' + b"x" * 5000 + b'"}\n' + line(TWEET))
    posts, quarantine = read(TwitterSource(path=tmp_path / "t.json"))
    assert len(posts) == 1
    assert quarantine.counts == {"Line too long": 1}


def test_posts_come_as_they_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_bytes(line(TWEET) + b"\n" + b"[1]\n")
    posts = read_messages(tmp_path / "t.json", MessageReading(), quarantine=Quarantine())
    assert next(posts).id == "1146304835119177728"


def bundle_for(source: SourceSpec) -> Bundle:
    settings = {"name": "mine", "source": source.model_dump(mode="json"), "model": {"kind": "linear", "min_posts": 1}}
    recipe = check_recipe(settings, where="here")
    return Bundle(recipe, build_classifier(recipe).fit([post for post in made_posts(60) if post.text]))


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (TableSource(path=Path("x.csv")), "t.json.bz2"),
        (TableSource(path=Path("x.csv")), "t.json"),
        (TwitterSource(path=Path("x.json")), "t.jsonl"),
        (TwitterSource(path=Path("x.json")), "folder"),
    ],
    ids=["packed", "plain", "lines", "folder"],
)
def test_a_bundle_answers_the_posts_of_a_stream(tmp_path: Path, source: SourceSpec, name: str) -> None:
    path = tmp_path / name / "t.json" if name == "folder" else tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bz2.compress(TWEETS) if name.endswith(".bz2") else TWEETS)
    bundle = bundle_for(source)
    with reading(bundle, str(tmp_path / name), columns=(), beside=None) as posts:
        answers = list(bundle.predict_stream(posts))
    assert [(answer.id, answer.used) for answer in answers] == [("1146304835119177728", ("text",)), ("2", ())]


def test_a_bundle_for_tables_reads_json_lines_as_a_table(tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text('{"id": "1", "text": "banjir"}\n{"text": "kopi"}\n')
    bundle = bundle_for(TableSource(path=Path("x.csv")))
    with reading(bundle, str(tmp_path / "t.jsonl"), columns=(), beside=None) as posts:
        assert [post.id for post in posts] == ["1", "t:2"]


def test_a_bundle_remembers_the_form_of_its_messages_and_no_path(tmp_path: Path) -> None:
    bundle = bundle_for(TwitterSource(path=tmp_path / "x.json", form="posts", labels={"a": "b"}))
    save_bundle(bundle, tmp_path / "bundle")
    source = load_bundle(tmp_path / "bundle").recipe.source
    assert source == TwitterSource(path=Path("-"), form="posts", labels={"a": "b"})
