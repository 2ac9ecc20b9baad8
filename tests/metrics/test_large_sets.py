"""Sets too large for memory: the same numbers as in memory, with intervals, within a bound."""

import json
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError, UsageError
from variegate.metrics import (
    Coverage,
    Moments,
    feature_columns,
    measure_features,
    pairwise_diversity,
    prdc,
    vendi,
)

ORDERS = [0, 0.5, 1, 2, math.inf]


def cloud(seed, n, d):
    return np.random.default_rng(seed).standard_normal((n, d))


def values(measured):
    return dict(zip(measured.frame["metric"], measured.frame["value"], strict=True))


@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 7), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_moments_in_chunks_are_the_whole(seed, n, d, chunk):
    rows = cloud(seed, n, d)
    rows[np.random.default_rng(seed).random(n) < 0.2] = 0.0
    moments = Moments(blocks=4)
    for start in range(0, n, chunk):
        moments.add(rows[start : start + chunk])
    assert moments.n == n
    for q in ORDERS:
        assert moments.vendi(q).value == pytest.approx(vendi(rows, q=q), rel=1e-9)
    assert moments.pairwise().value == pytest.approx(
        pairwise_diversity(rows), abs=1e-9, nan_ok=True
    )


@given(st.integers(0, 10**6), st.integers(1, 3), st.integers(1, 9))
@settings(deadline=None, max_examples=40)
def test_coverage_in_chunks_is_that_of_prdc(seed, k, chunk):
    real, generated = cloud(seed, 12, 2), cloud(seed + 1, 20, 2) + 0.5
    covered = Coverage(real, k=k, blocks=3)
    for start in range(0, 20, chunk):
        covered.add(generated[start : start + chunk])
    assert covered.estimate().value == prdc(real, generated, k=k).coverage


def test_coverage_without_a_block_is_that_of_the_other_rows():
    real, generated = cloud(0, 200, 3), cloud(1, 40, 3)
    groups = np.repeat(np.arange(8), 5)
    estimate = Coverage(real, blocks=1000).add(generated, groups=groups).estimate()
    without = [prdc(real, generated[groups != g]).coverage for g in range(8)]
    by_hand = math.sqrt(7 / 8 * np.sum((np.array(without) - np.mean(without)) ** 2))
    assert estimate.settings["error_of_rows"] == pytest.approx(by_hand)


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_intervals_hold_what_another_set_of_this_size_gives(clustered):
    lean = np.exp(-np.arange(12) / 4)

    def draw(seed):
        rng = np.random.default_rng(seed)
        if not clustered:
            return rng.standard_normal((600, 12)) * lean + 0.3, None
        rows = np.repeat(rng.standard_normal((150, 12)), 4, axis=0)
        return (rows + 0.3 * rng.standard_normal((600, 12))) * lean, np.repeat(np.arange(150), 4)

    def of(moments):
        return [moments.vendi(), moments.vendi(2), moments.vendi(math.inf), moments.pairwise()]

    runs = []
    for seed in range(300):
        rows, groups = draw(seed)
        runs.append(of(Moments(seed=seed).add(rows, groups=groups)))
    for column in zip(*runs, strict=True):
        truth = np.mean([e.value for e in column])
        held = np.mean([e.low <= truth <= e.high for e in column])
        assert 0.91 < held < 0.985


@pytest.mark.slow
def test_interval_of_coverage_holds():
    runs = []
    for seed in range(200):
        real, generated = cloud(seed, 100, 2), cloud(seed + 5000, 60, 2)
        runs.append(Coverage(real, k=3, seed=seed).add(generated).estimate())
    truth = np.mean([e.value for e in runs])
    assert np.mean([e.low <= truth <= e.high for e in runs]) > 0.9


@pytest.mark.fault(8)
def test_fault_08_rows_all_alike_have_one_mode_and_no_doubt():
    moments = Moments().add(np.repeat(cloud(0, 1, 20).astype(np.float32), 500, axis=0))
    for q in ORDERS:
        score = moments.vendi(q)
        assert (score.value, score.low, score.high) == pytest.approx((1, 1, 1), abs=1e-9)
    assert moments.pairwise().high == pytest.approx(0, abs=1e-9)


