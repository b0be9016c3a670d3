"""Runs that are killed, interrupted or refused, and resumed: they end as those that were left alone."""

import csv
import fcntl
import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest
from safetensors import safe_open

from siaga.bundle import load_bundle
from siaga.errors import DataError
from siaga.evaluation.report import Report
from siaga.models.classifier import Event
from siaga.post import Post
from siaga.recipe import check_recipe
from siaga.run_folder import keep_checkpoints
from siaga.schema import Recipe
from siaga.workflow import Restart, train, train_by_event
from tests.made import made_posts
from tests.tiny_encoders import tiny_static_encoder
from tests.zygote import Zygote

PACE = ("seconds", "posts_per_s", "data_wait")
CHECKPOINT = ".run.checkpoints/fit.safetensors"
EVERY_STEP = ("--checkpoint-every", 0)
DIGITS = (
    *("train", "digits", *EVERY_STEP),
    *("--set", "source.posts=400", "--set", "evaluation.resamples=100", "--set", "model.net.channels=[8,16]"),
    *("--set", "model.training.batch_size=32", "--set", "model.training.epochs=10"),
)
FLOOD = (
    *("train", "flood-triage", *EVERY_STEP),
    *("--set", "source.posts=80", "--set", "source.unlabelled=20", "--set", "evaluation.resamples=100"),
    *("--set", "model.model.folds=2", "--set", "model.model.members.image.training.epochs=2"),
    *("--set", "model.threshold=0.6", "--set", "model.guard=off"),
)


