"""Routes of recipes: what can be asked for, and with which parameters."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from arc import catalog
from arc.api.routing import ArcRoute, House, Name, viewer
from arc.core.errors import RecipeBroken
from arc.core.recipe import Needs, Purpose, RecipeSpec
from arc.core.space import Space

router = APIRouter(route_class=ArcRoute, tags=["recipes"])


class RecipeLine(BaseModel):
    """One recipe in the list."""

    name: str
    version: str | None
    title: str
    purpose: Purpose | None
    broken: str | None = Field(description="Why it cannot be used; null when it can.")


class RecipeList(BaseModel):
    """Every recipe of the catalog."""

    items: list[RecipeLine]


class InputView(BaseModel):
    """One named input."""

    kind: str
    splits: list[str]
    required: bool
    help: str


class RecipeView(BaseModel):
    """All that is known of a recipe without running it."""

    name: str
    version: str
    title: str
    purpose: Purpose
    params_schema: dict[str, Any] = Field(serialization_alias="schema", description="JSON Schema of the parameters.")
    needs: Needs
    inputs: dict[str, InputView]
    outputs: dict[str, str] = Field(description="Output name to kind of artifact.")
    makes_experiment: bool
    judged_by: str = Field(description="The recipe that measures its model; empty when none does.")
    search: Space | None = Field(description="What a study may change about it; null when it does not say.")


@router.get("/recipes", **viewer)
def list_recipes(house: House) -> RecipeList:
    """Every recipe; those that break things on purpose only where they are allowed."""
    lines = [_line(name) for name in sorted(catalog.rows())]
    return RecipeList(items=[line for line in lines if not line.name.startswith("probe.") or house.settings.allow_fault_jobs])


@router.get("/recipes/{name}", **viewer)
def show_recipe(name: Name) -> RecipeView:
    """One recipe: its parameters as JSON Schema, what it needs, reads and leaves."""
    return _view(catalog.spec(name))


def _line(name: str) -> RecipeLine:
    try:
        spec = catalog.spec(name)
    except RecipeBroken as error:
        return RecipeLine(name=name, version=None, title="", purpose=None, broken=error.message)
    return RecipeLine(name=name, version=spec.version, title=spec.title, purpose=spec.purpose, broken=None)


def _view(spec: RecipeSpec) -> RecipeView:
    inputs = {
        name: InputView(kind=item.kind, splits=list(item.splits), required=item.required, help=item.help)
        for name, item in spec.inputs.items()
    }
    return RecipeView(
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
