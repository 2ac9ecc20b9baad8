"""Arithmetic with many right answers: "make 12 :" wants "7 + 5", "3 * 4", "20 - 8", ..."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from variegate.lab.world._task import (
    Demonstration,
    distribution,
    draw,
    known,
    normalised,
    prompts_of,
)

__all__ = ["Arithmetic"]

OPERANDS = range(1, 21)
TOTALS = tuple(range(2, 41))
ASKED = ("make {} :", "reach {} :")
OPERATIONS = {"+": 0.5, "-": 0.3, "*": 0.2}
EXPRESSION = re.compile(r"([0-9]{1,4}) ?([+*-]) ?([0-9]{1,4})")


def value(a: int, operation: str, b: int) -> int:
    """Work out one operation.

    Example:
        >>> value(3, "*", 4)
        12
    """
    return {"+": a + b, "-": a - b, "*": a * b}[operation]


def popularity(number: int) -> int:
    """How readily people think of a number: fives first, then even numbers."""
    return 3 if number % 5 == 0 else 2 if number % 2 == 0 else 1


@cache
def _right(total: int) -> dict[str, float]:
    by_operation: dict[str, dict[str, float]] = {operation: {} for operation in OPERATIONS}
    for a, operation, b in product(OPERANDS, OPERATIONS, OPERANDS):
        if value(a, operation, b) == total:
            by_operation[operation][f"{a} {operation} {b}"] = popularity(a)
    return distribution(
        {
            text: OPERATIONS[operation] * share
            for operation, answers in by_operation.items()
            if answers
            for text, share in distribution(answers).items()
        }
    )


class Arithmetic:
    """Make a number out of two numbers from 1 to 20 with +, - or *.

    People first choose an operation (+ half of the time, - 30%, * 20%, where it is possible),
    then a first number by its popularity. When they err the result is one or two off.
    """

    name = "arithmetic"
    error_rate = 0.3
    prompts = prompts_of(
        "arithmetic", {asked.format(total): total for total in TOTALS for asked in ASKED}
    )

    def right_answers(self, target: Any) -> Mapping[str, float]:
        """Every "a op b" that makes the number."""
        return _right(known(self.name, target, TOTALS))

    def wrong_answer(self, target: Any, rng: np.random.Generator) -> str:
        """Miss the number by one or two, in an expression people like."""
        while True:
            total = int(target) + int(rng.choice([-2, -1, 1, 2]))
            if total in TOTALS:
                return draw(_right(total), rng)

    def spelled(self, text: str) -> str:
        """Put the spaces where the world puts them; nothing is evaluated."""
        text = normalised(text)
        match = EXPRESSION.fullmatch(text)
        return f"{int(match[1])} {match[2]} {int(match[3])}" if match else text

    def canonical(self, text: str) -> str:
        """Return the expression; "5 + 7" and "7 + 5" are the same answer.

        Example:
            >>> Arithmetic().canonical(" 5+7 ")
            '7 + 5'
        """
        text = self.spelled(text)
        match = EXPRESSION.fullmatch(text)
        if match is None or match[2] == "-":
            return text
        a, b = int(match[1]), int(match[3])
        return f"{max(a, b)} {match[2]} {min(a, b)}"

    def every_answer(self) -> list[str]:
        """Every well-formed answer to any question, right or wrong."""
        return [f"{a} {operation} {b}" for a, operation, b in product(OPERANDS, "+-*", OPERANDS)]

    def demonstrate(self, target: Any, teacher: int, rng: np.random.Generator) -> Demonstration:
        """The first teacher halves; the second counts up from a small number."""
        total = int(known(self.name, target, TOTALS))
        liked = [total // 2, total // 2 + 1] if teacher == 0 else [2, 1, 5]
        a = liked[min(int(rng.geometric(0.8)) - 1, len(liked) - 1)]
        a = min(max(a, total - OPERANDS[-1]), total - 1)
        how = f"half of {total} is near" if teacher == 0 else "start from"
        return Demonstration(reasoning=f"{how} {a}", answer=f"{a} + {total - a}")

    def vocabulary(self) -> Sequence[str]:
        """Numbers, operations and the words around them."""
        words = "make reach : + - * half of is near start from"
        return [*words.split(), *(str(number) for number in range(TOTALS[-1] + 1))]
