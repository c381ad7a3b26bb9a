"""What a comparison for drift is made of: two sides, what was found for each feature, and what follows from it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arc.data.features import FEATURES
from arc.stats.drift import Tested
from arc.stats.intervals import Interval


@dataclass(frozen=True)
class Photographs:
    """One side: the photographs that can be read, and what was measured on them."""

    name: str
    files: tuple[str, ...]  # as people are told
    paths: tuple[Path, ...]
    patients: tuple[str, ...]  # of each; its own name where that is not known
    patients_known: bool
    values: NDArray[np.float64]  # (photographs, FEATURES)
    unreadable: tuple[tuple[str, str], ...] = ()  # file and why

    def of(self, feature: str) -> NDArray[np.float64]:
        """One feature of every photograph."""
        return self.values[:, FEATURES.index(feature)]


@dataclass(frozen=True)
class Compared:
    """What was found for a feature."""

    feature: str
    ks: Tested
    psi: Interval
    because: tuple[str, ...]  # ks, psi: whose bound says that it has drifted; none when it has not

    @property
    def drifted(self) -> bool:
        """Whether it is not what it was."""
        return bool(self.because)


@dataclass(frozen=True)
class Embedded:
    """What was found for the embedding."""

    tested: Tested
    chance: float | None  # what the distance stays below when there is no drift, with the confidence asked for
    n: tuple[int, int]  # photographs of each side
    drifted: bool


@dataclass(frozen=True)
class Comparison:
    """All of it."""

    reference: Photographs
    current: Photographs
    features: tuple[Compared, ...]
    embedding: Embedded | None = None

    def with_embedding(self, embedding: Embedded) -> "Comparison":
        """The same, with what was found for the embedding."""
        return replace(self, embedding=embedding)

    @property
    def drifted(self) -> tuple[str, ...]:
        """The features that have drifted."""
        return tuple(one.feature for one in self.features if one.drifted)

    @property
    def hold(self) -> bool:
        """Whether there is a reason to wait: evidence of drift, never the lack of photographs (that is `enough`)."""
        return bool(self.drifted) or (self.embedding is not None and self.embedding.drifted)

    @property
    def enough(self) -> bool:
        """Whether there are patients enough on both sides to find drift at all."""
        return all(one.ks.p is not None for one in self.features)
