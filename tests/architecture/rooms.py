"""The room table as an import contract: each room imports what its row allows, and nothing else.

A row reads `kit <- core, stats`. import-linter's own `forbidden` contract would need the complement of each row,
and could not name rooms that later parts build; here a row of a room that is not there yet is simply silent, and
a room without a row breaks the contract. Direct imports only: what a room may reach through another is what that
other room's row says. Used by `lint-imports` through `contract_types` in pyproject.toml.
"""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

IGNORED = {"__main__"}


class RoomsContract(Contract):
    """Checks every direct import between rooms against the rows."""

    rows = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Kept when each room has a row and no import leaves it."""
        allowed = parse(self.rows)
        root = self.session_options["root_packages"][0]
        faults = []
        for room in sorted(_rooms(graph, root) - IGNORED):
            if room not in allowed:
                faults.append(f"{root}.{room} has no row in the room table")
                continue
            faults += _faults(graph, root, room, allowed[room])
        return ContractCheck(kept=not faults, metadata={"faults": faults})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line for each import that no row allows."""
        for fault in check.metadata["faults"]:
            output.print_error(f"- {fault}")
        output.new_line()


def parse(rows: list[str]) -> dict[str, set[str]]:
    """Room name to the rooms it may import; ValueError for a row that cannot be read or stands twice."""
    allowed: dict[str, set[str]] = {}
    for row in rows:
        room, arrow, names = (part.strip() for part in row.partition("<-"))
        if not arrow or not room or room in allowed:
            raise ValueError(f"not a row of the room table, or there twice: {row!r}")
        allowed[room] = {name.strip() for name in names.split(",") if name.strip()}
    return allowed


def _rooms(graph: ImportGraph, root: str) -> set[str]:
    return {child.split(".")[1] for child in graph.find_children(root)}


def _faults(graph: ImportGraph, root: str, room: str, allowed: set[str]) -> list[str]:
    name = f"{root}.{room}"
    found = []
    for module in sorted({name} | graph.find_descendants(name)):
        for imported in sorted(graph.find_modules_directly_imported_by(module)):
            parts = imported.split(".")
            if parts[0] == root and len(parts) > 1 and parts[1] != room and parts[1] not in allowed:
                lines = sorted(detail["line_number"] for detail in graph.get_import_details(importer=module, imported=imported))
                found.append(f"{module} imports {imported} (line {lines[0] if lines else '?'}); {room} may import {sorted(allowed)}")
    return found
