"""Archives in archives: reported, and unpacked only when asked, under limits that they share."""

import bz2
import gzip
import lzma
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from arc.core.errors import BadData, InvalidSpec, TooLarge
from arc.data.archive import unpack
from arc.data.members import Limits
from tests.unit.data.packers import SMALL, bounded, seven_zip_of, special, take, tar_of, zip_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

INNER = zip_of(("photo.txt", b"inner"))
GOOD = (
    ("site/a.zip", INNER),
    ("site/b.tar.gz", gzip.compress(tar_of(("b.txt", b"b"), ("c.7z", seven_zip_of(("c.txt", b"c")))))),
    ("unnamed", tar_of(("d.txt", b"d"))),
    ("labels.xlsx", INNER),
    ("volume.nii.gz", gzip.compress(b"no tar" * 200)),
)


def files(tmp_path: Path) -> set[str]:
    out = tmp_path / "work/out"
    return {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}


def test_archives_inside_are_reported_and_left_alone(tmp_path: Path) -> None:
    out = take(tmp_path, zip_of(*GOOD, ("old.rar", b"Rar!\x1a\x07\0")))
    assert out.nested_found == ("site/a.zip", "site/b.tar.gz", "unnamed", "old.rar")
    assert out.files == len(files(tmp_path)) == 6


def test_asked_for_each_lands_in_a_folder_beside_itself(tmp_path: Path) -> None:
    out = take(tmp_path / "one", zip_of(*GOOD), nested=1)
    assert out.nested_found == ("site/b/c.7z",)
    new = {"site/a/photo.txt", "site/b/b.txt", "site/b/c.7z", "unnamed.unpacked/d.txt"}
    assert files(tmp_path / "one") == new | {name for name, _ in GOOD}
    out = take(tmp_path / "two", zip_of(*GOOD), nested=2)
    assert out.nested_found == ()
    assert (tmp_path / "two/work/out/site/b/c/c.txt").read_bytes() == b"c"
    assert out.files == len(files(tmp_path / "two"))


@pytest.mark.parametrize(
    ("inner", "says"),
    [
        (zip_of(("../evil", b"1")), "in 'a/x.zip': member '../evil'"),
        (zip_of(("C:evil", b"1")), "foreign"),
        (tar_of(special("link", tarfile.SYMTYPE, link="..")), "only files and folders"),
        (b"Rar!\x1a\x07\0", "RAR"),
        (INNER[:-30], "in 'a/x.zip'"),
        (zip_of(("d/" * 19 + "f", b"1")), "deeper"),
    ],
)
def test_what_is_wrong_inside_refuses_all_of_it(tmp_path: Path, inner: bytes, says: str) -> None:
    with pytest.raises(BadData, match=says):
        take(tmp_path, zip_of(("ok", b"1"), ("a/x.zip", inner)), nested=1)


@pytest.mark.parametrize("other", ["x/file", "X/file", "x"])
def test_its_folder_is_its_own(tmp_path: Path, other: str) -> None:
    with pytest.raises(BadData, match="collide"):
        take(tmp_path, zip_of(("x.zip", INNER), (other, b"1")), nested=1)
    with pytest.raises(BadData, match="collide"):
        take(tmp_path / "two", zip_of(("x.zip", INNER), ("x.tar.gz", gzip.compress(tar_of(("a", b"1"))))), nested=1)


def _bomb(levels: int) -> bytes:
    data = zip_of(("zeros", bytes(1_000_000)), method=zipfile.ZIP_DEFLATED)
    for _ in range(levels):
        data = zip_of(*((f"{index}.zip", data) for index in range(12)), method=zipfile.ZIP_DEFLATED)
    return data


def test_a_bomb_in_layers_is_stopped_by_what_all_share(tmp_path: Path) -> None:
    data = _bomb(3)
    assert take(tmp_path / "closed", data, nested=0).files == 12
    with pytest.raises(TooLarge, match="times its size"):
        take(tmp_path / "bytes", data, nested=3, limits=Limits(ratio_from=1000_000))
    with pytest.raises(TooLarge, match="max_files"):
        take(tmp_path / "files", data, nested=3, limits=Limits(files=100))
    with pytest.raises(TooLarge, match="max_extracted_gb"):
        take(tmp_path / "total", data, nested=3, limits=Limits(bytes_out=5_000_000))
    (tmp_path / "child").mkdir()
    with pytest.raises(TooLarge):
        bounded(tmp_path / "child", data, nested=3)


@pytest.mark.parametrize("nested", [-1, 4])
def test_levels_are_few(tmp_path: Path, nested: int) -> None:
    with pytest.raises(InvalidSpec, match="3 levels"):
        take(tmp_path, zip_of(*GOOD), nested=nested)


MEMBERS = [(f"{index}.txt", os.urandom(30_000)) for index in range(20)]
TAR = tar_of(*MEMBERS)


@pytest.mark.parametrize(
    "data",
    [
        zip_of(*MEMBERS),
        seven_zip_of(*MEMBERS),
        TAR,
        gzip.compress(TAR, 1),
        bz2.compress(TAR, 1),
        lzma.compress(TAR, preset=0),
        zstd.compress(TAR),
        zip_of(("in.zip", zip_of(*MEMBERS))),
    ],
    ids=["zip", "7z", "tar", "gz", "bz2", "xz", "zst", "nested"],
)
def test_progress_rises_to_one_in_every_format(tmp_path: Path, data: bytes) -> None:
    source = tmp_path / "a"
    source.write_bytes(data)
    said: list[float] = []
    unpack(source, tmp_path / "out", limits=SMALL, tell=said.append, nested=1)
    assert len(said) >= 20
    assert said == sorted(said)
    assert said[-1] == 1.0


def test_whoever_listens_may_stop_it(tmp_path: Path) -> None:
    def stop(share: float) -> None:
        raise KeyboardInterrupt

    source = tmp_path / "a"
    source.write_bytes(tar_of(*MEMBERS))
    with pytest.raises(KeyboardInterrupt):
        unpack(source, tmp_path / "out", limits=SMALL, tell=stop)
    assert not (tmp_path / "out").exists()
