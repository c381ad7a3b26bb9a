"""A parser of foreign files may do what it likes; the caller gets a value or an error that names the file."""

import os
import select
import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from arc.core.errors import BadData, CallerError, InvalidSpec, TooLarge
from arc.kit.sandbox import apart, parse
from tests.unit.kit import foreign


@pytest.fixture
def given(tmp_path) -> Path:
    path = tmp_path / "given.mat"
    path.write_bytes(b"12345")
    return path


def test_a_value_comes_back(given):
    assert parse(foreign.size, given) == {"size": 5, "name": str(given)}
    assert parse(foreign.raw, given) == bytes(range(256)) + b"\n12345"
    value = {"a": [1, 2.5, None, True, "ü\n"], "b": {}}
    assert parse(foreign.echo, value) == value
    assert parse(foreign.echo, "x" * 3_000_000) == "x" * 3_000_000


@pytest.mark.parametrize(
    ("function", "limits", "error", "says"),
    [
        (foreign.segfault, {}, BadData, "SIGSEGV"),
        (foreign.abort, {}, BadData, "SIGABRT"),
        (foreign.spin, {"cpu_s": 1}, BadData, "1 s of processor time"),
        (foreign.sleep, {"timeout_s": 0.5}, BadData, "took too long"),
        (foreign.exit_silently, {}, BadData, "without an answer"),
        (foreign.system_exit, {}, BadData, "exit code 3"),
        (foreign.bomb, {"memory_mb": 500}, TooLarge, "more than 500 MB"),
        (foreign.babble, {"answer_mb": 1}, TooLarge, "exceeds 1 MB"),
        (foreign.value_error, {}, BadData, "ValueError: a <wrong> thing"),
        (foreign.broken, {}, BadData, "PermanentError"),
        (foreign.no_json, {}, BadData, "TypeError"),
        (foreign.not_a_number, {}, BadData, "ValueError"),
        (foreign.write, {}, BadData, "OSError"),
    ],
)
def test_what_goes_wrong_in_the_child_is_an_error_that_names_the_file(given, function, limits, error, says):
    with pytest.raises(error, match=says) as caught:
        parse(function, given, **limits)
    assert "given.mat" in caught.value.message
    assert not list(given.parent.glob("core*"))


def test_errors_of_the_callers_kind_come_out_as_they_are(given):
    with pytest.raises(BadData, match=r"^the depth is wrong$") as caught:
        parse(foreign.bad_data, given)
    assert caught.value.field == "depth"
    with pytest.raises(TooLarge, match="10 GB"):
        parse(foreign.too_large, given)


def test_what_a_parser_prints_is_no_answer(given):
    assert parse(foreign.chatter, given) == "answer"
    assert parse(foreign.fake, given) == "true"


def test_a_very_deep_answer_is_a_value_or_an_error(given):
    try:
        assert parse(foreign.deep, given)
    except CallerError as error:
        assert "given.mat" in error.message


def test_writing_is_possible_when_allowed(given):
    parse(foreign.write, given, write_mb=1)
    assert given.with_suffix(".out").stat().st_size == 1000


def test_the_child_sees_nothing_of_the_caller(given, monkeypatch):
    monkeypatch.setenv("ARC_SECRET", "1")
    with given.open():
        found = parse(foreign.surroundings)
    assert "ARC_SECRET" not in found["environment"]
    assert len(found["open"]) <= 5  # standard streams, the answer, and the listing itself
    assert found["cwd"] == "/"


def test_nothing_is_left_running(given):
    pid = parse(foreign.grandchild, given)
    try:
        gone = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    assert select.select([gone], [], [], 10)[0], "it lives"
    os.close(gone)


def test_it_works_from_a_thread_while_others_run(given):
    found = []
    threads = [threading.Thread(target=lambda: found.append(parse(foreign.size, given)["size"])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [5] * 4


def test_it_works_inside_a_forked_attempt(given):
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(write, str(parse(foreign.size, given)["size"]).encode())
        finally:
            os._exit(0)
    os.close(write)
    assert os.read(read, 10) == b"5"
    os.close(read)
    os.waitpid(pid, 0)


def test_what_a_child_cannot_be_handed_is_refused():
    with pytest.raises(InvalidSpec, match="own function"):
        parse(lambda: 1)
    with pytest.raises(InvalidSpec, match="argument"):
        parse(foreign.echo, {1, 2})
    with pytest.raises(InvalidSpec, match="argument"):
        parse(foreign.echo, float("nan"))


def test_the_network_is_out_of_reach_where_the_kernel_allows_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        try:
            found = parse(foreign.call_out, server.getsockname()[1])
        except BadData as error:
            assert "unreachable" in error.message or "refused" in error.message or "timed out" in error.message
        else:
            assert found == "reached"
            pytest.skip("this kernel lets no process leave its network namespace")


def test_what_brings_a_batch_down_is_found_and_the_rest_is_answered_in_order() -> None:
    asked: list[int] = []

    def ask(items: Sequence[int]) -> list[str]:
        asked.append(len(items))
        if 5 in items:
            raise BadData("it crashed")
        return [str(item) for item in items]

    assert apart(ask, range(8), lambda item, error: f"{item}: {error.message}") == ["0", "1", "2", "3", "4", "5: it crashed", "6", "7"]
    assert asked == [8, 4, 4, 2, 1, 1, 2]
    with pytest.raises(InvalidSpec):  # a mistake of the caller is no item's
        apart(lambda items: parse(str, object()), [1, 2], lambda item, error: "")
