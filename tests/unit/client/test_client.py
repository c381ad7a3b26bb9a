"""The client's nouns are those of the house, whatever names the routes use."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from arc.api.views import job_view
from arc.client import Client
from arc.client.control import address, token
from arc.core.attempt import Failure, FailureClass
from arc.core.errors import DigestMismatch, NotFound, PermanentError, ServiceDown
from arc.core.job import Job, JobRequest, Progress
from arc.core.states import JobStatus
from tests.unit.jobs.making import MOMENT, job

EVENT = {"seq": 4, "subject": "job_1", "kind": "job.started", "at": MOMENT.isoformat(), "actor": "engine", "detail": {}}


def _client(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://127.0.0.1:1", "secret", transport=httpx.MockTransport(answer), sleep=lambda _: None)


def _view(found: Job, waiting_for: str | None = None) -> Any:
    return job_view(found, waiting_for=waiting_for).model_dump(mode="json", by_alias=True)


@pytest.mark.parametrize(
    "found",
    [
        job(),
        job(status=JobStatus.RUNNING, attempt=2, progress=Progress(done=3, of=9, unit="epoch", eta_s=4.5, values={"loss": 0.5})),
        job(
            status=JobStatus.FAILED,
            failure=Failure(failure_class=FailureClass.BAD_DATA, message="no", error="BadData", field="x", status=422),
        ),
        job(
            status=JobStatus.COMPLETED,
            metrics={"auc": 0.9},
            result={"a": [1]},
            completed_at=MOMENT,
            last_checkpoint="a/b",
            needs=("job_0",),
        ),
    ],
)
def test_a_job_survives_the_way_through_the_route(found: Job) -> None:
    client = _client(lambda _: httpx.Response(200, json=_view(found, "a slot")))
    report = client.jobs.report("job_1")
    assert report.job == found
    assert report.waiting_for == "a slot"


def test_submit_sends_what_was_set_and_returns_the_job_even_when_its_first_run_failed() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.method == "POST":
            return httpx.Response(500, json={"code": "exception", "detail": "it failed", "job_id": "job_1"})
        return httpx.Response(200, json=_view(job(status=JobStatus.FAILED)))

    made = _client(answer).jobs.submit(JobRequest(recipe="probe.faults", seed=3))
    assert made.status is JobStatus.FAILED
    assert json.loads(seen[0].content) == {"recipe": "probe.faults", "seed": 3}
    assert len(seen[0].headers["Idempotency-Key"]) > 16
    assert seen[1].url.path == "/jobs/status/job_1"


def test_an_id_stays_one_segment_of_the_path() -> None:
    paths: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path)
        return httpx.Response(404, json={"code": "NotFound", "detail": "no"})

    with pytest.raises(NotFound):
        _client(answer).jobs.get("../tokens?x=1")
    assert paths == [b"/jobs/status/..%2Ftokens%3Fx%3D1"]


def test_a_stream_tells_events_progress_and_resync_and_passes_over_the_rest() -> None:
    progress = {
        "job_id": "job_1",
        "progress": {"done": 1, "of": 2, "unit": "epoch", "phase": "", "eta": None, "values": {"a": None, "b": 1}},
    }
    text = (
        'retry: 2000\n\nevent: resync\ndata: {"last": 3}\n\n'
        f"id: 4\nevent: event\ndata: {json.dumps(EVENT)}\n\n"
        "event: heartbeat\ndata: {}\n\nevent: of.tomorrow\ndata: {}\n\n"
        f"event: progress\ndata: {json.dumps(progress)}\n\n"
    )
    answers = iter([httpx.Response(200, content=text.encode()), httpx.Response(204)])
    told = list(_client(lambda _: next(answers)).jobs.watch("job_1"))
    assert [(update.event.seq if update.event else None, update.progress) for update in told] == [
        (None, None),
        (4, None),
        (None, Progress(done=1, of=2, unit="epoch", values={"b": 1.0})),
    ]


@pytest.mark.parametrize("data", ["{", "[]", '{"seq": "x"}'])
def test_a_strange_event_is_an_error_that_says_so(data: str) -> None:
    client = _client(lambda _: httpx.Response(200, content=f"event: event\ndata: {data}\n\n".encode()))
    with pytest.raises(PermanentError, match="another release"):
        next(client.events())


def test_a_strange_answer_is_an_error_that_says_so() -> None:
    with pytest.raises(PermanentError, match="another release"):
        _client(lambda _: httpx.Response(200, json={"job_id": "job_1"})).jobs.get("job_1")


def test_a_download_is_whole_or_absent(tmp_path: Path) -> None:
    client = _client(lambda _: httpx.Response(200, content=b"abc"))
    good = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert client.download(good, tmp_path / "a").read_bytes() == b"abc"
    with pytest.raises(DigestMismatch):
        client.download("0" * 64, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def _control(workspace: Path, **changes: Any) -> None:
    start = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    pid = int(Path("/proc/self").resolve().name)
    (workspace / "control.json").write_text(json.dumps({"url": "http://127.0.0.1:5", "pid": pid, "start_time": start} | changes))


def test_the_address_is_believed_while_its_process_lives(tmp_path: Path) -> None:
    assert address(tmp_path) is None
    _control(tmp_path)
    assert address(tmp_path) == "http://127.0.0.1:5"
    for lie in ({"start_time": 1}, {"pid": 2**22 + 1}, {"pid": "x"}, {"url": None}):
        _control(tmp_path, **lie)
        assert address(tmp_path) is None
    (tmp_path / "control.json").write_text("{")
    assert address(tmp_path) is None


def test_the_token_is_read_from_the_workspace_or_named_as_missing(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="secrets/token cannot be read"):
        token(tmp_path)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_text("\n")
    with pytest.raises(NotFound, match="is empty"):
        token(tmp_path)
    (tmp_path / "secrets" / "token").write_text("abc\n")
    assert token(tmp_path) == "abc"


def test_a_client_of_a_workspace_that_nobody_serves_says_how_to_serve_it(tmp_path: Path) -> None:
    with pytest.raises(ServiceDown, match="arc serve"):
        Client.of_workspace(tmp_path)
