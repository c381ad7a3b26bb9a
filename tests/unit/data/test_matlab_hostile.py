"""A MATLAB file that lies, crashes its reader or points at other files is refused within limits and leaves nothing behind."""

import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image

from arc.core.errors import BadData, CallerError, TooLarge
from arc.data.matlab import expand
from arc.data.matlab_values import MatLimits
from tests.unit.data import matlab_files as files
from tests.unit.data.matlab_files import DOUBLES, INT32, UINT8, element, header, matrix, put, version_73

pytestmark = pytest.mark.slow  # each file gets a child of its own

SECRET = bytes(range(256)) * 4
PICTURES = np.random.default_rng(3).integers(0, 256, (32, 32, 4), np.uint8)
VALUES = element(UINT8, PICTURES.tobytes(order="F"))
GOOD = matrix("images", PICTURES.shape, VALUES)


def outcome(path: Path) -> CallerError:
    """The refusal of a file; nothing is left of what was read, and the folder holds what it held."""
    before = sorted(path.parent.iterdir())
    with pytest.raises((BadData, TooLarge)) as caught:
        expand(path, path.parent / "out", limits=MatLimits())
    assert sorted(path.parent.iterdir()) == before
    assert str(path.parent) not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


def nested(depth: int) -> bytes:
    """A cell in a cell in a cell."""
    inner = matrix("", (1, 1), element(UINT8, b"\1"))
    for _ in range(depth):
        inner = matrix("", (1, 1), inner, code=files.CELL)
    return matrix("images", (1, 1), inner, code=files.CELL)


def sparse(rows: bytes) -> bytes:
    values = element(INT32, rows) + element(INT32, struct.pack("<2i", 0, 1)) + element(files.DOUBLE, struct.pack("<d", 1.0))
    return matrix("images", (20, 20), values, code=files.SPARSE)


VERSION_5: dict[str, tuple[bytes, str]] = {
    "header_only": (header(), "holds no variable"),
    "empty": (b"", "no MATLAB file"),
    "all_zero": (bytes(4096), "no MATLAB file"),
    "bad_endian": (header(b"\x00\x01XX") + GOOD, "no MATLAB file"),
    "wrong_endian": (header(b"\x01\x00MI") + GOOD, "takes"),
    "random": (random.Random(5).randbytes(4096), "no MATLAB file"),
    "v4_huge": (struct.pack("<5i", 0, 2**30, 2**30, 0, 2) + b"x\0" + bytes(64), "version 4"),
    "cut_tag": (header() + GOOD + b"\x0e\0\0", "takes"),
    "tag_len_lie": (header() + matrix("images", PICTURES.shape, VALUES, count=0xFFFFFFF0), "are left"),
    "inner_len_lie": (header() + matrix("images", PICTURES.shape, element(UINT8, bytes(64), count=0x7FFFFFFF)), "850 MB"),
    "dims_overflow": (header() + matrix("images", (2**31 - 1, 2**31 - 1, 2**31 - 1), VALUES), "bytes"),
    "dims_more_than_values": (header() + matrix("images", (32, 32, 400), VALUES), "cannot be read"),
    "dims_negative": (header() + matrix("images", (-32, 32, 4), VALUES), "sides"),
    "dims_none": (header() + matrix("images", (), VALUES), "cut off"),
    "dims_one": (header() + matrix("images", (4096,), VALUES), "sides"),
    "dims_many": (header() + matrix("images", (1,) * 400, VALUES), "sides"),
    "cell_dims": (header() + matrix("images", (2**20, 2**11), GOOD, code=files.CELL), "bytes"),
    "cell_in_cell_dims": (header() + matrix("images", (1, 1), matrix("", (2**20, 2**11), b"", code=files.CELL), code=files.CELL), "850 MB"),
    "zlib_bomb": (
        header() + files.compressed(matrix("images", (32, 32, 200_000), element(UINT8, bytes(32 * 32 * 200_000)))),
        "times as much",
    ),
    "zlib_hidden_bomb": (
        header() + files.compressed(matrix("images", (1, 1), element(UINT8, bytes(10**8)), code=files.CELL)),
        "times as much",
    ),
    "zlib_cut": (header() + struct.pack("<II", 15, 400) + zlib.compress(GOOD)[:400], "cannot be read"),
    "zlib_garbage": (header() + struct.pack("<II", 15, 400) + b"\xff" * 400, "cannot be inflated"),
    "zlib_in_zlib": (header() + files.compressed(files.compressed(GOOD)), "unknown type 15"),
    "nested_cells_3000": (header() + nested(3000), "no variable holds photographs"),
    "sparse_oob": (header() + sparse(struct.pack("<i", 2**30)), "sparse"),
    "sparse_in_cell": (header() + matrix("images", (1, 1), sparse(struct.pack("<i", -7)), code=files.CELL), "cannot be read"),
    "opaque_class": (header() + GOOD + files.opaque("things", "table"), "things"),
    "opaque_in_cell": (header() + matrix("things", (1, 1), files.opaque("", "string"), code=files.CELL), "things"),
    "function_class": (header() + GOOD + matrix("f", (1, 1), matrix("", (1, 1), b""), code=files.FUNCTION), "variable f is"),
    "object_class": (header() + GOOD + matrix("o", (1, 1), element(files.INT8, b"polynom"), code=3), "variable o is"),
    "unknown_class": (header() + matrix("images", PICTURES.shape, VALUES, code=99), "unknown class 99"),
    "name_evil": (header() + matrix("__import__('os').system('id')", PICTURES.shape, VALUES), "no name of a variable"),
    "name_path": (header() + matrix("../../etc/passwd", PICTURES.shape, VALUES), "no name of a variable"),
    "name_dunder": (header() + matrix("__class__", PICTURES.shape, VALUES), "no name of a variable"),
    "name_long": (header() + matrix("n" * 70_000, PICTURES.shape, VALUES), "70,000 characters"),
    "name_twice": (header() + GOOD + GOOD, "occurs twice"),
    "nan_inf": (
        header() + matrix("images", (20, 20), element(files.DOUBLE, struct.pack("<d", float("nan")) * 400), code=DOUBLES),
        "images holds NaN",
    ),
    **{
        f"mdtype_{kind}": (
            header() + matrix("images", PICTURES.shape, struct.pack("<II", kind, 4096) + bytes(4096)),
            "" if kind < 2**31 - 1 else "cannot be read",  # scipy reads beyond its table: a crash, or another error, by chance
        )
        for kind in (0, 8, 19, 255, 65_535, 2**31 - 1)
    },
}


