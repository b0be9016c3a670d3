"""The command line as people meet it: what it prints, where, and with which exit code."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from siaga.cli.progress import hearing
from siaga.cli.sentences import sentence
from siaga.evaluation.fits import duration
from siaga.serving.batch import read_output
from tests.made import made_posts

SIAGA = [sys.executable, "-c", "from siaga.cli.main import main; main()"]
RECIPE = """
name = "mine"
[source]
kind = "table"
path = "posts.csv"
columns = {{ text = "tweet" }}
[model]
kind = "linear"
min_posts = 1
[evaluation]
resamples = 100
{extra}
"""


def siaga(*arguments: object, cwd: Path, text: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [*SIAGA, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, input=text, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recipe, its posts, and a trained run."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "mine.toml").write_text(RECIPE.format(extra=""))
    with (folder / "posts.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "tweet", "label"])
        writer.writerows([post.id, post.text, post.label] for post in made_posts(160) if post.text)
    done = siaga("train", "mine.toml", "--out", "run", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_help_is_printed_without_any_heavy_library() -> None:
    heavy = ("numpy", "torch", "sklearn", "PIL", "pyarrow", "matplotlib", "transformers", "fastapi", "pydantic")
    code = f"""
import sys
sys.argv = ["siaga", "--help"]
from siaga.cli.main import main
try: main()
finally: print([name for name in {heavy} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Commands" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_run_folder_holds_everything_and_the_table_goes_to_stdout(project: Path) -> None:
    names = {path.name for path in (project / "run").iterdir()}
    assert names == {"recipe.toml", "bundle", "report.json", "report.html", "metrics.jsonl", "predictions.parquet"}
    report = json.loads((project / "run" / "report.json").read_text())
    assert report["recipe"] == "mine"
    assert set(report["baselines"]) == {"majority", "tfidf"}
    assert not list(project.glob(".run*"))


def test_training_twice_with_one_seed_gives_one_bundle(project: Path) -> None:
    done = siaga("train", "mine.toml", "--out", "again", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((project / run / "bundle" / "bundle.json").read_text()) for run in ("run", "again"))
    assert first["model_sha256"] == second["model_sha256"]


def test_a_run_is_not_overwritten_unless_asked(project: Path) -> None:
    done = siaga("train", "mine.toml", "--out", "run", cwd=project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not empty. Choose another --out" in done.stderr


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".parquet"])
def test_predictions_come_in_the_format_of_the_suffix(project: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    done = siaga("predict", "run/bundle", "posts.csv", "-o", out, "--limit", 7, cwd=project)
    assert done.returncode == 0, done.stderr
    match suffix:
        case ".jsonl":
            rows = [json.loads(line) for line in out.read_text().splitlines()]
            assert rows[0].keys() == {"id", "label", "confidence", "probabilities", "used", "members", "model", "error"}
        case ".csv":
            rows = list(csv.DictReader(out.read_text().splitlines()))
        case _:
            import pyarrow.parquet as pq

            rows = pq.read_table(out).to_pylist()
    assert len(rows) == 7
    assert {row["label"] for row in rows} <= {"INFO", "NO_INFO"}


def test_posts_come_from_a_pipe_and_predictions_go_to_one(project: Path) -> None:
    lines = '{"id": "a", "tweet": "banjir di jalan"}\nnot json\n{"id": "b", "tweet": "diskon kopi"}\n'
    done = siaga("predict", "run/bundle", "-", cwd=project, text=lines)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["a", "b"]
    assert "1 rows were set aside" in done.stderr
    quarantined = json.loads((project / "stdout.quarantine.jsonl").read_text())
    assert quarantined["line"] == 2


def test_one_post_is_predicted_from_the_command_line(project: Path) -> None:
    done = siaga("predict", "run/bundle", "--text", "banjir setinggi lutut", cwd=project)
    assert json.loads(done.stdout)["label"] == "INFO"


def test_a_prediction_says_what_speaks_for_it_when_asked(project: Path, tmp_path: Path) -> None:
    done = siaga("predict", "run/bundle", "--text", "banjir #diskon", "--explain", cwd=project)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    explanation = answer["explanation"]
    assert (explanation["label"], explanation["probability"]) == (answer["label"], answer["confidence"])
    assert [(word["text"], word["start"], word["end"]) for word in explanation["words"]] == [
        ("banjir", 0, 6),
        ("#diskon", 7, 14),
    ]
    effects = [word["effect"] * (1 if answer["label"] == "INFO" else -1) for word in explanation["words"]]
    assert effects[0] > 0 > effects[1]
    out = tmp_path / "out.jsonl"
    assert (
        siaga("predict", "run/bundle", "posts.csv", "--explain", "-o", out, "--limit", 3, cwd=project).returncode == 0
    )
    assert [len(json.loads(line)["explanation"]["words"]) for line in out.read_text().splitlines()] == [6, 6, 6]
    assert [each.explanation for each in read_output(out)] == [
        json.loads(line)["explanation"] for line in out.read_text().splitlines()
    ]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_table_has_no_place_for_explanations(project: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"out{suffix}"
    done = siaga("predict", "run/bundle", "posts.csv", "--explain", "-o", out, cwd=project)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no place for explanations. Write a .jsonl file" in done.stderr
    assert not out.exists()


def test_python_and_the_command_line_give_the_same_probabilities(project: Path) -> None:
    from siaga import Post, load_bundle

    printed = json.loads(siaga("predict", "run/bundle", "--text", "air naik", cwd=project).stdout)["probabilities"]
    direct = load_bundle(project / "run" / "bundle").predict([Post("1", text="air naik")])[0].probabilities
    assert printed == pytest.approx(direct, abs=1e-9)


def test_a_bundle_is_evaluated_on_new_posts(project: Path, tmp_path: Path) -> None:
    done = siaga("evaluate", "run/bundle", "posts.csv", "--out", tmp_path / "e", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "majority" in done.stdout
    assert {path.name for path in (tmp_path / "e").iterdir()} == {"report.json", "report.html", "predictions.parquet"}


def test_two_runs_are_compared_on_the_same_posts(project: Path) -> None:
    assert siaga("train", "mine.toml", "--out", "weak", "--set", "model.C=0.001", cwd=project).returncode == 0
    done = siaga("compare", "run", "weak", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] > 20


def test_describe_and_check_say_what_is_in_the_data(project: Path, tmp_path: Path) -> None:
    done = siaga("describe", "mine.toml", "--out", tmp_path, cwd=project)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "describe.json").read_text())
    assert "<html" in (tmp_path / "describe.html").read_text()
    done = siaga("describe", "mine.toml", "--split", "--out", tmp_path, "--json", cwd=project)
    assert {"train", "validation", "test"} <= set(json.loads(done.stdout)["splits"])
    done = siaga("check", "mine.toml", cwd=project)
    assert "can be trained" in done.stdout


def test_recipes_show_and_doctor_answer(project: Path) -> None:
    assert "flood-triage" in siaga("recipes", cwd=project).stdout
    assert 'kind = "table"' in siaga("show", "mine.toml", cwd=project).stdout
    done = siaga("doctor", "run/bundle", cwd=project)
    assert "every byte as sealed" in done.stdout


def test_a_column_that_only_the_recipe_names_may_be_missing_and_one_that_the_user_names_may_not(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(RECIPE.format(extra="").replace("}", ', id = "number" }'))
    with (tmp_path / "posts.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["number", "tweet", "label"])
        writer.writerows([post.id, post.text, post.label] for post in made_posts(80) if post.text)
    assert siaga("train", "mine.toml", "--out", "run", cwd=tmp_path).returncode == 0
    (tmp_path / "new.csv").write_text("tweet\nbanjir di jalan\n")
    done = siaga("predict", "run/bundle", "new.csv", cwd=tmp_path)
    assert json.loads(done.stdout)["id"] == "new:2"
    done = siaga("predict", "run/bundle", "new.csv", "--column", "id=number", cwd=tmp_path)
    assert done.returncode == 1
    assert "lacks the column 'number'" in done.stderr


def test_an_evaluation_or_a_demo_never_replaces_a_run_unasked(project: Path) -> None:
    for command in (("evaluate", "run/bundle", "posts.csv", "--out", "run"), ("demo", "--out", "run")):
        done = siaga(*command, cwd=project)
        assert done.returncode == 1
        assert "Choose another --out" in done.stderr


FAULTS = {
    "a missing column": ("--set", "source.columns.text=twet", "lacks the column 'twet'"),
    "a wrong path": ("--set", "source.path=post.csv", "posts.csv"),
    "one class only": ("--set", 'source.where.label=["INFO"]', "label"),
    "an unknown class": ("--set", 'classes=["INFO", "OTHER"]', "NO_INFO"),
    "an unknown setting": ("--set", "model.CC=3", "model.CC: unknown key. Did you mean 'C'?"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_user_gives_one_message_and_leaves_nothing(project: Path, fault: str) -> None:
    *arguments, said = FAULTS[fault]
    done = siaga("train", "mine.toml", "--out", "faulty", *arguments, cwd=project)
    assert done.returncode == 1, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (project / "faulty").exists()
    assert not list(project.glob(".faulty*"))


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), ("id,tweet\n1,banjir\n".encode("utf-16-le"), "UTF-8"), (b"id,text\n1,banjir\n", "'tweet'")],
)
def test_a_file_that_cannot_be_read_is_said_in_one_line(
    project: Path, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    done = siaga("predict", "run/bundle", tmp_path / "bad.csv", "-o", tmp_path / "out.jsonl", cwd=project)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out.jsonl").exists()


def test_an_image_that_is_none_an_unknown_label_and_a_changed_byte_are_said(project: Path, tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_text("not an image")
    done = siaga("predict", "run/bundle", "--image", tmp_path / "no.jpg", cwd=project)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    (tmp_path / "new.csv").write_text("id,tweet,label\n1,banjir,MAYBE\n")
    done = siaga("evaluate", "run/bundle", tmp_path / "new.csv", cwd=project)
    assert done.returncode == 1
    assert "'MAYBE' is unknown to the bundle" in done.stderr
    done = siaga("doctor", "weird", cwd=project)
    assert done.returncode == 1


def test_wrong_usage_exits_with_two_and_suggests(project: Path) -> None:
    assert siaga("predict", "run/bundle", cwd=project).returncode == 2
    done = siaga("trian", "mine.toml", cwd=project)
    assert done.returncode == 2
    assert "train" in done.stderr


def slow_predict(project: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start predicting from a pipe that stays open, and return once work is under way."""
    child = subprocess.Popen(
        [*SIAGA, "predict", "run/bundle", "-", "-o", str(out)],
        cwd=project,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert child.stdin is not None
    for i in range(2000):
        child.stdin.write(json.dumps({"id": str(i), "tweet": "banjir"}).encode() + b"\n")
    child.stdin.flush()
    deadline = time.monotonic() + 30
    while not list(out.parent.glob(".*partial")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return child


@pytest.mark.parametrize(("signal_", "code"), [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_predict_that_is_stopped_leaves_no_half_file(project: Path, tmp_path: Path, signal_: int, code: int) -> None:
    out = tmp_path / "out.jsonl"
    with slow_predict(project, out) as child:
        os.kill(child.pid, signal_)
        child.wait(timeout=30)
    assert child.returncode == code
    assert not out.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "mine.toml", "--out", "mine.toml/run"),
        ("train", "mine.toml", "--out", "/proc/run"),
        ("describe", "mine.toml", "--out", "mine.toml"),
        ("evaluate", "run/bundle", "posts.csv", "--out", "mine.toml"),
        ("predict", "run/bundle", "posts.csv", "-o", "mine.toml/out.jsonl"),
    ],
)
def test_a_place_that_cannot_be_written_is_said_in_one_line(project: Path, arguments: tuple[str, ...]) -> None:
    done = siaga(*arguments, cwd=project)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_run_goes_through_a_link_and_never_replaces_the_working_folder(project: Path, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    done = siaga("train", project / "mine.toml", "--out", "link", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "there" / "bundle" / "bundle.json").is_file()
    for out in (".", "..", tmp_path / "here"):
        done = siaga("train", project / "mine.toml", "--out", out, "--overwrite", cwd=tmp_path / "here")
        assert done.returncode == 1
        assert "working folder" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "link", "there"]


def test_a_folder_that_holds_more_than_a_run_is_not_replaced(project: Path, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text((project / "mine.toml").read_text())
    (tmp_path / "posts.csv").write_bytes((project / "posts.csv").read_bytes())
    done = siaga("train", tmp_path / "recipe.toml", "--out", tmp_path, "--overwrite", cwd=project)
    assert done.returncode == 1
    assert "posts.csv" in done.stderr
    assert (tmp_path / "posts.csv").is_file()


def test_an_event_never_leads_out_of_the_run_folder(project: Path, tmp_path: Path) -> None:
    events = ("../../evil", "a/b", "a_b", "..")
    with (tmp_path / "posts.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "tweet", "label", "event"])
        posts = [post for post in made_posts(160) if post.text]
        writer.writerows([post.id, post.text, post.label, events[i // 2 % 4]] for i, post in enumerate(posts))
    settings = ("--set", f"source.path={tmp_path / 'posts.csv'}", "--set", "split.kind=event")
    done = siaga("train", "mine.toml", *settings, "--out", tmp_path / "deep" / "runs", cwd=project)
    assert done.returncode == 0, done.stderr
    assert all(event in done.stdout for event in events)
    assert len(list((tmp_path / "deep" / "runs").glob("*/report.html"))) == len(events)
    assert sorted(path.name for path in tmp_path.rglob("report.html")) == ["report.html"] * len(events)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["runs"]


def test_the_input_is_never_overwritten(project: Path, tmp_path: Path) -> None:
    posts = tmp_path / "posts.jsonl"
    posts.write_text('{"id": "1", "tweet": "banjir"}\n')
    before = posts.read_bytes()
    (tmp_path / "link.jsonl").symlink_to(posts)
    for output in (posts, tmp_path / "link.jsonl"):
        done = siaga("predict", "run/bundle", posts, "-o", output, cwd=project)
        assert done.returncode == 1
        assert "is the file that is read" in done.stderr
    assert posts.read_bytes() == before


def test_predictions_on_stdout_leave_the_records_of_a_run_alone(project: Path, tmp_path: Path) -> None:
    (tmp_path / "quarantine.jsonl").write_text("the record of a training\n")
    posts = '{"id": "1", "tweet": "banjir"}\n'
    done = siaga("predict", project / "run" / "bundle", "-", cwd=tmp_path, text=posts)
    assert done.returncode == 0
    assert (tmp_path / "quarantine.jsonl").read_text() == "the record of a training\n"


def test_a_reader_that_goes_away_is_no_fault(project: Path) -> None:
    command = [*SIAGA, "predict", "run/bundle", "-"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=project, **pipes) as child:  # type: ignore[call-overload]  # A dict of pipes.
        child.stdout.close()
        _, said = child.communicate(b'{"id": "1", "tweet": "banjir"}\n' * 1)
    assert (child.returncode, said) == (0, b"")


def test_a_label_that_is_a_class_already_needs_no_mapping(project: Path, tmp_path: Path) -> None:
    mapping = 'source.labels={INFO = "FLOOD", "*" = "OTHER"}'
    done = siaga("train", "mine.toml", "--set", mapping, "--out", tmp_path / "run", cwd=project)
    assert done.returncode == 0, done.stderr
    text = (project / "posts.csv").read_text()
    (tmp_path / "new.csv").write_text(text.replace(",INFO\n", ",FLOOD\n").replace(",NO_INFO\n", ",OTHER\n"))
    raw, mapped = (
        json.loads(siaga("evaluate", tmp_path / "run" / "bundle", posts, "--json", cwd=project).stdout)
        for posts in (project / "posts.csv", tmp_path / "new.csv")
    )
    assert mapped["confusion"] == raw["confusion"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("decision.costs.INFOS=3", "'INFOS'"),
        ("positive=INFOS", "'INFOS'"),
        ('model={kind = "self_training", model = {kind = "linear"}, thresholds = {INFOS = 0.9}}', "'INFOS'"),
        ("source.image_root=nowhere", "nowhere"),
    ],
)
def test_a_setting_that_names_nothing_in_the_data_is_refused(project: Path, override: str, said: str) -> None:
    done = siaga("check", "mine.toml", "--set", override, cwd=project)
    assert done.returncode == 1, done.stdout
    assert said in done.stderr


def test_the_rows_that_were_set_aside_are_told_once_and_where_they_are(project: Path, tmp_path: Path) -> None:
    (tmp_path / "posts.csv").write_text((project / "posts.csv").read_text() + "only one cell\n")
    settings = ("--set", f"source.path={tmp_path / 'posts.csv'}")
    for command in (("train", "--out", tmp_path / "run"), ("describe", "--out", tmp_path / "described")):
        done = siaga(command[0], "mine.toml", *settings, *command[1:], cwd=project)
        [said] = [line for line in done.stderr.splitlines() if "set aside" in line]
        assert Path(said.rpartition(" ")[2].rstrip(".")).is_file()
    done = siaga("predict", "run/bundle", tmp_path / "posts.csv", "-o", tmp_path / "out.jsonl", cwd=project)
    assert [line for line in done.stderr.splitlines() if "set aside" in line] == done.stderr.splitlines()
    assert len(done.stderr.splitlines()) == 1


def test_an_unknown_level_of_logging_is_said(project: Path) -> None:
    environment = {**os.environ, "SIAGA_LOG": "loud"}
    command = [*SIAGA, "recipes"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=project, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["siaga: SIAGA_LOG is 'loud'. Set it to DEBUG, INFO, WARNING or ERROR."]


def test_an_epoch_is_told_in_words(project: Path) -> None:
    small = ("--set", "source.posts=40", "--set", "source.unlabelled=0", "--set", "evaluation.resamples=100")
    convnet = ("--set", 'model={kind = "convnet", image_size = 8, training = {epochs = 2}}')
    done = siaga("train", "flood-triage", *convnet, *small, "--out", "net", cwd=project)
    lines = [line.partition(" s  ")[2] for line in done.stderr.splitlines() if "epoch" in line]
    assert [line.partition(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert all(re.search(r": training loss \d.*; validation loss \d.*; .* posts/s", line) for line in lines)


EPOCH = {"step": "epoch", "epoch": 3, "epochs": 12, "seconds": 130.2, "posts_per_s": 12812.3, "data_wait": 0.031}
FIGURES = {"train_loss": 0.51234, "train_accuracy": 0.8, "train_macro_f1": None, "validation_loss": 0.4}
BATCH = {"step": "batch", "epoch": 3, "epochs": 12, "done": 1280, "total": 45000, "posts_per_s": 3.14, "left_s": 3900.0}
FIND = {"step": "find", "rates": [0.1], "losses": [1.0], "learning_rate": 0.0021, "reason": "It is so."}


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            {**EPOCH, **FIGURES, "member": "image", "round": 1},
            "[round 1] [image] epoch 3 of 12: training loss 0.5123, accuracy 0.8000; validation loss 0.4000; "
            "2 min 10 s, 12,812 posts/s, 3 % waiting for data",
        ),
        ({"step": "epoch", "epoch": 1, "epochs": 2, "train_loss": 0.5}, "epoch 1 of 2: training loss 0.5000"),
        (BATCH, "epoch 3 of 12: 1,280 of 45,000 posts, 3.1 posts/s, 1 h 5 min left"),
        (FIND, "learning-rate finder: 0.0021. It is so."),
        ({"step": "precision", "precision": "bfloat16", "speedup": 1.4, "reason": "why"}, "learning in bfloat16: why"),
        ({"step": "predict", "done": 1000, "total": 2000}, "answered 1,000 of 2,000 posts"),
        ({"step": "fit", "posts": 3, "fold": 1}, "[fold 1] fit posts 3"),
        (
            {"step": "round", "round": 1, "member": "a", "method": "fixmatch", "added": 9, "kept": True, "reason": "x"},
            "[a] fixmatch: 9 unlabelled posts, kept (x)",
        ),
    ],
)
def test_what_happens_is_told_in_numbers_for_people(event: dict[str, object], said: str) -> None:
    assert sentence(event) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (3599.7, "1 h 0 min"),
        (90061, "25 h 1 min"),
    ],
)
def test_a_duration_is_told_as_people_say_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("live", [False, True])
def test_batches_pass_on_a_terminal_and_are_not_told_in_a_log(
    live: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: live)
    monkeypatch.setenv("COLUMNS", "40")
    augmented = {"step": "augmented", "images": [], "labels": []}
    with hearing() as hear:
        for event in (BATCH, {**BATCH, "done": 45000}, augmented, {**EPOCH, **FIGURES}, {**EPOCH, "fold": 1}, FIND):
            hear(event)
    told = re.sub(r" +\d+\.\d s  ", "", capsys.readouterr().err)
    lasting = [sentence({**EPOCH, **FIGURES}), sentence(FIND)]
    if live:
        passing = "epoch 3 of 12: 1,280 of 45,00"  # One line, cut to the width of the terminal.
        assert told == "".join(f"\r\x1b[2K{part}" for part in (passing, *(f"{each}\n" for each in lasting), ""))
    else:
        assert told.splitlines() == lasting


def test_superclasses_are_checked_before_training_and_known_to_the_bundle(project: Path, tmp_path: Path) -> None:
    lines = (project / "posts.csv").read_text().splitlines()
    rows = [f"{line},{'group' if number == 0 else 'all'}" for number, line in enumerate(lines)]
    (tmp_path / "posts.csv").write_text("\n".join(rows))
    fields = ("--set", f"source.path={tmp_path / 'posts.csv'}", "--set", 'source.columns.fields=["group"]')
    done = siaga("check", "mine.toml", *fields, "--set", "evaluation.superclass=groop", cwd=project)
    assert done.returncode == 1
    assert (
        "No labelled post has the field 'groop', which evaluation.superclass names. Did you mean 'group'" in done.stderr
    )
    run = tmp_path / "run"
    done = siaga("train", "mine.toml", *fields, "--set", "evaluation.superclass=group", "--out", run, cwd=project)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1].split()[:2] == ["accuracy", "superclass_accuracy"]
    assert "| superclass_accuracy | 1.0000 | 1.0000 to 1.0000 |" in (run / "bundle" / "card.md").read_text()
    done = siaga("evaluate", run / "bundle", "posts.csv", cwd=project)
    assert "superclass_accuracy" in done.stdout, done.stderr
    done = siaga("compare", run, run, cwd=project)
    assert "superclass_accuracy" in done.stdout, done.stderr
