"""The four probabilities of the worked cases."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture
def p4() -> np.ndarray:
    return np.log([0.5, 0.3, 0.15, 0.05])
