"""Plain values: what a recipe says, as something that JSON and every database can hold."""

from typing import Any

from arc.core.errors import RecipeBroken


def plain(value: Any, *, field: str) -> Any:
    """`value` with numpy and torch scalars as numbers and arrays as lists; RecipeBroken naming the place that is neither."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return text(value)
    if isinstance(value, dict):
        return {text(str(key)): plain(item, field=f"{field}.{key}") for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, field=field) for item in value]
    if hasattr(value, "tolist"):  # numpy arrays, numpy and torch scalars
        return value.tolist()
    raise RecipeBroken(f"{field} is a {type(value).__name__}, which JSON cannot hold", field=field)


def text(value: str) -> str:
    """The string without lone surrogates, which no database takes."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def words(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of a log line; what JSON cannot hold is shown as text, because a log line must never fail a run."""
    shown = {}
    for name, value in fields.items():
        try:
            shown[name] = plain(value, field=name)
        except RecipeBroken:
            shown[name] = text(repr(value))
    return shown
