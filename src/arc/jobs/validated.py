"""Validated: a dataset that failed its validation is not trained on, unless the failures are accepted by name.

Asked when a job is submitted, so that whoever submits hears of it, and again when an attempt starts, because a
validation may have been done in between. A version that was never validated may be trained on.
"""

from arc.core.dataset import DatasetVersion
from arc.core.errors import Conflict
from arc.core.inputs import InputRef
from arc.store import datasets
from arc.store.engine import Tx


def overridden(tx: Tx, version: DatasetVersion, ref: InputRef, *, field: str) -> tuple[str, ...]:
    """The failed checks of the newest validation, each of which the reference accepts; Conflict naming one that it does not."""
    last = datasets.last_validation(tx, version.name, version.version)
    failed = () if last is None else last.failed
    refused = [check for check in failed if check not in ref.accept]
    if refused:
        raise Conflict(
            f"{version.ref} failed its validation ({', '.join(refused)}; job {last and last.job_id}); mend it, or accept each by its name: "
            f"dataset:{version.ref}?accept={','.join(failed)}",
            field=field,
            value=version.ref,
        )
    return failed
