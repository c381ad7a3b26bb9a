"""Artifacts: immutable bytes by digest, under one folder."""

from arc.artifacts.local import ArtifactStore, digest_file

__all__ = ["ArtifactStore", "digest_file"]
