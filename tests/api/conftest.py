"""What the tests of the API share: a control plane for the module, and ones of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.serving import House, serve


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    served = serve(tmp_path_factory.mktemp("workspace"))
    yield served
    served.plane.stop()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Start control planes that this test alone uses."""
    served: list[House] = []

    def begin(workspace: Path | None = None, **settings: Any) -> House:
        served.append(serve(workspace or tmp_path, **settings))
        return served[-1]

    yield begin
    for one in served:
        one.plane.stop()


@pytest.fixture
def admin(house: House) -> Iterator[httpx.Client]:
    with house.client() as client:
        yield client
