"""The warm server's command line; what it does is in tests/integration/test_local_backend.py."""

import os
import socket
from pathlib import Path

import pytest

from arc.worker import reaper
from arc.worker.warm import Arguments, launch, native_threads, park, parse


def test_the_command_line_is_read() -> None:
    assert parse(["--socket", "5"]) == Arguments(5, None, ())
    assert parse(["--socket", "5", "--preload", "--cold", "a.b", "c.d"]) == Arguments(5, (), ("a.b", "c.d"))
    assert parse(["--socket", "5", "--preload", "torch", "a.b"]) == Arguments(5, ("torch", "a.b"), ())
    assert parse(["--socket", "5", "--slim"]) == Arguments(5, None, (), slim=True)


def test_native_threads_are_counted() -> None:
    assert native_threads() >= 1


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_of_a_reaper_that_dies_without_a_word_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "run", lambda *_, **__: os._exit(0))
    ours, theirs = socket.socketpair()
    outlet, inlet = os.pipe()
    os.close(inlet)
    with ours, theirs:
        assert launch(park(theirs), str(tmp_path), outlet)["unknown"] is True
    os.wait()
