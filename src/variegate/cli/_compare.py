"""`variegate compare`: two sets of saved outputs, paired prompt by prompt."""

from __future__ import annotations

from typing import Any

from variegate.cli._gate import FailIf, Gate, Tolerance, exit_code
from variegate.cli._measure import Embedder, K, Metrics, Seed, metric_list, read_arms
from variegate.cli._output import (
    Json,
    Quiet,
    interval,
    print_json,
    print_table,
    rows_of,
    say,
)
from variegate.errors import UsageError

__all__ = ["compare"]


def compare(
    a: str,
    b: str,
    *,
    metrics: Metrics = None,
    embedder: Embedder = None,
    k: K = None,
    seed: Seed = 0,
    fail_if: FailIf = (),
    tolerance: Tolerance = 0.0,
    json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Compare two sets of saved outputs, paired prompt by prompt.

    A and B are files as `variegate measure` reads them, one arm each. Both
    are measured on the prompts they share and at equal numbers of outputs;
    where that cannot be, the comparison is refused with the reason.

    --json prints schema_version, command, rows (both arms, and the arm "B - A"
    with the paired differences), settings, cautions.

        variegate compare base.jsonl dpo.jsonl --fail-if 'vendi<0.9*base'
    """
    from variegate.metrics import compare as compare_samples

    raise NotImplementedError(
        compare_samples,
        Any,
        Gate,
        exit_code,
        interval,
        print_json,
        print_table,
        rows_of,
        say,
        metric_list,
        read_arms,
        UsageError,
    )
