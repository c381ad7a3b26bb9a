"""Routes of datasets that start work: unpack, register, preprocess, split, validate, drift, track, checkout.

The body of each is what its recipe takes, under the names that people of this field use, and how the job is run; it is
made from the recipe's own parameters, so that neither can forget one of the other. Each answers within ten minutes with
the result, or 202 with where to look.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field, ValidationError, create_model
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from arc import catalog
from arc.api import work
from arc.api.options import DATASET, dataset_ref, renamed
from arc.api.routing import ArcRoute, Asker, House, Key, Name, Wait, operator
from arc.api.views import WorkDone
from arc.core.dataset import DatasetVersion
from arc.core.errors import CallerError, Conflict, InvalidSpec
from arc.core.job import JobRequest, WorkOptions
from arc.core.states import JobStatus

router = APIRouter(route_class=ArcRoute, tags=["work"])
WAIT_S = 600.0
Ref = Annotated[str, Field(pattern=DATASET, description="Name of a registered dataset, with @VERSION or its newest.")]
SomePath = Annotated[str, Field(min_length=1, max_length=4096, description="An absolute path in a data root or among the uploads.")]
Version = Annotated[int, Path(ge=1, lt=2**31, description="A version of the dataset.")]
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


def body_of(
    title: str, recipe: str, *, leave_out: tuple[str, ...] = (), names: Mapping[str, str] | None = None, **inputs: Any
) -> type[WorkOptions]:
    """The request of a route: options, the recipe's parameters (renamed by `names`: recipe's -> route's), and the inputs."""
    spec = catalog.spec(recipe)
    ours = names or {}
    fields: dict[str, Any] = {
        ours.get(name, name): (info.annotation, info) for name, info in spec.params.model_fields.items() if name not in leave_out
    }
    return create_model(title, __base__=WorkOptions, __doc__=spec.title, **fields, **inputs)