@pytest.mark.parametrize("name", VERSION_5)
def test_a_hostile_file_of_version_5_is_refused(tmp_path: Path, name: str) -> None:
    data, says = VERSION_5[name]
    (tmp_path / "given.mat").write_bytes(data)
    assert says in outcome(tmp_path / "given.mat").message


def external_storage(file: h5py.File, secret: Path) -> None:
    files.classed(file, "images", "uint8", lambda at, name: at.create_dataset(name, (32, 32), "u1", external=[(str(secret), 0, 1024)]))


def external_link(file: h5py.File, secret: Path) -> None:
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        put(other, "images", PICTURES)
    file["images"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/images")


def external_link_in_struct(file: h5py.File, secret: Path) -> None:
    put(file, "data", {"label": 1.0})["images"] = h5py.ExternalLink(str(secret.with_suffix(".h5")), "/images")


def virtual(file: h5py.File, secret: Path) -> None:
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        put(other, "images", PICTURES)
    window = h5py.VirtualLayout((4, 32, 32), "u1")
    window[...] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "images", (4, 32, 32))
    files.classed(file, "images", "uint8", lambda at, name: at.create_virtual_dataset(name, window))


def soft_loop(file: h5py.File, _: Path) -> None:
    file["images"], file["other"] = h5py.SoftLink("/other"), h5py.SoftLink("/images")


def hard_loop(file: h5py.File, _: Path) -> None:
    data = put(file, "data", {"label": 1.0})
    data["images"] = data


def reference_loop(file: h5py.File, _: Path) -> None:
    cell = put(file, "images", [1.0])
    cell[0, 0] = cell.ref


def wide_loop(file: h5py.File, _: Path) -> None:
    data = put(file, "data", {"label": 1.0})
    for at in range(500):
        data[f"images{at}"] = data


def bomb(chunks: tuple[int, ...]) -> Callable[[h5py.File, Path], None]:
    def build(file: h5py.File, _: Path) -> None:
        shape = (10**6, 512, 512)
        files.classed(file, "images", "uint8", lambda at, name: at.create_dataset(name, shape, "u1", chunks=chunks, compression="gzip"))

    return build


def unallocated(file: h5py.File, _: Path) -> None:
    files.classed(file, "images", "uint8", lambda at, name: at.create_dataset(name, (400, 512, 512), "u1", chunks=(1, 512, 512)))


def many_references(file: h5py.File, _: Path) -> None:
    files.references(file, "images", [files.refer(file, np.zeros((512, 512), np.uint8))] * 2_000).attrs["MATLAB_class"] = np.bytes_("cell")


def filtered(**options: object) -> Callable[[h5py.File, Path], None]:
    return lambda file, _: put(file, "images", PICTURES, **options) and None


def null_reference(file: h5py.File, _: Path) -> None:
    files.classed(file, "images", "cell", lambda at, name: at.create_dataset(name, (3, 1), h5py.ref_dtype))


def region_reference(file: h5py.File, _: Path) -> None:
    files.classed(file, "images", "cell", lambda at, name: at.create_dataset(name, (3, 1), h5py.regionref_dtype))


