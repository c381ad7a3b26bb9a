"""Which paths a request may name."""

import os
from pathlib import Path

import pytest

from arc.core.errors import Forbidden, InvalidSpec, NotFound
from arc.jobs.paths import Layout


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    for name in ("ws/datasets", "ws/sealed", "ws/secrets", "photos", "photos-evil"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (tmp_path / "photos-evil" / "a.jpg").write_bytes(b"x")
    (tmp_path / "ws" / "secrets" / "token").write_text("secret")
    return Layout(tmp_path / "ws", (tmp_path / "photos",))


def test_a_file_in_a_declared_root_is_named(layout: Layout, tmp_path: Path) -> None:
    assert layout.named(str(tmp_path / "photos" / "a.jpg"), field="inputs.archive") == tmp_path / "photos" / "a.jpg"


@pytest.mark.parametrize(
    "where",
    [
        "photos-evil/a.jpg",
        "photos/../photos-evil/a.jpg",
        "ws/secrets/token",
        "ws/sealed",
        "ws/arc.db",
        "photos/../ws/secrets/token",
        "nowhere/at/all",
    ],
)
def test_everything_else_is_forbidden_whether_it_exists_or_not(layout: Layout, tmp_path: Path, where: str) -> None:
    with pytest.raises(Forbidden) as refused:
        layout.named(str(tmp_path / where), field="inputs.archive")
    assert refused.value.field == "inputs.archive"


def test_a_link_that_leads_out_is_forbidden(layout: Layout, tmp_path: Path) -> None:
    (tmp_path / "photos" / "link").symlink_to("/etc/hostname")
    with pytest.raises(Forbidden):
        layout.named(str(tmp_path / "photos" / "link"), field="x")


def test_a_fifo_a_relative_path_and_a_missing_file_are_refused_by_name(layout: Layout, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "photos" / "pipe")
    with pytest.raises(InvalidSpec, match="neither"):
        layout.named(str(tmp_path / "photos" / "pipe"), field="x")
    with pytest.raises(InvalidSpec, match="absolute"):
        layout.named("photos/a.jpg", field="x")
    with pytest.raises(NotFound):
        layout.named(str(tmp_path / "photos" / "missing.jpg"), field="x")


def test_a_tampered_row_does_not_lead_out_of_the_workspace(layout: Layout) -> None:
    with pytest.raises(Forbidden):
        layout.stored("../photos/a.jpg")
    with pytest.raises(Forbidden):
        layout.stored("/etc/passwd")
