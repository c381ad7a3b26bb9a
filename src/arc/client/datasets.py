"""Datasets over HTTP: which there are, and the jobs that make, judge and keep versions.

The fields of each call are those of its route, by the same names; what is wrong is an error that names the field.
"""

from pathlib import Path
from typing import Any
from urllib.parse import quote

from arc.client.http import Http
from arc.client.jobs import JobCalls
from arc.client.views import noun
from arc.core.dataset import DatasetVersion
from arc.core.job import Job


class DatasetCalls:
    """Read the registry of datasets, and start work on them."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._jobs = JobCalls(http)

    def all(self) -> list[DatasetVersion]:
        """The newest version of every dataset, by name."""
        return [noun(DatasetVersion, item["newest"]) for item in self._http.get("/datasets/list")["items"]]

    def versions(self, name: str) -> list[DatasetVersion]:
        """Every version of a dataset, first to last; NotFound."""
        return [noun(DatasetVersion, item) for item in self.info(name)["versions"]]

    def info(self, name: str) -> dict[str, Any]:
        """Versions, newest validations, places in DVC and uses of the sealed splits of a dataset, as the route says them; NotFound."""
        found: dict[str, Any] = self._http.get(f"/datasets/{_segment(name)}/info")
        return found

    def upload(self, file: Path) -> str:
        """Send an archive; the path on the other side, which `unpack` takes."""
        return str(self._http.upload("/datasets/upload", file, params={"filename": file.name})["path"])

    def unpack(self, archive_path: str, *, dataset_name: str, **fields: Any) -> Job:
        """Start `data.unpack` on an archive or folder in a data root of the control plane's machine, or one that was uploaded."""
        return self._start("/datasets/unpack", archive_path=archive_path, dataset_name=dataset_name, **fields)

    def register(self, dataset_dir: str, *, dataset_name: str, **fields: Any) -> Job:
        """Start `data.register` on a folder in a standard layout; `push_to_dvc=True` has DVC keep it after that."""
        return self._start("/datasets/register", dataset_dir=dataset_dir, dataset_name=dataset_name, **fields)

    def preprocess(self, dataset: str, **fields: Any) -> Job:
        """Start `data.preprocess` on NAME or NAME@VERSION."""
        return self._start("/datasets/preprocess", dataset=dataset, **fields)

    def split(self, dataset: str, **fields: Any) -> Job:
        """Start `data.split` on NAME or NAME@VERSION."""
        return self._start("/datasets/split", dataset=dataset, **fields)

    def validate(self, name: str, **fields: Any) -> Job:
        """Start `data.validate` on a version of a dataset, the newest by default."""
        return self._start(f"/datasets/{_segment(name)}/validate", **fields)

    def validate_structure(self, dataset_path: str, **fields: Any) -> Job:
        """Start `data.validate` on a folder that is not registered yet."""
        return self._start("/datasets/validate_structure", dataset_path=dataset_path, **fields)

    def drift(self, reference: str, **fields: Any) -> Job:
        """Start `data.drift`; one of `current` and `recent_path` says what is compared with the reference."""
        return self._start("/datasets/drift", reference=reference, **fields)

    def track(self, name: str, version: int, **fields: Any) -> Job:
        """Start `data.track`: keep a version with DVC."""
        return self._start(f"/datasets/{_segment(name)}/versions/{version}/track", **fields)

    def checkout(self, name: str, version: int, **fields: Any) -> Job:
        """Start `data.checkout`: bring the files of a version back."""
        return self._start(f"/datasets/{_segment(name)}/versions/{version}/checkout", **fields)

    def _start(self, path: str, **fields: Any) -> Job:
        return self._jobs.start(path, **fields)


def _segment(name: str) -> str:
    return quote(name, safe="")
