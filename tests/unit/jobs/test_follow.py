"""Reading a journal: whole lines only, each once, hostile ones reported."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from arc.core.journal import JOURNAL, encode
from arc.jobs import follow


def write(folder: Path, data: bytes) -> None:
    (folder / JOURNAL).write_bytes(data)


def test_no_journal_yet_is_nothing_to_commit(tmp_path: Path) -> None:
    assert follow.read(tmp_path, 0).empty


def test_metrics_progress_and_checkpoints_are_gathered(tmp_path: Path) -> None:
    write(
        tmp_path,
        encode("started", pid=1, step=7, at=0.0)
        + encode("phase", name="train", at=0.5)
        + encode("metrics", s=1, v={"loss": 0.5, "bad": None}, at=1.0)
        + encode("metrics", s=2, v={"loss": 0.25}, at=2.0)
        + encode("progress", done=2, of=10, unit="epoch", eta_s=4.0, values={"loss": 0.25}, at=2.0)
        + encode("checkpoint", step=2, path="checkpoints/a", digest="d", size=3, keep=[], at=2.0),
    )
    piece = follow.read(tmp_path, 0)
    assert piece.points == {"loss": [(1.0, 0.5, 1.0), (2.0, 0.25, 2.0)], "bad": [(1.0, None, 1.0)]}
    assert piece.progress is not None
    assert (piece.progress.done, piece.progress.of, piece.progress.phase) == (2, 10, "train")
    assert piece.checkpoints[0]["step"] == 2
    assert piece.started_from == 7
    assert follow.read(tmp_path, piece.end).empty


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    whole, half = encode("heartbeat", at=1.0), encode("metrics", s=1, v={"loss": 1}, at=1.0)
    write(tmp_path, whole + half[:-5])
    piece = follow.read(tmp_path, 0)
    assert piece.end == len(whole)
    write(tmp_path, whole + half)
    assert follow.read(tmp_path, piece.end).points == {"loss": [(1.0, 1.0, 1.0)]}


def test_the_outcome_is_seen_but_left_for_the_end(tmp_path: Path) -> None:
    first = encode("heartbeat", at=1.0)
    write(tmp_path, first + encode("outcome", status="done", metrics={}, result={}, at=2.0) + encode("heartbeat", at=3.0))
    piece = follow.read(tmp_path, 0)
    assert piece.end == len(first)
    assert piece.outcome is not None
    assert follow.read(tmp_path, piece.end).empty


def test_a_hostile_line_is_reported_and_passed_over(tmp_path: Path) -> None:
    good = encode("metrics", s=1, v={"loss": 1}, at=1.0)
    write(
        tmp_path, b"\xff\xfe{]\n" + b'{"k":"artifact","name":"x","kind":"model","path":"../../etc","digest":"d","size":1,"at":1}\n' + good
    )
    piece = follow.read(tmp_path, 0)
    assert len(piece.warnings) == 2
    assert piece.points
    assert follow.read(tmp_path, piece.end).empty


@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(0, 400))
def test_any_bytes_are_read_without_an_error_and_progress_is_made(tmp_path_factory, lines: list[bytes], cut: int) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("journal")
    data = b"\n".join(lines)[:cut]
    write(folder, data)
    piece = follow.read(folder, 0)
    assert piece.outcome is not None or piece.end == data.rfind(b"\n") + 1


@given(st.integers(0, 10), st.data())
def test_reading_in_any_pieces_gives_the_same_points(tmp_path_factory, count: int, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("journal")
    whole = b"".join(encode("metrics", s=n, v={"loss": n / 7}, at=float(n)) for n in range(count))
    offset, seen = 0, []
    for end in [*sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5))), len(whole)]:
        write(folder, whole[:end])
        piece = follow.read(folder, offset)
        offset = piece.end
        seen += piece.points.get("loss", [])
    assert seen == [(float(n), n / 7, float(n)) for n in range(count)]
