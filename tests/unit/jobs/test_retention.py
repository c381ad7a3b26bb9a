"""Which checkpoints retention lets go, whatever they are."""

from hypothesis import given
from hypothesis import strategies as st

from arc.core.artifact import Artifact, ArtifactKind
from arc.jobs.retention import superfluous
from tests.unit.jobs.making import MOMENT


def row(step: int, *, pinned: bool = False, attempt: int = 1) -> Artifact:
    return Artifact(
        id=f"art_{attempt}_{step}", job_id="job_1", attempt=attempt, name=f"{step}", kind=ArtifactKind.CHECKPOINT, digest="ab" * 32, size_bytes=1,
        path=f"{step}", step=step, published=False, created_at=MOMENT, pinned=pinned,
    )  # fmt: skip


CASES = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=12)  # whole, pinned; newest first


@given(CASES, st.integers(1, 4), st.integers(-1, 12))
def test_the_newest_whole_ones_the_best_and_the_pinned_stay(drawn: list[tuple[bool, bool]], keep: int, best: int) -> None:
    found = [row(len(drawn) - place, pinned=pinned) for place, (_, pinned) in enumerate(drawn)]
    whole = {one.id: is_whole for one, (is_whole, _) in zip(found, drawn, strict=True)}
    going = superfluous(found, keep=keep, best=(1, best), whole=lambda one: whole[one.id])
    staying = [one for one in found if one not in going]
    assert [one for one in staying if whole[one.id]][:keep] == [one for one in found if whole[one.id]][:keep]
    assert not any(one.pinned or one.step == best for one in going)
    if sum(whole.values()) < keep:
        assert going == []
    assert going == [one for one in found if one in going]


def test_the_best_is_known_by_its_attempt_too() -> None:
    found = [row(3, attempt=2), row(1, attempt=2), row(1, attempt=1)]
    assert superfluous(found, keep=1, best=(2, 1), whole=lambda _: True) == [found[2]]


def test_no_byte_is_read_beyond_the_ones_that_are_kept() -> None:
    read: list[int | None] = []

    def whole(one: Artifact) -> bool:
        read.append(one.step)
        return True

    superfluous([row(step) for step in (5, 4, 3, 2, 1)], keep=2, best=None, whole=whole)
    assert read == [5, 4]
