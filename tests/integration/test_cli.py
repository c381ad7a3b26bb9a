"""The command line against a real control plane: one that serves the workspace, and its own.

Most tests call the commands in this process, against a control plane in a thread. What concerns processes
(signals, the foreground server, one engine a workspace) is tried with `python -m arc` as a user has it.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from arc.api.control import ControlPlane
from arc.app import build
from arc.cli.root import app as command_line
from arc.client import Client
from arc.core.access import Role
from arc.core.errors import Unauthorized
from arc.settings import Settings

Arc = Callable[..., Result]
LONG = "faults={epochs: 1000, epoch_s: 0.05}"
_PATIENCE_S = 60


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with its engine, serving a workspace."""
    settings = Settings(workspace=tmp_path_factory.mktemp("served"), allow_fault_jobs=True, memory_reserve_gb=0.0, sample_interval_s=0.5)
    plane = ControlPlane(build(settings), port=0)
    plane.start_background()
    yield plane
    plane.stop()


@pytest.fixture
def arc(served: ControlPlane, in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Arc:
    """`arc("jobs", "list")` in the workspace that is served."""
    monkeypatch.setenv("ARC_WORKSPACE", str(served.app.settings.workspace))

    def run(*words: str) -> Result:
        return CliRunner().invoke(command_line, list(words))

    return run


def _document(result: Result, *, exit_code: int = 0) -> Any:
    assert result.exit_code == exit_code, result.stderr
    return json.loads(result.stdout)


def _probe(arc: Arc, faults: str = "faults={epochs: 2}", *words: str) -> Any:
    return _document(arc("submit", "probe.faults", "-p", faults, "--json", *words))


def test_submit_waits_and_prints_the_finished_job(arc: Arc) -> None:
    job = _probe(arc)
    assert job["status"] == "completed"
    assert job["metrics"]["epochs"] == 2
    shown = _document(arc("jobs", "show", job["id"], "--json"))
    assert shown["job"]["id"] == job["id"]
    assert shown["waiting_for"] is None
    assert job["id"] in arc("jobs", "show", job["id"]).stdout
    assert "it did all that was asked" in arc("jobs", "why", job["id"]).stdout
    assert "probe begins" in arc("jobs", "logs", job["id"]).stdout
    assert _document(arc("jobs", "logs", job["id"], "--stderr", "--json"))["stream"] == "stderr"


def test_progress_goes_to_stderr_and_the_result_to_stdout(arc: Arc) -> None:
    result = arc("submit", "probe.faults", "-p", "faults={epochs: 2}")
    assert result.exit_code == 0
    assert "probe.faults: epoch 2/2" in result.stderr
    assert result.stdout.startswith("job_")
    assert "completed" in result.stdout


def test_a_failed_job_is_exit_1_and_says_why_and_what_next(arc: Arc) -> None:
    result = arc("submit", "probe.faults", "-p", "faults={crash_at: 1}", "--max-retries", "0")
    assert result.exit_code == 1
    assert "Error: probe.faults failed: RuntimeError: told to fail (exception)" in result.stderr
    assert "arc jobs logs job_" in result.stderr
    assert "Traceback" not in result.stderr
    document = _document(arc("submit", "probe.faults", "-p", "faults={crash_at: 1}", "--max-retries", "0", "--json"), exit_code=1)
    assert document["failure"]["failure_class"] == "exception"
    resumed = _document(arc("jobs", "resume", document["id"], "--no-wait", "--json"))
    assert resumed["resumed_from"] == document["id"]
    assert "(exception)" in arc("jobs", "why", document["id"]).stdout


def test_a_key_makes_a_repeated_submit_the_same_job_even_when_it_failed(arc: Arc) -> None:
    words = ("submit", "probe.faults", "-p", "faults={crash_at: 1}", "--max-retries", "0", "--key", "tuesday", "--json")
    first, second = _document(arc(*words), exit_code=1), _document(arc(*words), exit_code=1)
    assert first["id"] == second["id"]
    other = _document(arc("submit", "probe.faults", "--key", "tuesday", "--json"), exit_code=2)
    assert other["error"]["code"] == "Conflict"


def test_hold_why_release_cancel_and_watch(arc: Arc) -> None:
    job_id = _document(arc("submit", "probe.faults", "-p", LONG, "--no-wait", "--json"))["id"]
    assert arc("jobs", "hold", job_id).exit_code == 0
    needing = _document(arc("submit", "probe.faults", "--needs", job_id, "--no-wait", "--json"))
    assert needing["status"] == "pending"
    assert job_id in _document(arc("jobs", "why", needing["id"], "--json"))["why"]
    assert arc("jobs", "release", job_id).exit_code == 0
    assert "is" in arc("jobs", "cancel", job_id).stdout
    watched = arc("jobs", "watch", job_id)
    assert watched.exit_code == 4
    assert "was cancelled" in watched.stderr
    assert _document(arc("jobs", "watch", needing["id"], "--json"), exit_code=4)["status"] == "cancelled"
    assert _document(arc("jobs", "cancel", job_id, "--json"), exit_code=2)["error"]["code"] == "Conflict"


def test_lists_are_filtered_and_paged(arc: Arc) -> None:
    made = [_probe(arc, "faults={epochs: 0}")["id"] for _ in range(3)]
    first = _document(arc("jobs", "list", "--limit", "2", "--status", "completed", "--recipe", "probe.faults", "--json"))
    assert [job["id"] for job in first["items"]] == made[:0:-1]
    second = _document(arc("jobs", "list", "--limit", "2", "--cursor", first["next_cursor"], "--json"))
    assert second["items"][0]["id"] == made[0]
    assert "There are more: arc jobs list --cursor" in arc("jobs", "list", "--limit", "1").stderr
    assert "No such jobs." in arc("jobs", "list", "--recipe", "data.unpack").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("submit", "probe.faults", "-p", "fault={}"), "probe.faults has no parameter 'fault'; it has faults, ledger"),
        (("submit", "probe.faults", "-p", "ledger=maybe"), "ledger = 'maybe'"),
        (("submit", "nothing"), "there is no recipe 'nothing'; there are"),
        (("submit", "data.unpack"), "data.unpack needs the input 'archive'"),
        (("submit", "data.unpack", "-i", "archive=path:/etc/passwd"), "ARC_DATA_ROOTS"),
        (("train", "classifier", "--dataset", "nowhere"), "nowhere"),
        (("jobs", "show", "a b"), "job_id"),
        (("jobs", "logs", "job_0"), "there is no job 'job_0'"),
        (("eval", "exp_0"), "exp_0"),
        (("experiments", "show", "exp_0"), "exp_0"),
        (("experiments", "archive", "exp_0"), "exp_0"),
        (("experiments", "delete", "exp_0", "--yes"), "exp_0"),
        (("token", "revoke", "tok_0"), "tok_0"),
        (("token", "create", "a b"), "name"),
    ],
)
def test_what_the_control_plane_refuses_is_exit_2_in_two_lines(arc: Arc, words: tuple[str, ...], said: str) -> None:
    result = arc(*words)
    assert result.exit_code == 2, result.stderr
    assert said in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.strip().splitlines()) <= 2


