"""The heartbeat: one background thread that says "I live" and empties the journal's buffer.

It is started after the fork, because a thread does not survive one. It sleeps until a line waits or a beat is
due, so an idle attempt wakes up every five seconds and no more often. At each beat it looks whether the journal
was deleted: an attempt whose folder is gone, because its workspace was, would otherwise run for ever unseen.
"""

import threading
from collections.abc import Callable
from typing import Final

from arc.core.clock import Clock
from arc.core.errors import ArcError
from arc.worker.journal import FLUSH_S, Journal

INTERVAL_S: Final = 5.0
_PATIENCE_S: Final = 1.0  # before the next try on a full disk


class Heartbeat:
    """Beats from `start` to `stop`; calls `abandoned` when the journal was deleted."""

    def __init__(self, journal: Journal, clock: Clock, *, abandoned: Callable[[], None], interval_s: float = INTERVAL_S) -> None:
        self._journal = journal
        self._clock = clock
        self._interval_s = interval_s
        self._abandoned = abandoned
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to beat."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; no line is written by it afterwards."""
        self._over.set()
        self._journal.waiting.set()
        self._thread.join()

    def _beat(self) -> None:
        due = self._clock.monotonic() + self._interval_s
        while not self._over.is_set():
            waiting = self._journal.waiting.wait(max(0.0, due - self._clock.monotonic()))
            if waiting and self._over.wait(FLUSH_S):
                return
            try:
                if self._clock.monotonic() >= due:
                    due += self._interval_s
                    if self._journal.removed:
                        self._abandoned()
                    self._journal.line("heartbeat")
                self._journal.flush()
            except ArcError:  # the recipe meets the same error at its next line, and says so
                if self._over.wait(_PATIENCE_S):
                    return
