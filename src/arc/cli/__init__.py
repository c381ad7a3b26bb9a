"""The command line: parse, ask the control plane, show; a thin door over `arc.client`."""

from arc.cli.root import main

__all__ = ["main"]
