"""A control plane that runs jobs: an answer with the result, the bytes it left, the numbers of it all."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.api.serving import RECIPE, House, is_problem, serve_running

SMALL = {"recipe": RECIPE, "params": {"patients": 4, "size_px": 64}, "seed": 1}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    served = serve_running(tmp_path_factory.mktemp("running"))
    yield served
    served.plane.stop()


@pytest.fixture(scope="module")
def client(running: House) -> Iterator[httpx.Client]:
    with running.client() as made:
        made.timeout = httpx.Timeout(120)
        yield made


@pytest.fixture(scope="module")
def done(client: httpx.Client) -> dict[str, Any]:
    answer = client.post("/jobs?wait=100", json=SMALL, headers={"Idempotency-Key": "small"})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def test_work_that_is_done_in_time_answers_with_its_result(client: httpx.Client, done: dict[str, Any]) -> None:
    assert done["status"] == "completed"
    assert client.get(f"/jobs/status/{done['job_id']}").json()["result"] == {
        name: value for name, value in done.items() if name not in ("job_id", "experiment_id", "status", "metrics")
    }


def test_the_same_key_answers_with_the_same_result(client: httpx.Client, done: dict[str, Any]) -> None:
    assert client.post("/jobs", json=SMALL, headers={"Idempotency-Key": "small"}).json() == done


def test_a_job_that_fails_answers_as_the_route_would(running: House, client: httpx.Client) -> None:
    folder = running.app.settings.workspace / "imports"
    folder.mkdir()
    (folder / "broken.zip").write_bytes(b"PK\x03\x04 not really")
    body = {"recipe": "data.unpack", "inputs": {"archive": f"path:{folder / 'broken.zip'}"}, "max_retries": 0}
    answer = client.post("/jobs?wait=100", json=body)
    said = is_problem(answer, answer.status_code)
    assert 400 <= answer.status_code < 500
    assert said["job_id"].startswith("job_")


def test_its_bytes_are_an_attachment_in_a_sandbox(client: httpx.Client, done: dict[str, Any]) -> None:
    made = client.get(f"/jobs/{done['job_id']}/artifacts").json()[0]
    answer = client.get(f"/artifacts/{made['digest']}")
    assert len(answer.content) == made["size_bytes"]
    assert answer.headers["content-disposition"] == f'attachment; filename="{made["name"]}"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert answer.headers["x-content-type-options"] == "nosniff"
    part = client.get(f"/artifacts/{made['digest']}", headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, answer.content[1:4])


@pytest.mark.parametrize(
    "ranges", ["bytes=" + ",".join(f"{n}-{n}" for n in range(2000)), "bytes=9999999999-", "bytes=x", "lines=1-2", "bytes=-0"]
)
def test_odd_ranges_are_answered_briefly(client: httpx.Client, done: dict[str, Any], ranges: str) -> None:
    made = client.get(f"/jobs/{done['job_id']}/artifacts").json()[0]
    answer = client.get(f"/artifacts/{made['digest']}", headers={"Range": ranges})
    assert answer.status_code in (200, 206, 400, 416)
    assert len(answer.content) <= made["size_bytes"]


def test_unknown_bytes_are_404(client: httpx.Client) -> None:
    is_problem(client.get(f"/artifacts/{'0' * 64}"), 404, "NotFound")
    is_problem(client.get("/artifacts/..%2f..%2fsecrets%2ftoken"), 404)
    is_problem(client.get("/artifacts/..."), 422)


def test_numbers_for_prometheus(client: httpx.Client, done: dict[str, Any]) -> None:
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found = {sample.name for family in text_string_to_metric_families(answer.text) for sample in family.samples}
    assert {"arc_attempts_running", "arc_http_requests_total", "arc_memory_free_bytes", "process_cpu_seconds_total"} <= found
    assert {
        "arc_attempts_ended_total",
        "arc_claim_latency_seconds_count",
        "arc_start_latency_seconds_sum",
        "arc_journal_lag_bytes",
    } <= found
    assert done["job_id"] not in answer.text


def test_attempts_and_audit_tell_the_story(client: httpx.Client, done: dict[str, Any]) -> None:
    (attempt,) = client.get(f"/jobs/{done['job_id']}/attempts").json()
    assert attempt["outcome"] == "done"
    story = client.get("/audit", params={"subject": done["job_id"]}).json()
    assert [event["kind"] for event in story["items"]][:1] == ["job.submitted"]
    assert story["items"][-1]["kind"] == "job.completed"
    assert story["items"][0]["actor"] == "admin"
    assert story["next_after"] is None
    page = client.get("/audit?limit=1").json()
    assert page["next_after"] == page["items"][0]["seq"]


def test_the_stream_of_the_job_ends_with_it(client: httpx.Client, done: dict[str, Any]) -> None:
    text = client.get(f"/jobs/{done['job_id']}/events").text
    assert "job.submitted" in text
    assert "job.completed" in text


def test_health_says_that_jobs_are_run(client: httpx.Client) -> None:
    said = client.get("/health").json()
    assert said["runs_jobs"] is True
    assert said["jobs"]["completed"] >= 1
