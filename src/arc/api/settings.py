"""Route of settings: each with its value, where it came from, its unit and why its default is what it is."""

from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter
from pydantic import BaseModel, Field

from arc.api.routing import ArcRoute, House, operator
from arc.settings import SettingRow, Settings, table

router = APIRouter(route_class=ArcRoute, tags=["settings"])


class SettingsView(BaseModel):
    """Every setting, and the schema of all of them."""

    items: list[SettingRow]
    settings_schema: dict[str, Any] = Field(serialization_alias="schema", description="JSON Schema of the settings.")


@router.get("/settings", **operator)
def show_settings(house: House) -> SettingsView:
    """Every setting as this process uses it; the password in a database URL is not shown."""
    rows = [row.model_copy(update={"value": _without_password(row.value)}) for row in table(house.settings, dict(house.sources))]
    return SettingsView(items=rows, settings_schema=Settings.model_json_schema())


def _without_password(value: Any) -> Any:
    if not isinstance(value, str) or "@" not in value or "://" not in value:
        return value
    parts = urlsplit(value)
    return parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl()
