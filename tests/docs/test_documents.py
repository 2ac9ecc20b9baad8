"""Every code block of the README and of docs/ runs, in a folder that holds docs/data.

Python blocks of a page share their names. Of a `sh` block the lines that start with `variegate`
run; one that should not exit with 0 says so behind a `#`. A `toml` block with stages or methods
becomes the LINEAGE.toml or ARMS.toml of the commands that follow it.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from variegate.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted(
        page
        for page in (ROOT / "docs").rglob("*.md")
        if "```" in page.read_text(encoding="utf-8") and page.parent.name != "results"
    ),
]


def run_shell(example: Example) -> str | None:
    for line in str(example.parsed).splitlines():
        command, _, remark = line.partition("  #")
        if not command.startswith("variegate "):
            continue
        expected = int(m[1]) if (m := re.search(r"exits with (\d+)", remark)) else 0
        code = main(shlex.split(command)[1:])
        if code != expected:
            return f"{command!r} exited with {code}, expected {expected}"
    return None


def write_lineage(example: Example) -> None:
    if "[[stages]]" in str(example.parsed):
        Path("LINEAGE.toml").write_text(str(example.parsed), encoding="utf-8")
    if "[[methods]]" in str(example.parsed):
        Path("ARMS.toml").write_text(str(example.parsed), encoding="utf-8")


BLOCKS = Sybil(
    parsers=[
        PythonCodeBlockParser(),
        CodeBlockParser("sh", run_shell),
        CodeBlockParser("toml", write_lineage),
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_blocks_of_a_page_run(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.copytree(ROOT / "docs" / "data", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for example in BLOCKS.parse(page):
        example.evaluate()


LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_every_page_is_in_the_navigation() -> None:
    navigation = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    index = {
        room: (ROOT / "docs" / room / "index.md").read_text(encoding="utf-8")
        for room in ("design", "results")
    }
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        listed = name in navigation or page.name in index.get(page.parent.name, "")
        assert listed, f"docs/{name} is listed nowhere"
