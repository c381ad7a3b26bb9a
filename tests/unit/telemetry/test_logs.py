"""Log lines: one shape, no line broken by a value, no secret."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from arc.telemetry import logs


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_for_people_has_event_and_fields() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger("test").info("job.started", job_id="job_1", note="two words")
    line = out.getvalue()
    assert line.count("\n") == 1
    assert 'info    job.started job_id=job_1 note="two words"' in line


def test_a_value_cannot_end_a_line_or_move_the_cursor() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger("test").warning("bad\nname \x1b[2J", name="a\nlevel=error \x1b[31m")
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_json_lines_are_strict_json_with_context() -> None:
    out = io.StringIO()
    logs.configure(as_json=True, stream=out)
    with structlog.contextvars.bound_contextvars(request_id="req_1"):
        structlog.get_logger("test").info("measured", loss=float("nan"))
    said = json.loads(out.getvalue(), parse_constant=lambda name: pytest.fail(name))
    assert said["event"] == "measured"
    assert said["loss"] is None
    assert said["request_id"] == "req_1"


def test_lines_of_libraries_have_the_same_shape() -> None:
    out = io.StringIO()
    logs.configure(as_json=True, stream=out)
    logging.getLogger("uvicorn.error").error("Invalid HTTP request received.")
    said = json.loads(out.getvalue())
    assert (said["level"], said["event"]) == ("error", "Invalid HTTP request received.")


@pytest.mark.parametrize("name", ["token", "Authorization", "session_cookie", "login_secret", "password"])
def test_fields_named_like_a_secret_are_blank(name: str) -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    structlog.get_logger("test").info("asked", **{name: "s3cr3t"})
    assert "s3cr3t" not in out.getvalue()


def test_a_traceback_is_indented_below_its_line() -> None:
    out = io.StringIO()
    logs.configure(stream=out)
    try:
        raise RuntimeError("broken \x1b[31m")
    except RuntimeError:
        structlog.get_logger("test").exception("request failed")
    first, *rest = out.getvalue().splitlines()
    assert "request failed" in first
    assert rest
    assert all(line.startswith("  | ") for line in rest)
    assert "\x1b" not in out.getvalue()
