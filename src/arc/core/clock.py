"""Time: the one place that asks the machine what time it is.

Wall time is for people and for rows; durations use the monotonic clock, so that a clock set back an
hour loses no lease and ends no job early. Tests drive `arc.testing.FakeClock` instead.
"""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What every part asks for the time, so that a test can say what time it is."""

    def now(self) -> datetime:
        """The wall clock, in UTC, for rows and people."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for durations."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some fixed moment, never going back."""
        return time.monotonic()


def unix(moment: datetime) -> float:
    """Seconds since 1970 of an aware moment."""
    return moment.timestamp()


def from_unix(seconds: float) -> datetime:
    """The aware UTC moment of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)
