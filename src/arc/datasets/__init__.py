"""Datasets: immutable versions, registered in the transaction that completes the job which made them."""

from arc.datasets.registry_file import RegistryFile
from arc.datasets.versions import Datasets

__all__ = ["Datasets", "RegistryFile"]
