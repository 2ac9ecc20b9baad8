"""The house itself: what a room offers, how it says so, and how large its files are."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

import variegate

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "variegate"
FILES = sorted(SOURCE.rglob("*.py"))
ROOMS = sorted(
    f"variegate.{module.name}"
    for module in pkgutil.iter_modules(variegate.__path__)
    if not module.name.startswith("_")
)


def public(room: str) -> list[tuple[str, Any]]:
    module = importlib.import_module(room)
    return [(name, getattr(module, name)) for name in module.__all__]


@pytest.mark.parametrize("room", ["variegate", *ROOMS])
def test_every_promised_name_is_there_once(room: str) -> None:
    module = importlib.import_module(room)
    assert module.__all__, f"{room} offers nothing"
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_offers_every_public_thing_it_imports_for_others(room: str) -> None:
    module = importlib.import_module(room)
    own = {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name != "annotations"
        and (inspect.isfunction(value) or inspect.isclass(value))
        and getattr(value, "__module__", "").startswith(room + ".")
    }
    assert own <= set(module.__all__)


@pytest.mark.parametrize("room", ["variegate", *ROOMS])
def test_a_room_introduces_itself_in_prose(room: str) -> None:
    assert len((importlib.import_module(room).__doc__ or "").split()) >= 15


# Their argument is a whole trace or a trained checkpoint, too much for a docstring.
TOO_LARGE_TO_SHOW = {
    "variegate.lab": {"train", "exact_metrics"},
    "variegate.lineage": {"load_trace", "headline", "layers_of"},
    "variegate.report": {
        "render", "terminal", "render_measurement", "measurement_table", "comparison_table",
    },
}  # fmt: skip


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_shows_an_example(room: str) -> None:
    silent = [
        name
        for name, value in public(room)
        if inspect.isfunction(value) and ">>>" not in (value.__doc__ or "")
    ]
    assert set(silent) - TOO_LARGE_TO_SHOW.get(room, set()) == set()


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_class_says_what_it_is(room: str) -> None:
    # A dataclass without words gets its signature as docstring: that says nothing.
    silent = [
        name
        for name, value in public(room)
        if inspect.isclass(value) and (value.__doc__ or f"{name}(").startswith(f"{name}(")
    ]
    assert silent == []


def test_no_file_is_longer_than_600_lines() -> None:
    lengths = {
        str(file.relative_to(ROOT)): len(file.read_text(encoding="utf-8").splitlines())
        for file in FILES
    }
    assert {name: length for name, length in lengths.items() if length > 600} == {}


def test_no_file_is_called_after_nothing() -> None:
    empty = re.compile(r"(^|_)(utils?|helpers?|misc|manager|factory)(_|$)")
    assert [str(file) for file in FILES if empty.search(file.stem)] == []


def test_the_version_is_told_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == variegate.__version__
    cited = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {variegate.__version__}\n" in cited


FORBIDDEN = {
    "an absolute path of somebody's machine": r"""["'](/home|/Users|/root|/work|/mnt|/tmp)/""",
    "a pickle": r"\bpickle\b\.|\bimport pickle|joblib|dill|allow_pickle\s*=\s*True",
    "unsafe torch.load": r"torch\.load\((?![^)]*weights_only=True)",
    "remote code": r"trust_remote_code\s*=\s*True",
    "text run as code": r"(?<![\w.])(eval|exec)\(",
    "unsafe yaml": r"yaml\.(load|unsafe_load)\(",
    "a swallowed exception": r"except( Exception| BaseException)?:\s*\n\s*pass\b",
    "global randomness": r"np\.random\.(seed|rand|randn|choice|shuffle)\(|(?<!\.)random\.seed\(",
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_source_holds_no(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = [
        f"{file.relative_to(ROOT)}: {match[0]!r}"
        for file in FILES
        if (match := pattern.search(file.read_text(encoding="utf-8")))
    ]
    assert found == []


def test_the_readme_tree_names_every_room() -> None:
    tree = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [room for room in ROOMS if not re.search(rf"^  {room[10:]}[/.]", tree, re.M)] == []


def test_the_reference_has_a_page_for_every_room() -> None:
    pages = {page.stem for page in (ROOT / "docs" / "reference").glob("*.md")}
    assert {room[10:] for room in ROOMS if room != "variegate.cli"} <= pages
