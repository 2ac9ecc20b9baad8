"""The table: what is completed, and which contradictions are refused."""

import numpy as np
import polars as pl
import pytest

from variegate.errors import DataError, UsageError
from variegate.samples import SCHEMA, Prompt, Samples, prompt_hash, read_prompts


def rows(*texts, **same):
    return [{"prompt": "Name a fruit.", "text": text} | same for text in texts]


def test_the_schema_is_complete_whatever_was_given():
    samples = Samples.from_rows(rows("kiwi", "plum"))
    assert samples.frame.schema == SCHEMA
    assert samples.frame["prompt_id"].to_list() == [prompt_hash("Name a fruit.")] * 2
    assert samples.frame["sample"].to_list() == [0, 1]
    assert samples.frame["iid"].to_list() == [True, True]
    assert samples.frame["arm"].to_list() == ["default", "default"]


def test_no_rows_are_an_empty_table():
    assert len(Samples.from_rows([])) == 0
    assert Samples.concat([]).frame.schema == SCHEMA


def test_samples_are_numbered_within_arm_task_and_prompt_after_those_that_have_a_number():
    samples = Samples.from_rows(
        [
            {"prompt": "a", "text": "1"},
            {"prompt": "b", "text": "2"},
            {"prompt": "a", "text": "3"},
            {"prompt": "a", "text": "4", "arm": "other"},
            {"prompt": "b", "text": "5", "sample": 7},
        ]
    )
    assert samples.frame["sample"].to_list() == [0, 8, 1, 0, 7]


@pytest.mark.parametrize(
    ("said", "finish"),
    [("stop", "stop"), ("EOS", "stop"), ("max_tokens", "length"), ("content_filter", "filter")],
)
def test_finishes_of_others_are_understood(said, finish):
    assert Samples.from_rows(rows("x", finish=said)).frame["finish"][0] == finish


@pytest.mark.parametrize(
    ("finish", "kept"), [(None, "empty"), ("stop", "empty"), ("filter", "filter"), ("length",) * 2]
)
def test_an_output_without_text_is_empty_unless_it_says_why(finish, kept):
    assert Samples.from_rows(rows(" \n", finish=finish)).frame["finish"][0] == kept


def test_an_unknown_finish_names_the_known_ones():
    with pytest.raises(DataError, match="output 2: expected 'finish' to be one of stop, length"):
        Samples.from_rows([*rows("x"), *rows("y", finish="bored")])


def test_bare_outputs_answer_one_prompt():
    samples = Samples.from_rows([{"text": "a"}, {"text": "b"}])
    assert samples.frame.select("prompt_id", "sample").rows() == [("all", 0), ("all", 1)]


def test_an_output_without_any_prompt_among_others_is_refused():
    with pytest.raises(DataError, match="output 2: expected 'prompt' or 'prompt_id'"):
        Samples.from_rows([*rows("x"), {"text": "y"}])


def test_a_row_without_text_is_refused_unless_it_failed():
    with pytest.raises(DataError, match="output 1: expected 'text'"):
        Samples.from_rows([{"prompt": "a"}])
    failed = Samples.from_rows([{"prompt": "a", "finish": "error"}])
    assert failed.frame.select("text", "finish").row(0) == ("", "error")


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ("correct", "true", True),
        ("correct", 0, False),
        ("correct", np.bool_(True), True),
        ("quality", "0.5", 0.5),
        ("quality", np.float32(0.5), 0.5),
        ("quality", 1, 1.0),
        ("prompt_id", 7, "7"),
        ("seed", 3.0, 3),
        ("token_ids", [1, 2], [1, 2]),
        ("token_logprobs", np.array([-1.0, -2.0]), [-1.0, -2.0]),
    ],
)
def test_values_as_people_write_them(column, value, kept):
    assert Samples.from_rows(rows("x", **{column: value})).frame[column].to_list() == [kept]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("correct", "maybe"),
        ("correct", 2),
        ("quality", "good"),
        ("sample", 0.5),
        ("sample", -1),
        ("sample", 2**31),
        ("seed", 2**63),
        ("seed", float("inf")),
        ("text", ["a"]),
        ("token_ids", [0.5]),
        ("token_ids", "[1,"),
        ("token_logprobs", 3),
    ],
)
def test_values_that_cannot_be_kept_as_they_are_name_column_and_row(column, value):
    with pytest.raises(DataError, match=f"output 2: expected '{column}'"):
        Samples.from_rows([*rows("x"), *rows("y", **{column: value})])


