"""Fronts: arms on the plane of quality and variety, and those no other arm beats on both.

`nondominated` finds the front and `ranks` the layers behind it; `hypervolume`, `additive_epsilon`
and `r2` put a number on a whole front, `knee` and `robustness` on its points. All of it runs on
resampled points too: `resampled_points` draws prompts once for all arms, `membership` says how
surely an arm is on the front and `attainment` draws the front's band. Settings are chosen on one
half of the prompts and reported on the other (`split_half`), since the best of many looks better
than it is.

`front` does all of it for arms that are asked or saved: equal cost, equal tuning, one `Front`.
"""

from variegate.fronts._against import additive_epsilon, r2
from variegate.fronts._arms import Arms, Method, Setting
from variegate.fronts._attainment import Attainment, attainment
from variegate.fronts._budget import Spent, at_equal_cost
from variegate.fronts._cost import cost_of_pass
from variegate.fronts._curvature import Curvature, nonlinearity
from variegate.fronts._front import front
from variegate.fronts._hypervolume import contributions, hypervolume
from variegate.fronts._knee import bulge, knee, robustness
from variegate.fronts._nondominated import nondominated, ranks
from variegate.fronts._pairwise import pairwise_fronts
from variegate.fronts._policies import follow, stability, synchrony
from variegate.fronts._resampled import (
    hypervolume_estimate,
    membership,
    resampled_points,
    split_half,
)
from variegate.fronts._result import Front

__all__ = [
    # arms at equal cost
    "front",
    "Front",
    "Arms",
    "Method",
    "Setting",
    "at_equal_cost",
    "Spent",
    # points
    "nondominated",
    "ranks",
    "hypervolume",
    "contributions",
    "additive_epsilon",
    "r2",
    "knee",
    "bulge",
    "robustness",
    "pairwise_fronts",
    # points that are only known with chance
    "resampled_points",
    "membership",
    "hypervolume_estimate",
    "attainment",
    "Attainment",
    "split_half",
    # further axes and tests
    "cost_of_pass",
    "nonlinearity",
    "Curvature",
    "follow",
    "synchrony",
    "stability",
]
