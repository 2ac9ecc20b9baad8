"""`variegate measure` on files that hold features and no texts."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from variegate.metrics import vendi


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "variegate", *map(str, arguments)], capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("features")
    rows = np.random.default_rng(0).standard_normal((500, 8)).astype(np.float32)
    pl.DataFrame({"features": rows}).write_parquet(folder / "a.parquet")
    pl.DataFrame({"embedding": rows + 1}).write_parquet(folder / "b.parquet")
    (folder / "c.jsonl").write_text('{"prompt": "p", "text": "t"}\n{"prompt": "p", "text": "u"}\n')
    return folder, rows


def test_two_files_stand_side_by_side(files):
    folder, rows = files
    done = run("measure", folder / "a.parquet", folder / "b.parquet", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    found = {(row["arm"], row["metric"]): row for row in told["rows"]}
    assert found["a", "vendi"]["value"] == pytest.approx(vendi(rows), rel=1e-8)
    assert found["b", "vendi"]["high"] < found["a", "vendi"]["low"]
    assert {metric for _, metric in found} == {"vendi", "vendi_2", "vendi_inf", "pairwise"}
    assert told["settings"]["b"]["features"] == "embedding"


def test_a_screen_some_metrics_and_a_gate(files):
    folder, _ = files
    shown = run("measure", folder / "a.parquet", "--metrics", "vendi")
    assert shown.returncode == 0
    assert "vendi" in shown.stdout
    assert "pairwise" not in shown.stdout
    gated = run("measure", folder / "a.parquet", "--fail-if", "vendi<9", "--quiet")
    assert gated.returncode == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.parquet", "c.jsonl"], "no number in common"),
        (["a.parquet", "--metrics", "ead"], "Unknown metric of features"),
        (["a.parquet", "--report", "page.html"], "has none"),
    ],
)
def test_what_features_cannot_do_is_refused(files, arguments, message):
    folder, _ = files
    done = run("measure", *[folder / a if "." in a else a for a in arguments])
    assert done.returncode == 2
    assert message in done.stderr
