"""Processes: identity by evidence, and the two files in a staging folder."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.attempt import ProcessIdentity
from arc.core.ports import Exit, Liveness
from arc.core.process import boot_id, everyone, identity_or_revoke, liveness, open_pidfd, parse_stat, read_exit, send, stat


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        yield process
        process.kill()


def started(process: subprocess.Popen[bytes]) -> int:
    found = stat(process.pid)
    assert found is not None
    return found.start_time


@given(st.binary(max_size=16).filter(lambda name: b"\n" not in name))
def test_a_process_may_have_any_name(name: bytes) -> None:
    fields = [b"S", b"1", b"2", b"3", *[b"0"] * 13, b"4", b"0", b"12345", b"0"]
    found = parse_stat(b"77 (" + name + b") " + b" ".join(fields))
    assert (found.state, found.parent, found.session, found.threads, found.start_time) == ("S", 1, 3, 4, 12345)


def test_a_process_lives_only_under_its_own_start_time_and_boot(sleeper: subprocess.Popen[bytes]) -> None:
    at = started(sleeper)
    assert liveness(sleeper.pid, at, boot_id()) is Liveness.ALIVE
    assert liveness(sleeper.pid, at + 1, boot_id()) is Liveness.DEAD
    assert liveness(sleeper.pid, at, "another boot") is Liveness.DEAD


def test_one_that_ended_and_was_not_waited_for_is_dead(sleeper: subprocess.Popen[bytes]) -> None:
    at = started(sleeper)
    assert send(sleeper.pid, at, signal.SIGKILL)
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert liveness(sleeper.pid, at, boot_id()) is Liveness.DEAD
    assert sleeper.pid not in dict(everyone())
    sleeper.wait()
    assert stat(sleeper.pid) is None
    assert not send(sleeper.pid, at, signal.SIGKILL)


def test_a_signal_reaches_no_one_else(sleeper: subprocess.Popen[bytes]) -> None:
    assert open_pidfd(sleeper.pid, started(sleeper) - 1) is None
    assert not send(sleeper.pid, started(sleeper) - 1, signal.SIGKILL, group=True)
    assert sleeper.poll() is None


def test_without_proc_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    boot = boot_id()
    monkeypatch.setattr("arc.core.process._PROC", tmp_path)
    assert liveness(os.getpid(), 1, boot) is Liveness.UNKNOWN


def test_a_revoked_folder_stays_revoked(tmp_path: Path) -> None:
    assert identity_or_revoke(tmp_path) is None
    with pytest.raises(FileExistsError):
        os.link(tmp_path / "process.json", tmp_path / "process.json")
    assert identity_or_revoke(tmp_path) is None
    assert [path.name for path in tmp_path.iterdir()] == ["process.json"]


def test_a_published_identity_is_found(tmp_path: Path) -> None:
    identity = ProcessIdentity(pid=1, start_time=2, boot_id="b", reaper_pid=3, reaper_start_time=4)
    (tmp_path / "process.json").write_text(identity.model_dump_json())
    assert identity_or_revoke(tmp_path) == identity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"code": 3, "signal": null}        ', Exit(3, None)),
        ('{"code": null, "signal": 9}', Exit(None, 9)),
        ("", None),
        ("[]", None),
        ('{"code": 3}', None),
    ],
)
def test_how_it_ended_is_read_or_unknown(tmp_path: Path, text: str, expected: Exit | None) -> None:
    assert read_exit(tmp_path) is None
    (tmp_path / "exit.json").write_text(text)
    assert read_exit(tmp_path) == expected
