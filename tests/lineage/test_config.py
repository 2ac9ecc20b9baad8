"""A lineage file: what it may say, and how it is told where it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from variegate.errors import CheckpointError, DataError
from variegate.lineage import Lineage, trace, validate_lineage
from variegate.samples import Samples

GOOD = """\
name = "small"
metric = "gini_simpson"
prompts = "prompts.jsonl"
samples_per_prompt = 4

[sampling]
temperature = 0.7

[[stages]]
name = "base"
model = "checkpoints/base"

[[stages]]
name = "sft"
parent = "base"
model = "checkpoints/sft"
format = "chat"

[[stages]]
name = "dpo"
parent = "sft"
model = "checkpoints/dpo"

[[stages]]
name = "zero"
parent = "base"
samples = "zero.jsonl"
"""


def written(folder: Path, text: str = GOOD) -> Path:
    path = folder / "LINEAGE.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_file(tmp_path):
    lineage = Lineage.read(written(tmp_path))
    assert lineage.prompts == tmp_path / "prompts.jsonl"
    assert lineage.root.model == tmp_path / "checkpoints" / "base"
    assert lineage.sampling.temperature == 0.7
    assert lineage.sampling.max_tokens == 256


def test_the_tree_is_walked_line_by_line(tmp_path):
    lineage = Lineage.read(written(tmp_path))
    assert [stage.name for stage in lineage.order] == ["base", "sft", "dpo", "zero"]
    assert lineage.path_to("dpo") == ("base", "sft", "dpo")
    assert lineage.branches == {"base": ("base",), "sft": ("sft", "dpo"), "zero": ("zero",)}


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_every_tree_is_ordered_parents_first(data):
    size = data.draw(st.integers(1, 8))
    parents = [None] + [data.draw(st.integers(0, i - 1)) for i in range(1, size)]
    said = Samples.from_rows([{"text": "x"}])
    stages = [
        {"name": f"s{i}", "parent": None if p is None else f"s{p}", "samples": said}
        for i, p in enumerate(parents)
    ]
    lineage = Lineage(stages=data.draw(st.permutations(stages)))
    order = [stage.name for stage in lineage.order]
    assert sorted(order) == sorted(stage["name"] for stage in stages)
    for stage in lineage.stages:
        assert stage.parent is None or order.index(stage.parent) < order.index(stage.name)
        assert lineage.path_to(stage.name)[0] == "s0"
    assert sorted(sum(lineage.branches.values(), ())) == sorted(order)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ('metric = "gini_simpson"', "metric = 7", 2, "metric: input should be a valid string"),
        ('metric = "gini_simpson"', 'metrik = "x"', 2, "unknown key; did you mean 'metric'"),
        ("temperature = 0.7", "temprature = 0.7", 7, "unknown key; did you mean 'temperature'"),
        ("temperature = 0.7", "temperature = -1.0", 6, "temperature"),
        ('format = "chat"', 'fromat = "chat"', 17, "stages[1].fromat: unknown key; did you mean"),
        ('format = "chat"', 'format = "caht"', 17, "'caht'"),
        ('parent = "sft"', 'parent = "sfd"', 21, "no stage is named 'sfd'; did you mean 'sft'"),
        ('parent = "sft"', 'parent = "dpo"', 21, "circle: dpo → dpo"),
        ('parent = "base"\nmodel', "model", 14, "one root"),
        ('name = "zero"', 'name = "sft"', 25, "two stages are named 'sft'"),
        ('samples = "zero.jsonl"', 'kind = "rl"', 24, "either 'model' or 'samples', found neither"),
        ('samples = "zero.jsonl"', 'samples = "z"\nmodel = "m"', 24, "found both"),
        ("samples_per_prompt = 4", "samples_per_prompt = 1", 4, "greater than or equal to 2"),
        ('prompts = "prompts.jsonl"\n', "", None, "expected 'prompts'"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_place(tmp_path, old, new, line, words):
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(DataError) as caught:
        Lineage.read(path)
    message = str(caught.value)
    assert words in message
    assert "\n" not in message
    assert message.startswith(f"{path}:{line}:" if line else f"{path}:")


def test_a_circle_of_two_stages_is_spelled_out(tmp_path):
    path = written(tmp_path, GOOD.replace('parent = "base"', 'parent = "dpo"', 1))
    with pytest.raises(DataError, match="circle: sft → dpo → sft"):
        Lineage.read(path)


@pytest.mark.parametrize(
    "text", ["name = ", "[[stages]\n", "a = 1\na = 2", "\x00", "x = 1979-99-99"]
)
def test_bad_toml_is_one_line(tmp_path, text):
    with pytest.raises(DataError, match="not TOML") as caught:
        Lineage.read(written(tmp_path, text))
    assert "\n" not in str(caught.value)


@settings(deadline=None, max_examples=60)
@given(junk=st.binary(max_size=60))
def test_fault_21_whatever_the_file_holds_nothing_but_our_error_comes(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "LINEAGE.toml"
    path.write_bytes(junk)
    with pytest.raises(DataError):
        Lineage.read(path)


def test_no_file_at_all(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        Lineage.read(tmp_path / "nowhere.toml")


def test_missing_files_are_named_before_anything_is_asked(tmp_path):
    path = written(tmp_path)
    report = validate_lineage(path)
    assert not report.ok
    assert len(report.missing) == 5
    with pytest.raises(DataError, match=r"5 of the files .*model of base: .*checkpoints"):
        trace(path)


@pytest.mark.fault(28)
def test_fault_28_a_checkpoint_is_refused_before_another_is_asked(tmp_path):
    for name in ("base", "sft", "dpo"):
        (tmp_path / "checkpoints" / name).mkdir(parents=True)
        (tmp_path / "checkpoints" / name / "config.json").write_text("{}")
    (tmp_path / "checkpoints" / "sft" / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "checkpoints" / "base" / "model.safetensors").write_bytes(bytes(64))
    (tmp_path / "prompts.jsonl").write_text('{"prompt": "a"}\n')
    (tmp_path / "zero.jsonl").write_text('{"prompt": "a", "text": "b"}\n')
    path = written(tmp_path)
    report = validate_lineage(path)
    assert not report.ok
    words = [why for why, _ in report.refused]
    assert len(words) == 3
    assert "no sound safetensors file" in words[0]
    assert "pickles can run code" in words[1]
    with pytest.raises(CheckpointError, match="no sound safetensors"):
        trace(path, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_validate_counts_what_would_be_drawn(tmp_path):
    (tmp_path / "prompts.jsonl").write_text(
        '{"prompt": "a", "task": "x"}\n{"prompt": "b", "task": "x"}\n{"prompt": "c", "task": "y"}\n'
    )
    report = validate_lineage(written(tmp_path))
    assert report.prompts == {"x": 2, "y": 1}
    # base once; sft and dpo at most as they are, raw, and with an empty reasoning block
    assert report.outputs == (1 + 3 + 3) * 3 * 4
    assert list(report.stages) == ["base", "sft", "dpo", "zero"]
    assert [line.split(":")[0] for line in report.missing] == [
        "model of base", "model of sft", "model of dpo", "samples of zero",
    ]  # fmt: skip


def test_a_lineage_in_python_is_checked_alike():
    with pytest.raises(ValidationError, match="one root"):
        Lineage(stages=[{"name": n, "samples": Samples.from_rows([{"text": "x"}])} for n in "ab"])
