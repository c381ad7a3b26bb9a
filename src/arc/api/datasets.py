"""Routes of datasets: which there are, and what is in one."""

from fastapi import APIRouter
from pydantic import BaseModel

from arc.api.routing import ArcRoute, House, Name, viewer
from arc.core.dataset import DatasetVersion

router = APIRouter(route_class=ArcRoute, tags=["datasets"])


class DatasetLine(BaseModel):
    """One dataset in the list."""

    name: str
    versions: int
    newest: DatasetVersion


class DatasetList(BaseModel):
    """Every dataset."""

    items: list[DatasetLine]


class DatasetInfo(BaseModel):
    """One dataset with all its versions, and how often each sealed split was read."""

    name: str
    versions: list[DatasetVersion]
    sealed_uses: dict[int, int]


@router.get("/datasets/list", **viewer)
def list_datasets(house: House) -> DatasetList:
    """Every registered dataset with its newest version."""
    found = [(name, house.datasets.versions(name)) for name in house.datasets.names()]
    return DatasetList(items=[DatasetLine(name=name, versions=len(versions), newest=versions[-1]) for name, versions in found])


@router.get("/datasets/{name}/info", **viewer)
def dataset_info(name: Name, house: House) -> DatasetInfo:
    """The versions of a dataset: digest, counts per class and split, patients, licence, source."""
    versions = house.datasets.versions(name)
    uses = {item.version: len(house.datasets.sealed_uses(name, item.version)) for item in versions}
    return DatasetInfo(name=name, versions=versions, sealed_uses=uses)
