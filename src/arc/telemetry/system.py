"""System: how much memory, how many cores and which GPUs there are, and what of it is free now.

The engine admits attempts by these readings and pages show them. A GB is 2^30 bytes, as in "a 64 GB
machine". Memory and cores are those this process may use: the machine's, cut by its control group and
its CPU affinity. GPUs come from NVML; a machine without a driver has none, which is no error.

Not covered: GPUs of other makers, and MIG slices (a sliced GPU is read as one).
"""

import os
from functools import cache

import psutil
import pynvml
from pydantic import BaseModel, ConfigDict

from arc.telemetry import cgroup

_GB = float(1 << 30)


class GpuReading(BaseModel):
    """One GPU, as the driver sees it now."""

    model_config = ConfigDict(frozen=True)

    id: int  # index in NVML order, which is CUDA's with CUDA_DEVICE_ORDER=PCI_BUS_ID
    name: str
    mem_total_gb: float
    mem_free_gb: float
    util: float | None  # share of the last sample in which it worked, 0 to 1; None when the driver does not say


class SystemReading(BaseModel):
    """What the machine has and what is free of it."""

    model_config = ConfigDict(frozen=True)

    memory_total_gb: float
    memory_free_gb: float  # what could be taken without swapping
    cpu_count: int
    gpus: list[GpuReading]


def read() -> SystemReading:
    """A reading taken now; a fraction of a millisecond without GPUs."""
    memory = psutil.virtual_memory()
    allowed = cgroup.allowance()
    return SystemReading(
        memory_total_gb=min(memory.total, allowed.memory_total or memory.total) / _GB,
        memory_free_gb=min(memory.available, memory.available if allowed.memory_free is None else allowed.memory_free) / _GB,
        cpu_count=_cpus(allowed.cpus),
        gpus=read_gpus(),
    )


def read_gpus() -> list[GpuReading]:
    """Every NVIDIA GPU; none without a driver. A GPU that fell off the bus is left out."""
    if not _nvml():
        return []
    found = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            found.append(_gpu(index))
        except pynvml.NVMLError:
            continue
    return found


def gpu_holders() -> frozenset[int]:
    """Processes for which the driver holds memory on some GPU; none without a driver. In a container they may be the host's numbers."""
    if not _nvml():
        return frozenset()
    found: set[int] = set()
    for index in range(pynvml.nvmlDeviceGetCount()):
        try:
            device = pynvml.nvmlDeviceGetHandleByIndex(index)
            found.update(int(process.pid) for process in pynvml.nvmlDeviceGetComputeRunningProcesses(device))
        except pynvml.NVMLError:
            continue
    return frozenset(found)


def _gpu(index: int) -> GpuReading:
    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    name = pynvml.nvmlDeviceGetName(device)
    return GpuReading(
        id=index,
        name=name if isinstance(name, str) else name.decode(errors="replace"),
        mem_total_gb=memory.total / _GB,
        mem_free_gb=memory.free / _GB,
        util=_util(device),
    )


def _util(device: object) -> float | None:
    try:
        return float(pynvml.nvmlDeviceGetUtilizationRates(device).gpu) / 100
    except pynvml.NVMLError:
        return None


@cache
def _nvml() -> bool:
    """Whether NVML answers; asked once, because a driver does not appear while a process runs."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return False
    return True


def _cpus(quota: float | None) -> int:
    affinity = len(os.sched_getaffinity(0))
    return affinity if quota is None else min(affinity, cgroup.whole_cpus(quota))