def named_type(file: h5py.File, _: Path) -> None:
    file["images"] = np.dtype("u1")


def long_class(file: h5py.File, _: Path) -> None:
    put(file, "images", PICTURES, bare=True).attrs["MATLAB_class"] = "uint8"  # of variable length


def no_class(file: h5py.File, _: Path) -> None:
    put(file, "images", PICTURES, bare=True)


def other_class(kind: str) -> Callable[[h5py.File, Path], None]:
    def build(file: h5py.File, _: Path) -> None:
        put(file, "things", PICTURES, bare=True).attrs["MATLAB_class"] = np.bytes_(kind)

    return build


def opaque(file: h5py.File, _: Path) -> None:
    put(file, "things", np.zeros((1, 6), np.uint32)).attrs["MATLAB_object_decode"] = np.int32(3)


def evil_name(name: str) -> Callable[[h5py.File, Path], None]:
    return lambda file, _: put(file, name, PICTURES) and None


def not_finite(file: h5py.File, _: Path) -> None:
    put(file, "images", np.where(PICTURES[0, 0, 0] == PICTURES, np.inf, 0.5))


VERSION_73: dict[str, tuple[Callable[[h5py.File, Path], None], str]] = {
    "external_storage": (external_storage, "external storage"),
    "external_link": (external_link, "link"),
    "external_link_in_struct": (external_link_in_struct, "link"),
    "virtual_dataset": (virtual, "virtual dataset"),
    "soft_loop": (soft_loop, "link"),
    "hard_loop": (hard_loop, "no variable holds photographs"),
    "reference_loop": (reference_loop, "no variable holds photographs"),
    "wide_loop": (wide_loop, ""),
    "chunk_bomb": (bomb((1, 512, 512)), "hold 262,144,000,000 bytes"),
    "large_chunk_bomb": (bomb((10_000, 512, 512)), "chunks of 2,621,440,000 bytes"),
    "unallocated": (unallocated, "times as much"),
    "many_references": (many_references, "times as much"),
    "filter_lzf": (filtered(compression="lzf"), "filter 32000"),
    "filter_scaleoffset": (filtered(scaleoffset=0), "filter 6"),
    "null_reference": (null_reference, "refers to nothing"),
    "region_reference": (region_reference, "no references to objects"),
    "named_type": (named_type, "neither an array nor a struct"),
    "class_of_any_length": (long_class, "no short text"),
    "no_class": (no_class, "not written by MATLAB"),
    "function_class": (other_class("function_handle"), "variable things is of class function_handle"),
    "table_class": (other_class("table"), "variable things is of class table"),
    "lying_class": (other_class("double"), "says that it is double"),
    "opaque_class": (opaque, "variable things is of class"),
    "name_evil": (evil_name("__import__('os')"), "no name of a variable"),
    "name_long": (evil_name("n" * 5000), "5000 characters"),
    "nan_inf": (not_finite, "images holds NaN or infinite"),
}


@pytest.mark.parametrize("name", VERSION_73)
def test_a_hostile_file_of_version_73_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.bin").write_bytes(SECRET)
    build, says = VERSION_73[name]
    with version_73(tmp_path / "given.mat") as file:
        build(file, tmp_path / "secret.bin")
    assert says in outcome(tmp_path / "given.mat").message


@pytest.mark.parametrize("address", [0, 1, 7, 96, 2_000, 10**6, 2**63, 2**64 - 1])
def test_a_reference_to_anywhere_is_refused(tmp_path: Path, address: int) -> None:
    path = tmp_path / "given.mat"
    with version_73(path) as file:
        place = put(file, "images", [PICTURES[..., 0], PICTURES[..., 1]]).id.get_offset()
    with path.open("r+b") as handle:
        handle.seek(place)
        handle.write(struct.pack("<Q", address))
    outcome(path)


def test_good_files_of_both_versions_pass_the_child_with_equal_pixels(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "good.mat", {"images": PICTURES, "labels": np.arange(4) % 2}, do_compression=True)
    (tmp_path / "plain.mat").write_bytes(header() + GOOD)
    with version_73(tmp_path / "v73_good.mat") as file:
        put(file, "images", PICTURES, chunks=(2, 32, 16), compression="gzip", shuffle=True, fletcher32=True)
        put(file, "labels", np.arange(4.0) % 2)
    for name, labelled in (("good", 4), ("plain", 0), ("v73_good", 4)):
        out = expand(tmp_path / f"{name}.mat", tmp_path / name, limits=MatLimits())
        assert (out.images, out.labelled, out.warnings) == (4, labelled, ())
        for at, path in enumerate(sorted((tmp_path / name / "images").iterdir())):
            with Image.open(path) as image:
                assert (np.asarray(image) == PICTURES[..., at]).all()
