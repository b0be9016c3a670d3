import io
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from siaga.errors import BundleError
from siaga.models.estimators import load_estimator, save_estimator

X = np.abs(np.random.default_rng(0).normal(size=(120, 6)))
y = np.array(["dry", "wet", "flood"])[(X[:, 0] > 0.6).astype(int) + (X[:, 1] > 1.0)]

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: LogisticRegression(C=2.0, class_weight="balanced"),
    "sgd": lambda: SGDClassifier(loss="log_loss", random_state=0),
    "huber": lambda: SGDClassifier(loss="modified_huber", random_state=0),
    "bernoulli": BernoulliNB,
    "complement": ComplementNB,
    "forest": lambda: RandomForestClassifier(n_estimators=5, random_state=0),
    "pipeline": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
}

SAVE_IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
import test_estimators as here
for name, make in sorted(here.ESTIMATORS.items(), reverse=True):
    here.save_estimator(Path(sys.argv[1]) / name, make().fit(here.X, here.y))
"""


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_loaded_estimator_predicts_the_same_and_saves_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    estimator = ESTIMATORS[name]().fit(X, y)
    save_estimator(tmp_path / "a", estimator)
    loaded = load_estimator(tmp_path / "a")
    assert type(loaded) is type(estimator)
    np.testing.assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
    save_estimator(tmp_path / "b", loaded)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_equal_fits_in_two_processes_save_to_the_same_bytes(tmp_path: Path) -> None:
    for name, make in ESTIMATORS.items():
        save_estimator(tmp_path / name, make().fit(X, y))
    (tmp_path / "other").mkdir()
    command = [sys.executable, "-c", SAVE_IN_ANOTHER_PROCESS, str(tmp_path / "other")]
    subprocess.run(command, check=True, cwd=Path(__file__).parent, timeout=60)
    for name in ESTIMATORS:
        assert (tmp_path / name).read_bytes() == (tmp_path / "other" / name).read_bytes(), name


def test_the_dates_of_the_archive_are_fixed(tmp_path: Path) -> None:
    save_estimator(tmp_path / "a", LogisticRegression().fit(X, y))
    with ZipFile(tmp_path / "a") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert "__id__" not in archive.read("schema.json").decode()


def test_an_estimator_of_another_type_is_neither_saved_nor_loaded(tmp_path: Path) -> None:
    neighbours = KNeighborsClassifier().fit(X, y)
    with pytest.raises(TypeError, match="KNeighborsClassifier"):
        save_estimator(tmp_path / "a", neighbours)
    assert not (tmp_path / "a").exists()
    skops.io.dump(neighbours, tmp_path / "b")
    with pytest.raises(BundleError, match="KNeighborsClassifier"):
        load_estimator(tmp_path / "b")


def _rewritten(path: Path, change: Callable[[str], str]) -> None:
    with ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["schema.json"] = change(files["schema.json"].decode()).encode()
    with ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"LogisticRegression"', '"LogisticRegressionCV"'),
        ('"sklearn.linear_model._logistic"', '"os"'),
        ('"ObjectNode"', '"FunctionNode"'),
        ('"__loader__":"ObjectNode"', '"__loader__":"ObjectNode","__id__":7'),
        ('"file":"0.npy"', '"file":"9.npy"'),
        ('"protocol":', '"protocol":9'),
        ("{", "["),
    ],
)
def test_a_changed_schema_is_refused(old: str, new: str, tmp_path: Path) -> None:
    save_estimator(tmp_path / "a", LogisticRegression().fit(X, y))
    _rewritten(tmp_path / "a", lambda schema: schema.replace(old, new, 1))
    with pytest.raises(BundleError, match="Train or copy it again"):
        load_estimator(tmp_path / "a")


@pytest.mark.parametrize("field", ["left_child", "right_child", "feature"])
def test_a_tree_that_points_outside_of_itself_is_refused(field: str, tmp_path: Path) -> None:
    save_estimator(tmp_path / "a", RandomForestClassifier(n_estimators=2, random_state=0).fit(X, y))
    with ZipFile(tmp_path / "a") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name, nodes = next(
        (name, array)
        for name, content in files.items()
        if name.endswith(".npy") and (array := np.load(io.BytesIO(content))).dtype.names
    )
    nodes[field][0] = 100_000
    stream = io.BytesIO()
    np.save(stream, nodes)
    with ZipFile(tmp_path / "a", "w") as archive:
        for other, content in (files | {name: stream.getvalue()}).items():
            archive.writestr(other, content)
    with pytest.raises(BundleError, match="outside of itself"):
        load_estimator(tmp_path / "a")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_estimator_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(BundleError, match="a is not an estimator"):
        load_estimator(tmp_path / "a")
    with pytest.raises(BundleError, match="absent"):
        load_estimator(tmp_path / "absent")


def test_a_file_of_another_version_of_scikit_learn_loads_without_a_warning(tmp_path: Path) -> None:
    save_estimator(tmp_path / "a", LogisticRegression().fit(X, y))
    with ZipFile(tmp_path / "a") as archive:
        version = json.loads(archive.read("schema.json"))["content"]["content"]["_sklearn_version"]["content"]
    _rewritten(tmp_path / "a", lambda schema: schema.replace(json.dumps(version), json.dumps('"1.0.0"')))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load_estimator(tmp_path / "a").predict(X).shape == (120,)
    assert caught == []
