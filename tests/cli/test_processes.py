"""The command line as a process: signals, closed pipes, two at once, and how it is started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from variegate.lab import lab_lineage
from variegate.samples import read

# A lineage of two stages that answer slowly, traced by the verb itself.
SLOW_TRACE = """
import sys, time
from pathlib import Path
from variegate.cli import main
from variegate.lineage import Lineage
from variegate.models import UniformModel
from variegate.samples import Prompt

class Slow(UniformModel):
    def sample(self, requests, *, sampling):
        for start in range(0, len(requests), 4):
            yield from super().sample(requests[start:start + 4], sampling=sampling)
            time.sleep(float(sys.argv[2]))

def lineage(cls, path):
    return cls(
        name="slow",
        prompts=[Prompt(prompt=f"Say {i}.", task="talk") for i in range(6)],
        samples_per_prompt=4,
        formats=False,
        stages=[
            {"name": "base", "model": Slow(branching=9, length=3, revision="base")},
            {"name": "dpo", "parent": "base", "model": Slow(branching=3, length=3, revision="dpo")},
        ],
    )

Lineage.read = classmethod(lineage)
Path("LINEAGE.toml").touch()
sys.exit(main(["trace", "LINEAGE.toml", "--out", sys.argv[1], "--quiet"]))
"""


def start(folder: Path, *, pause: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SLOW_TRACE, "run", str(pause)],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_parts(folder: Path, child: subprocess.Popen[str], *, parts: int) -> None:
    while child.poll() is None and len(list(folder.glob("run/samples/*.parquet"))) < parts:
        time.sleep(0.02)
    assert child.poll() is None, child.communicate()


@pytest.mark.slow
@pytest.mark.fault(24)
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_fault_24_an_interrupted_trace_keeps_what_was_said_and_goes_on(
    sent: signal.Signals, code: int, tmp_path: Path
) -> None:
    child = start(tmp_path, pause=0.3)
    wait_for_parts(tmp_path, child, parts=2)
    child.send_signal(sent)
    _, err = child.communicate(timeout=60)
    assert child.returncode == code
    assert "Traceback" not in err
    kept = read(tmp_path / "run")
    assert 8 <= len(kept) < 48

    again = start(tmp_path, pause=0)
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    whole = read(tmp_path / "run").frame
    assert whole.height == 48
    assert set(kept.frame["sample_id"]) <= set(whole["sample_id"])
    assert (tmp_path / "run" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.fault(26)
def test_fault_26_a_second_process_in_one_run_directory_exits_with_2(tmp_path: Path) -> None:
    first = start(tmp_path, pause=0.3)
    wait_for_parts(tmp_path, first, parts=1)
    second = start(tmp_path, pause=0)
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "Another process" in err
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=60)


def variegate(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "variegate", *words],
        cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def test_python_dash_m_variegate_is_the_same_program(tmp_path: Path) -> None:
    done = variegate("--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()[0].isdigit()
    assert variegate("nonsense", cwd=tmp_path).returncode == 2


def test_no_color_and_pipes_give_plain_text(tmp_path: Path) -> None:
    for environment in ({"NO_COLOR": "1", "FORCE_COLOR": ""}, {}):
        done = variegate("metrics", cwd=tmp_path, **environment)
        assert done.returncode == 0
        assert "\x1b" not in done.stdout + done.stderr


def test_a_reader_that_leaves_is_no_fault(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "variegate", "metrics", "--json"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 141


@pytest.mark.fault(33)
def test_fault_33_no_artefact_of_a_run_holds_the_key(tmp_path: Path) -> None:
    canary = "canary-0123456789abcdef"
    saved_lineage(tmp_path)
    done = variegate(
        "trace", "LINEAGE.toml", "--out", "run",
        cwd=tmp_path, OPENAI_API_KEY=canary, HF_TOKEN=canary,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = [file for file in (tmp_path / "run").rglob("*") if file.is_file()]
    assert {"run.json", "report.html", "scores.parquet"} <= {file.name for file in files}
    assert [file for file in files if canary.encode() in file.read_bytes()] == []
    assert canary not in done.stdout + done.stderr


def saved_lineage(folder: Path) -> None:
    """Two stages of saved outputs, in `folder`."""
    for stage, words in (("base", 9), ("dpo", 3)):
        rows = (
            {
                "prompt": f"p{p}", "task": f"t{p % 2}", "sample": i,
                "text": f"{p} and {i % words} some words", "correct": i % 2 == 0,
            }
            for p in range(8) for i in range(6)
        )  # fmt: skip
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{stage}.jsonl").write_text(lines, encoding="utf-8")
    (folder / "LINEAGE.toml").write_text(
        'name = "saved"\n'
        '[[stages]]\nname = "base"\nsamples = "base.jsonl"\n'
        '[[stages]]\nname = "dpo"\nparent = "base"\nsamples = "dpo.jsonl"\n',
        encoding="utf-8",
    )


@pytest.mark.fault(36)
def test_fault_36_a_trace_gives_the_same_bytes_whatever_the_hash_seed_and_the_threads(
    tmp_path: Path,
) -> None:
    saved_lineage(tmp_path)
    seen = set()
    for seed, threads in (("0", "1"), ("7", "2")):
        done = variegate(
            "trace", "LINEAGE.toml", "--out", seed, "--json", "--quiet", cwd=tmp_path,
            PYTHONHASHSEED=seed, OMP_NUM_THREADS=threads, POLARS_MAX_THREADS=threads,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        payload = json.loads(done.stdout, parse_constant=pytest.fail)
        # When, how long and where to: all else is the same.
        for name in ("command", "started", "seconds"):
            del payload["settings"][name]
        del payload["report"]
        tables = sorted((tmp_path / seed / "trace").glob("*.parquet"))
        scores = tmp_path / seed / "scores.parquet"
        seen.add((json.dumps(payload), *(path.read_bytes() for path in (scores, *tables))))
    assert len(seen) == 1


FULL_DISK = (
    "import resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
    "from variegate.cli import main\n"
    "sys.exit(main(sys.argv[2:]))"
)


@pytest.mark.fault(25)
@pytest.mark.parametrize("room", ["0", "2000", "20000"])
def test_fault_25_a_disk_that_takes_no_more_is_1_and_loses_nothing(
    room: str, tmp_path: Path
) -> None:
    pytest.importorskip("resource")
    saved_lineage(tmp_path)
    words = ["trace", "LINEAGE.toml", "--out", "run", "--quiet"]
    full = subprocess.run(
        [sys.executable, "-c", FULL_DISK, room, *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert full.returncode == 1
    first, second = full.stderr.splitlines()
    assert first.startswith("error: Cannot write ")
    assert "run" in first
    assert second.startswith("hint: Free some space")
    assert not list((tmp_path / "run").rglob(".vgtmp-*"))
    assert not (tmp_path / "run" / "scores.parquet").exists()
    again = variegate(*words, cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    # What is there stays as it was when the next write fails.
    whole = (tmp_path / "run" / "report.html").read_bytes()
    (tmp_path / "base.jsonl").touch()
    subprocess.run([sys.executable, "-c", FULL_DISK, "0", *words], cwd=tmp_path, check=False)
    assert (tmp_path / "run" / "report.html").read_bytes() == whole


WITHOUT = (
    "import sys\n"
    "sys.modules[sys.argv[1]] = None\n"
    "from variegate.cli import main\n"
    "sys.exit(main(sys.argv[2:]))"
)


@pytest.mark.fault(38)
@pytest.mark.parametrize(
    ("verb", "package"),
    [("trace", "torch"), ("trace", "tokenizers"), ("lab", "torch"), ("lab", "safetensors")],
)
def test_fault_38_without_an_extra_a_verb_says_what_to_install(
    verb: str, package: str, tmp_path: Path
) -> None:
    words = ["trace", str(lab_lineage())] if verb == "trace" else ["lab", "train", "--toy"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, *words, "--out", "run", "--quiet"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    first, second = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert second == "hint: pip install 'variegate[torch]'"


@pytest.mark.fault(38)
def test_fault_38_without_sentence_transformers_its_names_say_what_to_install(
    tmp_path: Path,
) -> None:
    saved_lineage(tmp_path)
    words = ["measure", "base.jsonl", "--embedder", "owner/name", "--quiet"]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "sentence_transformers", *words],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[1] == "hint: pip install 'variegate[embed]'"


@pytest.mark.fault(34)
@pytest.mark.parametrize("name", ["../../escape", "/etc/escape", "x" * 300, "a:b*c?", ".."])
def test_fault_34_the_name_of_a_lineage_cannot_leave_the_run_folder(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "inner").mkdir()
    row = json.dumps({"prompt": "p", "text": "words"}) + "\n"
    (tmp_path / "inner" / "said.jsonl").write_text(row * 3, encoding="utf-8")
    (tmp_path / "inner" / "LINEAGE.toml").write_text(
        f'name = {json.dumps(name)}\n[[stages]]\nname = "base"\nsamples = "said.jsonl"\n',
        encoding="utf-8",
    )
    done = variegate("trace", "LINEAGE.toml", "--quiet", cwd=tmp_path / "inner")
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"inner"}
    made = {path.name for path in (tmp_path / "inner").iterdir()}
    assert made <= {"said.jsonl", "LINEAGE.toml", "runs"}


@pytest.mark.fault(27)
def test_fault_27_other_settings_in_a_run_directory_are_refused_with_the_difference(
    tmp_path: Path,
) -> None:
    row = "".join(
        json.dumps({"prompt": f"p{p}", "sample": i, "text": f"words {p} {i}"}) + "\n"
        for p in range(3)
        for i in range(3)
    )
    (tmp_path / "said.jsonl").write_text(row, encoding="utf-8")
    lineage = '[[stages]]\nname = "base"\nsamples = "said.jsonl"\n'
    (tmp_path / "LINEAGE.toml").write_text("seed = 1\n" + lineage, encoding="utf-8")
    assert variegate("trace", "LINEAGE.toml", "--out", "run", cwd=tmp_path).returncode == 0
    (tmp_path / "LINEAGE.toml").write_text("seed = 2\n" + lineage, encoding="utf-8")
    done = variegate("trace", "LINEAGE.toml", "--out", "run", cwd=tmp_path)
    assert done.returncode == 2
    assert "seed was 1, now 2" in done.stderr
