"""The text that Prometheus reads."""

from prometheus_client.parser import text_string_to_metric_families

from arc.telemetry import system
from arc.telemetry.numbers import Numbers, Snapshot


def values(numbers: Numbers) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(numbers.text().decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def test_jobs_attempts_and_requests_are_counted() -> None:
    numbers = Numbers(lambda: Snapshot(jobs={("queued", "HIGH"): 3, ("running", "NORMAL"): 1}, attempts=1))
    numbers.request("GET", "/jobs/list", 200)
    numbers.request("GET", "/jobs/list", 200)
    found = values(numbers)
    assert found["arc_jobs", (("priority", "HIGH"), ("status", "queued"))] == 3
    assert found["arc_attempts_running", ()] == 1
    assert found["arc_http_requests_total", (("method", "GET"), ("route", "/jobs/list"), ("status", "200"))] == 2
    assert found["arc_memory_total_bytes", ()] > 0


def test_gpus_are_listed(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    gpu = system.GpuReading(id=0, name="H100", mem_total_gb=80, mem_free_gb=20, util=None)
    monkeypatch.setattr(system, "read_gpus", lambda: [gpu])
    found = values(Numbers(Snapshot))
    assert found["arc_gpu_memory_free_bytes", (("gpu", "0"), ("name", "H100"))] == 20 * 2**30


def test_two_control_planes_in_one_process_do_not_clash() -> None:
    assert Numbers(Snapshot).text()
    assert Numbers(Snapshot).text()
