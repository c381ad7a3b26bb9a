"""What every artifact store must do, as tests: subclass, give a fixture `artifacts`, and let pytest collect.

The fixture is an empty store with the verbs of `Artifacts`, of that test alone. Everything is asserted through
those verbs and from the bytes.
"""

import hashlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import pytest

from arc.core.errors import DigestMismatch, NotFound

_ABSENT = "0" * 64
_WRITERS = 8


class Artifacts(Protocol):
    """Bytes by digest; `arc.artifacts.ArtifactStore` says what each verb promises."""

    def put(self, path: Path) -> tuple[str, int]:
        """Take in the bytes of a file; digest and size."""
        ...

    def path(self, digest: str) -> Path:
        """Where the bytes are; NotFound."""
        ...

    def verify(self, digest: str) -> Path:
        """Where the bytes are, after reading them; DigestMismatch."""
        ...

    def copy_out(self, digest: str, to: Path) -> None:
        """Make a read-only copy."""
        ...

    def remove(self, digest: str) -> None:
        """Delete the bytes."""
        ...


def file(folder: Path, content: bytes, name: str = "made.bin") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(content)
    return path


def mode(path: Path) -> int:
    """The permissions of a file."""
    return path.stat().st_mode & 0o777


class ArtifactContract:
    """Bytes go in once, are found by their digest, and stay as they are."""

    def test_bytes_are_found_by_their_digest(self, artifacts: Artifacts, tmp_path: Path) -> None:
        content = b"\0weights\xff" * 1000
        digest, size = artifacts.put(file(tmp_path, content))
        assert (digest, size) == (hashlib.sha256(content).hexdigest(), len(content))
        assert artifacts.path(digest).read_bytes() == content
        assert artifacts.verify(digest) == artifacts.path(digest)

    def test_an_empty_file_is_an_artifact_too(self, artifacts: Artifacts, tmp_path: Path) -> None:
        digest, size = artifacts.put(file(tmp_path, b""))
        assert (digest, size) == (hashlib.sha256(b"").hexdigest(), 0)
        assert artifacts.verify(digest).read_bytes() == b""

    def test_what_is_kept_is_read_only(self, artifacts: Artifacts, tmp_path: Path) -> None:
        digest, _ = artifacts.put(file(tmp_path, b"x"))
        assert mode(artifacts.path(digest)) == 0o444

    def test_putting_the_same_bytes_again_changes_nothing(self, artifacts: Artifacts, tmp_path: Path) -> None:
        first = artifacts.put(file(tmp_path, b"same", "one"))
        before = artifacts.path(first[0]).stat()
        assert artifacts.put(file(tmp_path, b"same", "two")) == first
        assert artifacts.put(tmp_path / "one") == first
        after = artifacts.path(first[0]).stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_the_same_bytes_from_many_at_once_are_one_artifact(self, artifacts: Artifacts, tmp_path: Path) -> None:
        sources = [file(tmp_path, b"shared" * 10_000, f"copy_{i % 4}") for i in range(_WRITERS)]  # some put the very same file
        start = threading.Barrier(_WRITERS)

        def put(source: Path) -> str:
            start.wait()
            return artifacts.put(source)[0]

        with ThreadPoolExecutor(_WRITERS) as threads:
            digests = set(threads.map(put, sources))
        (digest,) = digests
        assert artifacts.verify(digest)
        assert list(artifacts.path(digest).parent.iterdir()) == [artifacts.path(digest)], "nothing half-made is left"

    def test_a_source_that_is_replaced_leaves_the_artifact_alone(self, artifacts: Artifacts, tmp_path: Path) -> None:
        source = file(tmp_path, b"old")
        digest, _ = artifacts.put(source)
        file(tmp_path, b"new", "other").replace(source)
        assert artifacts.verify(digest).read_bytes() == b"old"
        source.unlink()
        assert artifacts.verify(digest).read_bytes() == b"old"

    def test_a_link_gives_its_bytes_and_keeps_its_target_as_it_was(self, artifacts: Artifacts, tmp_path: Path) -> None:
        target = file(tmp_path, b"elsewhere")
        target.chmod(0o640)
        link = tmp_path / "link"
        link.symlink_to(target)
        digest, _ = artifacts.put(link)
        assert mode(target) == 0o640
        target.write_bytes(b"changed")
        assert artifacts.verify(digest).read_bytes() == b"elsewhere"

    def test_bytes_that_were_tampered_with_are_found_out(self, artifacts: Artifacts, tmp_path: Path) -> None:
        digest, _ = artifacts.put(file(tmp_path, b"good"))
        path = artifacts.path(digest)
        path.chmod(0o644)
        path.write_bytes(b"evil")
        with pytest.raises(DigestMismatch) as found:
            artifacts.verify(digest)
        assert digest in found.value.message

    def test_a_copy_is_read_only_and_of_its_own(self, artifacts: Artifacts, tmp_path: Path) -> None:
        digest, _ = artifacts.put(file(tmp_path, b"model"))
        copy = tmp_path / "copy"
        artifacts.copy_out(digest, copy)
        assert (copy.read_bytes(), mode(copy)) == (b"model", 0o444)
        copy.chmod(0o644)
        copy.write_bytes(b"edited")
        assert artifacts.verify(digest).read_bytes() == b"model"

    def test_a_copy_overwrites_nothing(self, artifacts: Artifacts, tmp_path: Path) -> None:
        digest, _ = artifacts.put(file(tmp_path, b"model"))
        mine = file(tmp_path, b"mine", "mine")
        with pytest.raises(FileExistsError):
            artifacts.copy_out(digest, mine)
        assert mine.read_bytes() == b"mine"

    def test_what_was_removed_is_gone(self, artifacts: Artifacts, tmp_path: Path) -> None:
        digest, _ = artifacts.put(file(tmp_path, b"x"))
        artifacts.remove(digest)
        artifacts.remove(digest)
        with pytest.raises(NotFound):
            artifacts.path(digest)

    @pytest.mark.parametrize(
        "digest", [_ABSENT, "", "../../../etc/passwd", "ab/../" + "c" * 58, "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "a" * 63 + "\0"]
    )
    def test_what_is_not_here_or_no_digest_is_not_found(self, artifacts: Artifacts, tmp_path: Path, digest: str) -> None:
        asking: list[Callable[[], object]] = [
            lambda: artifacts.path(digest),
            lambda: artifacts.verify(digest),
            lambda: artifacts.copy_out(digest, tmp_path / "copy"),
        ]
        if digest != _ABSENT:
            asking.append(lambda: artifacts.remove(digest))
        for ask in asking:
            with pytest.raises(NotFound) as refused:
                ask()
            assert refused.value.field == "digest"
        assert not (tmp_path / "copy").exists()