@pytest.fixture(scope="module")
def siaga(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(tmp_path_factory.mktemp("logs")) as zygote:
        yield zygote


def outcome(out: Path) -> tuple[str, object, list[dict[str, object]]]:
    """The hash of the weights, the metrics of the report, and those of the training, but for its pace."""
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    told = [{key: value for key, value in line.items() if key not in PACE} for line in lines]
    report = Report.read(out / "report.json")
    return load_bundle(out / "bundle").model_sha256, (report.metrics, report.per_class), told


def hidden(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.name.startswith(".")}


def wait_for(folder: Path, name: str, *, times: int = 1) -> None:
    """Wait until a file in `folder` has been written so many times, a minute at most."""
    until, last = time.monotonic() + 60, written(folder, name)
    while times and time.monotonic() < until:
        time.sleep(0.001)
        if (now := written(folder, name)) not in (0, last):
            last, times = now, times - 1
    assert not times


def written(folder: Path, name: str) -> int:
    """Return what changes when a file is written anew; 0 where there is none."""
    with suppress(FileNotFoundError):
        return max((path.stat().st_ino for path in folder.glob(name)), default=0)
    return 0


@pytest.fixture(scope="module")
def unkilled(siaga: Zygote, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the digits that was left alone."""
    out = tmp_path_factory.mktemp("unkilled") / "run"
    code, log = siaga.run(*DIGITS, "--out", out)
    assert code == 0, log
    return out


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(
    siaga: Zygote, unkilled: Path, tmp_path: Path
) -> None:
    out, dice = tmp_path / "run", random.Random(0)
    for resume in ([], ["--resume"], ["--resume"], ["--resume"]):
        siaga.start(*DIGITS, "--out", out, *resume)
        wait_for(tmp_path, CHECKPOINT, times=dice.randint(1, 10))
        time.sleep(dice.uniform(0, 0.01))
        siaga.send(signal.SIGKILL)
        assert siaga.wait()[0] == -signal.SIGKILL
        assert not out.exists()
    siaga.start(*DIGITS, "--out", out, "--resume")
    wait_for(tmp_path, ".run.*.partial/predictions.parquet")
    siaga.kill()
    code, log = siaga.run(*DIGITS, "--out", out, "--resume")
    assert code == 0, log
    assert outcome(out) == outcome(unkilled)
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_fusion_is_resumed_in_the_middle_of_its_cross_fitting(siaga: Zygote, tmp_path: Path) -> None:
    """What is done is not done again, and the rest ends as it would have."""
    code, log = siaga.run(*FLOOD, "--out", tmp_path / "whole")
    assert code == 0, log
    siaga.start(*FLOOD, "--out", tmp_path / "run")
    kept = tmp_path / ".run.checkpoints"
    wait_for(kept, "member-image-fold-2/fit.safetensors")
    siaga.send(signal.SIGKILL)
    assert siaga.wait()[0] == -signal.SIGKILL
    before = [event["seconds"] for event in told(kept / "member-image-fold-1" / "fit.safetensors")]
    code, log = siaga.run(*FLOOD, "--out", tmp_path / "run", "--resume")
    assert code == 0, log
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    again = [line for line in lines if line["step"] == "epoch" and line.get("fold") == 1 and "round" not in line]
    assert before == [line["seconds"] for line in again]
    assert len(before) == 2
    assert hidden(tmp_path) == set()


def told(checkpoint: Path) -> list[Mapping[str, Any]]:  # Any: what events hold.
    """The epochs in a checkpoint."""
    with safe_open(checkpoint, framework="pt") as stored:
        events = json.loads(stored.metadata()["siaga"])["told"]
    return [event for event in events if event["step"] == "epoch"]


def test_to_resume_what_is_complete_is_to_read_it(siaga: Zygote, unkilled: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in unkilled.rglob("*")}
    code, log = siaga.run(*DIGITS, "--out", unkilled, "--resume")
    assert code == 0
    assert f"{unkilled} is complete already; nothing was trained." in log
    assert "accuracy" in log
    assert {path: path.stat().st_mtime_ns for path in unkilled.rglob("*")} == before


def test_other_settings_are_refused_with_the_first_difference_and_cost_nothing(
    siaga: Zygote, unkilled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    siaga.start(*DIGITS, "--out", out)
    wait_for(tmp_path, CHECKPOINT)
    siaga.send(signal.SIGINT)
    code, log = siaga.wait()
    assert code == 130
    assert "Interrupted; the same command with --resume goes on from the last checkpoint." in log
    assert hidden(tmp_path) == {".run.checkpoints"}
    code, log = siaga.run(*DIGITS, "--out", out, "--resume", "--set", "model.training.epochs=11")
    assert code == 1
    assert (
        f"siaga: The run that was interrupted at {out} had other settings: 'epochs = 10' then, 'epochs = 11' now. "
        in log
    )
    code, log = siaga.run(*DIGITS, "--out", out, "--resume")
    assert code == 0
    assert "resumed in epoch" in log
    assert outcome(out) == outcome(unkilled)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_static_encoder(tmp_path_factory.mktemp("words"))


def write(path: Path, posts: list[Post]) -> Path:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text", "label", "event"])
        writer.writerows([post.id, post.text, post.label, post.event or ""] for post in posts if post.text)
    return path


def recipe(posts: Path, weights: Path | None = None, **more: object) -> Recipe:
    """A head on static embeddings of words that learns in four epochs; without weights a model that keeps nothing."""
    training = {"epochs": 4, "batch_size": 16}
    head = {"kind": "encoder", "modality": "text", "weights": str(weights), "head": "mlp", "training": training}
    table = {
        "name": "mine",
        "source": {"kind": "table", "path": str(posts)},
        "model": head if weights else {"kind": "linear", "min_posts": 1},
        "evaluation": {"resamples": 100},
        **more,
    }
    return check_recipe(table, where="test")


def interrupt(event: Event) -> None:
    """What a person does after the second epoch."""
    if event["step"] == "epoch" and event["epoch"] == 2:
        raise KeyboardInterrupt


ANEW, GO_ON = Restart(every_s=0.0), Restart(resume=True, every_s=0.0)


def test_what_was_interrupted_is_resumed_to_the_same_weights(
    words: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = recipe(write(tmp_path / "posts.csv", made_posts(120)), words)
    train(chosen, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(chosen, tmp_path / "run", restart=ANEW, progress=interrupt)
    assert "Interrupted; the same command with --resume" in caplog.text
    assert hidden(tmp_path) == {".run.checkpoints"}
    seconds = [event["seconds"] for event in told(tmp_path / ".run.checkpoints" / "fit.safetensors")]
    train(chosen, tmp_path / "run", restart=GO_ON)
    assert outcome(tmp_path / "run") == outcome(tmp_path / "whole")
    training = Report.read(tmp_path / "run" / "report.json").training
    assert [epoch["seconds"] for epoch in training][: len(seconds)] == seconds
    assert hidden(tmp_path) == set()


def test_without_resume_a_run_begins_anew(words: Path, tmp_path: Path) -> None:
    chosen = recipe(write(tmp_path / "posts.csv", made_posts(120)), words)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, tmp_path / "run", restart=ANEW, progress=interrupt)
    kept = tmp_path / ".run.checkpoints"
    (kept / "member-old").mkdir()
    seen: list[bool] = []

    def look(event: Event) -> None:
        if event["step"] == "epoch":
            seen.append((kept / "member-old").exists() or (kept / "fit.safetensors").stat().st_mtime_ns < began)

    began = time.time_ns()
    train(recipe(tmp_path / "posts.csv", words, seed=5), tmp_path / "run", restart=ANEW, progress=look)
    assert seen == [False] * 4
    assert hidden(tmp_path) == set()


def test_other_posts_are_refused(words: Path, tmp_path: Path) -> None:
    chosen = recipe(write(tmp_path / "posts.csv", made_posts(120)), words)
    with pytest.raises(KeyboardInterrupt):
        train(chosen, tmp_path / "run", restart=ANEW, progress=interrupt)
    write(tmp_path / "posts.csv", made_posts(119))
    with pytest.raises(DataError, match=r"not those of the run that was interrupted\. Train anew without --resume"):
        train(chosen, tmp_path / "run", restart=GO_ON)
    write(tmp_path / "posts.csv", made_posts(120))
    train(chosen, tmp_path / "run", restart=GO_ON)
    assert (tmp_path / "run" / "report.json").exists()


def test_two_processes_never_train_into_one_folder(words: Path, tmp_path: Path) -> None:
    chosen = recipe(write(tmp_path / "posts.csv", made_posts(120)), words)
    refused: list[str] = []

    def intrude(event: Event) -> None:
        if event["step"] == "epoch":
            for restart in (ANEW, GO_ON):
                with pytest.raises(DataError, match=r"Another process trains into .*run\. Wait for it") as caught:
                    train(chosen, tmp_path / "run", restart=restart)
                refused.append(str(caught.value))

    train(chosen, tmp_path / "run", restart=ANEW, progress=intrude)
    assert len(refused) == 8
    assert hidden(tmp_path) == set()


def test_a_run_that_fails_with_nothing_to_resume_leaves_nothing(tmp_path: Path) -> None:
    posts = write(tmp_path / "posts.csv", made_posts(120))

    def stop(event: Event) -> None:
        if event["step"] == "predict":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe(posts), tmp_path / "run", restart=ANEW, progress=stop)
    with pytest.raises(DataError):
        train(recipe(tmp_path / "gone.csv"), tmp_path / "run", restart=ANEW)
    assert {path.name for path in tmp_path.iterdir()} == {"posts.csv"}


def test_a_run_that_was_to_replace_another_is_resumed_only_to_replace_it(words: Path, tmp_path: Path) -> None:
    chosen = recipe(write(tmp_path / "posts.csv", made_posts(120)), words)
    train(chosen, tmp_path / "run")
    first = (tmp_path / "run" / "report.json").stat().st_ino
    with pytest.raises(KeyboardInterrupt):
        train(chosen, tmp_path / "run", overwrite=True, restart=ANEW, progress=interrupt)
    train(chosen, tmp_path / "run", restart=GO_ON)
    assert (tmp_path / "run" / "report.json").stat().st_ino == first
    assert hidden(tmp_path) == {".run.checkpoints"}
    train(chosen, tmp_path / "run", overwrite=True, restart=GO_ON)
    assert (tmp_path / "run" / "report.json").stat().st_ino != first
    assert hidden(tmp_path) == set()


def test_what_an_earlier_process_of_the_same_number_left_is_swept(tmp_path: Path) -> None:
    stale = tmp_path / f".run.{os.getpid()}.partial"
    (stale / "bundle").mkdir(parents=True)
    (stale / "bundle" / "old.json").write_text("{}")
    train(recipe(write(tmp_path / "posts.csv", made_posts(80))), tmp_path / "run")
    assert not (tmp_path / "run" / "bundle" / "old.json").exists()
    assert hidden(tmp_path) == set()


def test_events_that_are_complete_are_not_trained_again(tmp_path: Path) -> None:
    posts = [
        Post(post.id, text=post.text, label=post.label, event=f"flood-{i % 3}")
        for i, post in enumerate(made_posts(150))
    ]
    chosen = recipe(write(tmp_path / "posts.csv", posts), split={"kind": "event"})

    def stop(event: Event) -> None:
        if event["step"] == "predict" and (tmp_path / "runs" / "flood-1").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_by_event(chosen, tmp_path / "runs", restart=ANEW, progress=stop)
    made = {event: (tmp_path / "runs" / event / "report.json").stat().st_ino for event in ("flood-0", "flood-1")}
    reports = train_by_event(chosen, tmp_path / "runs", restart=GO_ON)
    assert list(reports) == ["flood-0", "flood-1", "flood-2"]
    assert made == {event: (tmp_path / "runs" / event / "report.json").stat().st_ino for event in made}


def test_whoever_is_late_takes_up_no_checkpoints_that_are_just_discarded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, lock = tmp_path / ".run.checkpoints", fcntl.flock
    discarded: list[Path] = []

    def late(file: IO[str], how: int) -> None:
        if not discarded:  # Here another process, which held the folder, has finished.
            discarded.append(kept.rename(tmp_path / "aside"))
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with keep_checkpoints(tmp_path / "run", "recipe", resume=True) as folder:
        assert folder == kept
        assert (kept / "lock").stat().st_ino != (tmp_path / "aside" / "lock").stat().st_ino
        with pytest.raises(DataError, match="Another process"), keep_checkpoints(tmp_path / "run", "", resume=True):
            pass
    assert hidden(tmp_path) == set()


def test_only_one_ever_holds_the_checkpoints_of_a_run(tmp_path: Path) -> None:
    """However many take them up and discard them at once."""
    inside, most, held, faults = [0], [0], [0], []
    guard = threading.Lock()

    def work() -> None:
        for _ in range(60):
            try:
                with keep_checkpoints(tmp_path / "run", "recipe", resume=True) as folder:
                    with guard:
                        inside[0] += 1
                        most[0], held[0] = max(most[0], inside[0]), held[0] + 1
                    assert (folder / "recipe.toml").read_text() == "recipe"
                    with guard:
                        inside[0] -= 1
            except DataError:
                continue
            except Exception as error:  # noqa: BLE001 - of another thread, to be seen below.
                faults.append(error)
                return

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert most == [1]
    assert held[0] >= 4
    assert hidden(tmp_path) == set()
