"""What the documentation shows is so: the reference is up to date, links lead somewhere, and what it shows works."""

import json
import re
import runpy
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import siaga
from siaga.cli.main import app
from siaga.evaluation.topics.report import TopicReport
from siaga.recipe import check_recipe, load_recipe
from siaga.schema import Recipe, SyntheticSource
from siaga.sources.synthetic import make_posts

PROJECT = Path(__file__).parent.parent
DOCS = PROJECT / "docs"
PAGES = sorted([PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
REFERENCE = (DOCS / "reference.md").read_text()
QUICK = (
    "source.posts=60",
    "source.unlabelled=40",
    "evaluation.resamples=100",
    "model.model.members.image.training.epochs=1",
    "model.threshold=0.6",
    "model.guard=off",
)
ANY_EVENT = {"step", "member", "fold", "round"}


def named(page: Path) -> str:
    return page.relative_to(PROJECT).as_posix()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the Python of the README leaves behind, after it ran as it stands on fewer posts."""
    folder = tmp_path_factory.mktemp("readme")
    [block] = blocks(PROJECT / "README.md", "python")
    asked = 'load_recipe("flood-triage")'
    assert asked in block
    block = block.replace(asked, f'load_recipe("flood-triage", overrides={QUICK!r})')
    texts, labels = ["banjir di jalan", "diskon kopi"] * 5, ["INFO", "NO_INFO"] * 5
    articles = list(make_posts(SyntheticSource(looks_like="news-topics", posts=200))["posts"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(block, {"texts": texts, "labels": labels, "more_texts": texts, "articles": articles})  # noqa: S102 - it is our own README.
    return folder / "runs" / "flood"


def test_the_reference_is_up_to_date() -> None:
    made = runpy.run_path(str(DOCS / "make_reference.py"))["reference"]()
    assert made == REFERENCE, "run: python docs/make_reference.py"


def test_every_setting_has_its_meaning() -> None:
    schema = Recipe.model_json_schema()
    specs = {"Recipe": schema, **schema["$defs"]}
    without = [
        f"{name}.{key}"
        for name, spec in specs.items()
        for key, value in spec["properties"].items()
        if key != "kind" and not value.get("description")
    ]
    assert without == []
    assert all(spec.get("description") for spec in specs.values())


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not link.startswith(("https://", "http://")):
            path, _, anchor = link.partition("#")
            target = page.parent / path if path else page
            assert target.exists(), f"{link} leads nowhere"
            assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_that_is_shown_can_be_parsed(page: Path) -> None:
    for line in commands(page):
        _, name, *arguments = shlex.split(line, comments=True)
        command = get_command(app).commands[name]  # type: ignore[attr-defined]  # The app has several commands.
        parsed = command.make_context(name, arguments, resilient_parsing=False)
        settings = parsed.params.get("settings") or []
        if parsed.params.get("recipe") in siaga.list_recipes():
            load_recipe(parsed.params["recipe"], overrides=settings, variant=parsed.params.get("variant"))


def test_the_readme_shows_every_command_but_the_demo() -> None:
    known = set(get_command(app).commands) - {"demo"}  # type: ignore[attr-defined]  # As above.
    assert known == {shlex.split(line)[1] for line in commands(PROJECT / "README.md")} - {"demo"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_piece_of_a_recipe_that_is_shown_is_valid(page: Path, tmp_path: Path) -> None:
    import tomllib

    whole = {"name": "shown", "source": {"kind": "synthetic"}, "model": {"kind": "linear"}}
    for block in blocks(page, "toml"):
        check_recipe(whole | tomllib.loads(block), where="shown")


def test_the_tree_in_the_readme_names_what_is_there() -> None:
    [tree] = [block for block in blocks(PROJECT / "README.md", "") if block.startswith("├──")]
    for line in tree.splitlines():
        inside, names = re.fullmatch(r"(│?)[ │├└─]*(\S.*?)(?:   .*)?", line).groups()  # type: ignore[union-attr]  # It matches.
        for name in names.split("  ")[0].split():
            assert (PROJECT / ("src/siaga" if inside else "") / name).exists(), name


def test_a_run_folder_holds_what_the_reference_says(run: Path) -> None:
    listed = set(first_column("A run folder"))
    assert {path.name + "/" * path.is_dir() for path in run.iterdir()} == listed - {"quarantine.jsonl"}
    bundle = {path.name + "/" * path.is_dir() for path in (run / "bundle").iterdir()}
    assert bundle == set(first_column("bundle/"))
    assert keys(json.loads((run / "bundle" / "bundle.json").read_text())) <= words("bundle/")


def test_a_report_holds_what_the_reference_says(run: Path) -> None:
    report = json.loads((run / "report.json").read_text())
    assert list(report) == first_column("report.json")
    inner = [report["per_class"]["INFO"], report["calibration"][0], report["versus"]["tfidf"]["accuracy"]]
    assert set().union(*map(keys, inner)) <= words("report.json")


def test_a_report_of_topics_holds_what_the_reference_says() -> None:
    shared = ["recipe", "seed", "n", "classes", "data", "environment", "seconds", "recipe_toml"]
    own = [each.name for each in fields(TopicReport) if each.name not in shared]
    assert own == first_column("report.json of topics")


OF_TOPICS = ("vocabulary", "sweep", "choice")


def test_the_records_of_a_run_hold_what_the_reference_says(run: Path) -> None:
    rows = dict(zip(first_column("metrics.jsonl"), table("metrics.jsonl"), strict=True))
    events = lines_of(run / "metrics.jsonl")
    assert {event["step"] for event in events} == rows.keys() - {"embed", "find", "precision", *OF_TOPICS}
    for event in events:
        assert keys(event) - ANY_EVENT <= set(quoted(rows[event["step"]])), event
    pseudo = lines_of(run / "pseudo_labels.jsonl")
    assert keys(pseudo[0]) - {"step"} <= words("pseudo_labels.jsonl")


def test_every_event_that_the_code_tells_is_in_the_reference() -> None:
    told = {
        step
        for path in (PROJECT / "src" / "siaga").rglob("*.py")
        for step in re.findall(r'\{"step": "([a-z_-]+)"', path.read_text())
    }
    documented = set(first_column("metrics.jsonl")) | words("metrics.jsonl") | {"pseudo_label"}
    assert told <= documented


def test_predictions_hold_what_the_reference_says(run: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    from siaga.serving.batch import to_json, write_output

    shown = {name.replace("<class>", "INFO").replace("<member>", "text") for name in words("predictions.parquet")}
    columns = pq.read_schema(run / "predictions.parquet").names
    assert {name for name in columns if "NO_INFO" not in name and "member_image" not in name} <= shown
    [prediction] = siaga.load_bundle(run / "bundle").predict([siaga.Post("1", text="banjir")])
    assert list(json.loads(to_json(prediction))) == first_column("What `siaga predict` writes")
    write_output([prediction], str(tmp_path / "out.csv"))
    flat = quoted(section("What `siaga predict` writes").partition("As CSV")[2])
    header = (tmp_path / "out.csv").read_text().splitlines()[0].replace('"', "").split(",")
    assert header[:7] == [name.replace("<class>", "NO_INFO") for name in flat[:7]]


def test_a_quarantined_row_holds_what_the_reference_says(tmp_path: Path) -> None:
    from siaga.quarantine import Quarantine

    quarantine = Quarantine()
    quarantine.add("posts.csv", 2, "Ragged row: 1 cell.", "x")
    quarantine.write(tmp_path / "quarantine.jsonl")
    assert list(lines_of(tmp_path / "quarantine.jsonl")[0]) == quoted(section("quarantine.jsonl"))


def blocks(page: Path, language: str) -> list[str]:
    every = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [block for name, block in every if name == language]


def commands(page: Path) -> list[str]:
    """Return the `siaga …` lines of a page's blocks, without the explanations that stand in a column beside them."""
    shown = [line for block in blocks(page, "") for line in block.splitlines() if line.startswith("siaga ")]
    inline = re.findall(r"`(siaga [a-z]+ [^`]*)`", page.read_text())
    return [
        re.split(r" {3,}|  (?=[a-z])", line)[0] for line in [*shown, *inline] if "…" not in line and " > " not in line
    ]


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section(heading: str) -> str:
    return REFERENCE.split(f"\n### {heading}\n")[1].split("\n### ")[0].split("\n## ")[0]


def table(heading: str) -> list[str]:
    return [line for line in section(heading).splitlines() if line.startswith("| `") or re.match(r"\| \w+/", line)]


def first_column(heading: str) -> list[str]:
    return [quoted(line)[0] for line in table(heading)]


def quoted(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def words(heading: str) -> set[str]:
    return set(quoted(section(heading)))


def keys(value: dict[str, Any]) -> set[str]:  # Any: JSON, here and below.
    return set(value)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]
