"""What an example would teach: its gradient, folded into a short vector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from variegate.errors import UsageError
from variegate.models._transformers._model import TransformersModel

__all__ = ["gradient_features"]


def gradient_features(
    model: TransformersModel,
    prompts: Sequence[str],
    answers: Sequence[str],
    *,
    width: int = 1024,
    seed: int = 0,
) -> npt.NDArray[np.float32]:
    """The gradient of every answer's loss under a small model, projected to unit rows.

    g_i = S ∇ (-ln p(y_i | x_i)), S a count sketch: every weight is added to one of `width` places
    with a random sign, which keeps inner products on average and costs one pass, at any size of
    model. `variegate.metrics.vendi` of these rows is G-Vendi. The loss counts the answer's tokens
    only.

    Args:
        model: the proxy; a small one serves.
        prompts: as the model reads them (`model.render`).
        answers: what follows each.
        width: of the rows; a set's Vendi score cannot exceed it.
        seed: of the sketch; rows of two seeds cannot be compared.

    Returns:
        (n, width) rows of length 1; zeros for an answer without tokens.

    Raises:
        UsageError: not as many answers as prompts, or width < 1.

    Example:
        >>> from variegate.lab import lab_lineage
        >>> from variegate.models import gradient_features, transformers_model
        >>> folder = lab_lineage().parent / "checkpoints" / "base"
        >>> proxy = transformers_model(folder, device="cpu")
        >>> gradient_features(proxy, ["make 12 :"] * 2, ["5 + 7", "7 + 5"], width=64).shape
        (2, 64)

    Reference:
        Jung 2025, https://arxiv.org/abs/2505.20161 (there a dense random projection);
        count sketch: Charikar 2004, https://doi.org/10.1016/S0304-3975(03)00400-6
    """
    if len(prompts) != len(answers) or width < 1:
        raise UsageError(
            f"Expected an answer a prompt and width >= 1, got {len(prompts)} prompts, "
            f"{len(answers)} answers and {width}."
        )
    network = model.model
    weights = [w for w in network.parameters() if w.requires_grad]
    generator = torch.Generator().manual_seed(seed)
    device = weights[0].device
    sketch = [
        (
            torch.randint(width, (w.numel(),), generator=generator).to(device),
            (2.0 * torch.randint(2, (w.numel(),), generator=generator) - 1).to(device),
        )
        for w in weights
    ]
    rows = np.zeros((len(prompts), width), dtype=np.float32)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        before, after = model.encode(prompt), model.encode(answer)
        if not after:
            continue
        ids = torch.tensor([before + after], device=device)
        logits = network(input_ids=ids[:, :-1], use_cache=False).logits[0, len(before) - 1 :]
        loss = torch.nn.functional.cross_entropy(logits.float(), ids[0, len(before) :])
        folded = torch.zeros(width, dtype=torch.float32, device=device)
        for slope, (places, signs) in zip(torch.autograd.grad(loss, weights), sketch, strict=True):
            folded.index_add_(0, places, slope.flatten().float() * signs)
        length = folded.norm()
        rows[row] = (folded / length if length > 0 else folded).cpu().numpy()
    return rows
