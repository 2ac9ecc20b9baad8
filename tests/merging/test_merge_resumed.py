"""What a merge that was cut off may and may not go on with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.merging.conftest import equal, read

from variegate.errors import RunConflict
from variegate.merging import Recipe, Source, merge

Three = Callable[..., tuple[Path, Path, Path]]


def mix(one: Path, two: Path, share: float = 0.5) -> Recipe:
    models = (Source(path=one, weight=1 - share), Source(path=two, weight=share))
    return Recipe(method="linear", models=models)


def cut_off(monkeypatch: pytest.MonkeyPatch, recipe: Recipe, out: Path, *, at: str) -> None:
    """Merge, and be gone just before a file or folder of this name gets it."""
    real = os.replace

    def replace(source: Any, target: Any) -> None:
        if Path(target).name == at:
            raise KeyboardInterrupt
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            merge(recipe, out, shard_bytes=700)


@pytest.mark.fault(24)
def test_fault_24_files_of_another_size_are_not_mixed_in(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    out = tmp_path / "out"
    cut_off(monkeypatch, mix(one, two), out, at="config.json")
    with pytest.raises(RunConflict, match="another size"):
        merge(mix(one, two), out, shard_bytes=900)
    merge(mix(one, two), out, shard_bytes=700)
    merge(mix(one, two), tmp_path / "whole", shard_bytes=700)
    names = [sorted(file.name for file in folder.iterdir()) for folder in (out, tmp_path / "whole")]
    assert names[0] == names[1]


@pytest.mark.fault(24)
def test_fault_24_a_merge_cut_off_before_it_got_its_name_is_not_another_recipes(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    out = tmp_path / "out"
    cut_off(monkeypatch, mix(one, two, 0.3), out, at="out")
    with pytest.raises(RunConflict, match="another recipe"):
        merge(mix(one, two), out, shard_bytes=700)
    merge(mix(one, two, 0.3), out, shard_bytes=700)
    merge(mix(one, two, 0.3), tmp_path / "whole")
    assert equal(read(out), read(tmp_path / "whole"))
    assert not list(out.glob(".*"))


@pytest.mark.fault(34)
@pytest.mark.parametrize("there", [True, False])
def test_fault_34_a_link_is_refused_before_the_work(
    three: Three, tmp_path: Path, there: bool
) -> None:
    _, one, two = three()
    if there:
        (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunConflict, match="link"):
        merge(mix(one, two), tmp_path / "out")
    assert not list(tmp_path.glob(".out*"))


def test_the_folder_one_is_in_may_be_named(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    merge(mix(one, two), ".")
    assert (here / "model.safetensors").is_file()


@pytest.mark.fault(24)
def test_fault_24_a_merge_that_another_process_just_ended_is_not_done_again(
    three: Three, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, one, two = three()
    recipe, out = mix(one, two), tmp_path / "out"
    real = shutil.disk_usage

    def meanwhile(path: Any) -> Any:
        monkeypatch.setattr(shutil, "disk_usage", real)
        merge(recipe, tmp_path / "other")
        (tmp_path / "other").rename(out)
        return real(path)

    monkeypatch.setattr(shutil, "disk_usage", meanwhile)
    merge(recipe, out)
    assert equal(read(out), read(merged(recipe, tmp_path / "again")))
    assert not list(tmp_path.glob(".out*"))


def merged(recipe: Recipe, out: Path) -> Path:
    merge(recipe, out)
    return out
