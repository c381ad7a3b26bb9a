"""Requests that nobody would think of, made from the description: no 5xx, no answer that contradicts it.

Bounded and seeded: a handful of examples an operation, valid and invalid ones. The stream of everything is
left out because it does not end.

Not checked: that every request the description allows is accepted. What it cannot say (exactly one of three
fields, a path inside a data root, a recipe that exists) is refused with 4xx all the same.
"""

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS

from tests.api.serving import RECIPE, House
from tests.api.test_openapi import SNAPSHOT

_LEFT_OUT = ["positive_data_acceptance"]


schema = schemathesis.openapi.from_path(SNAPSHOT).exclude(path="/events")


@schema.parametrize()
@settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
def test_no_request_breaks_a_promise(case: schemathesis.Case, house: House) -> None:
    wait = case.query.get("wait") if isinstance(case.query, dict) else None
    if isinstance(wait, int | float) and 0 < wait <= 600:
        case.query["wait"] = 0.05  # nothing runs here, so a wait would take all its time
    elif wait is None and case.path.startswith(("/eval/", "/visualizations/")):
        case.query = {**(case.query or {}), "wait": 0}
    response = case.call(base_url=house.url, headers={"Authorization": f"Bearer {house.secrets['admin']}"})
    case.validate_response(response, excluded_checks=[CHECKS.get_one(name) for name in _LEFT_OUT])
    assert response.status_code < 500
    assert house.job().recipe == RECIPE  # it still works
