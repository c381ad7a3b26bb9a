"""The records of studies: what was asked for, argued and measured, kept where no agent can change it."""

from arc.studies.service import Studies

__all__ = ["Studies"]
