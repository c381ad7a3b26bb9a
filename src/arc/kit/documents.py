"""Documents: what a recipe leaves as text, and JSON that holds numbers alone where numbers belong."""

import json
from pathlib import Path
from typing import Any

from arc.core.ports import RunContext


def save_text(ctx: RunContext, name: str, kind: str, text: str) -> Path:
    """Leave the artifact `name` with this text, in UTF-8; where it was written."""

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return ctx.save(name, kind, write)


def save_json(ctx: RunContext, name: str, kind: str, value: Any, *, ascii_only: bool = True) -> Path:
    """Leave the artifact `name` with this value as JSON; ValueError for a number that is not finite."""
    return save_text(ctx, name, kind, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=ascii_only) + "\n")
