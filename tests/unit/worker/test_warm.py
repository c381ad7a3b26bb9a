"""The warm server's command line; what it does is in tests/integration/test_local_backend.py."""

from arc.worker.warm import Arguments, native_threads, parse


def test_the_command_line_is_read() -> None:
    assert parse(["--socket", "5"]) == Arguments(5, None, ())
    assert parse(["--socket", "5", "--preload", "--cold", "a.b", "c.d"]) == Arguments(5, (), ("a.b", "c.d"))
    assert parse(["--socket", "5", "--preload", "torch", "a.b"]) == Arguments(5, ("torch", "a.b"), ())


def test_native_threads_are_counted() -> None:
    assert native_threads() >= 1
