"""Same by entailment, or by a classifier of pairs: models that read two texts at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from variegate.errors import MissingExtra, UsageError
from variegate.judging._relation import Bools

__all__ = [
    "RELATIONS",
    "PairClassifier",
    "entailments",
    "pair_classifier",
    "same_by_classifier",
    "same_by_entailment",
]

Floats = NDArray[np.float64]

RELATIONS = ("contradiction", "neutral", "entailment")
"""What one text can say of another, in the order of every array of three."""


class PairClassifier(Protocol):
    """A model that reads pairs of texts: probabilities of its labels for each pair."""

    @property
    def labels(self) -> tuple[str, ...]:
        """Its labels, in lower case and in the order of the probabilities."""
        ...

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """Return (len(pairs), len(labels)) probabilities."""
        ...


@dataclass(frozen=True, kw_only=True)
class _CrossEncoder:
    labels: tuple[str, ...]
    predict: Callable[[list[list[str]]], Any]

    def __call__(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        if not pairs:
            return np.zeros((0, len(self.labels)))
        scores = np.asarray(self.predict([list(pair) for pair in pairs]), dtype=np.float64)
        if scores.ndim == 1:  # one label: the logit of "yes"
            yes = 1 / (1 + np.exp(-scores))
            return np.stack([1 - yes, yes], axis=1)
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(scores / scores.sum(axis=1, keepdims=True))


def pair_classifier(folder: str | Path, *, max_tokens: int | None = None) -> PairClassifier:
    """Open a cross-encoder (a sequence classifier of transformers) that reads pairs of texts.

    Nothing is downloaded, no code of the checkpoint is run, and only safetensors are read. Labels
    are those of its configuration; a model with one output has the labels "no" and "yes".

    Args:
        folder: a folder in Hugging Face format, as NLI models and NoveltyBench's classifier are.
        max_tokens: cut a pair there; by default where the model does.

    Raises:
        UsageError: no such model there.
        MissingExtra: sentence-transformers is not installed.

    Example:
        >>> pair_classifier("no/such/folder")
        Traceback (most recent call last):
        ...
        variegate.errors.UsageError: Expected a folder with a sequence classifier at ...
    """
    hint = "Nothing is downloaded: fetch an NLI model as safetensors and pass its folder."
    path = Path(folder)
    if not (path / "config.json").is_file():
        raise UsageError(
            f"Expected a folder with a sequence classifier at {folder}, found none.", hint=hint
        )
    try:
        from sentence_transformers import CrossEncoder
    except ImportError as error:
        raise MissingExtra("Reading pairs of texts", "embed") from error
    try:
        model = CrossEncoder(
            str(path),
            local_files_only=True,
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
            **({} if max_tokens is None else {"max_length": max_tokens}),
        )
    except (OSError, ValueError) as error:
        raise UsageError(
            f"Cannot open {folder} as a sequence classifier: {error}", hint=hint
        ) from None
    found = model.model.config.id2label
    labels = tuple(str(found[number]).lower() for number in sorted(found))

    def predict(pairs: list[list[str]]) -> Any:
        return model.predict(
            pairs, activation_fn=_as_it_is, convert_to_numpy=True, show_progress_bar=False
        )

    return _CrossEncoder(labels=labels if len(labels) > 1 else ("no", "yes"), predict=predict)


def entailments(texts: Sequence[str], classifier: PairClassifier) -> Floats:
    """What every text says of every other: p[i, j] of `RELATIONS` with text i as premise.

    Args:
        texts: n texts, best one sentence each: NLI models know no longer ones.
        classifier: a model with the three labels of natural language inference.

    Returns:
        (n, n, 3) probabilities in the order of `RELATIONS`; a text entails itself.

    Raises:
        UsageError: a classifier with other labels, or one text instead of several.

    Example:
        >>> class Stub:
        ...     labels = ("entailment", "neutral", "contradiction")
        ...     def __call__(self, pairs):
        ...         return np.array([[a.startswith(b), not a.startswith(b), 0] for a, b in pairs])
        >>> entailments(["red wine", "red"], Stub())[0, 1].tolist()
        [0.0, 0.0, 1.0]
    """
    if isinstance(texts, str):
        raise UsageError("Expected a sequence of texts, got one text.")
    order = _relations_of(classifier.labels)
    distinct = list(dict.fromkeys(texts))
    pairs = [(i, j) for i in range(len(distinct)) for j in range(len(distinct)) if i != j]
    p = np.zeros((len(distinct), len(distinct), 3))
    p[np.arange(len(distinct)), np.arange(len(distinct)), 2] = 1.0
    if pairs:
        scores = np.asarray(classifier([(distinct[i], distinct[j]) for i, j in pairs]))
        rows, columns = np.array(pairs).T
        p[rows, columns] = scores[:, order]
    place = {text: number for number, text in enumerate(distinct)}
    which = [place[text] for text in texts]
    return np.asarray(p[np.ix_(which, which)])


def same_by_entailment(
    texts: Sequence[str], classifier: PairClassifier, *, threshold: float = 0.5
) -> Bools:
    """Say which texts mean the same: each entails the other.

    p(i entails j) > t and p(j entails i) > t

    Args:
        texts: n texts.
        classifier: a model with the three labels of natural language inference.
        threshold: t.

    Returns:
        (n, n) symmetric booleans for `partition`, True on the diagonal.

    Raises:
        UsageError: a classifier with other labels.

    Example:
        >>> class Stub:
        ...     labels = ("entailment", "neutral", "contradiction")
        ...     def __call__(self, pairs):
        ...         alike = np.array([a.lower() == b.lower() for a, b in pairs], dtype=float)
        ...         return np.stack([alike, 1 - alike, 0 * alike], axis=1)
        >>> same_by_entailment(["Red", "red", "blue"], Stub()).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 1]]

    Reference:
        Kuhn 2023, https://arxiv.org/abs/2302.09664
    """
    forth = entailments(texts, classifier)[..., 2] > threshold
    same = forth & forth.T
    np.fill_diagonal(same, True)
    return np.asarray(same)


def same_by_classifier(
    texts: Sequence[str], classifier: PairClassifier, *, threshold: float = 0.5
) -> Bools:
    """Say which texts are the same by a classifier of pairs trained for it.

    (p(i, j) + p(j, i))/2 > t for its last label, so that the order of a pair does not matter.

    Args:
        texts: n texts.
        classifier: a model with two labels, the last of which means "the same" (as the one of
            NoveltyBench does, with threshold 0.102).
        threshold: t.

    Returns:
        (n, n) symmetric booleans for `partition`, True on the diagonal.

    Raises:
        UsageError: a classifier with other than two labels.

    Example:
        >>> class Stub:
        ...     labels = ("no", "yes")
        ...     def __call__(self, pairs):
        ...         return np.array([[a[0] != b[0], a[0] == b[0]] for a, b in pairs], dtype=float)
        >>> same_by_classifier(["ax", "ay", "b"], Stub()).astype(int).tolist()
        [[1, 1, 0], [1, 1, 0], [0, 0, 1]]

    Reference:
        Zhang 2025, https://arxiv.org/abs/2504.05228
    """
    if isinstance(texts, str):
        raise UsageError("Expected a sequence of texts, got one text.")
    if len(classifier.labels) != 2:
        raise UsageError(
            f"Expected a classifier with two labels, got {', '.join(classifier.labels)}.",
            hint="An NLI model has three: use same_by_entailment.",
        )
    n = len(texts)
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    p = np.eye(n)
    if pairs:
        rows, columns = np.array(pairs).T
        p[rows, columns] = np.asarray(classifier([(texts[i], texts[j]) for i, j in pairs]))[:, 1]
    same = (p + p.T) / 2 > threshold
    np.fill_diagonal(same, True)
    return np.asarray(same)


def _as_it_is(logits: Any) -> Any:
    return logits


def _relations_of(labels: Sequence[str]) -> list[int]:
    """Where the three relations stand among a model's labels, by their first letters."""
    places = []
    for relation in RELATIONS:
        found = [n for n, label in enumerate(labels) if label.lower().startswith(relation[:6])]
        if len(found) != 1:
            raise UsageError(
                f"Expected the labels {', '.join(RELATIONS)}, got {', '.join(labels)}.",
                hint="Pass a model of natural language inference; LABEL_0 and the like do not say "
                "which is which: name them in its config.json under id2label.",
            )
        places.append(found[0])
    return places
