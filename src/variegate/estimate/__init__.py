"""Estimates: numbers that say how sure they are.

Prompts are the unit of chance: everything is resampled over prompts, with the same draw for
every column, so that differences between arms, stages and metrics are paired.

- `bootstrap` and `paired` give an `Estimate`; `resampled_means`, `stratum_means` and `interval`
  are the parts they are made of, for statistics that are functions of several means.
- `bounded` is for means near a floor or a ceiling, such as shares near 0 or 1, where a bootstrap
  sees nothing of what was not drawn.
- `jackknife` serves scores of one set that a bootstrap over items would bias (Vendi counts
  resampled duplicates as repetition); `subsampled` serves every other statistic of one set or
  several (neighbours, clusterings, distances), by items or by prompts.
- `inclusion` and `rarefy` are the one rarefaction kernel behind pass@k, distinct@k and coverage.
"""

from variegate.estimate._bootstrap import bootstrap, paired
from variegate.estimate._bounded import bounded
from variegate.estimate._jackknife import jackknife, leave_one_out
from variegate.estimate._rarefy import inclusion, rarefy
from variegate.estimate._resample import interval, resampled_means, stratum_means
from variegate.estimate._result import Estimate
from variegate.estimate._subsample import subsampled

__all__ = [
    "Estimate",
    "bootstrap",
    "paired",
    "bounded",
    "resampled_means",
    "stratum_means",
    "interval",
    "jackknife",
    "leave_one_out",
    "subsampled",
    "rarefy",
    "inclusion",
]
