"""Routes of datasets: which there are, what is in one, and the upload of an archive. `dataset_work` has those that start work."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from arc.api.routing import ArcRoute, House, Name, operator, viewer
from arc.core.dataset import DatasetVersion, Tracking, Validation
from arc.datasets import uploads

router = APIRouter(route_class=ArcRoute, tags=["datasets"])
_BYTES = {"requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


class DatasetLine(BaseModel):
    """One dataset in the list."""

    name: str
    versions: int
    newest: DatasetVersion


class DatasetList(BaseModel):
    """Every dataset."""

    items: list[DatasetLine]


class DatasetInfo(BaseModel):
    """One dataset with all its versions, the newest validation and the place in DVC of each, and how often each sealed split was read."""

    name: str
    versions: list[DatasetVersion]
    sealed_uses: dict[int, int]
    validations: dict[int, Validation]
    trackings: dict[int, Tracking]


class Uploaded(BaseModel):
    """A file that was sent; `path` is what `archive_path` takes."""

    path: str
    bytes: int
    sha256: str


@router.get("/datasets/list", **viewer)
def list_datasets(house: House) -> DatasetList:
    """Every registered dataset with its newest version."""
    found = [(name, house.datasets.versions(name)) for name in house.datasets.names()]
    return DatasetList(items=[DatasetLine(name=name, versions=len(versions), newest=versions[-1]) for name, versions in found])


@router.get("/datasets/{name}/info", **viewer)
def dataset_info(name: Name, house: House) -> DatasetInfo:
    """The versions of a dataset: digest, counts per class and split, patients, licence, source, last validation, DVC."""
    versions = house.datasets.versions(name)
    return DatasetInfo(
        name=name,
        versions=versions,
        sealed_uses={item.version: len(house.datasets.sealed_uses(name, item.version)) for item in versions},
        validations=house.datasets.validations(name),
        trackings=house.datasets.trackings(name),
    )


@router.post("/datasets/upload", openapi_extra=operator["openapi_extra"] | _BYTES)
async def upload_archive(
    request: Request,
    house: House,
    filename: Annotated[str, Query(max_length=255, description="Its name, of which only the suffix is kept.")] = "",
) -> Uploaded:
    """Send an archive as the body, such as `curl --data-binary @eyes.zip`; the answer's `path` is what unpack takes."""
    most = int(house.settings.max_upload_gb * 1e9)
    folder = house.layout.workspace / "imports"
    found = await uploads.receive(request.stream(), folder, filename=filename, most_bytes=most, clock=house.clock)
    return Uploaded(path=str(found.path), bytes=found.bytes, sha256=found.sha256)
