"""The shipped artifact suite on the local folder, and what only a folder can get wrong."""

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from arc.artifacts import ArtifactStore
from arc.testing.artifact_contract import ArtifactContract, file, mode


class TestLocalFolder(ArtifactContract):
    """One file system: a hard link."""

    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> ArtifactStore:
        return ArtifactStore(tmp_path / "store")


class TestAnotherFileSystem(ArtifactContract):
    """Where a link cannot be made: a copy."""

    @pytest.fixture
    def artifacts(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
        monkeypatch.setattr(os, "link", _refuse(errno.EXDEV))
        return ArtifactStore(tmp_path / "store")

    def test_the_source_stays_as_it_was(self, artifacts: ArtifactStore, tmp_path: Path) -> None:
        source = file(tmp_path, b"x")
        source.chmod(0o600)
        digest, _ = artifacts.put(source)
        assert (mode(source), mode(artifacts.path(digest))) == (0o600, 0o444)

    def test_a_copy_that_breaks_off_leaves_nothing(self, artifacts: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "copyfileobj", _half_then(errno.ENOSPC))
        with pytest.raises(OSError, match="No space"):
            artifacts.put(file(tmp_path, b"0123456789"))
        assert [path for path in (tmp_path / "store").rglob("*") if path.is_file()] == []


def test_a_copy_for_people_that_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    artifacts = ArtifactStore(tmp_path / "store")
    digest, _ = artifacts.put(file(tmp_path, b"0123456789"))
    monkeypatch.setattr(shutil, "copyfileobj", _half_then(errno.ENOSPC))
    monkeypatch.setattr("fcntl.ioctl", _refuse(errno.ENOTSUP))
    with pytest.raises(OSError, match="No space"):
        artifacts.copy_out(digest, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_every_byte_and_name_is_on_the_disk_before_put_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row says `published` right after: a power cut must not leave it pointing at an empty file."""
    order: list[tuple[str, int]] = []
    sync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        sync(descriptor)
        order.append(("sync", os.fstat(descriptor).st_ino))

    def replaced(self: Path, target: Path) -> Path:
        order.append(("name", self.stat().st_ino))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    artifacts = ArtifactStore(tmp_path / "store")
    path = artifacts.path(artifacts.put(file(tmp_path, b"x"))[0])
    named = order.index(("name", path.stat().st_ino))
    assert ("sync", path.stat().st_ino) in order[:named]
    for folder in (path.parent, tmp_path / "store", tmp_path):
        assert ("sync", folder.stat().st_ino) in order, folder


def _refuse(number: int) -> Any:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def _half_then(number: int) -> Any:
    def copy(source: Any, target: Any, *_: object) -> None:
        target.write(source.read(5))
        target.flush()
        raise OSError(number, os.strerror(number))

    return copy
