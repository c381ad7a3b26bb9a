"""Recipes over HTTP: which there are, and what one takes and leaves."""

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from arc.client.http import Http
from arc.client.views import noun
from arc.core.recipe import Needs, RecipeSpec
from arc.core.space import Space


class RecipeLine(BaseModel):
    """One recipe in the list; `broken` says why it cannot be used."""

    model_config = ConfigDict(frozen=True)

    name: str
    version: str | None
    title: str
    purpose: str | None
    broken: str | None = None


class InputCard(BaseModel):
    """One named input."""

    model_config = ConfigDict(frozen=True)

    kind: str
    splits: tuple[str, ...]
    required: bool
    help: str


class RecipeCard(BaseModel):
    """All that is known of a recipe without running it."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    name: str
    version: str
    title: str
    purpose: str
    params_schema: dict[str, Any] = Field(alias="schema")  # JSON Schema of the parameters
    needs: Needs
    inputs: dict[str, InputCard]
    outputs: dict[str, str]  # output name -> kind of artifact
    makes_experiment: bool
    judged_by: str = ""  # the recipe that measures its model
    search: Space | None = None  # what a study may change about it

    @classmethod
    def of(cls, spec: RecipeSpec) -> "RecipeCard":
        """The card of a spec that is at hand, as the route would answer it."""
        inputs = {
            name: InputCard(kind=item.kind, splits=item.splits, required=item.required, help=item.help)
            for name, item in spec.inputs.items()
        }
        return cls(
            name=spec.name,
            version=spec.version,
            title=spec.title,
            purpose=spec.purpose,
            params_schema=spec.params.model_json_schema(),
            needs=spec.needs,
            inputs=inputs,
            outputs=dict(spec.outputs),
            makes_experiment=spec.makes_experiment,
            judged_by=spec.judged_by,
            search=spec.search,
        )


class RecipeCalls:
    """Read the catalog of the control plane."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[RecipeLine]:
        """Every recipe, by name."""
        return [noun(RecipeLine, item) for item in self._http.get("/recipes")["items"]]

    def get(self, name: str) -> RecipeCard:
        """One recipe; NotFound listing what there is."""
        return noun(RecipeCard, self._http.get(f"/recipes/{quote(name, safe='')}"))
