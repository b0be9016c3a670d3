"""The mood of recorded files and of stores, and the command: one stream gives the same figures both ways."""

import bz2
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from siaga.cli.main import app
from siaga.errors import DataError, SiagaError
from siaga.models.lexicon import LexiconClassifier
from siaga.schema import Lexicon
from siaga.serving.mood.figures import asked_of
from siaga.serving.mood.output import CHARTS, to_csv, to_geojson
from siaga.serving.mood.recorded import Recording, record
from siaga.serving.mood.stored import choose_model, is_store, tally_store
from siaga.serving.mood.summary import Summary, summarise
from siaga.serving.mood.tally import EVER, Tally, Window
from siaga.serving.store import open_store
from siaga.serving.store.rows import Batch, PostRow, PredictionRow
from siaga.serving.store.store import Store
from siaga.serving.stream.run import Plan, run
from siaga.serving.stream.scoring import LexiconScorer
from tests.test_cli import siaga
from tests.test_docs import first_column, quoted, table, words

BOX = {"bounding_box": {"coordinates": [[[12.0, 41.5], [12.0, 42.0], [13.0, 42.0], [13.0, 41.5]]]}}
ROME = {**BOX, "full_name": "Roma, Lazio", "country_code": "IT", "place_type": "city"}
MINUTE_30 = 1_562_135_400_000  # 2019-07-03T06:30:00Z.
DELETE = b'{"delete":{"status":{"id":1,"id_str":"1","user_id":2,"user_id_str":"2"}}}'
OUTPUTS = (
    *("mood.html", "mood.json", "per_minute.csv", "places.geojson"),
    *("scores.txt", "lines.tsv", "quarantine.jsonl"),
)
SCORER = LexiconScorer("stream-sentiment", LexiconClassifier(Lexicon()))


def tweet(number: int, text: str, *, at: str = "06:29:00", lang: str = "en", **more: Any) -> bytes:  # Any: JSON.
    user = {"screen_name": f"u{number}", "location": "over the rainbow"}
    created = f"Wed Jul 03 {at} +0000 2019"
    facts = {"created_at": created, "id": number, "id_str": str(number), "text": text, "lang": lang, "user": user}
    return json.dumps(facts | more).encode()


