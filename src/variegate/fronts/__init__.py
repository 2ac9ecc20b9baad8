"""Fronts: arms on the plane of quality and variety, and those no other arm beats on both."""

from variegate.fronts._nondominated import nondominated

__all__ = ["nondominated"]
