"""Gates: `--fail-if 'vendi<0.9*base'`, read by a grammar of one line, never evaluated as code.

    condition = metric ["@" task] ("<" | "<=" | ">" | ">=") (number | [number "*"] arm)

The metric is that of every arm except the one compared with; the task is the mean over tasks
unless named. An arm with odd characters stands in double quotes.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from variegate.errors import UsageError

__all__ = ["FailIf", "Gate", "Tolerance", "exit_code"]

FailIf = Annotated[
    tuple[str, ...],
    Parameter(
        name="--fail-if",
        negative="",
        help="Exit with 4 when this holds for any arm, e.g. 'vendi<0.9*base'; may be repeated.",
    ),
]
Tolerance = Annotated[
    float,
    Parameter(
        name="--tolerance",
        help="Failed outputs that are put up with before the exit code is 3: "
        "a share below 1, a count from 1 on.",
    ),
]

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_CONDITION = re.compile(
    rf"""\s*(?P<metric>[A-Za-z]\w*)(?:@(?P<task>[\w.\-]+))?
    \s*(?P<sign><=|>=|<|>)\s*
    (?:(?P<number>{_NUMBER})
      |(?:(?P<factor>{_NUMBER})\s*\*\s*)?(?:"(?P<quoted>[^"]+)"|(?P<arm>[A-Za-z_][\w.\-/]*))
    )\s*""",
    re.VERBOSE,
)
_SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A condition on results that makes a run fail.

    Args:
        text: the condition as it was typed.
        metric: what is looked at.
        task: on which task; None for the mean over tasks.
        sign: one of ``< <= > >=``.
        factor: the number, or what the arm's value is multiplied by.
        arm: the arm compared with; None for a plain number.

    Example:
        >>> gate = Gate.parse("vendi < 0.9*base")
        >>> row = {"task": "all", "metric": "vendi"}
        >>> gate.failures([{**row, "arm": "base", "value": 4.0},
        ...                {**row, "arm": "dpo", "value": 2.0}])
        ['vendi < 0.9*base: dpo has 2, the bound is 3.6']
    """

    text: str
    metric: str
    task: str | None
    sign: str
    factor: float
    arm: str | None

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Read a condition.

        Raises:
            UsageError: it does not follow the grammar.
        """
        match = _CONDITION.fullmatch(text)
        if match is None:
            raise UsageError(
                f"Expected a gate like 'vendi<0.9*base' or 'accuracy>=0.5', got {text!r}.",
                hint='metric[@task], one of < <= > >=, then a number or [number*]arm or "arm".',
            )
        arm = match["quoted"] or match["arm"]
        factor = float(match["number"] or match["factor"] or 1.0)
        return cls(
            text=text.strip(), metric=match["metric"], task=match["task"],
            sign=match["sign"], factor=factor, arm=arm,
        )  # fmt: skip

    def failures(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """List in words the arms for which the condition holds, or cannot be told.

        Raises:
            UsageError: the metric, the task or the arm is not among the rows.
        """
        rows = [row for row in rows if row["metric"] == self.metric]
        tasks = sorted({str(row["task"]) for row in rows})
        # Where there is but one task, no mean over tasks stands beside it.
        task = self.task or (tasks[0] if len(tasks) == 1 else "all")
        values = {str(row["arm"]): row["value"] for row in rows if row["task"] == task}
        if not values or (self.arm is not None and self.arm not in values):
            raise UsageError(
                f"The gate {self.text!r} asks for what was not measured.",
                hint=f"Arms with {self.metric}@{task}: {', '.join(sorted(values)) or 'none'}.",
            )
        bound = self.factor * (1.0 if self.arm is None else _number(values[self.arm]))
        found = []
        for arm, value in values.items():
            if arm == self.arm:
                continue
            value = _number(value)
            # A gate that cannot be read must not pass in silence.
            if math.isnan(value) or math.isnan(bound):
                found.append(f"{self.text}: cannot be told for {arm}, a value is missing")
            elif _SIGNS[self.sign](value, bound):
                found.append(f"{self.text}: {arm} has {value:.4g}, the bound is {bound:.4g}")
        return found


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def exit_code(
    rows: Iterable[Mapping[str, Any]],
    *,
    gates: Iterable[Gate],
    failed: int,
    total: int,
    tolerance: float,
) -> int:
    """Return 4 when a gate failed, 3 when too many outputs did, else 0; says why on stderr."""
    from variegate.cli._output import say

    rows = list(rows)
    broken = [line for gate in gates for line in gate.failures(rows)]
    for line in broken:
        say(f"gate failed: {line}")
    if broken:
        return 4
    if failed > (tolerance * total if tolerance < 1 else tolerance):
        say(f"{failed} of {total} outputs failed (finish 'error'); the tolerance is {tolerance:g}")
        return 3
    return 0
