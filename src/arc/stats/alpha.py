"""Alpha investing: how much error each test of a long search may spend, so that the search as a whole stays honest.

A wealth of `alpha` is there at the beginning. Each test is offered a half of what is left, pays for it when it finds nothing, and earns a
return when it does (Foster and Stine, J. R. Stat. Soc. B 70, 2008). While nothing is found the sum of what was spent stays below
`alpha`, so the chance that a search in which nothing can improve claims anything at all does too.
"""

from dataclasses import dataclass

SHARE = 0.5  # of the wealth that a test is offered


@dataclass(frozen=True)
class Wealth:
    """What is left to spend on errors."""

    left: float
    earns: float  # added for each discovery

    @classmethod
    def begin(cls, alpha: float) -> "Wealth":
        """The wealth of a new search; a discovery earns as much again as half of it."""
        return cls(alpha, alpha / 2)

    @property
    def offer(self) -> float:
        """The level of the next test."""
        spent = self.left * SHARE
        return spent / (1 + spent)  # a test at level a that finds nothing costs a / (1 - a)

    def after(self, *, level: float, found: bool) -> "Wealth":
        """The wealth after a test at `level`."""
        return Wealth(self.left + self.earns if found else max(0.0, self.left - level / (1 - level)), self.earns)
