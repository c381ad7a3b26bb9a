"""A clock that a test sets: time passes when the test says so, and only then."""

import threading
from datetime import UTC, datetime, timedelta


class FakeClock:
    """An `arc.core.clock.Clock` that starts at a round moment; safe to read from several threads."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._now = start
        self._monotonic = 1000.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The wall clock, in UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Seconds that never go back."""
        with self._lock:
            return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks; never backwards."""
        if seconds < 0:
            raise ValueError("time passes forwards; use set_wall to set the wall clock back")
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._monotonic += seconds

    def set_wall(self, moment: datetime) -> None:
        """Set the wall clock, back too, as an administrator would; durations do not notice."""
        with self._lock:
            self._now = moment
