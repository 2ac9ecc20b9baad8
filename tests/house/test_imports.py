"""What an import costs: modules are counted, not seconds, so a busy machine tells the truth."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "scipy", "sklearn", "altair", "vl_convert", "wordllama")


def loaded(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the top-level packages it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys\nprintable = sorted(sys.modules)\n"
         "print(*printable, file=sys.stderr)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_importing_variegate_loads_nothing_of_weight() -> None:
    modules = loaded("import variegate")
    assert "variegate" in modules
    assert modules.isdisjoint({*HEAVY, "numpy", "polars", "pydantic", "rich", "jinja2"})


def test_the_names_of_variegate_are_fetched_on_first_use() -> None:
    assert "polars" in loaded("import variegate; variegate.Samples")


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["measure", "--help"]])
def test_help_loads_nothing_of_weight(words: list[str]) -> None:
    modules = loaded(f"from variegate.cli import main; assert main({words!r}) == 0")
    assert "cyclopts" in modules
    assert modules.isdisjoint({*HEAVY, "numpy", "polars", "pydantic", "jinja2"})


@pytest.mark.parametrize(
    "room",
    ["samples", "estimate", "divergences", "embedding", "judging", "metrics", "selection", "models",
     "decoding", "prompting", "choosing", "merging", "lineage", "fronts", "lab", "report"],
)  # fmt: skip
def test_a_room_is_light_until_it_is_used(room: str) -> None:
    assert loaded(f"import variegate.{room}").isdisjoint(HEAVY)


NO_NETWORK = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("an import reached for the network")
socket.socket.connect = refuse
socket.getaddrinfo = refuse
import importlib, pkgutil, variegate
for module in pkgutil.walk_packages(variegate.__path__, "variegate."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""


def test_no_import_reaches_for_the_network() -> None:
    assert "variegate" in loaded(NO_NETWORK)


WITHOUT_TORCH = """
import sys
for name in ("torch", "transformers"):
    sys.modules[name] = None
import variegate as vg
rows = [{"prompt": p, "text": f"{p} {i} words and more words"} for p in "ab" for i in range(4)]
result = vg.measure(vg.Samples.from_rows(rows))
values = result.frame.filter(result.frame["metric"] == "vendi")
assert values["value"][0] > 1
"""


@pytest.mark.fault(38)
def test_fault_38_measuring_needs_no_torch() -> None:
    assert "torch" in loaded(WITHOUT_TORCH)  # the blocked name, None in sys.modules
