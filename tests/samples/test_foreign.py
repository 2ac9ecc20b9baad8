"""Logs that this project did not write; how they were made stands beside them."""

import zipfile
from pathlib import Path

import pytest
from backports.zstd import zipfile as zstd_zipfile

from variegate.errors import DataError
from variegate.samples import Samples, read

LOGS = Path(__file__).parent.parent / "fixtures" / "logs"
NAMES = next(LOGS.glob("lm_eval/samples_names*"))
SHORT = next(LOGS.glob("lm_eval/samples_short*"))
COLOURS = next(LOGS.glob("lm_eval/samples_colours*"))


@pytest.mark.parametrize("kind", ["json", "eval"])
def test_a_log_of_inspect(kind):
    samples = read(LOGS / "inspect" / f"capitals.{kind}")
    assert samples.detected == f"inspect log (.{kind}), one row an output"
    columns = ("prompt_id", "sample", "text", "reasoning", "finish", "correct")
    assert samples.frame.sort("prompt_id", "sample").select(columns).rows() == [
        ("france", 0, "Paris", "Easy.", "stop", True),
        ("france", 1, "Lyon", None, "length", False),
        ("france", 2, "", None, "filter", False),
        ("peru", 0, "The capital is Paris.", None, "stop", False),
        ("peru", 1, "Lima", None, "stop", True),
        ("peru", 2, "Cusco", None, "stop", False),
    ]
    assert set(samples.frame["arm"]) == {"mockllm/model"}
    assert set(samples.frame["task"]) == {"capitals"}
    assert samples.frame["prompt"][0] == "What is the capital of France? Answer with one word."
    assert samples.frame.select("prompt_tokens", "completion_tokens").row(0) == (14, 5)


def repacked(tmp_path, keep, compression=zipfile.ZIP_DEFLATED):
    """The archive again, with other entries or another compression."""
    path = tmp_path / "again.eval"
    with zstd_zipfile.ZipFile(LOGS / "inspect" / "capitals.eval") as old:
        entries = {name: old.read(name) for name in old.namelist() if keep(name)}
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, content in entries.items():
            new.writestr(name, content)
    return path


def test_a_log_of_inspect_that_was_killed_is_read_as_far_as_it_got(tmp_path):
    path = repacked(tmp_path, lambda name: name != "header.json" and "epoch_3" not in name)
    assert len(read(path)) == 4
    assert set(read(path).frame["arm"]) == {"mockllm/model"}


def test_an_archive_that_is_no_log_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a log of inspect"):
        read(repacked(tmp_path, lambda name: name == "summaries.json"))


def test_a_failed_sample_of_inspect_is_an_error_row(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(
        '{"eval": {"model": "m", "task": "t"}, "samples": [{"id": 1, "epoch": 1, "input": "p",'
        '"output": {"choices": []}, "error": {"message": "boom"},'
        '"scores": {"s": {"value": NaN}}}]}'
    )
    row = read(path).frame.row(0, named=True)
    assert (row["text"], row["finish"], row["correct"]) == ("", "error", None)
    assert row["quality"] != row["quality"]  # inspect writes bare NaN; it stays one


def test_content_that_inspect_keeps_once_is_put_back(tmp_path):
    path = tmp_path / "log.json"
    path.write_text(
        '{"eval": {"model": "m", "task": "t"}, "samples": [{"id": 1, "epoch": 1, "input": "p",'
        '"attachments": {"abc": "the long words"},'
        '"output": {"choices": [{"message": {"content": "attachment://abc"}}]}}]}'
    )
    assert read(path).frame["text"][0] == "the long words"


def test_a_log_of_inspect_without_samples_is_refused(tmp_path):
    path = tmp_path / "log.json"
    path.write_text('{"eval": {"model": "m"}, "status": "success"}')
    with pytest.raises(DataError, match="without samples"):
        read(path)


def test_repeats_of_lm_eval_are_outputs_of_one_prompt():
    samples = read(NAMES)
    assert samples.detected.startswith("samples log of lm-evaluation-harness")
    groups = samples.frame.group_by("prompt", maintain_order=True).agg("text").rows()
    assert groups == [
        ("Name a fruit.", ["apple", "kiwi", "apple"]),
        ("Name a city in Peru.", ["Lima", "Cusco", ""]),
        ("Name a colour of the rainbow.", ["red", "red", "red"]),
    ]
    assert set(samples.frame["task"]) == {"names"}
    # The metric is about all repeats together and says nothing about one of them.
    assert samples.frame["correct"].null_count() == 9


def test_a_single_output_of_lm_eval_has_its_own_verdict():
    assert read(SHORT).frame["correct"].to_list() == [True, True, True]


def test_log_likelihoods_of_lm_eval_are_no_outputs():
    with pytest.raises(DataError, match=r"colours.*:1: .* log-likelihoods") as caught:
        read(COLOURS)
    assert "generate_until" in caught.value.hint


def test_a_folder_of_lm_eval_is_read_as_one(tmp_path):
    for model in ("base", "tuned"):
        (tmp_path / model).mkdir()
        for log in (NAMES, SHORT):
            (tmp_path / model / log.name).write_bytes(log.read_bytes())
    samples = read(tmp_path)
    assert samples.frame.group_by("arm", "task").len().sort("arm", "task").rows() == [
        ("base", "names", 9),
        ("base", "short", 3),
        ("tuned", "names", 9),
        ("tuned", "short", 3),
    ]


def test_a_data_set_saved_by_datasets():
    samples = read(LOGS / "datasets" / "fruit")
    assert samples.detected.startswith("data set saved by Hugging Face datasets, one row a prompt")
    assert samples.frame.select("prompt", "text").rows() == [
        ("Name a fruit.", "apple"),
        ("Name a fruit.", "kiwi"),
        ("Name a city in Peru.", "Lima"),
        ("Name a city in Peru.", "Lima"),
    ]


def test_what_was_read_can_be_kept(tmp_path):
    samples = read(NAMES)
    again = Samples.read(samples.write(tmp_path / "x.jsonl"))
    assert again.frame.equals(samples.frame)
