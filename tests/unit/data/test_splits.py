"""Splits: no patient and no picture on two sides, both classes on each, the same every time."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc.core.errors import BadData
from arc.data.splits import SPLITS, Member, split

SHARES = {"train": 0.6, "val": 0.15, "sealed": 0.25}

members = st.lists(
    st.builds(
        Member,
        patient=st.integers(0, 30).map(lambda number: f"P{number}"),
        label=st.sampled_from(["normal", "glaucoma"]),
        sha256=st.integers(0, 200).map(str),
    ),
    min_size=1,
    max_size=120,
)


@given(members=members, seed=st.integers(0, 2**32 - 1))
def test_no_patient_and_no_picture_crosses_and_each_split_has_both_classes(members: list[Member], seed: int) -> None:
    try:
        chosen = split(members, SHARES, seed=seed)
    except BadData:
        return
    for key in ("patient", "sha256"):
        where: dict[str, set[str]] = {}
        for member, name in zip(members, chosen, strict=True):
            where.setdefault(getattr(member, key), set()).add(name)
        assert all(len(names) == 1 for names in where.values())
    for name in SPLITS:
        assert {member.label for member, at in zip(members, chosen, strict=True) if at == name} == {"normal", "glaucoma"}
    assert split(members, SHARES, seed=seed) == chosen


def clinic(patients: int) -> list[Member]:
    return [
        Member(f"P{number}", "glaucoma" if number % 2 else "normal", f"{number}{eye}") for number in range(patients) for eye in ("R", "L")
    ]


def test_the_shares_are_kept_and_the_order_does_not_matter() -> None:
    crowd = clinic(400)
    chosen = split(crowd, SHARES, seed=7)
    assert Counter(chosen) == {"train": 480, "val": 120, "sealed": 200}
    assert split(crowd[::-1], SHARES, seed=7) == chosen[::-1]
    assert split(crowd, SHARES, seed=8) != chosen


def test_thirty_photographs_reach_every_split() -> None:
    chosen = split([Member(str(number), "glaucoma" if number < 15 else "normal", str(number)) for number in range(30)], SHARES, seed=0)
    assert Counter(chosen) == {"train": 18, "val": 4, "sealed": 8}


@pytest.mark.parametrize("patients", [1, 2, 4])
def test_too_few_patients_are_refused_saying_how_many_are_needed(patients: int) -> None:
    with pytest.raises(BadData, match="at least 3 of each class"):
        split(clinic(patients), SHARES, seed=0)


def test_three_of_each_class_are_enough() -> None:
    assert set(split(clinic(6), SHARES, seed=0)) == set(SPLITS)
