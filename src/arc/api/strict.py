"""Strict: a noun of the house as a body, read as JSON is: "3" is no number, 1 is no truth, and a list is fit for a tuple.

The nouns themselves are not strict, because the store reads them back from rows; what comes in from outside is.
"""

import json
from typing import Any, TypeVar

from pydantic import BaseModel, WrapValidator

N = TypeVar("N", bound=BaseModel)


def strictly(kind: type[N]) -> WrapValidator:
    """To be written beside the noun: `Annotated[StudySpec, strictly(StudySpec)]`."""

    def read(value: Any, _: Any) -> N:
        return kind.model_validate_json(json.dumps(value), strict=True)

    return WrapValidator(read)
