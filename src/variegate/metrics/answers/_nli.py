"""NLI diversity: do outputs contradict, ignore or repeat one another?"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from variegate.errors import UnknownName, UsageError
from variegate.metrics._arrays import finite

__all__ = ["nli_diversity"]


def nli_diversity(
    relations: ArrayLike, *, weighted: bool = True, compat: Literal["kirk"] | None = None
) -> float:
    """Mean over ordered pairs of outputs: contradiction +1, neutral 0, entailment -1.

    mean_{i≠j} (p_ij(contradiction) - p_ij(entailment)).

    It needs a model that reads pairs, so it is not in the table of metrics that `measure` runs:
    `variegate.judging.entailments` makes the array. Such models know single sentences, and often
    call unrelated ones a contradiction.

    Args:
        relations: (n, n, 3) probabilities of contradiction, neutral, entailment, the first text
            of a pair as premise; the diagonal is not read.
        weighted: by the probabilities; otherwise 1 for the likeliest label of a pair.
        compat: ``"kirk"`` gives the number of the paper's code: 1 minus the mean over pairs of
            both directions added, where contradiction counts as similarity and the score is that
            of the likeliest label. Contradictions lower it: a slip of sign there.

    Returns:
        From -1 (all entail one another) over 0 (neutral) to 1 (all contradict); under
        ``compat="kirk"`` from -1 to 3. Its expectation does not depend on n. NaN for fewer than
        two outputs.

    Raises:
        DataError: NaN or Inf.
        UsageError: another shape.

    Example:
        >>> import numpy as np
        >>> alike = np.broadcast_to([0.0, 0.0, 1.0], (3, 3, 3))
        >>> nli_diversity(alike), nli_diversity(alike[..., ::-1])
        (-1.0, 1.0)

    Reference:
        Stasaski 2022, https://aclanthology.org/2022.naacl-main.6; Kirk 2023,
        https://arxiv.org/abs/2310.06452
    """
    p = finite(relations, "relations", axes=3)
    n = len(p)
    if p.shape != (n, n, 3):
        raise UsageError(f"Expected relations of shape (n, n, 3), got {p.shape}.")
    if compat not in (None, "kirk"):
        raise UnknownName("compat", str(compat), ["kirk"])
    if n < 2:
        return float("nan")
    apart = ~np.eye(n, dtype=bool)
    sign = np.array([1.0, 0.0, -1.0])
    likeliest = p.argmax(axis=-1)
    if compat == "kirk":
        score = sign[likeliest] * p.max(axis=-1)
        return float(1 - (score + score.T)[np.triu_indices(n, 1)].mean())
    score = p @ sign if weighted else sign[likeliest]
    return float(score[apart].mean())
