"""A sealed folder: whatever happened to a file in it is noticed, and nothing is read twice that need not be."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from arc.artifacts import tree
from arc.core.errors import BadData


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "1"
    (root / "images").mkdir(parents=True)
    for name in ("a.png", "b.png", "ü c.png"):
        (root / "images" / name).write_bytes(name.encode())
    (root / "train.csv").write_text("file\n")
    return root


def test_an_unchanged_folder_holds_and_is_read_once(folder: Path) -> None:
    seal = tree.seal(folder)
    assert tree.check(folder, seal, threads=2) == 4
    assert tree.check(folder, seal) == 0


def test_the_list_is_one_that_sha256sum_reads(folder: Path) -> None:
    tree.seal(folder)
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", tree.LIST], cwd=folder, check=True)


def _rewritten_list(root: Path) -> None:
    (root / "train.csv").write_text("other\n")
    tree.seal(root)


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte": (lambda root: (root / "images" / "b.png").write_bytes(b"B.png"), "b.png"),
    "a label": (lambda root: (root / "train.csv").write_text("elif\n"), "train.csv"),
    "gone": (lambda root: (root / "images" / "b.png").unlink(), "b.png"),
    "added": (lambda root: (root / "images" / "d.png").write_bytes(b"d"), "d.png"),
    "a folder in its place": (lambda root: ((root / "train.csv").unlink(), (root / "train.csv").mkdir()), "train.csv"),
    "a list made anew": (_rewritten_list, tree.LIST),
    "no list": (lambda root: (root / tree.LIST).unlink(), tree.LIST),
}


@pytest.mark.parametrize("checked_before", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_and_named(folder: Path, change: str, checked_before: bool) -> None:
    seal = tree.seal(folder)
    if checked_before:
        tree.check(folder, seal)
    make, name = CHANGES[change]
    make(folder)
    with pytest.raises(BadData, match=name.replace(".", r"\.")) as caught:
        tree.check(folder, seal)
    assert caught.value.field == "dataset"


def test_known_digests_are_taken_as_they_are(folder: Path) -> None:
    known = {"images/a.png": "0" * 64}
    tree.seal(folder, known=known)
    assert f"{'0' * 64}  images/a.png" in (folder / tree.LIST).read_text()
