"""Numbers: what Prometheus reads of a control plane.

Counts are taken when somebody scrapes, from whatever the owner of the numbers hands in: this room knows no
store. Requests are counted by the template of the route, never by the path, so that the number of series
does not grow with the number of jobs.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from arc.telemetry import system

_LATENCIES = {
    "claim": "From the submission of a job to the claim of its first attempt.",
    "start": "From the submission of a job to its first process.",
}


@dataclass(frozen=True)
class Latency:
    """A histogram: for each bound in seconds (the last is infinity) how many were at most that long, and the sum of all."""

    up_to: Sequence[tuple[float, int]]
    sum_s: float


@dataclass(frozen=True)
class Snapshot:
    """What a control plane holds at the moment of a scrape."""

    jobs: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (status, priority) -> jobs
    attempts: int = 0  # running now
    waiting: Mapping[str, int] = field(default_factory=dict)  # what for -> jobs
    ended: Mapping[tuple[str, str], int] = field(default_factory=dict)  # (outcome, class of failure or empty) -> attempts
    adopted: int = 0
    latencies: Mapping[str, Latency] = field(default_factory=dict)  # claim, start
    journal_lag_bytes: int = 0


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
        waiting = GaugeMetricFamily("arc_jobs_waiting", "Jobs that wait, by what for.", labels=["reason"])
        for reason, count in sorted(now.waiting.items()):
            waiting.add_metric([reason], count)
        yield waiting
        yield from _engine(now)
        yield from _machine()


def _engine(now: Snapshot) -> Iterator[Metric]:
    """What the engine of this process has counted since it began, and how far it is behind."""
    ended = CounterMetricFamily("arc_attempts_ended", "Attempts that ended, by outcome and class of failure.", labels=["outcome", "class"])
    for (outcome, failure_class), count in sorted(now.ended.items()):
        ended.add_metric([outcome, failure_class], count)
    yield ended
    yield CounterMetricFamily("arc_attempts_adopted", "Attempts taken up from an earlier control plane.", value=now.adopted)
    lag = "Bytes of the journals of running attempts that are not recorded yet."
    yield GaugeMetricFamily("arc_journal_lag_bytes", lag, value=now.journal_lag_bytes)
    for name, latency in sorted(now.latencies.items()):
        buckets = [("+Inf" if math.isinf(bound) else repr(bound), count) for bound, count in latency.up_to]
        yield HistogramMetricFamily(f"arc_{name}_latency_seconds", _LATENCIES.get(name, name), buckets=buckets, sum_value=latency.sum_s)


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
