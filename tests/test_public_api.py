"""What `import siaga` gives: these names, none of them before it is asked for, and a wheel that holds all of them."""

import importlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import siaga

HEAVY = ("numpy", "torch", "sklearn", "scipy", "pydantic", "pyarrow", "PIL", "matplotlib", "transformers", "typer")
PACKAGE = Path(siaga.__file__).parent
PROJECT = PACKAGE.parent.parent


@pytest.mark.parametrize("name", siaga.__all__)
def test_a_public_name_is_served_from_its_home_and_says_what_it_is(name: str) -> None:
    served = getattr(siaga, name)
    assert served.__name__ == name
    assert getattr(importlib.import_module(served.__module__), name) is served
    assert served.__doc__


def test_all_public_names_are_listed_once_in_order_and_also_for_type_checkers() -> None:
    source = (PACKAGE / "__init__.py").read_text()
    block = source.split("if TYPE_CHECKING:")[1].split("__version__")[0]
    typed = [name for names in re.findall(r"import (.+)", block) for name in names.split(", ")]
    assert sorted(typed) == siaga.__all__ == sorted(set(siaga.__all__))
    assert dir(siaga) == sorted([*siaga.__all__, "__version__"])


def test_a_star_import_gives_exactly_the_public_names() -> None:
    space: dict[str, object] = {}
    exec("from siaga import *", space)  # noqa: S102 - a star import is allowed at a module's top only.
    assert sorted(space.keys() - {"__builtins__"}) == siaga.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'siaga' has no attribute 'trian'"):
        _ = siaga.trian


def test_importing_siaga_alone_loads_nothing_heavy_and_none_of_its_own_modules() -> None:
    code = f"import sys, siaga; print(sorted(m for m in sys.modules if m.startswith({('siaga.', *HEAVY)})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_path_may_be_given_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from siaga.quarantine import Quarantine

    monkeypatch.chdir(tmp_path)
    Path("posts.csv").write_text("id,text\n1,banjir\n")
    assert list(siaga.read_posts("posts.csv", quarantine=Quarantine())) == [siaga.Post("1", text="banjir")]
    with pytest.raises(siaga.DataError, match="There are no predictions at a"):
        siaga.compare("a", "b")


def test_a_list_of_texts_is_scored_in_one_line() -> None:
    assert siaga.score_texts(["I love it", "so sad", None, "It does not work!"]) == [3, -2, 0, -3]


def test_the_version_is_that_of_the_project() -> None:
    assert f'\nversion = "{siaga.__version__}"\n' in (PROJECT / "pyproject.toml").read_text()


def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel] = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("siaga/")}
    files = (path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert held == {f"siaga/{path.relative_to(PACKAGE).as_posix()}" for path in files}
    assert {"siaga/py.typed", "siaga/pages/report.html", "siaga/recipes/flood-triage.toml"} <= held
