"""The card of an evaluation: who was judged, and who was not.

A number says nothing of a camera, a clinic or an age that was not among the photographs. The card states what was present, which
columns the dataset does not have, which sites the training had and the judged split has not, and which groups are too small
to be judged alone. `arc.fundus.findings` says the same in sentences.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from arc.data.names import CLASSES
from arc.fundus.measures import SUBGROUPS, Judged

NOT_RECORDED: Final = ("camera", "age", "sex", "ethnicity", "stage of glaucoma", "other diseases of the eye")  # no column of a manifest
FEW: Final = 10  # photographs of a class below which a group says nothing alone


def facts(judged: Sequence[Judged], measured: Mapping[str, Any], *, sites_elsewhere: Iterable[str]) -> dict[str, Any]:
    """The card as JSON values; `sites_elsewhere` are those of photographs that were there for the training's choices."""
    present = {column: _counted(judged, column) for column in SUBGROUPS}
    return {
        "judged_on": {
            "photographs": len(judged),
            "patients": measured["patients"],
            "classes": {name: sum(one.label == index for one in judged) for index, name in enumerate(CLASSES)},
            **present,
        },
        "not_judged": {"site": sorted(set(sites_elsewhere) - set(present["site"]))},
        "not_recorded": [*(column for column in SUBGROUPS if set(present[column]) == {"unknown"}), *NOT_RECORDED],
        "too_few": [
            {"column": column, "value": value, "n": row["n"], "positives": row["positives"]}
            for column, rows in measured["subgroups"].items()
            for value, row in rows.items()
            if min(row["positives"], row["n"] - row["positives"]) < FEW
        ],
    }


def _counted(judged: Sequence[Judged], column: str) -> dict[str, int]:
    counts = Counter(getattr(one, column) or "unknown" for one in judged)
    return {value: counts[value] for value in sorted(counts)}
