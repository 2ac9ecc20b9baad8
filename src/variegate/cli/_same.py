"""`--same`: count answers by meaning instead of by their text."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from variegate.samples import Samples

__all__ = ["Same", "by_meaning"]

Same = Annotated[
    str | None,
    Parameter(
        help="What makes two outputs one answer: words (at most five, half of them shared), "
        "similarity (above a threshold that outputs of different prompts set), or a folder with "
        "an NLI model or a classifier of pairs. By default the answer named in the file, else "
        "the text."
    ),
]

_MOST = 2000  # outputs that set the threshold: two million pairs
_RATE = 0.01


def by_meaning(
    samples: Samples, same: str | None, *, embedder: str | None, seed: int
) -> tuple[Samples, str]:
    """Samples with the answers that `--same` asks for, and a line that says how."""
    from variegate.judging import classify, same_words

    if same is None:
        return samples, ""
    alike: Callable[[list[str]], Any]
    if same == "words":
        alike, how = same_words, "half of at most five words in common, or all words"
    elif same == "similarity":
        alike, how = _similar(samples, embedder, seed)
    else:
        alike, how = _read_by(same)
    told = (
        f"answers are the same by {how}; where a is b and b is c but a is not c, a random order "
        "decides"
    )
    return classify(samples, alike, rule="average", seed=seed, replace=True), told


def _similar(
    samples: Samples, source: str | None, seed: int
) -> tuple[Callable[[list[str]], Any], str]:
    import numpy as np

    from variegate.embedding import embedder
    from variegate.judging import calibrate_threshold, same_by_similarity

    encode = embedder(source)
    frame = samples.frame.filter(samples.frame["text"].fill_null("").str.strip_chars() != "")
    if frame.height > _MOST:
        frame = frame.sample(_MOST, seed=seed)
    rows = encode.encode(frame["text"].to_list()).astype(np.float64)
    prompt = frame["prompt_id"].rank("dense").to_numpy()
    found = calibrate_threshold(rows @ rows.T, prompt[:, None] != prompt[None, :], at=_RATE)

    def alike(texts: list[str]) -> Any:
        vectors = encode.encode(texts).astype(np.float64)
        return same_by_similarity(vectors @ vectors.T, threshold=found.value)

    return alike, (
        f"a cosine above {found.value:.3f} ({encode.name}), which {_RATE:.0%} of the pairs of "
        f"outputs of different prompts exceed"
    )


def _read_by(folder: str) -> tuple[Callable[[list[str]], Any], str]:
    from pathlib import Path

    from variegate.errors import UsageError
    from variegate.judging import pair_classifier, same_by_classifier, same_by_entailment

    if not Path(folder).is_dir():
        raise UsageError(
            f"Expected --same words, similarity or the folder of a model, got {folder!r}.",
            hint="Nothing is downloaded: fetch an NLI model as safetensors and pass its folder.",
        )
    reader = pair_classifier(folder)
    if len(reader.labels) == 2:
        return lambda texts: same_by_classifier(texts, reader), f"the classifier {folder}"
    return lambda texts: same_by_entailment(texts, reader), f"entailment both ways by {folder}"
