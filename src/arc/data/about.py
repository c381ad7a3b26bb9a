"""What an archive says of itself: a `metadata.json` with licence and source, as ARC's own generator writes it.

Only taken over as text, and only where the request does not say otherwise.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FILE: Final = "metadata.json"
_MOST_BYTES: Final = 1 << 20
_LONGEST: Final = 2000


@dataclass(frozen=True)
class About:
    """Where photographs come from and what may be done with them."""

    licence: str = ""
    source: str = ""


def read(root: Path, files: list[str]) -> About:
    """What the first of the metadata.json `files` nearest to the root says; nothing when there is none or it cannot be read."""
    found = sorted(files, key=lambda file: (file.count("/"), file))
    if not found or (root / found[0]).stat().st_size > _MOST_BYTES:
        return About()
    try:
        content = json.loads((root / found[0]).read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return About()
    if not isinstance(content, dict):
        return About()
    return About(_text(content.get("licence")), _text(content.get("source")))


def _text(value: object) -> str:
    return value[:_LONGEST] if isinstance(value, str) and value.isprintable() else ""
