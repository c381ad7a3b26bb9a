"""Tables of scalars are read as they grow, whole lines only, whatever else is in them."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from arc.external.scalars import Table


def test_a_table_is_read_as_it_grows_and_a_broken_off_line_waits(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("epoch,loss,note\n1,0.5,good\n2,0.")
    table = Table(path)
    assert list(table.new()) == [(1, {"loss": 0.5})]
    path.write_text("epoch,loss,note\n1,0.5,good\n2,0.25,\n3,nope,\n")
    assert list(table.new()) == [(2, {"loss": 0.25})]


def test_a_table_that_is_begun_anew_tells_no_step_twice_in_reverse(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 2}\n{"step": 2, "loss": 1.0, "done": true}\n')
    table = Table(path)
    assert list(table.new()) == [(1, {"loss": 2.0}), (2, {"loss": 1.0})]
    path.write_text('{"step": 1, "loss": 2}\n')
    assert list(table.new()) == []


def test_without_a_column_for_the_step_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("loss\n3\n2\n")
    assert list(Table(tmp_path / "metrics.csv").new()) == [(1, {"loss": 3.0}), (2, {"loss": 2.0})]


@given(st.binary(max_size=400), st.sampled_from(["m.csv", "m.jsonl"]))
def test_whatever_is_in_the_file_it_is_read_without_an_error(data: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(b"step,loss\n" + data + b"\n")
        for step, values in Table(path).new():
            assert step >= 0
            assert values


@given(st.lists(st.floats(-1e6, 1e6), max_size=30), st.integers(1, 200))
def test_in_however_many_pieces_it_is_written_each_point_comes_once(losses: list[float], piece: int) -> None:
    text = "".join(json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in enumerate(losses)).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.jsonl"
        path.touch()
        table, found = Table(path), []
        for start in range(0, len(text), piece):
            with path.open("ab") as file:
                file.write(text[start : start + piece])
            found += table.new()
    assert found == [(step, {"loss": loss}) for step, loss in enumerate(losses)]
