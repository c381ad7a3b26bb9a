"""Datasets over HTTP: which there are, and their versions."""

from urllib.parse import quote

from arc.client.http import Http
from arc.client.views import noun
from arc.core.dataset import DatasetVersion


class DatasetCalls:
    """Read the registry of datasets."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[DatasetVersion]:
        """The newest version of every dataset, by name."""
        return [noun(DatasetVersion, item["newest"]) for item in self._http.get("/datasets/list")["items"]]

    def versions(self, name: str) -> list[DatasetVersion]:
        """Every version of a dataset, first to last; NotFound."""
        return [noun(DatasetVersion, item) for item in self._http.get(f"/datasets/{quote(name, safe='')}/info")["versions"]]
