"""The dataset that a route of the field is given: by name, or as the folder that older programs name.

A folder is no second kind of dataset. It stands for the version whose folder it is, or for the newest version that was
registered from it; one that never was is registered first, under its own name and with the split that the seed 0 gives, and the
work waits for that job. What has changed in a folder since it was registered is not seen: register it again.
"""

import re

from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from arc.api import work
from arc.api.options import DATASET, dataset_ref, renamed
from arc.api.routing import House
from arc.core.errors import CallerError, Conflict, InvalidSpec
from arc.core.job import JobRequest

_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")


class OfDataset(BaseModel):
    """Which dataset; exactly one of `dataset` and `dataset_path` names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    dataset: str | None = Field(None, pattern=DATASET, description="Name of a registered dataset, with @VERSION or its newest.")
    dataset_path: str | None = Field(
        None, min_length=1, max_length=4096, description="Folder of a dataset; it is registered first when it never was."
    )


async def dataset_of(wanted: OfDataset, house: House, *, actor: str, key: str | None) -> str:
    """The reference of the dataset. Forbidden outside the data roots; Conflict when the folder's name is that of another dataset."""
    if (wanted.dataset is None) == (wanted.dataset_path is None):
        raise InvalidSpec("give exactly one of dataset and dataset_path", field="dataset")
    if wanted.dataset_path is None:
        return dataset_ref(str(wanted.dataset))
    path = wanted.dataset_path
    folder = await run_in_threadpool(lambda: house.layout.named(path, field="dataset_path"))
    known = await run_in_threadpool(house.datasets.registered_from, folder)
    if known is not None:
        return dataset_ref(known.ref)
    name = _STRANGE.sub("-", folder.name).strip("-_")[:128] or "dataset"
    if name in await run_in_threadpool(house.datasets.names):
        raise Conflict(
            f"dataset_path is not registered, and another dataset is called {name}: register it under a name", field="dataset_path"
        )
    first = JobRequest(recipe="data.register", params={"name": name}, inputs={"folder": f"path:{folder}"}, seed=0)
    try:
        job = await work.submit(house, first, actor=actor, key=key and f"{key}:dataset")
    except CallerError as error:
        raise renamed(error, {"inputs.folder": "dataset_path"}) from None
    return f"job:{job.id}/dataset"