def test_tokens_live_and_die(arc: Arc, served: ControlPlane) -> None:
    made = _document(arc("token", "create", "reader", "--role", "viewer", "--json"))
    with Client(served.url, made["token"]) as reader:
        assert reader.jobs.page(limit=1).items is not None
        rotated = _document(arc("token", "rotate", made["id"], "--json"))
        with pytest.raises(Unauthorized):
            reader.jobs.page()
    with Client(served.url, rotated["token"]) as reader:
        reader.jobs.page()
        assert arc("token", "revoke", rotated["id"]).exit_code == 0
        with pytest.raises(Unauthorized):
            reader.jobs.page()
    listed = {token["id"]: token for token in _document(arc("token", "list", "--json"))}
    assert listed[made["id"]]["role"] == Role.VIEWER
    assert listed[rotated["id"]]["revoked_at"] is not None
    assert rotated["token"] not in arc("token", "list").stdout


def test_a_lease_is_taken_shown_renewed_and_given_back(arc: Arc) -> None:
    made = _document(arc("leases", "acquire", "night_run", "--owner", "cron", "--ttl", "600", "--json"))
    assert [one["name"] for one in _document(arc("leases", "list", "--json"))] == ["night_run"]
    assert "cron" in arc("leases", "list").stdout
    taken = arc("leases", "acquire", "night_run")
    assert taken.exit_code == 2
    assert "lease night_run is held by cron until" in taken.stderr
    assert _document(arc("leases", "acquire", "night_run", "--json"), exit_code=2)["error"]["code"] == "Conflict"
    token = str(made["token"])
    assert token in arc("leases", "renew", "night_run", "--token", token, "--ttl", "900").stdout
    assert arc("leases", "release", "night_run", "--token", token).stdout == "night_run is free\n"
    late = arc("leases", "renew", "night_run", "--token", token)
    assert late.exit_code == 2
    assert "it was released, or it has expired" in late.stderr
    assert arc("leases", "list").stdout == ""


@pytest.mark.parametrize(
    "words", [("a/b",), ("a b",), ("slot", "--ttl", "0"), ("slot", "--ttl", "1e9"), ("slot", "--ttl", "nan"), ("slot", "--owner", "a b")]
)
def test_a_lease_that_makes_no_sense_is_exit_2(arc: Arc, words: tuple[str, ...]) -> None:
    result = arc("leases", "acquire", *words)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert len(result.stderr.strip().splitlines()) <= 2


def test_doctor_finds_the_control_plane_and_the_token(arc: Arc, served: ControlPlane) -> None:
    checks = {check["name"]: check for check in json.loads(arc("doctor", "--json").stdout)["checks"]}
    assert served.url in checks["port"]["found"]
    assert checks["token"]["state"] == "ok"
    token = served.app.settings.workspace / "secrets" / "token"
    token.chmod(0o644)
    result = arc("doctor")
    token.chmod(0o600)
    assert result.exit_code == 1
    assert "chmod 600" in result.stdout


