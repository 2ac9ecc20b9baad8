"""Reading: every shape is recognised and named; nothing unsound gets through."""

import json
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.errors import DataError
from variegate.samples import ALIASES, SCHEMA, Samples, read, read_prompts, split_reasoning


def written(tmp_path, content, name="outputs.jsonl"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


SHAPES = {
    "out.jsonl": (
        '{"prompt": "p", "text": "a"}\n{"prompt": "p", "text": "b"}\n',
        "JSONL, one row an output",
    ),
    "list.jsonl": (
        '{"prompt": "p", "completions": ["a", "b"]}\n',
        "JSONL, one row a prompt with a list in 'completions'",
    ),
    "objects.jsonl": (
        '{"prompt": "p", "outputs": [{"text": "a"}, {"response": "b"}]}\n',
        "JSONL, one row a prompt with a list in 'outputs'; 'response' read as 'text'",
    ),
    "array.json": (
        '[{"prompt": "p", "text": "a"},\n {"prompt": "p", "text": "b"}]',
        "JSON array, one row an output",
    ),
    "lines.json": (
        '{"prompt": "p", "text": "a"}\n{"prompt": "p", "text": "b"}',
        "JSONL, one row an output",
    ),
    "one.json": (
        '{\n"prompt": "p",\n"generations": ["a", "b"]}',
        "JSON, one row a prompt with a list in 'generations'",
    ),
    "out.csv": ("prompt,text\np,a\np,b\n", "CSV, one row an output"),
    "out.tsv": ("prompt\ttext\np\ta\np\tb\n", "TSV, one row an output"),
    "named.csv": (
        "question,completion,colour\np,a,red\np,b,blue\n",
        "CSV, one row an output; 'question' read as 'prompt'; 'completion' read as 'text'; "
        "left aside: 'colour'",
    ),
    "nosuffix": (
        '{"prompt": "p", "responses": ["a", "b"]}',
        "JSON, one row a prompt with a list in 'responses'",
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_is_recognised_and_named(tmp_path, name):
    content, detected = SHAPES[name]
    path = written(tmp_path, content, name)
    samples = read(path)
    assert samples.frame.select("prompt", "text", "sample").rows() == [("p", "a", 0), ("p", "b", 1)]
    assert samples.detected == detected
    assert samples.source == str(path)


@pytest.mark.parametrize("shape", ["outputs", "prompts"])
def test_parquet_of_others_is_read(tmp_path, shape):
    tables = {
        "outputs": {"question": ["p", "p"], "output": ["a", "b"]},
        "prompts": {"question": ["p"], "completions": [["a", "b"]]},
    }
    pl.DataFrame(tables[shape]).write_parquet(tmp_path / "x.parquet")
    samples = read(tmp_path / "x.parquet")
    assert samples.frame["text"].to_list() == ["a", "b"]
    assert samples.detected.startswith("Parquet, one row a")


def test_what_stands_inside_counts_not_the_suffix(tmp_path):
    pl.DataFrame({"prompt": ["p"], "text": ["a"]}).write_parquet(tmp_path / "x.jsonl")
    assert read(tmp_path / "x.jsonl").detected == "Parquet, one row an output"


@pytest.mark.parametrize("name", [(name, alias) for name in ALIASES for alias in ALIASES[name]])
def test_every_alias_is_understood(tmp_path, name):
    column, alias = name
    values = {"sample": 3, "correct": True, "quality": 0.5, "logprob": -1.5, "finish": "stop"}
    value = values.get(column, "words")
    row = {"prompt": "p", "text": "t"}
    row.pop(column, None)
    path = written(tmp_path, json.dumps(row | {alias: value}))
    samples = read(path)
    assert samples.frame[column].to_list() == [value]
    assert f"{alias!r} read as {column!r}" in samples.detected


def test_one_value_for_each_completion_is_dealt_out(tmp_path):
    path = written(
        tmp_path,
        '{"prompt": "p", "completions": ["a", "b"], "correct": [true, false], "seed": 5, '
        '"token_ids": [[1], [2, 3]]}',
    )
    frame = read(path).frame
    assert frame.select("correct", "seed").rows() == [(True, 5), (False, 5)]
    assert frame["token_ids"].to_list() == [[1], [2, 3]]


def test_an_id_that_names_rows_is_left_aside(tmp_path):
    path = written(
        tmp_path,
        '{"id": 1, "prompt": "p", "text": "a"}\n{"id": 2, "prompt": "p", "text": "b"}\n',
    )
    samples = read(path)
    assert samples.frame["prompt_id"].n_unique() == 1
    assert samples.detected.endswith("left aside: 'id'")


def test_an_id_that_names_prompts_is_their_name(tmp_path):
    path = written(
        tmp_path,
        '{"id": 1, "prompt": "p", "text": "a"}\n{"id": 2, "prompt": "q", "text": "b"}\n',
    )
    assert read(path).frame["prompt_id"].to_list() == ["1", "2"]


def test_a_chat_is_a_prompt(tmp_path):
    chat = [{"role": "user", "content": "Hi"}]
    path = written(tmp_path, json.dumps({"messages": chat, "text": "a"}))
    assert read(path).frame["prompt"].to_list() == ["Hi"]
    chat = [{"role": "system", "content": "Be brief."}, *chat]
    path = written(tmp_path, json.dumps({"messages": chat, "text": "a"}))
    assert read(path).frame["prompt"].to_list() == ["system: Be brief.\n\nuser: Hi"]


def test_the_arm_can_be_given(tmp_path):
    path = written(tmp_path, '{"prompt": "p", "text": "a", "model": "m"}')
    assert read(path).frame["arm"][0] == "m"
    assert Samples.read(path, arm="base").frame["arm"][0] == "base"


def test_reasoning_is_split_off(tmp_path):
    path = written(tmp_path, '{"prompt": "p", "text": "<think>hm</think>\\n\\nkiwi"}')
    assert read(path).frame.select("reasoning", "text").row(0) == ("hm", "kiwi")


@given(st.text(), st.text())
@settings(deadline=None)
def test_splitting_gives_back_what_was_put_together(thought, answer):
    if "<think>" in thought + answer or "</think>" in thought + answer:
        return
    for text in (f"<think>{thought}</think>{answer}", f"{thought}</think>{answer}"):
        assert split_reasoning(text) == (thought.strip(), answer.strip())
    assert split_reasoning(answer) == (None, answer)


def test_a_missing_file_and_an_unknown_format_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read(tmp_path / "nowhere.jsonl")
    with pytest.raises(DataError, match="not a format") as caught:
        read(written(tmp_path, "hello", "x.txt"))
    assert "JSONL" in caught.value.hint
    with pytest.raises(DataError, match="no outputs"):
        read(written(tmp_path, b"\xef\xbb\xbf \n", "x.jsonl"))
    with pytest.raises(DataError, match="a folder, but"):
        read(tmp_path)


def test_a_row_without_text_names_line_and_keys_understood(tmp_path):
    path = written(tmp_path, '{"prompt": "p", "text": "a"}\n{"prompt": "p", "txet": "a"}\n')
    with pytest.raises(DataError, match=r"outputs.jsonl:2: expected the output under") as caught:
        read(path)
    assert "completion" in caught.value.hint


@pytest.mark.fault(3)
@pytest.mark.fault(10)
def test_fault_03_10_a_prompt_to_which_nothing_came_back_is_not_lost(tmp_path):
    content = (
        '{"prompt": "p", "completions": ["a", "b"], "correct": [true, false]}\n'
        '{"prompt": "q", "completions": [], "correct": []}\n'
    )
    frame = read(written(tmp_path, content)).frame
    assert frame["prompt"].to_list() == ["p", "p", "q"]
    assert frame["finish"].to_list() == [None, None, "error"]
    assert frame["correct"].to_list() == [True, False, None]


@pytest.mark.fault(18)
@pytest.mark.parametrize("content", ['{"text": "\\ud800"}', b'{"text": "\xed\xa0\x80"}'])
def test_fault_18_a_lone_surrogate_is_refused_with_its_line(tmp_path, content):
    path = written(
        tmp_path,
        b'{"text": "a"}\n' + (content if isinstance(content, bytes) else content.encode()) + b"\n",
    )
    with pytest.raises(DataError, match=r"outputs.jsonl:2: ") as caught:
        read(path)
    assert "Unicode" in caught.value.hint


@pytest.mark.fault(19)
def test_fault_19_only_a_newline_ends_a_line(tmp_path):
    said = "one\u2028two\u2029three\u0085four\x0cfive\x0bsix\x1cseven"
    line = orjson.dumps({"prompt": "p", "text": said})
    assert "\u2028".encode() in line  # raw, not escaped
    path = written(tmp_path, line + b"\n" + line.replace(b"one", b"two") + b"\n")
    assert read(path).frame["text"].to_list() == [said, said.replace("one", "two")]


@pytest.mark.fault(20)
def test_fault_20_bom_crlf_and_blank_lines_are_accepted(tmp_path):
    lines = b'\xef\xbb\xbf\r\n{"prompt": "p", "text": "a"}\r\n\r\n  \n{"prompt": "p", "text": "b"}'
    assert read(written(tmp_path, lines)).frame["text"].to_list() == ["a", "b"]
    table = b"\xef\xbb\xbfprompt,text\r\np,a\r\n\r\np,b\r\n"
    assert read(written(tmp_path, table, "x.csv")).frame["text"].to_list() == ["a", "b"]


@pytest.mark.fault(20)
def test_fault_20_a_half_written_last_line_is_an_error(tmp_path):
    line = '{"prompt": "p", "text": "a"}\n'
    with pytest.raises(DataError, match=r"outputs.jsonl:3: the last line is cut off") as caught:
        read(written(tmp_path, line + line.replace("a", "b") + '{"prompt": "p", "te'))
    assert "finished" in caught.value.hint


@pytest.mark.fault(20)
def test_fault_20_a_trailing_comma_is_named(tmp_path):
    with pytest.raises(DataError, match=r"outputs.jsonl:1: not valid JSON") as caught:
        read(written(tmp_path, '{"text": "a",}\n'))
    assert "comma" in caught.value.hint


@pytest.mark.fault(20)
def test_fault_20_a_ragged_table_names_its_line(tmp_path):
    with pytest.raises(DataError, match=r"x.csv:4: expected 2 cells \(prompt, text\), got 3"):
        read(written(tmp_path, 'prompt,text\n"two\nlines",a\np,b,c\n', "x.csv"))
    with pytest.raises(DataError, match="two columns are called 'text'"):
        read(written(tmp_path, "text,text\na,b\n", "x.csv"))


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"text": "a", "text": "b"}', "the key 'text' stands twice"),
        ('{"text": "a", "doc": {"k": 1, "k": 1}}', "the key 'k' stands twice"),
        # Escaped quotation marks make up for the two that the doubled key costs.
        ('{"x": "\\u0022\\u0022", "text": "a", "k": 1, "k": 2}', "the key 'k' stands twice"),
        ('{"text": ' + "[" * 200_000 + "]" * 200_000 + "}", "not valid JSON"),
        ('{"text": "a", "seed": ' + "9" * 5000 + "}", "not valid JSON"),
        ('{"text": "a", "seed": ' + "9" * 40 + "}", "expected 'seed' to be a whole number"),
        ('{"text": "a", "quality": NaN}', "not valid JSON"),
        ('{"text": "a", "quality": 1e999}', "not valid JSON"),
        ('{"text": "a"} {"text": "b"}', "not valid JSON"),
        ('["text"]', "expected an object"),
    ],
)
def test_fault_21_json_that_a_lenient_parser_would_bend(tmp_path, content, said):
    path = written(tmp_path, '{"text": "0"}\n' + content + "\n")
    with pytest.raises(DataError, match=said) as caught:
        read(path)
    assert ":2: " in str(caught.value)
    assert len(str(caught.value)) < 400
    assert caught.value.hint


