"""Numbers: what Prometheus reads of a control plane.

Counts are taken when somebody scrapes, from whatever the owner of the numbers hands in: this room knows no
store. Requests are counted by the template of the route, never by the path, so that the number of series
does not grow with the number of jobs.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from arc.telemetry import system


@dataclass(frozen=True)
class Snapshot:
    """What a control plane holds at the moment of a scrape."""

    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (status, priority) -> jobs
    attempts: int = 0  # running now


class Numbers:
    """The registry of one control plane; `snapshot` is called at each scrape, from the thread that scrapes."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "arc_http_requests", "Requests answered, by route and status.", ["method", "route", "status"], registry=self._registry
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Queue(snapshot))

    def request(self, method: str, route: str, status: int) -> None:
        """Count one answered request; `route` is the template of its path."""
        self._requests.labels(method, route, str(status)).inc()

    def text(self) -> bytes:
        """Everything, in the text format of Prometheus 0.0.4."""
        return generate_latest(self._registry)


class _Queue(Collector):
    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> list[Metric]:
        """No sample is taken when the collector is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Queue, attempts, memory and GPUs as they are now."""
        now = self._snapshot()
        jobs = GaugeMetricFamily("arc_jobs", "Jobs by status and priority.", labels=["status", "priority"])
        for (status, priority), count in sorted(now.jobs.items()):
            jobs.add_metric([status, priority], count)
        yield jobs
        yield GaugeMetricFamily("arc_attempts_running", "Attempts that run now.", value=now.attempts)
        yield from _machine()


def _machine() -> Iterator[Metric]:
    now = system.read()
    yield GaugeMetricFamily("arc_memory_total_bytes", "Memory that this process may use.", value=now.memory_total_gb * 2**30)
    yield GaugeMetricFamily("arc_memory_free_bytes", "Memory that is free of it.", value=now.memory_free_gb * 2**30)
    total = GaugeMetricFamily("arc_gpu_memory_total_bytes", "Memory of a GPU.", labels=["gpu", "name"])
    free = GaugeMetricFamily("arc_gpu_memory_free_bytes", "Memory that is free of it.", labels=["gpu", "name"])
    for gpu in now.gpus:
        total.add_metric([str(gpu.id), gpu.name], gpu.mem_total_gb * 2**30)
        free.add_metric([str(gpu.id), gpu.name], gpu.mem_free_gb * 2**30)
    yield from (total, free)
