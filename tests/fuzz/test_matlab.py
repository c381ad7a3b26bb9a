"""Damaged MATLAB files: whatever is changed in a good one, it is read, refused, or ends its own child; nothing else happens.

A child costs a third of a second, so each example of hypothesis is a handful of files that one child goes through.
"""

import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc.data.matlab_values import MatLimits
from arc.kit import sandbox
from tests.fuzz import matlab_child
from tests.unit.data.matlab_files import Structs, put, version_73

CRASHES = {"signal 6", "signal 7", "signal 8", "signal 11"}  # of the libraries; the sandbox turns them into BadData
PICTURES = np.random.default_rng(1).integers(0, 256, (16, 16, 3, 3), np.uint8)
Change = tuple[str, float, bytes]  # what, where (share of the file), with what

changes = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "cut", "copy"]),
        # Headers are where files lie: half of all changes fall into the first tenth.
        st.one_of(st.floats(0, 0.1), st.floats(0, 0.999)),
        st.one_of(
            st.binary(min_size=1, max_size=8),
            st.sampled_from([b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0" * 8, b"\x0e\0\0\0", b"\x0f\0\0\0", b"\x11"]),
        ),
    ),
    min_size=1,
    max_size=4,
)


def changed(data: bytes, several: list[Change]) -> bytes:
    for what, share, with_what in several:
        at = int(share * len(data))
        after = {
            "replace": with_what + data[at + len(with_what) :],
            "insert": with_what + data[at:],
            "delete": data[at + len(with_what) :],
            "cut": b"",
            "copy": data[: at // 2] + data[at:],
        }[what]
        data = data[:at] + after
    return data


def good(folder: Path) -> dict[str, list[bytes]]:
    """Files of both versions, with stacks, cells, structs and text."""
    records = [{"img": PICTURES[..., at], "label": float(at % 2), "id": f"P{at}"} for at in range(3)]
    array = np.empty((1, 3), [(name, object) for name in records[0]])
    for at, record in enumerate(records):
        for name, value in record.items():
            array[0, at][name] = value
    stacks = {"images": PICTURES, "masks": PICTURES[:, :, 0] > 9, "labels": np.arange(3.0) % 2}
    path = folder / "good.mat"
    found: dict[str, list[bytes]] = {"5": [], "7.3": []}
    for variables in (stacks, {"data": array}):
        for packed in (False, True):
            scipy.io.savemat(path, variables, do_compression=packed)
            found["5"].append(path.read_bytes())
    for variables in (stacks, {"data": Structs(records)}, {"cells": records}):
        with version_73(path) as file:
            for name, value in variables.items():
                put(file, name, value)
        found["7.3"].append(path.read_bytes())
    path.unlink()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_damaged_file_is_read_or_refused_or_ends_its_child(tmp_path: Path, version: str) -> None:
    sources = good(tmp_path)[version]
    work = tmp_path / "work"
    limits = asdict(MatLimits())

    @settings(max_examples=5, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(st.lists(st.tuples(st.sampled_from(sources), changes), min_size=15, max_size=30))
    def every(given_files: list[tuple[bytes, list[Change]]]) -> None:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        names = [f"{at:03d}.mat" for at in range(len(given_files) + len(sources))]
        for name, data in zip(names, [*sources, *(changed(data, several) for data, several in given_files)], strict=True):
            (work / name).write_bytes(data)
        said = sandbox.parse(matlab_child.read_each, str(work), version, limits, cpu_s=60, timeout_s=120.0, write_mb=10)
        assert said[: len(sources)] == ["read"] * len(sources)
        strange = [(name, what) for name, what in zip(names, said, strict=True) if what not in {"read", "refused", "memory"} | CRASHES]
        assert not strange
        assert sorted(path.name for path in work.iterdir()) == names  # nothing was written beside the files

    every()
