"""Tables: the manifests of a version against a pandera schema that lies beside them.

The schema travels with the dataset, as `manifest.schema.json`, so that whoever opens the folder in ten years can check
the tables without this program. Making a version copies the file; `pandera`, which takes a second to import, is needed
by validation alone.
"""

from pathlib import Path
from typing import Any, Final

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaErrors

from arc.data.manifest import SCHEMA
from arc.data.names import CLASSES

_SHA256: Final = r"^[0-9a-f]{64}$"
_SHA256_OR_NOTHING: Final = r"^([0-9a-f]{64})?$"
_INSIDE: Final = r"^(?!/)(?!.*(^|/)\.\.(/|$))[^\\\x00-\x1f]*$"  # a path that stays below the folder
_SHOWN: Final = 20
_WORDS: Final = "string[python]"  # said in full: what `str` means depends on whether pyarrow is there, and versions travel


def schema() -> pa.DataFrameSchema:
    """What a manifest must be; the file beside each manifest is this, written as JSON."""

    def words(*checks: pa.Check, unique: bool = False) -> pa.Column:
        return pa.Column(_WORDS, list(checks), unique=unique)

    return pa.DataFrameSchema(
        {
            "file": words(pa.Check.str_length(1, 1024), pa.Check.str_matches(_INSIDE), unique=True),
            "label": words(pa.Check.isin(["", *CLASSES])),
            "class": pa.Column(int, pa.Check.in_range(-1, len(CLASSES) - 1), coerce=True),
            "patient": words(pa.Check.str_length(1, 1024)),
            "eye": words(pa.Check.isin(["", "R", "L"])),
            "site": words(),
            "sha256": words(pa.Check.str_matches(_SHA256)),
            "bytes": pa.Column(int, pa.Check.gt(0), coerce=True),
            "mask": words(pa.Check.str_matches(_INSIDE)),
            "mask_sha256": words(pa.Check.str_matches(_SHA256_OR_NOTHING)),
        },
        strict=True,
        ordered=True,
    )


def check(manifest: Path) -> list[tuple[str, str]]:
    """What is wrong with a manifest by the schema beside it, as (file, what); by the schema of this program where there is none."""
    kept = manifest.with_name(SCHEMA)
    try:
        rules = pa.DataFrameSchema.from_json(kept) if kept.is_file() else schema()
        table = pd.read_csv(manifest, dtype=_WORDS, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return [(manifest.name, f"it or its schema cannot be read: {str(error)[:160]}")]
    try:
        rules.validate(table, lazy=True)
    except SchemaErrors as error:
        return [(manifest.name, _words(case)) for case in error.failure_cases.head(_SHOWN).to_dict("records")]
    return []


def _words(case: dict[Any, Any]) -> str:
    row = case.get("index")
    where = f"row {int(row) + 2}, " if isinstance(row, int | float) and row == row else ""
    return f"{where}column {case.get('column')}: {case.get('check')} does not hold for {str(case.get('failure_case'))[:80]!r}"