@pytest.mark.fault(10)
def test_fault_10_no_row_and_one_row():
    none, one = Moments(), Moments().add([[3.0, 4.0]])
    assert math.isnan(none.vendi().value)
    assert none.vendi().note == "no rows"
    assert one.vendi().value == 1
    assert math.isnan(one.vendi().low)
    assert math.isnan(one.pairwise().value)
    assert "at least 2" in one.pairwise().note
    assert math.isnan(Coverage([[0.0], [1.0]], k=1).estimate().value)


@pytest.mark.fault(13)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fault_13_rows_without_numbers_are_named_or_counted(tmp_path, bad):
    rows = cloud(0, 400, 5).astype(np.float32)
    rows[[130, 300], 2] = bad
    with pytest.raises(DataError, match="in 2 rows of a chunk, first at 130, 300"):
        Moments().add(rows)
    with pytest.raises(DataError, match="first at 230"):
        Moments().add(cloud(1, 100, 5)).add(rows[:200])
    path = tmp_path / "f.parquet"
    pl.DataFrame({"features": rows}).write_parquet(path)
    with pytest.raises(DataError, match="first at 130"):
        measure_features(path)
    left = measure_features(path, nan="skip", reference=cloud(2, 20, 5))
    sound = np.delete(rows, [130, 300], axis=0)
    assert values(left)["vendi"] == pytest.approx(vendi(sound), rel=1e-9)
    assert left.frame["note"][0] == "2 rows with NaN or Inf left out"
    assert [(c.kind, c.count, c.total) for c in left.cautions] == [("unscored", 2, 400)]
    with pytest.raises(DataError, match="finite"):
        Coverage(cloud(2, 20, 5)).add(rows)


@pytest.mark.fault(14)
def test_fault_14_rows_of_zeros_are_unlike_all_and_counted(tmp_path):
    rows = np.repeat(np.eye(3, 4), 4, axis=0)
    rows[8:] = 0
    path = tmp_path / "f.parquet"
    pl.DataFrame({"features": rows}).write_parquet(path)
    measured = measure_features(path)
    assert values(measured)["vendi"] == pytest.approx(vendi(rows), rel=1e-9)
    assert values(measured)["pairwise"] == pytest.approx(pairwise_diversity(rows), rel=1e-9)
    assert [(c.kind, c.count) for c in measured.cautions] == [("empty", 4)]


@pytest.mark.fault(16)
def test_fault_16_order_and_form_of_a_file_do_not_matter(tmp_path):
    rows = np.concatenate([cloud(0, 1500, 6), cloud(1, 500, 6) + 2]).astype(np.float32)
    forms = {
        "array": pl.DataFrame({"id": range(2000), "features": rows}),
        "list": pl.DataFrame({"features": rows.tolist()}, schema={"features": pl.List(pl.Float32)}),
        "wide": pl.DataFrame({f"x{i}": rows[:, i] for i in range(6)}),
        "sorted": pl.DataFrame({"embedding": rows[np.argsort(rows[:, 0])]}),
        "several": pl.DataFrame({"features": rows, "other": rows[:, :2]}),
    }
    expected = {
        "vendi": vendi(rows),
        "vendi_2": vendi(rows, q=2),
        "vendi_inf": vendi(rows, q=math.inf),
        "pairwise": pairwise_diversity(rows),
        "coverage": 1.0,
    }
    lengths = []
    for name, frame in forms.items():
        path = tmp_path / f"{name}.parquet"
        frame.write_parquet(path, row_group_size=300)
        measured = measure_features(path, reference=rows[:50])
        assert values(measured) == pytest.approx(expected, rel=1e-9)
        assert measured.frame["n_samples"].unique().to_list() == [2000]
        first = measured.frame.row(0, named=True)
        lengths.append(first["high"] - first["low"])
    # Sorted rows make no other interval, but for the deal.
    assert max(lengths) < 2 * min(lengths)


