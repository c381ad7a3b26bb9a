"""What a container may use: the tightest limit of this process's groups, in both versions."""

from pathlib import Path

import pytest

from arc.telemetry.cgroup import allowance, whole_cpus


def group(root: Path, path: str, **files: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def own(tmp_path: Path, *lines: str) -> Path:
    file = tmp_path / "self-cgroup"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_version_2_takes_the_tightest_group_above(tmp_path: Path) -> None:
    group(tmp_path, "", cpu__max="max 100000")
    group(tmp_path, "pod", memory__max="4000", memory__current="1000", memory__stat="anon 1\ninactive_file 400\n", cpu__max="150000 100000")
    group(tmp_path, "pod/box", memory__max="9000", memory__current="8000", memory__stat="")
    found = allowance(tmp_path, own(tmp_path, "0::/pod/box"))
    assert found.memory_total == 4000
    assert found.memory_free == 1000  # the inner group has 1000 left, the outer 3400
    assert found.cpus == 1.5


def test_version_1_limits_and_the_huge_number_for_none(tmp_path: Path) -> None:
    group(
        tmp_path, "memory/box",
        memory__limit_in_bytes="5000", memory__usage_in_bytes="2000", memory__stat="cache 7\ntotal_inactive_file 500",
    )  # fmt: skip
    group(tmp_path, "memory", memory__limit_in_bytes="9223372036854771712")
    group(tmp_path, "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    found = allowance(tmp_path, own(tmp_path, "4:memory:/box", "1:cpu:/", "7:pids:/box"))
    assert (found.memory_total, found.memory_free, found.cpus) == (5000, 3500, None)


@pytest.mark.parametrize("line", ["", "0::/../../etc", "nonsense", "0::/absent"])
def test_no_readable_group_means_no_limit(tmp_path: Path, line: str) -> None:
    found = allowance(tmp_path, own(tmp_path, line))
    assert (found.memory_total, found.memory_free, found.cpus) == (None, None, None)


@pytest.mark.parametrize(("share", "cores"), [(0.2, 1), (1.0, 1), (1.9, 1), (2.0, 2), (7.5, 7)])
def test_a_quota_as_whole_cores(share: float, cores: int) -> None:
    assert whole_cpus(share) == cores
