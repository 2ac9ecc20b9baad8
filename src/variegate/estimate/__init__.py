"""Estimates: numbers that say how sure they are.

Prompts are the unit of chance: everything is resampled over prompts, with the same draw for
every arm, so that differences are paired.
"""

from variegate.estimate._result import Estimate

__all__ = ["Estimate"]
