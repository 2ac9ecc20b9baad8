"""What a sweep over merges adds to its evaluations: 21 coefficients on a checkpoint of the lab.

The peer is 21 evaluations of the checkpoint as it stands, each made into a model and drawn from
in the same way; "ratio" below 1 is what turning the weights costs, and the target is 1.3 times.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.clock import Row, race
from variegate.lab import evaluation_prompts, lab_lineage
from variegate.merging import grid, knobs, sweep
from variegate.models import Arm, Sampling, collect, transformers_model

POINTS = 21


def rows() -> Iterator[Row]:
    folder = lab_lineage().parent / "checkpoints"
    base, post = (transformers_model(folder / name) for name in ("base", "instruct-rl"))
    live = transformers_model(folder / "instruct-rl").model
    old, new = (dict(model.model.state_dict()) for model in (base, post))
    prompts = evaluation_prompts(per_task=4)

    def evaluate(module: Any, _: Any) -> dict[str, float]:
        model = transformers_model(module, tokenizer=post.tokenizer, name="merge")
        arm = Arm(name="merge", model=model, format="chat", sampling=Sampling(max_tokens=16))
        said = collect(arm, prompts, n=4)
        return {"tokens": float(said.frame["completion_tokens"].sum())}

    def ours() -> float:
        found = sweep(
            live, old, [new], grid(1, steps=POINTS), evaluate=evaluate, knobs=knobs(list(old))
        )
        return float(found.values.sum())

    def alone() -> float:
        return sum(evaluate(live, None)["tokens"] for _ in range(POINTS))

    yield race(
        f"sweep of {POINTS} coefficients, lab, 20 prompts x 4",
        ours,
        alone,
        peer_name=f"{POINTS} evaluations of one checkpoint",
        agree=lambda a, b: f"{a:.0f} tokens drawn against {b:.0f}",
    )
    yield race(
        f"sweep of {POINTS} coefficients, nothing evaluated",
        lambda: sweep(
            live, old, [new], grid(1, steps=POINTS), evaluate=lambda *_: {}, knobs=knobs(list(old))
        ),
    )
