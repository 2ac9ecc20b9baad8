"""How long, how large, how fast: everything that can be set about the lab's training."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RECIPES", "Recipe", "Schedule", "Size"]


@dataclass(frozen=True, kw_only=True)
class Size:
    """Shape of the model."""

    hidden: int
    feedforward: int
    layers: int
    heads: int


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """One stage's optimisation.

    Args:
        steps: updates.
        batch: documents an update (pairs for DPO, prompts for GRPO).
        rate: peak learning rate, reached after a tenth of the steps, then a cosine to a tenth.
    """

    steps: int
    batch: int
    rate: float


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a training run.

    Args:
        beta: DPO's, how far the policy may go from its reference.
        drawn: samples a training prompt from which DPO's pairs are made.
        group: GRPO's samples a prompt.
        points: of a stage's curve.
        monitored: training prompts a task that are kept out of training and watched instead.
        trained: training prompts a task at the most.
    """

    size: Size
    pretraining: Schedule
    think: Schedule
    instruct: Schedule
    preference: Schedule
    reinforcement: Schedule
    zero: Schedule
    beta: float = 0.2
    drawn: int = 32
    group: int = 8
    points: int = 12
    monitored: int = 6
    trained: int = 1000


RECIPES = {
    "full": Recipe(
        size=Size(hidden=96, feedforward=224, layers=4, heads=4),
        pretraining=Schedule(steps=2400, batch=128, rate=3e-3),
        think=Schedule(steps=60, batch=128, rate=1e-3),
        instruct=Schedule(steps=60, batch=128, rate=1e-3),
        preference=Schedule(steps=100, batch=64, rate=1e-4),
        reinforcement=Schedule(steps=60, batch=40, rate=2e-4),
        zero=Schedule(steps=60, batch=40, rate=2e-4),
    ),
    "toy": Recipe(
        size=Size(hidden=16, feedforward=24, layers=1, heads=2),
        pretraining=Schedule(steps=6, batch=16, rate=3e-3),
        think=Schedule(steps=4, batch=8, rate=1e-3),
        instruct=Schedule(steps=4, batch=8, rate=1e-3),
        preference=Schedule(steps=4, batch=8, rate=2e-4),
        reinforcement=Schedule(steps=3, batch=5, rate=2e-4),
        zero=Schedule(steps=3, batch=5, rate=2e-4),
        drawn=3,
        group=3,
        points=2,
        monitored=1,
        trained=3,
    ),
}
