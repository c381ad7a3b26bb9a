"""Plain YAML: a configuration file as mappings, lists and scalars, and nothing else.

A file is a stranger's until it is parsed. Refused with the place where it stands: tags (`!!python/...`,
`!!binary`), a key given twice, a key that is no text, several documents, nesting beyond `_MAX_DEPTH`, and more than
`_MAX_NODES` values with aliases written out, which is where a "billion laughs" ends before anything is built.
Scalars have the types of YAML 1.2, as on the command line (`arc.cli.values`): `1e-3` is a number, `no` is a text.

Not covered: merge keys (`<<`), which are taken for a key like any other.
"""

from pathlib import Path
from typing import Any, Final

import yaml

from arc.cli.values import CoreLoader
from arc.core.errors import BadData, NotFound, TooLarge

_MAX_BYTES: Final = 256 << 10
_MAX_DEPTH: Final = 16
_MAX_NODES: Final = 10_000
_TAGS: Final = ("!plain", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")


def read(path: Path) -> dict[str, Any]:
    """The mapping in a file; NotFound, TooLarge or BadData naming the file when there is none that can be taken."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}", field="config", value=str(path)) from None
    if len(content) > _MAX_BYTES:
        raise TooLarge(f"{path} is larger than {_MAX_BYTES >> 10} KB: that is no configuration", field="config", value=str(path))
    try:
        return parse(content.decode())
    except UnicodeDecodeError:
        raise BadData(f"{path} is not UTF-8 text", field="config", value=str(path)) from None
    except BadData as error:
        raise BadData(f"{path}: {error.message}", field="config", value=str(path)) from None


def parse(text: str) -> dict[str, Any]:
    """The mapping that the text is, empty for an empty text; BadData with the line of what is refused."""
    try:
        loader = CoreLoader(text)
    except yaml.YAMLError as error:  # a character that YAML does not have
        raise BadData(f"it is not YAML: {' '.join(str(error).split())[:300]}", field="config") from None
    try:
        root = loader.get_single_node()
        if root is None:
            return {}
        if not isinstance(root, yaml.MappingNode):
            raise BadData("it is no mapping of names to values", field="config")
        _check(root)
        built: dict[str, Any] = loader.construct_document(root)
    except yaml.YAMLError as error:
        raise BadData(f"it is not YAML: {' '.join(str(error).split())[:300]}", field="config") from None
    except RecursionError:
        raise BadData("it is nested too deep", field="config") from None
    finally:
        loader.dispose()
    return built


def _check(root: yaml.Node) -> None:
    """Walk the tree as it would be written out without aliases; BadData for what is refused."""
    waiting, seen = [(root, 1)], 0
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > _MAX_DEPTH:
            raise BadData(f"line {_line(node)} is nested deeper than {_MAX_DEPTH}", field="config")
        if seen > _MAX_NODES:
            raise BadData(f"it holds more than {_MAX_NODES} values", field="config")
        if node.tag not in _TAGS:
            raise BadData(f"line {_line(node)} has a tag, {node.tag[:80]!r}; tags are not taken", field="config")
        if isinstance(node, yaml.MappingNode):
            _check_keys(node)
            waiting.extend((value, depth + 1) for _, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            waiting.extend((item, depth + 1) for item in node.value)


def _check_keys(mapping: yaml.MappingNode) -> None:
    keys: set[str] = set()
    for key, _ in mapping.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in _TAGS or not isinstance(key.value, str):
            raise BadData(f"line {_line(key)} has a key that is no text", field="config")
        if key.value in keys:
            raise BadData(f"line {_line(key)} gives {key.value[:80]!r} a second time", field="config")
        keys.add(key.value)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
