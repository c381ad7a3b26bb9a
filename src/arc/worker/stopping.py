"""Stopping: from SIGTERM to `ctx.should_stop()`.

The first SIGTERM asks: a flag is set and the recipe checkpoints and ends at its next step. The second is the
default one and ends the process.
"""

import signal
from types import FrameType


class StopRequest:
    """Whether someone asked the attempt to end."""

    def __init__(self) -> None:
        self.requested = False

    def ask(self) -> None:
        """Ask it to end."""
        self.requested = True

    def install(self) -> None:
        """Listen to SIGTERM; from the main thread only."""
        signal.signal(signal.SIGTERM, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        signal.signal(number, signal.SIG_DFL)