def test_a_frame_of_another_schema_cannot_pass_for_samples():
    with pytest.raises(UsageError, match="Expected the columns arm, task") as caught:
        Samples(pl.DataFrame({"text": ["a"]}))
    assert "from_frame" in caught.value.hint


def test_a_frame_may_have_other_types_of_numbers():
    frame = pl.DataFrame({"text": ["a"], "sample": pl.Series([0], dtype=pl.Int64), "n": [1]})
    assert Samples.from_frame(frame).frame["sample"].dtype == pl.Int32


@pytest.mark.fault(12)
def test_fault_12_ragged_counts_are_kept_as_they_are():
    counts = {"a": 3, "b": 1, "c": 5}
    samples = Samples.from_rows(
        {"prompt": prompt, "text": str(index)}
        for prompt in counts
        for index in range(counts[prompt])
    )
    found = dict(samples.frame.group_by("prompt").len().rows())
    assert found == counts


@pytest.mark.fault(17)
def test_fault_17_text_is_kept_verbatim():
    texts = ["\u00e9", "e\u0301", "👩\u200d🔬", "\u200frtl", "Ｆｕｌｌ", "你好世界"]
    assert Samples.from_rows(rows(*texts)).frame["text"].to_list() == texts


@pytest.mark.fault(18)
def test_fault_18_a_lone_surrogate_from_memory_is_refused():
    with pytest.raises(DataError, match="output 1: expected 'text' to be text"):
        Samples.from_rows(rows("\ud800"))


@pytest.mark.fault(22)
def test_fault_22_one_draw_twice_names_both_places():
    with pytest.raises(DataError, match=r"stands at output 1 and again at output 3"):
        Samples.from_rows([*rows("a", sample=0), *rows("b", sample=1), *rows("c", sample=0)])


@pytest.mark.fault(22)
def test_fault_22_one_id_with_two_texts_names_both_places():
    with pytest.raises(DataError, match=r"'q' .* one text at output 1 and another at output 2"):
        Samples.from_rows(
            [
                {"prompt_id": "q", "prompt": "one", "text": "x"},
                {"prompt_id": "q", "prompt": "two", "text": "y"},
            ]
        )


@pytest.mark.fault(22)
def test_fault_22_the_same_prompt_in_two_files_names_both_files():
    part = Samples.from_rows(rows("a"), source="one.jsonl")
    again = Samples.from_rows(rows("a"), source="two.jsonl")
    with pytest.raises(DataError, match=r"one.jsonl \(output 1\) and again at two.jsonl"):
        Samples.concat([part, again])


@pytest.mark.fault(22)
def test_fault_22_an_absent_id_is_the_content_hash():
    assert Prompt(prompt="a").prompt_id == prompt_hash("a") != prompt_hash("b")


@pytest.mark.fault(22)
def test_fault_22_prompt_files_refuse_one_id_twice(tmp_path):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a", "id": 1}\n{"prompt": "b", "id": 1}\n')
    with pytest.raises(DataError, match=r"stands at .*:1 and, with another text, at .*:2"):
        read_prompts(path)


def test_the_same_id_in_two_tasks_names_two_prompts():
    samples = Samples.from_rows(
        {"task": task, "prompt_id": 0, "prompt": task, "text": "x"} for task in ("sums", "lists")
    )
    assert len(samples) == 2


def test_prompts_are_read_from_every_kind_of_table(tmp_path):
    fields = {"prompt": ["2+2?"], "task": ["sums"], "verifier": ["exact"], "target": ["4"]}
    frame = pl.DataFrame(fields)
    frame.write_parquet(tmp_path / "p.parquet")
    frame.write_csv(tmp_path / "p.csv")
    frame.write_ndjson(tmp_path / "p.jsonl")
    expected = (Prompt(prompt="2+2?", task="sums", verifier="exact", target="4"),)
    for name in ("p.parquet", "p.csv", "p.jsonl"):
        assert read_prompts(tmp_path / name) == expected


def test_a_prompt_file_without_prompts_says_what_it_found(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("words\nhello\n")
    with pytest.raises(DataError, match=r"p\.csv:2: expected 'prompt', found words"):
        read_prompts(path)


def test_the_notebook_view_escapes_what_a_model_wrote():
    samples = Samples.from_rows(rows("x", arm="<script>alert(1)</script>\x1b[31m"))
    page = samples._repr_html_()
    assert "<script>" not in page
    assert "\x1b" not in page
    assert "&lt;script&gt;" in page
    assert repr(samples) == "Samples(1 output: 1 arm, 1 task, 1 prompt)"