Unpack = body_of("UnpackDataset", "data.unpack", names={"name": "dataset_name"}, archive_path=(SomePath, ...))
Register = body_of(
    "RegisterDataset", "data.register", names={"name": "dataset_name"}, dataset_dir=(SomePath, ...),
    push_to_dvc=(bool, Field(False, description="Also keep the version with DVC and push it to the remote.")),
)  # fmt: skip
Preprocess = body_of("PreprocessDataset", "data.preprocess", names={"name": "dataset_name"}, dataset=(Ref, ...))
Split = body_of("SplitDataset", "data.split", names={"name": "dataset_name"}, dataset=(Ref, ...))
ValidateFolder = body_of("ValidateStructure", "data.validate", dataset_path=(SomePath, ...))
ValidateVersion = body_of(
    "ValidateVersion", "data.validate", leave_out=("dataset_name", "max_files"),
    version=(int | None, Field(None, ge=1, lt=2**31, description="Its version; the newest when null.")),
)  # fmt: skip
Drift = body_of(
    "CompareDatasets", "data.drift", reference=(Ref, ...), current=(Ref | None, None),
    recent_path=(SomePath | None, None), model_digest=(str | None, Field(None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of a published model.")),
)  # fmt: skip
Track = body_of("TrackVersion", "data.track")
Checkout = body_of("CheckoutVersion", "data.checkout")


@dataclass(frozen=True)
class Words:
    """How a route calls what its recipe takes."""

    recipe: str
    names: Mapping[str, str] = field(default_factory=dict)  # parameter -> field, where they differ
    inputs: Mapping[str, str] = field(default_factory=dict)  # input -> field

    def request(self, wanted: Any, inputs: dict[str, str]) -> JobRequest:
        """The job that a body asks for; InvalidSpec naming a field that does not go with the others."""
        params = catalog.spec(self.recipe).params
        given = {name: getattr(wanted, own) for name in params.model_fields if (own := self._own(name)) in wanted.model_fields_set}
        try:
            return JobRequest(recipe=self.recipe, params=_plain(params, given), inputs=inputs, **wanted.job_options())
        except CallerError as error:
            raise self.renamed(error) from None

    def renamed(self, error: CallerError) -> CallerError:
        """The error in the words of the route."""
        params = catalog.spec(self.recipe).params.model_fields
        return renamed(
            error, {f"params.{name}": self._own(name) for name in params} | {f"inputs.{name}": own for name, own in self.inputs.items()}
        )

    def _own(self, name: str) -> str:
        return self.names.get(name, name)


async def _start(
    request: Request, house: House, asker: Asker, key: str | None, wait: float | None, words: Words, job: JobRequest
) -> Response:  # fmt: skip
    try:
        return await work.start(request, house, job, actor=asker.name, key=key, wait_s=WAIT_S if wait is None else wait)
    except CallerError as error:
        raise words.renamed(error) from None


def _plain(params: type[BaseModel], given: dict[str, Any]) -> dict[str, Any]:
    """The parameters as JSON; InvalidSpec naming one that does not go with the others."""
    try:
        model = params.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise InvalidSpec(
            first["msg"].removeprefix("Value error, "), field=".".join(["params", *map(str, first["loc"])]) if first["loc"] else None
        ) from None
    return model.model_dump(mode="json", exclude_unset=True)


def _takes(body: type[WorkOptions]) -> Callable[[_Endpoint], _Endpoint]:
    """Say what the body of an endpoint is, which was made while this module was read."""

    def mark(endpoint: _Endpoint) -> _Endpoint:
        endpoint.__annotations__["wanted"] = body
        return endpoint

    return mark


def _route(path: str, body: type[WorkOptions], words: Words, inputs: Callable[[Any], dict[str, str]], doc: str) -> None:
    @_takes(body)
    async def start(wanted: Any, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S) -> Response:
        return await _start(request, house, asker, key, wait, words, words.request(wanted, inputs(wanted)))

    start.__doc__ = doc
    start.__name__ = path.strip("/").replace("/", "_")
    router.add_api_route(path, start, methods=["POST"], **operator, response_model=WorkDone, responses=work.ANSWERS)


def _compared(body: Any) -> dict[str, str]:
    if (body.current is None) == (body.recent_path is None):
        raise InvalidSpec("give exactly one of current and recent_path", field="current")
    return {
        "reference": dataset_ref(body.reference),
        **({"current": dataset_ref(body.current)} if body.current else {"recent": f"path:{body.recent_path}"}),
        **({"model": f"artifact:{body.model_digest}"} if body.model_digest else {}),
    }


_NAMED = {"name": "dataset_name"}
_route(
    "/datasets/unpack", Unpack, Words("data.unpack", _NAMED, {"archive": "archive_path"}),
    lambda body: {"archive": f"path:{body.archive_path}"}, "Unpack an archive safely, normalise what is in it, split it by patient and register it.",
)  # fmt: skip
_route(
    "/datasets/preprocess", Preprocess, Words("data.preprocess", _NAMED, {"dataset": "dataset"}),
    lambda body: {"dataset": dataset_ref(body.dataset)}, "Preprocess photographs and masks into a new version.",
)  # fmt: skip
_route(
    "/datasets/split", Split, Words("data.split", _NAMED, {"dataset": "dataset"}),
    lambda body: {"dataset": dataset_ref(body.dataset)}, "Split the patients of a version anew, as a new version.",
)  # fmt: skip
_route(
    "/datasets/validate_structure", ValidateFolder, Words("data.validate", {}, {"folder": "dataset_path"}),
    lambda body: {"folder": f"path:{body.dataset_path}"}, "Validate a folder that is not registered yet.",
)  # fmt: skip
_route(
    "/datasets/drift", Drift, Words("data.drift", {}, {"reference": "reference", "current": "current", "recent": "recent_path", "model": "model_digest"}),
    _compared, "Compare two versions, or a version and photographs that came in lately.",
)  # fmt: skip


@router.post("/datasets/{name}/validate", **operator, response_model=WorkDone, responses=work.ANSWERS)
@_takes(ValidateVersion)
async def validate_version(
    name: Name, wanted: Any, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S
) -> Response:  # fmt: skip
    """Validate a registered version; the result is kept with it and blocks training when it failed."""
    words = Words("data.validate", {}, {"dataset": "name"})
    ref = dataset_ref(name if wanted.version is None else f"{name}@{wanted.version}")
    return await _start(request, house, asker, key, wait, words, words.request(wanted, {"dataset": ref}))


@router.post("/datasets/{name}/versions/{version}/track", **operator, response_model=WorkDone, responses=work.ANSWERS)
@_takes(Track)
async def track_version(
    name: Name, version: Version, wanted: Any, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S
) -> Response:  # fmt: skip
    """Keep a version with DVC and push it to the remote."""
    words = Words("data.track", {}, {"dataset": "name"})
    return await _start(request, house, asker, key, wait, words, words.request(wanted, {"dataset": dataset_ref(f"{name}@{version}")}))


@router.post("/datasets/{name}/versions/{version}/checkout", **operator, response_model=WorkDone, responses=work.ANSWERS)
@_takes(Checkout)
async def checkout_version(
    name: Name, version: Version, wanted: Any, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S
) -> Response:  # fmt: skip
    """Bring the files of a version back from DVC."""
    words = Words("data.checkout", {}, {"dataset": "name"})
    return await _start(request, house, asker, key, wait, words, words.request(wanted, {"dataset": dataset_ref(f"{name}@{version}")}))


async def _track(
    request: Request, house: House, asker: Asker, key: str | None, wait: float | None, wanted: Any, version: DatasetVersion
) -> Response:  # fmt: skip
    """What registering a version's own folder comes to: having DVC keep it; Conflict when that was not asked for."""
    if not wanted.push_to_dvc:
        raise Conflict(f"dataset_dir is {version.ref}, which is registered already", field="dataset_dir", value=wanted.dataset_dir[:200])
    kept = JobRequest(recipe="data.track", inputs={"dataset": dataset_ref(version.ref)}, priority=wanted.priority)
    job = await work.submit(house, kept, actor=asker.name, key=key)
    job = await work.finished(request, house, job, WAIT_S if wait is None else wait)
    known = {"dataset": version.name, "version": version.version, "digest": version.digest, "unchanged": True}
    return work.answer(request, job.model_copy(update={"result": {**known, "dvc": job.result}}))


@router.post("/datasets/register", **operator, response_model=WorkDone, responses=work.ANSWERS)
@_takes(Register)
async def register_dataset(
    wanted: Any, request: Request, house: House, asker: Asker, key: Key = None, wait: Wait = WAIT_S
) -> Response:  # fmt: skip
    """Register a folder in a standard layout as a version, as it is; with `push_to_dvc` it is kept with DVC, too."""
    words = Words("data.register", _NAMED, {"folder": "dataset_dir"})
    there = await run_in_threadpool(lambda: house.datasets.at(house.layout.named(wanted.dataset_dir, field="dataset_dir")))
    if there is not None:
        return await _track(request, house, asker, key, wait, wanted, there)
    job = words.request(wanted, {"folder": f"path:{wanted.dataset_dir}"})
    if not wanted.push_to_dvc:
        return await _start(request, house, asker, key, wait, words, job)
    try:
        first = await work.submit(house, job, actor=asker.name, key=key)
    except CallerError as error:
        raise words.renamed(error) from None
    kept = JobRequest(recipe="data.track", inputs={"dataset": f"job:{first.id}/dataset"}, priority=wanted.priority)
    second = await work.submit(house, kept, actor=asker.name, key=key and f"{key}:dvc")
    second = await work.finished(request, house, second, WAIT_S if wait is None else wait)
    first = await work.finished(request, house, first, 0.0)
    if first.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        return work.answer(request, first)
    if second.status is not JobStatus.COMPLETED:
        return work.answer(request, second)
    return work.answer(request, first.model_copy(update={"result": {**(first.result or {}), "dvc": second.result}}))
