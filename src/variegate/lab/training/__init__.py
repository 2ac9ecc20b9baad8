"""How the lab's checkpoints are made: pretraining, SFT, DPO and GRPO, small enough to read.

The stages start from one base and part into two lines and a short cut::

    base ─┬─ think-sft ── think-dpo ── think-rl            narrow traces of two teachers
          ├─ instruct-sft ── instruct-dpo ── instruct-rl   broad right answers
          └─ rl-zero                                       reward alone, on raw prompts
"""

from __future__ import annotations

from variegate.lab.training._recipe import RECIPES, Recipe, Schedule, Size
from variegate.lab.training._stages import STAGES, Progress, Stage, train

__all__ = ["train", "STAGES", "Stage", "RECIPES", "Recipe", "Schedule", "Size", "Progress"]
