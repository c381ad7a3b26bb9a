"""Readings of the machine, with and without a driver for GPUs."""

from types import SimpleNamespace

import pynvml
import pytest

from arc.telemetry import system
from arc.telemetry.cgroup import Allowance

GB = 1 << 30


def test_this_machine_has_memory_and_cores() -> None:
    found = system.read()
    assert 0 < found.memory_free_gb <= found.memory_total_gb
    assert found.cpu_count >= 1


def test_a_control_group_cuts_what_the_machine_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system.cgroup, "allowance", lambda: Allowance(memory_total=GB // 2, memory_free=0, cpus=0.5))
    found = system.read()
    assert (found.memory_total_gb, found.memory_free_gb, found.cpu_count) == (0.5, 0.0, 1)


class Driver:
    """Two GPUs, of which one says nothing about its load, and a third that fell off the bus."""

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(system, "_nvml", lambda: True)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 3)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", self.handle)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", lambda _: SimpleNamespace(total=80 * GB, free=20 * GB))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda index: "H100" if index == 0 else b"A100")
        monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", self.load)

    def handle(self, index: int) -> int:
        if index == 2:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return index

    def load(self, index: int) -> SimpleNamespace:
        if index == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(gpu=25)


def test_gpus_are_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver().install(monkeypatch)
    first, second = system.read_gpus()
    assert first == system.GpuReading(id=0, name="H100", mem_total_gb=80, mem_free_gb=20, util=0.25)
    assert (second.name, second.util) == ("A100", None)


def test_who_holds_memory_is_asked_of_each_gpu_that_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    Driver().install(monkeypatch)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetComputeRunningProcesses", lambda index: [SimpleNamespace(pid=100 + index)])
    assert 100 in system.gpu_holders()
    monkeypatch.setattr(system, "_nvml", lambda: False)
    assert system.gpu_holders() == frozenset()


def test_no_driver_means_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", absent)
    system._nvml.cache_clear()
    try:
        assert system.read_gpus() == []
    finally:
        system._nvml.cache_clear()
