"""The order as a file: everything but the secret comes back."""

from dataclasses import replace
from pathlib import Path

import pytest

from arc.core.errors import InvalidSpec
from arc.core.inputs import ResolvedInput
from arc.core.order import dump, load
from arc.core.ports import LaunchOrder

ORDER = LaunchOrder(
    job_id="job_a",
    number=3,
    recipe="fundus.classify",
    params={"lr": 0.1, "layers": [1, 2], "name": None},
    inputs={"dataset": ResolvedInput(ref="dataset:hrf@2", path="/d", splits={"train": "/d/train.csv"}, info={"version": 2})},
    staging=Path("/w/attempts/job_a.3"),
    seed=4294967295,
    threads=2,
    device="cuda",
    gpu_ids=(0, 2),
    checkpoints=(("/w/c", "ab"),),
    memory_gb=1.5,
    simulated=True,
    secret="s3cret",
    control_url="http://127.0.0.1:8000",
)


def test_it_comes_back_as_it_was() -> None:
    assert load(dump(ORDER), secret="s3cret") == ORDER


def test_the_secret_does_not_travel_in_it() -> None:
    assert b"s3cret" not in dump(ORDER)
    assert load(dump(ORDER), secret="") == replace(ORDER, secret="")
    assert "s3cret" not in repr(ORDER)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff"])
def test_a_damaged_one_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidSpec):
        load(data, secret="")
