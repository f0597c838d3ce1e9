"""What a benchmark reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measured figure. `goal` is a bound in the same unit; `higher` tells on which side of it is good."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    higher: bool = False
    naive: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached, None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.higher else self.value <= self.goal

    def as_json(self) -> dict[str, Any]:
        """The figure with its verdict and its ratio to the naive way."""
        ratio = self.value / self.naive if self.naive else None
        return {**asdict(self), "reached": self.reached, "ratio_to_naive": ratio}


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile, `share` in (0, 1]; NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]