def test_groups_widen_the_interval(tmp_path):
    rows = np.repeat(cloud(0, 100, 6), 20, axis=0)
    frame = pl.DataFrame({"features": rows, "prompt_id": [f"p{i // 20}" for i in range(2000)]})
    frame.write_parquet(tmp_path / "grouped.parquet")
    frame.drop("prompt_id").write_parquet(tmp_path / "loose.parquet")
    grouped, loose = (measure_features(tmp_path / f"{n}.parquet") for n in ("grouped", "loose"))
    assert grouped.settings["groups"] == "prompt_id"
    assert values(grouped) == values(loose)
    spread = [m.frame["high"][0] - m.frame["low"][0] for m in (grouped, loose)]
    assert spread[0] > 2 * spread[1]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"features": [[1.0, 2.0], [1.0]]}), r"row 1: expected 2 features .* got 1"),
        (pl.DataFrame({"features": [[1.0, 2.0], None]}), "row 1: .* got none"),
        (pl.DataFrame({"features": [[1.0, None], [1.0, 2.0]]}), "first at 0"),
        (pl.DataFrame({"a": [[1.0]], "b": [[1.0]]}), "several columns hold lists: a, b"),
        (pl.DataFrame({"id": [1]}), "no features in it"),
        (pl.DataFrame({"features": []}, schema={"features": pl.List(pl.Float32)}), "no features"),
    ],
)
def test_files_without_features_of_one_length_are_refused(tmp_path, frame, message):
    path = tmp_path / "f.parquet"
    frame.write_parquet(path)
    with pytest.raises((DataError, UsageError), match=message):
        measure_features(path)


def test_other_files_are_refused_and_not_taken_for_features(tmp_path):
    text, gone, both = (tmp_path / name for name in ("a.jsonl", "no.parquet", "both.parquet"))
    text.write_text('{"prompt": "a", "text": "b"}\n')
    pl.DataFrame({"prompt": ["a"], "completion": ["b"], "features": [[1.0]]}).write_parquet(both)
    assert [feature_columns(path) for path in (text, gone, both)] == [[], [], []]
    for path in (text, gone):
        with pytest.raises(DataError):
            measure_features(path)
    with pytest.raises(UsageError, match="nowhere"):
        measure_features(both, columns="nowhere")
    assert measure_features(both, columns="features").frame["value"][0] == 1


def test_wrong_arguments_are_refused():
    for call in (
        lambda: Moments(blocks=1),
        lambda: Moments(nan="drop"),
        lambda: Moments().add([1.0, 2.0]),
        lambda: Moments().add([[1.0, 2.0]]).add([[1.0]]),
        lambda: Moments().add([[1.0, 2.0]], groups=["a", "b"]),
        lambda: Moments().add([[1.0, 2.0]]).vendi(-1),
        lambda: Coverage([[0.0], [1.0]], k=2),
        lambda: Coverage([[0.0], [1.0]], k=1).add([[0.0, 1.0]]),
    ):
        with pytest.raises(UsageError):
            call()


_WRITE = """
import sys, numpy as np, polars as pl
def chunks():
    rng = np.random.default_rng(0)
    for _ in range(40):
        yield rng.standard_normal((25_000, 384), dtype=np.float32) + 0.05
import pathlib
folder = pathlib.Path(sys.argv[1])
for i, rows in enumerate(chunks()):
    pl.DataFrame({"features": rows}).write_parquet(folder / f"{i:02}.parquet")
pl.scan_parquet(folder / "*.parquet").sink_parquet(sys.argv[2], row_group_size=50_000)
"""
_MEASURE = """
import json, resource, sys
from variegate.metrics import measure_features
measured = measure_features(sys.argv[1], reference=sys.argv[2])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"kib": peak, "rows": measured.frame.to_dicts()}))
"""


@pytest.mark.slow
@pytest.mark.fault(16)
def test_fault_16_a_million_rows_of_384_in_less_than_one_and_a_half_gigabytes(tmp_path):
    folder, path, reference = tmp_path / "parts", tmp_path / "all.parquet", tmp_path / "r.parquet"
    folder.mkdir()
    subprocess.run([sys.executable, "-c", _WRITE, folder, path], check=True)
    known = cloud(7, 500, 384).astype(np.float32) + np.float32(0.05)
    pl.DataFrame({"features": known}).write_parquet(reference)
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, path, reference],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["kib"] < 1.5e9 / 1024
    found = {row["metric"]: row for row in told["rows"]}
    assert all(row["n_samples"] == 1_000_000 for row in found.values())
    # Means of 0.05 against deviations of 1: what d = 384 normal features approach.
    some = np.random.default_rng(1).standard_normal((20_000, 384)) + 0.05
    assert found["pairwise"]["value"] == pytest.approx(pairwise_diversity(some), abs=1e-4)
    assert 380 < found["vendi"]["low"] < found["vendi"]["value"] < found["vendi"]["high"] < 384
    assert found["vendi_inf"]["value"] < found["vendi_2"]["value"] < found["vendi"]["value"]
    assert 0 <= found["coverage"]["low"] <= found["coverage"]["high"] <= 1
