"""ARC, Autonomous Research Control: trains, judges, ships and keeps improving models by itself."""

__version__ = "0.1.0"
