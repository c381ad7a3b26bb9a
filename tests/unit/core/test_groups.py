"""Control groups, on folders that look like the two versions of the kernel's."""

from pathlib import Path

import pytest

from arc.core import groups


def version_1(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "memory" / "box").mkdir(parents=True)
    (tmp_path / "own").write_text("4:cpu:/\n3:memory:/box\n0::/\n")
    return {"mount": tmp_path, "own": tmp_path / "own"}


def version_2(tmp_path: Path, *, below: str = "memory pids") -> dict[str, Path]:
    home = tmp_path / "user.slice"
    home.mkdir()
    (home / "cgroup.controllers").write_text("cpu memory pids\n")
    (home / "cgroup.subtree_control").write_text(below)
    (tmp_path / "own").write_text("0::/user.slice\n")
    return {"mount": tmp_path, "own": tmp_path / "own"}


def test_version_1_gets_a_limit_in_bytes(tmp_path: Path) -> None:
    group = groups.make("job_a.1", 0.5, **version_1(tmp_path))
    assert group == tmp_path / "memory" / "box" / "arc-job_a.1"
    assert (group / "memory.limit_in_bytes").read_text() == str(1 << 29)


def test_version_2_gets_a_maximum(tmp_path: Path) -> None:
    group = groups.make("job_a.1", 2.0, **version_2(tmp_path))
    assert group == tmp_path / "user.slice" / "arc-job_a.1"
    assert (group / "memory.max").read_text() == str(2 << 30)


def test_version_2_hands_the_controller_down_when_it_has_not_been(tmp_path: Path) -> None:
    assert groups.make("job_a.1", 2.0, **version_2(tmp_path, below="")) is not None
    assert (tmp_path / "user.slice" / "cgroup.subtree_control").read_text() == "+memory"


@pytest.mark.parametrize("text", ["", "0::/\n", "3:memory:/../elsewhere\n", "3:memory:/not/here\n", "nonsense"])
def test_without_a_group_of_its_own_nothing_is_made(tmp_path: Path, text: str) -> None:
    (tmp_path / "own").write_text(text)
    assert groups.make("job_a.1", 1.0, mount=tmp_path, own=tmp_path / "own") is None
    assert groups.make("job_a.1", 1.0, mount=tmp_path, own=tmp_path / "missing") is None


def test_a_name_that_is_taken_is_left_alone(tmp_path: Path) -> None:
    where = version_1(tmp_path)
    (tmp_path / "memory" / "box" / "arc-job_a.1").mkdir()
    assert groups.make("job_a.1", 1.0, **where) is None


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("memory.events", "low 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n", 2),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n", 1),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n", 0),
        ("memory.events", "oom_kill many\n", 0),
        ("memory.stat", "", 0),
    ],
)
def test_the_kernels_kills_are_counted(tmp_path: Path, name: str, text: str, found: int) -> None:
    (tmp_path / name).write_text(text)
    assert groups.kills(tmp_path) == found


def test_only_the_group_of_that_very_attempt_is_found_again(tmp_path: Path) -> None:
    staging, other = tmp_path / "job_a.1", tmp_path / "job_a.2"
    group = tmp_path / "arc-job_a.1"
    for folder in (staging, other, group):
        folder.mkdir()
    assert groups.of_staging(staging) is None
    for folder in (staging, other):
        (folder / groups.GROUP).write_text(str(group))
    assert groups.of_staging(staging) == group
    assert groups.of_staging(other) is None
    assert groups.remove(group)
    assert groups.remove(group)
    assert groups.of_staging(staging) is None
