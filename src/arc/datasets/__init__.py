"""Datasets: immutable versions, registered in the transaction that completes the job which made them."""

from arc.datasets.versions import Datasets

__all__ = ["Datasets"]
