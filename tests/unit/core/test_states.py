"""The state table: which moves there are, and that terminal is final."""

from itertools import product

import pytest

from arc.core import states
from arc.core.errors import Conflict
from arc.core.states import MOVES, TERMINAL, JobStatus, event_of


@pytest.mark.parametrize(("before", "after"), list(product([None, *JobStatus], JobStatus)))
def test_a_move_names_its_event_or_is_a_conflict(before: JobStatus | None, after: JobStatus) -> None:
    if (before, after) in MOVES:
        noun, verb = event_of(before, after).split(".")
        assert noun == "job"
        assert verb
    else:
        with pytest.raises(Conflict) as caught:
            event_of(before, after)
        assert caught.value.field == "status"


def test_terminal_is_final() -> None:
    assert not [move for move in MOVES if move[0] in TERMINAL]


def test_every_status_is_reached_and_every_other_left() -> None:
    reached = {after for _, after in MOVES}
    left = {before for before, _ in MOVES if before}
    assert reached == set(JobStatus)
    assert left == set(JobStatus) - TERMINAL


def test_one_event_tells_where_the_job_went() -> None:
    """A reader of events alone can follow a job: no event but `submitted` stands for two destinations."""
    for event in set(MOVES.values()) - {"job.submitted"}:
        assert len({after for (_, after), named in MOVES.items() if named == event}) == 1, event


def test_the_drawing_names_every_status() -> None:
    assert all(status.value in (states.__doc__ or "") for status in JobStatus)