STREAM = (
    tweet(10, "I love this", at="06:29:01", place=ROME),
    DELETE,
    tweet(11, "hate and love", at="06:29:30"),
    tweet(12, "nothing of note", at="06:29:59"),
    tweet(13, "love in Indonesian\tand\na tab", at="06:29:40", lang="in"),
    b"{broken",
    tweet(14, "such a disaster", at="06:32:10", coordinates={"type": "Point", "coordinates": [-0.1, 51.5]}),
    tweet(14, "such a disaster", at="06:32:10"),
    b"",
    tweet(15, "ok", at="06:31:59", lang="und"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two minute files, one of them packed."""
    folder = tmp_path / "minutes"
    folder.mkdir()
    (folder / "06-29.json").write_bytes(b"\n".join(STREAM[:5]) + b"\n")
    (folder / "06-30.json.bz2").write_bytes(bz2.compress(b"\n".join(STREAM[5:])))
    return folder


def recorded(path: Path, **more: Any) -> Recording:  # Any: whatever `record` takes.
    recording = Recording(Tally())
    record(path, SCORER, into=recording, **more)
    return recording


def summary_of(tally: Tally) -> Summary:
    return summarise(tally, model="m", asked=asked_of(tally))


def kept_in(store: Store, window: Window = EVER) -> Summary:
    tally = Tally()
    tally_store(store, choose_model(store, None), tally=tally, window=window)
    return summary_of(tally)


def test_a_folder_of_minute_files_gives_the_figures_of_its_posts(folder: Path) -> None:
    found = summary_of(recorded(folder).tally)
    assert [(period.start[11:16], period.views.all.posts) for period in found.periods] == [
        *(("06:29", 4), ("06:30", 0), ("06:31", 1), ("06:32", 1))
    ]
    first = found.periods[0].views
    assert (first.languages.posts, first.languages.mean["value"]) == (3, 1.0)  # 3, -3 + 3, 0.
    assert (first.known.posts, first.all.mean["value"]) == (2, 0.75)
    assert first.languages.counts == {"negative": 0, "neutral": 2, "positive": 1}
    assert [(group.name, group.views.all.posts) for group in found.languages] == [("en", 4), ("", 1), ("id", 1)]
    assert [(point.spot.name, point.spot.lon, point.spot.method) for point in found.points] == [
        *((None, -0.1, "coordinates"), ("Roma, Lazio", 12.5, "box"))
    ]


def test_what_is_no_post_is_counted_by_kind_and_a_repeated_post_counts_once(folder: Path) -> None:
    recording = recorded(folder)
    assert recording.counts() == {
        "lines": 10,
        "posts": 7,
        "repeated posts, counted once": 1,
        "notice": {"delete": 1, "keep-alive": 1},
        "not read": {"Not JSON": 1},
        "no score": {"other language": 1, "no word known": 1, "no language": 1},
    }
    [rejected] = recording.quarantine.rows
    assert (rejected.file, rejected.line, rejected.raw) == ("06-30.json.bz2", 1, "{broken")


def test_every_post_has_a_line_in_both_outputs(folder: Path, tmp_path: Path) -> None:
    recorded(folder, lines_into=tmp_path / "out")
    assert (tmp_path / "out" / "scores.txt").read_text() == "3\n0\n0\n0\n-2\n-2\n0\n"
    lines = (tmp_path / "out" / "lines.tsv").read_text().splitlines()
    assert lines[0] == "en\tRoma, Lazio\tI love this\t3"
    assert lines[3] == "id\tover the rainbow\tlove in Indonesian and a tab\t0"
    assert len(lines) == 7


def test_periods_may_be_shorter_than_a_minute(folder: Path) -> None:
    recording = Recording(Tally(10_000, is_fixed=True))
    record(folder, SCORER, into=recording)
    found = summary_of(recording.tally)
    assert [period.views.all.posts for period in found.periods if period.views.all.posts] == [1, 1, 1, 1, 1, 1]


def test_only_posts_of_the_times_asked_for_count(folder: Path, tmp_path: Path) -> None:
    recording = Recording(Tally(), Window(until_ms=MINUTE_30))
    record(folder, SCORER, into=recording, lines_into=tmp_path / "out")
    assert [period.views.all.posts for period in summary_of(recording.tally).periods] == [4]
    assert recording.counts()["posts of other times"] == 3
    assert len((tmp_path / "out" / "scores.txt").read_text().splitlines()) == 4
    with pytest.raises(DataError, match="holds no post, but 7 posts of other times"):
        record(folder, SCORER, into=Recording(Tally(), Window(until_ms=0)))
    timeless = tmp_path / "posts.jsonl"
    timeless.write_text('{"id": "1", "text": "love", "language": "en"}')
    with pytest.raises(DataError, match="1 posts of other times"):
        record(timeless, SCORER, into=Recording(Tally(), Window(since_ms=0)))


def test_files_without_a_post_are_a_reason_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(DELETE + b"\n{oh\n")
    with pytest.raises(DataError, match=r"a.json holds no post, but 1 delete, 1 Not JSON in 2 lines\. Give files"):
        recorded(tmp_path / "a.json", lines_into=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "b.json").write_bytes(b"")
    with pytest.raises(DataError, match=r"b.json holds no post\. Give files"):
        recorded(tmp_path / "b.json")


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store can be made."""
    if request.param == "sqlite":
        return str(tmp_path / "mood.db")
    found: str = request.getfixturevalue("postgres_server").emptied()
    return found


def test_a_store_and_its_files_give_equal_figures(folder: Path, address: str) -> None:
    run(Plan(str(folder), address, "stream-sentiment"))
    with open_store(address, must_exist=True) as store:
        kept = kept_in(store)
        late = kept_in(store, Window(since_ms=MINUTE_30))
    for summary, window in ((kept, Window()), (late, Window(since_ms=MINUTE_30))):
        recording = Recording(Tally(), window)
        record(folder, SCORER, into=recording)
        read = summary_of(recording.tally)
        assert summary.to_dict() == read.to_dict()
        assert summary.points == read.points
    assert (kept.total.all.posts, late.total.all.posts, len(kept.points), len(late.points)) == (6, 2, 2, 1)
    assert json.dumps(kept.to_dict()) == json.dumps(summary_of(recorded(folder).tally).to_dict())


def test_posts_without_a_time_count_alike_in_a_store_and_in_files(tmp_path: Path) -> None:
    lines = [{"id": str(i), "text": text, "language": "en"} for i, text in enumerate(["love", "hate it", "so so"])]
    lines[0] |= {"time": "2024-01-01T00:00:07Z"}
    (tmp_path / "posts.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run(Plan(str(tmp_path / "posts.jsonl"), str(tmp_path / "mood.db"), "stream-sentiment"))
    with open_store(str(tmp_path / "mood.db"), must_exist=True) as store:
        kept = kept_in(store)
    assert (kept.without_time, kept.total.all.posts) == (2, 3)
    assert kept.to_dict() == summary_of(recorded(tmp_path / "posts.jsonl").tally).to_dict()


def answers(model: str, labels: Sequence[str]) -> Batch:
    posts = [PostRow("posts", str(i), "air", "id", 60_000 * i) for i, _ in enumerate(labels)]
    said = [PredictionRow("posts", str(i), model, label, 0.9) for i, label in enumerate(labels)]
    return Batch("input", model, posts, said)


@pytest.fixture
def flood_store(tmp_path: Path) -> Path:
    """A store with the answers of two models."""
    path = tmp_path / "floods.db"
    with open_store(str(path)) as store:
        store.write(answers("flood@1", ["INFO", "NO_INFO", "INFO"]))
        store.write(answers("flood@2", ["INFO", "INFO", "INFO"]))
    return path


def test_a_bundles_answers_have_shares_by_class_and_no_score(flood_store: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["mood", str(flood_store), "--model", "flood@1", "--out", str(tmp_path / "mood")])
    assert done.exit_code == 0, done.exception
    assert done.stdout.splitlines()[1].split() == ["UTC,", "by", "minute", "posts", "INFO", "NO_INFO"]
    assert done.stdout.splitlines()[5].split() == ["all", "3", "66.7", "%", "33.3", "%"]
    found = json.loads((tmp_path / "mood" / "mood.json").read_text())
    assert found["total"]["all"]["mean"]["value"] is None
    assert not (tmp_path / "mood" / "mood.png").exists()


def test_of_several_models_one_must_be_chosen(flood_store: Path) -> None:
    with open_store(str(flood_store), must_exist=True) as store:
        with pytest.raises(DataError, match=r"answers of 2 models\. Set --model to one of: flood@1, flood@2"):
            choose_model(store, None)
        with pytest.raises(DataError, match=r"no answers of flod@1\. Did you mean .flood@1."):
            choose_model(store, "flod@1")
        with pytest.raises(DataError, match="answers of 2 models"):
            choose_model(store, "flood")
        assert choose_model(store, "flood@2") == "flood@2"


def test_a_store_knows_no_periods_but_of_whole_minutes(flood_store: Path) -> None:
    with open_store(str(flood_store), must_exist=True) as store:
        with pytest.raises(DataError, match=r"which do not add up to 90 s\. Set --every"):
            tally_store(store, "flood@1", tally=Tally(90_000, is_fixed=True))
        tally_store(store, "flood@1", tally=(tally := Tally(120_000, is_fixed=True)))
    assert [sums.labels.total() for sums in tally.periods.values()] == [2, 1]


def test_a_store_without_answers_says_so(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "new.db")) as store, pytest.raises(DataError, match="holds no answers yet"):
        choose_model(store, None)


def test_a_store_is_told_from_a_file_by_what_is_in_it(folder: Path, flood_store: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "floods.json"
    flood_store.rename(renamed)
    assert is_store(str(renamed))
    assert is_store("postgresql://me@host/floods")
    assert is_store("nothing-here.db")
    assert not is_store(str(folder))
    assert not is_store(str(folder / "06-29.json"))


def test_the_command_prints_a_table_and_fills_the_folder(folder: Path, tmp_path: Path) -> None:
    done = siaga("mood", folder, "--out", "mood", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("6 posts by stream-sentiment@")
    assert lines[1].split() == ["UTC,", "by", "minute", "posts", "English", "posts", "mean", *SIGNS]
    assert lines[2].split() == ["06:29", "4", "3", "1.000", "[-3.303,", "5.303]", "0.0", "%", "66.7", "%", "33.3", "%"]
    assert lines[3].split() == ["06:30", "0", "0", "-", "-", "-", "-"]
    assert lines[-1] == "See mood/mood.html"
    assert "1 message could not be read. See mood/quarantine.jsonl." in done.stderr
    names = {path.name for path in (tmp_path / "mood").iterdir()}
    charts = {f"{name}.{suffix}" for name in set(CHARTS) - {"countries"} for suffix in ("png", "svg")}
    assert names == charts | set(OUTPUTS)


def test_the_folder_holds_what_the_reference_says(folder: Path) -> None:
    summary = summary_of(recorded(folder).tally)
    listed = set(quoted("\n".join(table("A folder that `siaga mood` fills"))))
    assert set(OUTPUTS) <= listed
    assert {f"{name}.{suffix}" for name in CHARTS for suffix in ("png", "svg")} <= listed
    found = summary.to_dict()
    assert list(found) == first_column("mood.json")
    inner = [found["asked"], found["periods"][0], found["gaps"][0], found["languages"][0], found["total"]["all"]]
    assert set().union(*inner) <= words("mood.json")
    [feature, *_] = to_geojson(summary)["features"]
    assert feature["properties"].keys() <= words("mood.json")
    header = to_csv(summary).splitlines()[0].split(",")
    shown = words("mood.json") | {name.replace("<label>", "positive") for name in words("mood.json")}
    endings = ("", "_low", "_high")
    assert {name for name in header if "negative" not in name and "neutral" not in name} <= {
        f"{name}{ending}" for name in shown for ending in endings
    }


def test_describe_tells_what_is_in_a_stream(folder: Path, tmp_path: Path) -> None:
    settings = ("--set", "source.kind=twitter", "--set", f"source.path={folder}")
    done = CliRunner().invoke(app, ["describe", "stream-sentiment", *settings, "--out", str(tmp_path / "described")])
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert lines[1:4] == [
        "  time: 2019-07-03 06:29 to 2019-07-03 06:32 (UTC), 2 posts a minute",
        "  languages: en 4, id 1, others or none 1",
        "  places, by how they are known: profile 4, box 1, coordinates 1, others or none 0",
    ]
    assert "- 1 row set aside or kept in part: not JSON. The quarantine lists them." in lines
    assert "- 1 row set aside or kept in part: repeated id. The quarantine lists them." in lines
    found = json.loads((tmp_path / "described" / "describe.json").read_text())
    assert found["read"]["noted"] == {"notice: delete": 1, "notice: keep-alive": 1}


SIGNS = ("negative", "neutral", "positive")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.json"], "nowhere.json does not exist"),
        (["nowhere.db"], "nowhere.db does not exist"),
        (["minutes", "--with", "stream-sentimen"], "Did you mean 'stream-sentiment'?"),
    ],
)
def test_what_cannot_be_found_is_a_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(folder.parent)
    done = CliRunner().invoke(app, ["mood", *arguments])
    assert isinstance(done.exception, SiagaError)
    assert words in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["minutes", "--model", "m"], "files have no answers yet"),
        (["minutes", "--every", "soon"], "no length of time such as 10s"),
        (["minutes", "--every", "9999999d"], "the longest is 366d"),
        (["minutes", "--language", "English"], "'English' is not a language's code such as id or en"),
        (["minutes", "--since", "soon"], "neither ISO 8601 nor seconds since 1970"),
        (["new.db", "--with", "stream-sentiment"], "choose whose with --model"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(
    folder: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(folder.parent)
    done = CliRunner().invoke(app, ["mood", *arguments])
    assert done.exit_code == 2
    assert words in " ".join(done.output.replace("│", " ").split())
