"""A run that is killed anywhere and started again ends as one that was not."""

import importlib.util
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from variegate.samples import RunDirectory, read

CHILD = Path(__file__).parent / "collecting.py"
DRAWS = 12
COLUMNS = ["prompt", "sample", "text", "sample_id"]


spec = importlib.util.spec_from_file_location("collecting", CHILD)
collecting = importlib.util.module_from_spec(spec)
spec.loader.exec_module(collecting)


def collect(folder, batch, where, name="SIGKILL"):
    command = [sys.executable, str(CHILD), str(folder), str(batch), where, name]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def outputs(folder):
    return read(folder).frame.select(COLUMNS).sort("prompt", "sample")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert collect(folder, 3, "never").returncode == 0
    assert len(read(folder)) == DRAWS
    return outputs(folder)


def check(folder, batch, where, name, uninterrupted):
    killed = collect(folder, batch, where, name)
    assert killed.returncode != 0, where
    reported = sum(map(int, killed.stdout.split()))
    if (folder / "run.json").exists():
        kept = len(read(folder))
        # Everything that was reported as finished survives, and nothing half finished does.
        assert reported <= kept <= reported + batch
        assert kept % batch == 0
    list(collecting.collect(folder, batch))
    assert outputs(folder).equals(uninterrupted)
    assert not [file for file in folder.rglob("*") if file.name.startswith(".vgtmp-")]


@pytest.mark.slow
@pytest.mark.fault(24)
@pytest.mark.parametrize("step", range(DRAWS))
def test_fault_24_sigkill_at_every_draw(tmp_path, uninterrupted, step):
    check(tmp_path, 1, f"draw-{step}", "SIGKILL", uninterrupted)


@pytest.mark.slow
@pytest.mark.fault(24)
@pytest.mark.parametrize("stage", ["write", "sync", "name"])
@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_fault_24_sigkill_inside_a_write(tmp_path, uninterrupted, stage, step):
    check(tmp_path, 3, f"{stage}-{step}", "SIGKILL", uninterrupted)


@pytest.mark.slow
@pytest.mark.fault(24)
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("where", ["draw-4", "sync-6", "name-4"])
def test_fault_24_signals_that_ask_politely(tmp_path, uninterrupted, name, where):
    check(tmp_path, 3, where, name, uninterrupted)


@pytest.mark.fault(24)
def test_fault_24_a_killed_process_leaves_no_lock(tmp_path):
    killed = collect(tmp_path, 3, "draw-4")
    assert killed.returncode == -signal.SIGKILL
    with RunDirectory.open(tmp_path, settings={"n": 4, "seed": 0}, kind="collect") as run:
        assert len(run.sample_ids()) == 3
