"""Values on a command line: `name=value` with the types of YAML 1.2.

`lr=1e-3` is a number (YAML 1.1, which PyYAML speaks, takes it for a string), `epochs=5` an integer,
`flag=true` a boolean, `x=null` nothing, `model=small_cnn` a string; `yes` and `1:30` are strings. What
begins with a bracket, a brace or a quote is read as YAML: `sizes=[64, 128]`, `note="5"`.
"""

import math
import re
from collections.abc import Iterable
from typing import Any

import yaml

from arc.core.errors import InvalidSpec

_INT = re.compile(r"[-+]?[0-9]{1,4000}|0o[0-7]{1,4000}|0x[0-9a-fA-F]{1,4000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {"null": None, "Null": None, "NULL": None, "~": None}
_WORDS.update(dict.fromkeys(("true", "True", "TRUE"), True))
_WORDS.update(dict.fromkeys(("false", "False", "FALSE"), False))


def pairs(texts: Iterable[str], *, option: str) -> dict[str, str]:
    """`name=value` texts as a dict of strings; InvalidSpec for one without `=` or a name given twice."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise InvalidSpec(f"{option} {text!r} is not name=value", field=option, value=text)
        if name.strip() in found:
            raise InvalidSpec(f"{option} names {name.strip()!r} twice", field=name.strip(), value=value)
        found[name.strip()] = value.strip()
    return found


def params(texts: Iterable[str]) -> dict[str, Any]:
    """Typed parameters from the `-p name=value` options; InvalidSpec names the one that cannot be read."""
    return {name: _typed(name, value) for name, value in pairs(texts, option="-p").items()}


def scalar(text: str) -> Any:
    """One plain scalar by the core schema of YAML 1.2; empty stays empty, and what is too large for a number is text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(value := float(text)):
        return value
    return text


def _typed(name: str, text: str) -> Any:
    if text[:1] not in ("[", "{", '"', "'"):
        return scalar(text)
    try:
        return yaml.load(text, Loader=CoreLoader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, RecursionError):
        raise InvalidSpec(f"-p {name}={text}: a bracket, brace or quote is not closed, or it is not YAML", field=name, value=text) from None


class CoreLoader(yaml.SafeLoader):
    """PyYAML with the core schema of YAML 1.2: plain scalars go through `scalar`."""


def _plain(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    return scalar(node.value)


CoreLoader.yaml_implicit_resolvers = {None: [("!plain", re.compile(r"(?s).*"))]}
CoreLoader.add_constructor("!plain", _plain)