@pytest.mark.fault(21)
def test_fault_21_a_document_is_parsed_as_strictly_as_a_line(tmp_path):
    for content in ('[{"text": "a", "text": "b"}]', '[{"text": NaN}]', "[" * 200_000):
        with pytest.raises(DataError):
            read(written(tmp_path, content, "x.json"))


@pytest.mark.fault(21)
def test_fault_21_escaped_quotes_alone_are_no_doubled_key(tmp_path):
    path = written(tmp_path, '{"text": "say \\u0022hi\\u0022 \\\\\\" x"}')
    assert read(path).frame["text"][0] == 'say "hi" \\" x'


@pytest.mark.fault(22)
def test_fault_22_places_are_lines_of_the_file(tmp_path):
    row = '{"prompt": "p", "text": "a", "sample": 0}\n'
    with pytest.raises(DataError, match=r"stands at .*outputs.jsonl:1 and again at .*jsonl:3"):
        read(written(tmp_path, row + "\n" + row))


LOGS = Path(__file__).parent.parent / "fixtures" / "logs"
SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet", ".eval", "")


def only_our_error(path):
    for reader in (read, read_prompts):
        try:
            reader(path)
        except DataError as error:
            assert error.hint  # noqa: PT017


@given(st.binary(max_size=200), st.sampled_from(SUFFIXES))
@settings(deadline=None, max_examples=200)
def test_arbitrary_bytes_raise_nothing_but_our_error(tmp_path_factory, content, suffix):
    path = tmp_path_factory.getbasetemp() / f"arbitrary{suffix}"
    path.write_bytes(content)
    only_our_error(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*SCHEMA, "completions", "outputs", "id"]), inner)
    ),
    max_leaves=8,
)


@given(st.lists(json_values, max_size=3), st.sampled_from((".jsonl", ".json")))
@settings(deadline=None, max_examples=200)
def test_arbitrary_json_raises_nothing_but_our_error(tmp_path_factory, values, suffix):
    path = tmp_path_factory.getbasetemp() / f"arbitrary{suffix}"
    path.write_text("\n".join(map(json.dumps, values)), encoding="utf-8", errors="surrogatepass")
    only_our_error(path)


@pytest.mark.parametrize("log", ["inspect/capitals.json", "inspect/capitals.eval", "names"])
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_flipped_bytes_raise_nothing_but_our_error(tmp_path_factory, log, data):
    source = next(LOGS.glob("lm_eval/samples_names*")) if log == "names" else LOGS / log
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"flipped{source.suffix}"
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    only_our_error(path)