def test_recipes_come_from_the_control_plane_that_serves(arc: Arc) -> None:
    assert "probe.faults" in [line["name"] for line in _document(arc("recipes", "--json"))]
    assert "ledger" in arc("recipes", "show", "probe.faults").stdout


def test_a_second_server_of_the_workspace_is_refused(arc: Arc, served: ControlPlane) -> None:
    result = arc("serve", "--port", "0")
    assert result.exit_code == 2
    assert served.url in result.stderr


def test_init_twice_changes_nothing(in_folder: Path) -> None:
    first = _document(CliRunner().invoke(command_line, ["init", "--json", "-w", "mine"]))
    assert first == {"workspace": str(in_folder / "mine"), "made": True}
    toml = in_folder / "mine" / "arc.toml"
    toml.write_text("port = 8123\n")
    assert _document(CliRunner().invoke(command_line, ["init", "--json", "-w", "mine"]))["made"] is False
    assert toml.read_text() == "port = 8123\n"
    assert (in_folder / "mine" / "secrets" / "token").stat().st_mode & 0o777 == 0o600
    assert _document(CliRunner().invoke(command_line, ["jobs", "list", "--json", "-w", "mine"])) == {"items": [], "next_cursor": None}
    assert not (in_folder / "mine" / "control.json").exists()


# --- as processes ----------------------------------------------------------------------------------


@pytest.fixture
def start(in_folder: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """`start("serve")` as a process of its own, in a fresh workspace."""
    environment = {**os.environ, "ARC_WORKSPACE": str(in_folder / "ws"), "ARC_ALLOW_FAULT_JOBS": "1", "ARC_MEMORY_RESERVE_GB": "0"}
    running: list[subprocess.Popen[str]] = []

    def begin(*words: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "arc", *words], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def _until(stream: IO[str] | None, text: str) -> str:
    """The first line that holds `text`; the stream must not end before it."""
    assert stream is not None
    seen = ""
    for line in stream:
        seen += line
        if text in line:
            return line
    raise AssertionError(f"{text!r} was never said:\n{seen}")


def _ended(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    out, err = process.communicate(timeout=_PATIENCE_S)
    return process.returncode, out, err


def test_ctrl_c_checkpoints_and_watch_goes_on(start: Callable[..., "subprocess.Popen[str]"]) -> None:
    first = start("submit", "probe.faults", "-p", "faults={epochs: 40, epoch_s: 0.1}")
    _until(first.stderr, "epoch 3/40")
    first.send_signal(signal.SIGINT)
    code, out, err = _ended(first)
    assert (code, out) == (130, "")
    command = err.strip().splitlines()[-1].partition("goes on with: arc ")[2]
    assert command.startswith("jobs watch job_")
    code, out, _ = _ended(start("jobs", "show", command.split()[-1], "--json"))
    assert json.loads(out)["job"]["status"] == "queued"
    code, out, err = _ended(start(*command.split(), "--json"))
    assert code == 0, err
    job = json.loads(out)
    assert (job["status"], job["attempt"], job["retry_count"]) == ("completed", 2, 0)


def test_serve_prints_a_login_link_once_and_ends_well_on_sigterm(start: Callable[..., "subprocess.Popen[str]"]) -> None:
    serving = start("serve", "--port", "0")
    link = _until(serving.stdout, "/login?code=").split()[-1]
    _until(serving.stderr, "serving")
    assert httpx.get(link).cookies
    assert httpx.get(link).status_code == 401
    watcher = start("submit", "probe.faults", "-p", LONG)
    _until(watcher.stderr, "epoch")
    watcher.send_signal(signal.SIGINT)
    code, _, err = _ended(watcher)
    assert code == 130
    assert "goes on without you" in err
    assert serving.poll() is None
    serving.send_signal(signal.SIGTERM)
    assert _ended(serving)[0] == 0
    code, out, _ = _ended(start("jobs", "list", "--json"))
    assert [job["status"] for job in json.loads(out)["items"]] == ["queued"]


def test_watching_goes_on_through_a_killed_and_restarted_control_plane(start: Callable[..., "subprocess.Popen[str]"]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    first = start("serve", "--port", port)
    _until(first.stderr, "serving")
    watcher = start("submit", "probe.faults", "-p", "faults={epochs: 100, epoch_s: 0.1}")
    _until(watcher.stderr, "epoch")
    first.kill()
    _until(start("serve", "--port", port).stderr, "serving")
    code, out, err = _ended(watcher)
    assert code == 0, err
    assert "epoch 100/100" in err
    assert "completed" in out


def test_a_job_that_nobody_runs_says_so_and_a_reader_that_leaves_is_no_error(start: Callable[..., "subprocess.Popen[str]"]) -> None:
    code, out, err = _ended(start("submit", "probe.faults", "--no-wait"))
    assert code == 0
    assert "arc serve" in err
    job_id = out.split()[0]
    listing = start("jobs", "why", job_id)
    assert listing.stdout is not None
    listing.stdout.close()
    listing.wait(_PATIENCE_S)
    assert listing.stderr is not None
    assert listing.stderr.read() == ""
