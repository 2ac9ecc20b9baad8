"""`variegate sample`: what can run is said first, what was paid for is kept."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from variegate.cli import main
from variegate.samples import read

_spec = importlib.util.spec_from_file_location(
    "faulty_server", Path(__file__).parents[1] / "models" / "faulty_server.py"
)
faulty_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(faulty_server)
FaultyServer, answer = faulty_server.FaultyServer, faulty_server.answer

CANARY = "sk-canary-0123456789abcdefghij"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("variegate.models._dispatch.FIRST_WAIT", 0.02)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "prompts.jsonl"
    rows = [{"prompt": f"Name a thing {p}.", "verifier": "exact", "target": "plum"}
            for p in range(3)]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def run(server, prompts, out, *words, n=4):
    return main(
        ["sample", str(prompts), "--model", "m", "--endpoint", server.url, "-n", str(n),
         "--out", str(out), *map(str, words)]
    )  # fmt: skip


def test_answers_land_in_the_run_directory_judged_and_the_cost_is_said(tmp_path, prompts, capsys):
    with FaultyServer() as server:
        assert run(server, prompts, tmp_path / "run", "--price", "1/10") == 0
    said = capsys.readouterr()
    assert "m gives A, C; can run: asking direct" in said.err
    (line,) = [line for line in said.err.splitlines() if line.startswith("needs E: ")]
    assert "rule top_h" in line
    assert "60 tokens read, 24 written, 0.0003" in said.err
    frame = read(tmp_path / "run" / "outputs.parquet").frame
    assert frame.height == 12
    assert frame["correct"].null_count() == 0
    assert read(tmp_path / "run").frame.height == 12


@pytest.mark.fault(24)
def test_fault_24_the_same_command_goes_on_and_a_larger_n_adds(tmp_path, prompts, capsys):
    with FaultyServer() as server:
        assert run(server, prompts, tmp_path / "run") == 0
        assert run(server, prompts, tmp_path / "run") == 0
        assert len(server.bodies) == 12
        assert run(server, prompts, tmp_path / "run", n=6) == 0
        assert len(server.bodies) == 18


@pytest.mark.slow
@pytest.mark.fault(24)
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT", "SIGTERM"])
def test_fault_24_killed_while_asking_it_goes_on_and_pays_for_little_twice(
    tmp_path, prompts, name, capsys
):
    def slow(body):
        time.sleep(0.1)

    with FaultyServer([slow] * 10_000) as server:
        words = ["sample", str(prompts), "--model", "m", "--endpoint", server.url, "-n", "20",
                 "--out", str(tmp_path / "run"), "--in-flight", "2"]  # fmt: skip
        child = subprocess.Popen([sys.executable, "-m", "variegate", *words])
        while len(server.bodies) < 25 and child.poll() is None:
            time.sleep(0.02)
        child.send_signal(getattr(signal, name))
        assert child.wait(20) != 0
        kept = read(tmp_path / "run").frame
        made = len(server.bodies)
        # Lost is what came in the last second, and what was in flight.
        assert 0 < kept.height <= made
        server.script = iter(())
        assert main([*words, "--quiet"]) == 0
        assert len(server.bodies) == made + 60 - kept.height
    frame = read(tmp_path / "run" / "outputs.parquet").frame
    assert frame.height == frame["sample_id"].n_unique() == 60
    assert (frame["finish"] == "stop").all()


@pytest.mark.fault(27)
def test_fault_27_other_settings_in_the_same_directory_are_refused(tmp_path, prompts, capsys):
    with FaultyServer() as server:
        assert run(server, prompts, tmp_path / "run") == 0
        assert run(server, prompts, tmp_path / "run", "--temperature", "0.5") == 2
        assert len(server.bodies) == 12
    assert "temperature was 1, now 0.5" in capsys.readouterr().err


@pytest.mark.fault(6)
def test_fault_06_a_wrong_key_is_said_in_one_line_and_what_came_is_kept(tmp_path, prompts, capsys):
    with FaultyServer(models=401) as server:
        assert run(server, prompts, tmp_path / "a") == 2
        assert server.bodies == []
    with FaultyServer([None] * 5 + [401] * 100) as server:
        assert run(server, prompts, tmp_path / "b", "--in-flight", "1") == 2
    err = capsys.readouterr().err
    assert "Traceback" not in err
    assert err.count("error: ") == 2
    assert read(tmp_path / "b").frame.height == 5


@pytest.mark.fault(25)
def test_fault_25_a_directory_that_cannot_be_written_costs_nothing(tmp_path, prompts, capsys):
    (tmp_path / "file").write_text("")
    with FaultyServer() as server:
        assert run(server, prompts, tmp_path / "file" / "run") in (1, 2)
        assert server.bodies == []


@pytest.mark.fault(5)
def test_fault_05_failed_answers_are_counted_and_the_exit_code_says_so(tmp_path, prompts, capsys):
    only = lambda body: 500 if "2" in body["messages"][0]["content"] else None  # noqa: E731
    with FaultyServer([only] * 10_000) as server:
        assert run(server, prompts, tmp_path / "run", "--json") == 3
    said = capsys.readouterr()
    payload = json.loads(said.out)
    assert payload["answers"] == {"asked": 12, "got": 8, "finish": {"error": 4, "stop": 8}}
    assert [(row["got"], row["asked"]) for row in payload["short"]] == [(0, 4)]


def test_what_cannot_run_is_refused_before_the_first_paid_request(tmp_path, prompts, capsys):
    with FaultyServer() as server:
        for words in (("--asking", "language-of-thought"), ("--rule", "top_h:alpha=0.4"),
                      ("--asking", "nonsense"), ("--rule", "min_p:min_p"),
                      ("--temperature", "warm"), ("--price", "cheap"),
                      ("--rule", "min_p:min_p=2")):  # fmt: skip
            assert run(server, prompts, tmp_path / "run", *words) == 2
        assert server.bodies == []
        assert run(server, prompts, tmp_path / "run", "--dry-run") == 0
        assert server.bodies == []
    assert not (tmp_path / "run").exists()
    err = capsys.readouterr().err
    assert "language-of-thought needs tier D" in err
    assert "top_h needs tier E" in err


def test_a_way_of_asking_gives_designed_sets_and_its_calls_are_made_once(tmp_path, prompts, capsys):
    five = "\n".join(f"{i}. thing {i} (probability 0.2)" for i in range(5))
    said = lambda body: answer(body, message={"role": "assistant", "content": five})  # noqa: E731
    with FaultyServer([said] * 1000) as server:
        words = ("--asking", "verbalized:per_call=5", "--tolerance", "1000")
        assert run(server, prompts, tmp_path / "run", *words, n=5) == 0
        made = len(server.bodies)
        assert run(server, prompts, tmp_path / "run", *words, n=5) == 0
        assert len(server.bodies) == made
    frame = read(tmp_path / "run" / "outputs.parquet").frame
    assert frame.height == 15
    assert not frame.filter(pl.col("finish") == "stop")["iid"].any()


def test_rules_with_a_field_and_a_temperature_left_open_reach_the_server(tmp_path, prompts):
    with FaultyServer() as server:
        words = ("--rule", "min_p:min_p=0.05", "--temperature", "default", "--quiet")
        assert run(server, prompts, tmp_path / "run", *words) == 0
    assert server.bodies[0]["min_p"] == 0.05
    assert "temperature" not in server.bodies[0]


def test_discover_says_what_comes_back(tmp_path, prompts, capsys):
    with FaultyServer([lambda body: answer(body, count=1)] * 1000, models=("x",)) as server:
        assert run(server, prompts, tmp_path / "run", "--discover", "--json") == 0
    payload = json.loads(capsys.readouterr().out)
    assert payload["tiers"] == ["A", "B", "C"]
    assert any("n is ignored" in line for line in payload["cautions"])
    assert any("does not list 'm'" in line for line in payload["cautions"])


@pytest.mark.fault(8)
def test_fault_08_a_server_that_does_not_draw_is_noticed(tmp_path, prompts, capsys):
    same = lambda body: answer({**body, "seed": 0})  # noqa: E731
    with FaultyServer([same] * 100) as server:
        assert run(server, prompts, tmp_path / "a") == 0
        assert "may not draw at all" in capsys.readouterr().err
        assert run(server, prompts, tmp_path / "b", "--temperature", "0") == 0
        assert "may not draw at all" not in capsys.readouterr().err


@pytest.mark.fault(33)
def test_fault_33_the_key_stands_nowhere_in_what_is_printed_or_written(tmp_path, prompts, capsys):
    echo = (401, {}, {"error": {"message": f"wrong key {CANARY}"}})
    with FaultyServer([None] * 3 + [echo] * 100) as server:
        assert run(server, prompts, tmp_path / "run", "--in-flight", "1", "--json") == 2
    said = capsys.readouterr()
    assert CANARY not in said.out + said.err
    assert "[redacted]" in said.err
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(CANARY.encode() in path.read_bytes() for path in files)


@pytest.mark.fault(34)
def test_fault_34_a_name_that_leads_elsewhere_stays_in_the_runs(tmp_path, prompts, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with FaultyServer(models=404) as server:
        words = ["sample", str(prompts), "--model", "../../x", "--endpoint", server.url, "-n", "1"]
        assert main([*words, "--quiet"]) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.resolve().is_relative_to(tmp_path)


@pytest.mark.slow
def test_a_checkpoint_gives_every_tier(tmp_path, prompts, capsys):
    pytest.importorskip("torch")
    from variegate.lab import lab_lineage

    folder = Path(lab_lineage()).parent / "checkpoints" / "instruct-sft"
    words = ["sample", str(prompts), "--model", str(folder), "-n", "3", "--max-tokens", "8",
             "--rule", "top_h:alpha=0.4", "--out", str(tmp_path / "run")]  # fmt: skip
    assert main(words) == 0
    assert "gives A, B, C, D, E, F" in capsys.readouterr().err
    assert read(tmp_path / "run" / "outputs.parquet").frame.height == 9
