"""`variegate measure` on Parquet files that hold features and no texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from variegate.errors import UsageError

if TYPE_CHECKING:
    from variegate.metrics import Measurement

__all__ = ["hold_features", "of_features"]


def hold_features(files: Sequence[str]) -> bool:
    """Whether the files hold features; mixed with files of outputs they are refused."""
    from variegate.metrics import feature_columns

    found = [file for file in files if feature_columns(file)]
    if found and len(found) < len(files):
        other = next(file for file in files if file not in found)
        raise UsageError(
            f"{found[0]} holds features, {other} does not: they have no number in common.",
            hint="Measure them one after the other.",
        )
    return bool(found)


def of_features(
    files: Sequence[str], *, metrics: Sequence[str] | None, report: Path | None, seed: int
) -> Measurement:
    """Measure each file as one arm."""
    import polars as pl

    from variegate.errors import UnknownName
    from variegate.metrics import Measurement, measure_features

    if report is not None:
        raise UsageError(
            "A page shows outputs, and a file of features has none.", hint="Leave --report out."
        )
    parts = [measure_features(file, seed=seed) for file in files]
    frame = pl.concat([part.frame for part in parts])
    known = frame["metric"].unique(maintain_order=True).to_list()
    for name in metrics or ():
        if name not in known:
            raise UnknownName("metric of features", name, known)
    if metrics is not None:
        frame = frame.filter(pl.col("metric").is_in(list(metrics)))
    return Measurement(
        frame=frame,
        per_prompt=parts[0].per_prompt,
        cautions=tuple(caution for part in parts for caution in part.cautions),
        settings={
            Path(file).stem: dict(part.settings) for file, part in zip(files, parts, strict=True)
        },
    )
