"""The run directory: one process, one set of settings, nothing half written, nothing outside."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, RunConflict, RunLocked, RunUnwritable, UsageError
from variegate.samples import RunDirectory, Samples, read, read_run, run_name, safe_name

SETTINGS = {"n": 4, "sampling": {"temperature": None, "top_p": 0.9}, "prompts": ["a", "b"]}
OLD = Path(__file__).parent.parent / "fixtures" / "logs" / "run-1"


def opened(path, kind="collect", **changes):
    return RunDirectory.open(path, settings=SETTINGS | changes, kind=kind)


def batch(number, size=2):
    return Samples.from_rows(
        {"prompt": "p", "sample": sample, "text": f"said {sample}", "sample_id": f"id-{sample}"}
        for sample in range(number * size, (number + 1) * size)
    )


def test_what_is_appended_is_there_when_opened_again(tmp_path):
    with opened(tmp_path) as run:
        assert run.sample_ids() == set()
        assert len(run.samples()) == 0
        run.append(batch(0))
        run.append(batch(1))
        run.append(Samples.from_rows([]))
    with opened(tmp_path) as run:
        assert run.sample_ids() == {"id-0", "id-1", "id-2", "id-3"}
        assert run.samples().frame["text"].to_list() == [f"said {i}" for i in range(4)]
        assert run.read_settings() == SETTINGS
        run.append(batch(2))
    parts = sorted(part.name for part in (tmp_path / "samples").iterdir())
    assert parts == ["part-00001.parquet", "part-00002.parquet", "part-00003.parquet"]
    assert read(tmp_path).detected == "run directory"
    assert len(read(tmp_path)) == 6


def test_results_are_written_under_their_names(tmp_path):
    with opened(tmp_path) as run:
        frame = pl.DataFrame({"metric": ["vendi"], "value": [float("nan")]})
        assert run.write_frame("scores.parquet", frame) == run.path / "scores.parquet"
        run.write_text("report.html", "<p>ü</p>")
        run.write_json("scores.json", {"value": float("nan"), "none": None})
        assert (run.cache("embeddings") / "x").parent.is_dir()
    assert pl.read_parquet(tmp_path / "scores.parquet").equals(frame, null_equal=True)
    assert (tmp_path / "report.html").read_text("utf-8") == "<p>ü</p>"
    assert json.loads((tmp_path / "scores.json").read_text()) == {"value": "NaN", "none": None}


def test_the_record_cannot_be_overwritten(tmp_path):
    with opened(tmp_path) as run, pytest.raises(UsageError, match=r"other than run\.json"):
        run.write_json("run.json", {})


def test_a_draw_in_two_parts_is_refused(tmp_path):
    with opened(tmp_path) as run:
        run.append(batch(0))
        run.append(batch(0))
        with pytest.raises(DataError, match="and again at"):
            run.samples()


def test_a_damaged_part_names_itself(tmp_path):
    with opened(tmp_path) as run:
        run.append(batch(0))
        part = run.path / "samples" / "part-00001.parquet"
        part.write_bytes(part.read_bytes()[:100])
        with pytest.raises(DataError, match=r"part-00001\.parquet: damaged") as caught:
            run.samples()
    assert "Remove this part" in caught.value.hint


@pytest.mark.fault(24)
def test_fault_24_what_a_killed_run_left_half_written_is_removed(tmp_path):
    with opened(tmp_path) as run:
        run.append(batch(0))
    leftovers = [tmp_path / ".vgtmp-0123456789ab", tmp_path / "samples" / ".vgtmp-ba9876543210"]
    for leftover in leftovers:
        leftover.write_bytes(b"half")
    (tmp_path / "mine.txt").write_text("not ours to remove")
    with opened(tmp_path) as run:
        assert len(run.samples()) == 2
    assert not any(leftover.exists() for leftover in leftovers)
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.fault(25)
@pytest.mark.parametrize("name", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("failure", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_fault_25_a_failing_disk_loses_no_earlier_part(tmp_path, monkeypatch, name, failure):
    def fail(*args, **kwargs):
        raise OSError(failure, os.strerror(failure))

    with opened(tmp_path) as run:
        run.append(batch(0))
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(RunUnwritable, match=r"part-00002\.parquet"):
                run.append(batch(1))
        assert [part.name for part in (run.path / "samples").iterdir()] == ["part-00001.parquet"]
        run.append(batch(1))
        assert len(run.samples()) == 4


@pytest.mark.fault(25)
@pytest.mark.parametrize("name", ["open", "write", "fsync", "replace"])
def test_fault_25_a_disk_that_cannot_be_written_is_found_before_any_work(
    tmp_path, monkeypatch, name
):
    with opened(tmp_path):
        pass

    def fail(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail)
        with pytest.raises(RunUnwritable, match="Read-only"):
            opened(tmp_path)
    with opened(tmp_path):
        pass  # the failed attempt left it unlocked


@pytest.mark.fault(25)
def test_fault_25_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(RunUnwritable, match="run: File exists"):
        opened(tmp_path / "run")


@pytest.mark.fault(26)
def test_fault_26_a_second_opening_is_refused(tmp_path):
    with opened(tmp_path), pytest.raises(RunLocked, match="Another process") as caught:
        opened(tmp_path)
    assert caught.value.exit_code == 2
    with opened(tmp_path):
        pass


@pytest.mark.fault(26)
def test_fault_26_a_second_process_is_refused(tmp_path):
    code = (
        "import sys; from variegate.samples import RunDirectory\n"
        "from variegate.errors import RunLocked\n"
        "try: RunDirectory.open(sys.argv[1], settings={}, kind='collect')\n"
        "except RunLocked as error: sys.exit(error.exit_code)"
    )
    with opened(tmp_path):
        child = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert child.returncode == 2


@pytest.mark.fault(26)
def test_fault_26_the_second_waits_if_asked(tmp_path):
    first = opened(tmp_path)
    threading.Timer(0.3, first.close).start()
    with RunDirectory.open(tmp_path, settings=SETTINGS, kind="collect", wait=30) as run:
        assert len(run.samples()) == 0


@pytest.mark.fault(27)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n": 5}, "n was 4, now 5"),
        ({"n": None}, "n was 4, now null"),
        ({"sampling": {"temperature": 0, "top_p": 0.9}}, "sampling.temperature was null, now 0"),
        ({"prompts": ["a"]}, 'prompts.1 was "b", now absent'),
        ({"more": True}, "more was absent, now true"),
        ({"kind": "trace"}, 'kind was "collect", now "trace"'),
    ],
)
def test_fault_27_other_settings_are_refused_with_a_diff(tmp_path, changes, said):
    with opened(tmp_path):
        pass
    with pytest.raises(RunConflict, match="was started with other settings") as caught:
        opened(tmp_path, **changes)
    assert said in str(caught.value)
    with opened(tmp_path):
        pass  # neither changed nor locked by the attempt


@pytest.mark.fault(27)
def test_fault_27_the_same_settings_in_another_order_continue(tmp_path):
    with opened(tmp_path):
        pass
    shuffled = {"prompts": ("a", "b"), "n": 4.0, "sampling": {"top_p": 0.9, "temperature": None}}
    with RunDirectory.open(tmp_path, settings=shuffled, kind="collect"):
        pass


def edited(path, **changes):
    record = json.loads((path / "run.json").read_text()) | changes
    (path / "run.json").write_text(json.dumps(record))


@pytest.mark.fault(27)
@pytest.mark.parametrize(("version", "age"), [(99, "newer"), (0, "older")])
def test_fault_27_another_version_is_refused(tmp_path, version, age):
    with opened(tmp_path):
        pass
    edited(tmp_path, schema_version=version)
    for use in (opened, read):
        with pytest.raises(RunConflict, match=f"{age} software: schema version was {version}, now"):
            use(tmp_path)


@pytest.mark.fault(27)
@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": "1"}'])
def test_fault_27_a_damaged_record_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunConflict):
        opened(tmp_path)


@pytest.mark.fault(27)
def test_fault_27_outputs_without_a_record_are_not_continued(tmp_path):
    with opened(tmp_path) as run:
        run.append(batch(0))
    (tmp_path / "run.json").unlink()
    with pytest.raises(RunConflict, match=r"no run\.json"):
        opened(tmp_path)


@pytest.mark.fault(27)
def test_fault_27_a_run_of_the_first_version_is_read_and_continued(tmp_path):
    shutil.copytree(OLD, tmp_path / "run")
    samples = read(tmp_path / "run")
    assert samples.frame["text"].to_list() == ["a 0", "b 0", "a 1", "b 1"]
    assert samples.frame["logprob"].is_nan().all()
    assert str(samples.frame["token_logprobs"][0].to_list()) == "[-0.5, None, nan]"
    kept = read_run(tmp_path / "run")["settings"]
    with RunDirectory.open(tmp_path / "run", settings=kept, kind="collect") as run:
        assert run.sample_ids() == {"a0", "b0", "a1", "b1"}


@pytest.mark.fault(33)
def test_fault_33_no_key_is_in_anything_that_is_written(tmp_path, monkeypatch):
    canary = "sk-canary-0123456789abcdef"
    monkeypatch.setenv("OPENAI_API_KEY", canary)
    secret = {"api_key": canary, "url": f"https://me:{canary}@host/v1?key={canary}"}
    with opened(tmp_path, endpoint=secret) as run:
        run.append(batch(0))
        run.write_json("scores.json", {"endpoint": secret, "error": f"bad key {canary}"})
        assert canary not in repr(run) + str(run.read_settings())
    with pytest.raises(RunConflict) as caught:
        opened(tmp_path, endpoint=secret, n=5)
    assert canary not in str(caught.value)
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or canary.encode() not in file.read_bytes()
    with opened(tmp_path, endpoint=secret | {"api_key": "another"}):
        pass  # another key does not make another run


@pytest.mark.fault(34)
@given(st.text(max_size=400))
@settings(deadline=None)
def test_fault_34_any_text_makes_a_safe_file_name(name):
    safe = safe_name(name)
    assert safe == Path(safe).name
    assert len(safe.encode()) <= 120
    assert not set(safe) & set('/\\:*?"<>|\0\n ')
    assert not safe.startswith((".", "-"))
    assert not safe.endswith(".")
    assert safe_name(safe) == safe


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "a" * 300, "C:\\x", "con", "NUL.txt", ".lock", "", "..", "é"]
)
def test_fault_34_tricks_stay_inside_and_apart(tmp_path, name):
    with opened(tmp_path / "run") as run:
        path = run.write_text(name, "x")
        folder = run.cache(name)
    assert path.parent == run.path
    assert folder.parent == run.path / "cache"
    assert safe_name(name) != safe_name(name + "!") != safe_name(name + "?")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["run"]


@pytest.mark.fault(34)
def test_fault_34_a_linked_run_directory_works_but_no_link_leads_out_of_it(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "outside").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "real")
    with opened(link) as run:
        run.append(batch(0))
        (run.path / "cache").symlink_to(tmp_path / "outside")
        (run.path / "report.html").symlink_to(tmp_path / "outside" / "report.html")
        for use in (lambda: run.cache("x"), lambda: run.write_text("report.html", "x")):
            with pytest.raises(RunConflict, match="leads out of the run directory"):
                use()
        shutil.rmtree(run.path / "samples")
        (run.path / "samples").symlink_to(tmp_path / "outside")
        with pytest.raises(RunConflict, match="leads out of the run directory"):
            run.append(batch(0))
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.fault(40)
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/St_Johns"])
def test_fault_40_times_are_utc_whatever_the_zone(tmp_path, monkeypatch, zone):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        with opened(tmp_path):
            started = read_run(tmp_path)["started"]
        name = run_name("trace")
    finally:
        monkeypatch.undo()
        time.tzset()
    moment = datetime.fromisoformat(started)
    assert started.endswith("+00:00")
    assert abs((datetime.now(UTC) - moment).total_seconds()) < 600
    assert name.startswith("trace-")
    assert len(name) == len("trace-") + 26


@pytest.mark.fault(40)
def test_fault_40_a_clock_that_jumps_back_disturbs_no_run(tmp_path, monkeypatch):
    names = {run_name("trace") for _ in range(100)}
    with opened(tmp_path) as run:
        run.append(batch(0))
        monkeypatch.setattr(time, "time", lambda: 0.0)
        monkeypatch.setattr(time, "time_ns", lambda: 0)
        run.append(batch(1))
        assert run.samples().frame["text"].to_list() == [f"said {i}" for i in range(4)]
    assert len(names) == 100
