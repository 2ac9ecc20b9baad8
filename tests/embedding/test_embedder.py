"""The embedder: unit rows, each text once, no network, nothing loaded that is not needed."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from variegate.embedding import Cached, Embedder, embedder, similarity_floor
from variegate.errors import DataError, RunUnwritable, UnknownName, UsageError, VariegateError


class Counting:
    """An encoder with known vectors that counts what it is asked."""

    name = "counting"

    def __init__(self):
        self.asked = []

    def encode(self, texts):
        self.asked.append(list(texts))
        return np.array([[len(t), t.count("a") + 1.0, 1.0] for t in texts])


def test_wordllama_is_the_mean_of_its_own_token_vectors():
    from safetensors.numpy import load_file
    from tokenizers import Tokenizer

    from variegate.embedding._wordllama import _TOKENIZER, _WEIGHTS, _folder

    table = load_file(_folder() / _WEIGHTS)["embedding.weight"].astype(np.float64)
    tokenizer = Tokenizer.from_file(str(_folder() / _TOKENIZER))
    texts = ["a short text", "Ein längerer Text, mit Umlauten und 3.5 Zahlen", "東京 😀"]
    expected = [
        table[tokenizer.encode(t, add_special_tokens=False).ids].mean(axis=0) for t in texts
    ]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(embedder().encode(texts), expected, atol=1e-6)


def test_wordllama_loads_neither_torch_nor_its_own_package_nor_sockets():
    code = (
        "import socket, sys\n"
        "def no(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = no\n"
        "from variegate.embedding import embedder\n"
        "assert embedder().encode(['plum']).shape == (1, 256)\n"
        "print([m for m in ('torch', 'wordllama', 'requests', 'scipy') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=20), max_size=8))
def test_rows_have_length_one_or_zero_and_equal_texts_equal_rows(texts):
    rows = embedder().encode(texts)
    assert rows.shape == (len(texts), 256)
    assert rows.dtype == np.float32
    norms = np.linalg.norm(rows, axis=1)
    assert np.all((abs(norms - 1) < 1e-5) | (norms == 0))
    np.testing.assert_array_equal(embedder().encode(texts + texts), np.concatenate([rows, rows]))


def test_each_distinct_text_is_embedded_once_and_empty_ones_never():
    source = Counting()
    found = embedder(source)
    source.asked.clear()
    rows = found.encode(["abc", "", "abc", "  ", "b"])
    assert source.asked == [["abc", "b"]]
    assert (rows[1] == 0).all()
    assert (rows[0] == rows[2]).all()
    assert (found.name, found.dim) == ("counting", 3)


def test_revision_follows_the_vectors():
    plain = Embedder(lambda t: np.array([[len(x), 1.0] for x in t]), name="m")
    same = Embedder(lambda t: np.array([[len(x), 1.0] for x in t]), name="m")
    other = Embedder(lambda t: np.array([[1.0, len(x)] for x in t]), name="m")
    assert plain.revision == same.revision != other.revision


@pytest.mark.fault(13)
def test_fault_13_nan_from_an_embedder_names_the_first_indices():
    def vectors(texts):
        return np.array([[np.nan if t == "bad" else 1.0, 1.0] for t in texts])

    found = Embedder(vectors, name="broken")
    with pytest.raises(DataError, match="1 of 3 different texts, first at 2"):
        found.encode(["x", "y", "bad", "x"])


@pytest.mark.fault(17)
def test_fault_17_one_text_in_two_encodings_is_one_text():
    source = Counting()
    words = embedder(source)
    source.asked.clear()
    composed, apart = words.encode(["caf\u00e9", "cafe\u0301"])
    assert composed.tolist() == apart.tolist()
    assert source.asked == [["caf\u00e9"]]


@pytest.mark.fault(14)
def test_fault_14_empty_text_is_a_zero_row_orthogonal_to_everything():
    rows = embedder().encode(["", "plum", "\n\t "])
    assert np.isfinite(rows).all()
    np.testing.assert_array_equal((rows @ rows.T)[[0, 0, 2], [1, 2, 1]], 0.0)


def test_wrong_number_of_vectors_is_refused():
    found = Embedder(lambda t: np.ones((3, 2)), name="three")
    with pytest.raises(DataError, match=r"Expected \(1, d\)"):
        found.encode(["one"])


def test_unknown_names_are_refused_without_a_hub():
    with pytest.raises(UnknownName):
        embedder("wordlama")
    with pytest.raises(UsageError):
        embedder(42)


@pytest.mark.slow
@pytest.mark.fault(38)
@pytest.mark.filterwarnings("ignore")
def test_fault_38_a_model_not_on_this_machine_is_a_clean_error(monkeypatch, tmp_path):
    pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(VariegateError, match="neither a readable folder nor in the local cache"):
        embedder("nobody/no-such-model")


@pytest.mark.fault(38)
def test_fault_38_missing_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(VariegateError, match="not installed") as caught:
        embedder("owner/name")
    assert "variegate[embed]" in caught.value.hint


def test_cache_answers_by_content_and_survives_a_broken_part(tmp_path):
    source = Counting()
    first = Cached(embedder(source), tmp_path)
    rows = first.encode(["plum", "kiwi"])
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".parquet"]
    source.asked.clear()
    again = Cached(embedder(source), tmp_path)
    source.asked.clear()
    np.testing.assert_allclose(again.encode(["kiwi", "plum"]), rows[::-1], rtol=1e-6)
    assert source.asked == []
    again.encode(["oak"])
    assert source.asked == [["oak"]]
    for part in tmp_path.rglob("*.parquet"):
        part.write_bytes(part.read_bytes()[:20])
    healed = Cached(embedder(source), tmp_path)
    np.testing.assert_allclose(healed.encode(["plum", "kiwi"]), rows, rtol=1e-6)


@pytest.mark.fault(25)
def test_fault_25_a_cache_that_cannot_be_written_names_itself(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunUnwritable, match=r"Cannot write .*file"):
        Cached(embedder(Counting()), tmp_path / "file").encode(["plum"])


def test_cache_of_another_revision_is_not_read(tmp_path):
    one = Embedder(lambda t: np.array([[1.0, 0.0]] * len(t)), name="m")
    other = Embedder(lambda t: np.array([[0.0, 1.0]] * len(t)), name="m")
    Cached(one, tmp_path).encode(["plum"])
    assert Cached(other, tmp_path).encode(["plum"]).tolist() == [[0.0, 1.0]]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 12))
def test_similarity_floor_equals_the_double_loop(seed, n):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, 4))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    prompts = rng.integers(0, 3, n)
    pairs = [rows[i] @ rows[j] for i in range(n) for j in range(n) if prompts[i] != prompts[j]]
    expected = np.mean(pairs) if pairs else np.nan
    np.testing.assert_allclose(similarity_floor(rows, prompts), expected, atol=1e-12)
