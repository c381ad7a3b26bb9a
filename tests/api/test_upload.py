"""An archive sent as the body of a request arrives whole, under a name of the house, or leaves nothing."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.serving import House


def imports(house: House) -> Path:
    return house.app.layout.workspace / "imports"


def kept(house: House) -> list[Path]:
    folder = imports(house)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def test_an_upload_arrives_whole_and_can_be_named_as_a_path(admin: httpx.Client, house: House) -> None:
    data = bytes(range(256)) * 5000
    answer = admin.post("/datasets/upload", params={"filename": "../../Eyes of 2026.tar.gz"}, content=data)
    assert answer.status_code == 200, answer.text
    said = answer.json()
    assert (said["bytes"], said["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    (file,) = kept(house)
    assert said["path"] == str(file)
    assert file.name.startswith("upload_")
    assert file.name.endswith(".tar.gz")
    assert file.read_bytes() == data
    assert file.stat().st_mode & 0o777 == 0o600
    assert house.app.layout.named(said["path"], field="archive_path") == file.resolve()


@pytest.fixture
def house(start: Callable[..., House]) -> House:
    return start(max_upload_gb=0.002)


@pytest.mark.parametrize("name", ["", "noname", "..", "/etc/passwd", "a.\n", "x" * 255, "é.zi/p"])
def test_whatever_the_name_is_it_is_no_path(admin: httpx.Client, house: House, name: str) -> None:
    answer = admin.post("/datasets/upload", params={"filename": name}, content=b"x")
    assert answer.status_code == 200
    assert {file.parent for file in kept(house)} == {imports(house)}


def test_an_empty_upload_is_refused_and_leaves_nothing(admin: httpx.Client, house: House) -> None:
    answer = admin.post("/datasets/upload", content=b"")
    assert (answer.status_code, answer.json()["field"]) == (422, "body")
    assert kept(house) == []


def test_too_large_an_upload_is_cut_off_and_leaves_nothing(admin: httpx.Client, house: House) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield b"0" * 65536

    with contextlib.suppress(httpx.TransportError):  # the server answers and closes while we still send
        assert admin.post("/datasets/upload", content=endless()).status_code == 413
    assert kept(house) == []


def test_a_sender_that_breaks_off_leaves_nothing(admin: httpx.Client, house: House) -> None:
    def broken() -> Iterator[bytes]:
        yield b"0" * 100_000
        raise ConnectionError("the cable was pulled")

    with pytest.raises(ConnectionError):
        admin.post("/datasets/upload", content=broken())
    admin.get("/health")
    assert kept(house) == []


def test_a_viewer_may_not_upload(house: House) -> None:
    with house.client("viewer") as viewer:
        assert viewer.post("/datasets/upload", content=b"x").status_code == 403
    assert kept(house) == []
