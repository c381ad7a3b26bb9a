"""Checks of `arc doctor`: each looks at one thing of the machine or the workspace and says what to do about it.

`fail` means that work will not run, `warn` that it runs worse or less safely than it could. Nothing is
changed and nothing heavy is imported: whether torch is there is read from its metadata.
"""

import os
import platform
import shutil
import socket
import sqlite3
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import psutil
import pynvml

from arc import catalog
from arc.core.errors import ArcError
from arc.settings import Settings

_SQLITE_SOUND = (3, 51, 3)  # earlier ones may lose a WAL commit when a checkpoint races with a writer
_NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p"}
_GB = 1024**3


@dataclass(frozen=True)
class Check:
    """What was looked at, what was found, and what to do when it is not well."""

    name: str
    state: Literal["ok", "warn", "fail"]
    found: str
    advice: str = ""


def every_check(settings: Settings, *, served_by: str | None) -> list[Check]:
    """All checks in the order of a first start; `served_by` is the address of the control plane that answers."""
    return [
        python(),
        sqlite(),
        torch(),
        devices(),
        memory(),
        disk(settings.workspace),
        workspace(settings.workspace),
        token_file(settings.workspace),
        port(settings.host, settings.port, served_by=served_by),
        recipes(),
    ]


def python() -> Check:
    """The interpreter and the system."""
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if not sys.platform.startswith("linux"):
        return Check("python", "fail", found, "ARC runs on Linux only: it needs pidfd, inotify and child subreapers")
    return Check("python", "ok", found)


def sqlite() -> Check:
    """The SQLite library that Python is linked with."""
    if sqlite3.sqlite_version_info >= _SQLITE_SOUND:
        return Check("sqlite", "ok", sqlite3.sqlite_version)
    return Check(
        "sqlite",
        "warn",
        sqlite3.sqlite_version,
        "3.51.3 repairs a rare loss of WAL commits; use a newer Python build, or PostgreSQL with ARC_DATABASE_URL",
    )


def torch() -> Check:
    """Whether torch is installed; training and evaluation need it, the control plane does not."""
    try:
        return Check("torch", "ok", metadata.version("torch"))
    except metadata.PackageNotFoundError:
        return Check("torch", "fail", "not installed", "pip install 'arc-control[train]'")


def devices() -> Check:
    """Cores and GPUs."""
    cores = len(os.sched_getaffinity(0))
    names = _gpu_names()
    found = f"{cores} cores, " + (", ".join(names) if names else "no GPU")
    if names and _torch_for_cpu():
        return Check("devices", "warn", found, "torch is a build for CPUs: install one for CUDA to use the GPU")
    return Check("devices", "ok", found)


def memory() -> Check:
    """Memory that is available now."""
    state = psutil.virtual_memory()
    free, total = state.available / _GB, state.total / _GB
    found = f"{free:.1f} of {total:.1f} GB available"
    if free < 1:
        return Check("memory", "fail", found, "close something: a training reserves 2 GB")
    return Check("memory", "ok" if free >= 3 else "warn", found, "" if free >= 3 else "a training reserves 2 GB and the system 1 GB")


def disk(folder: Path) -> Check:
    """Space and kind of the file system below the workspace."""
    there = _existing(folder)
    free = shutil.disk_usage(there).free / _GB
    kind = _filesystem(there)
    found = f"{free:.1f} GB free" + (f" ({kind})" if kind else "")
    if kind in _NETWORK_FILESYSTEMS:
        return Check("disk", "warn", found, "SQLite is not safe on a network file system: use a local folder, or ARC_DATABASE_URL")
    if free < 1:
        return Check("disk", "fail", found, "free some space, or choose another folder with --workspace")
    return Check("disk", "ok" if free >= 5 else "warn", found, "" if free >= 5 else "checkpoints of larger models may fill it")


def workspace(folder: Path) -> Check:
    """Whether the workspace is there and can be written."""
    there = _existing(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        return Check("workspace", "fail", str(folder), f"{there} cannot be written: choose another folder with --workspace")
    if there != folder:
        return Check("workspace", "ok", f"{folder} (not made yet)", "")
    return Check("workspace", "ok", str(folder))


def token_file(folder: Path) -> Check:
    """Whether the token of this machine is readable by its owner alone."""
    path = folder / "secrets" / "token"
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return Check("token", "ok", "none yet: the first start makes it")
    except PermissionError:
        return Check("token", "fail", str(path), "it belongs to another user: use your own workspace")
    if mode & 0o077:
        return Check("token", "fail", f"mode {mode:o}", f"chmod 600 {path}, then arc token rotate: others could read it")
    return Check("token", "ok", f"mode {mode:o}")


def port(host: str, number: int, *, served_by: str | None) -> Check:
    """Whether the port is free, or taken by the control plane of this very workspace."""
    if served_by is not None:
        return Check("port", "ok", f"control plane answers at {served_by}")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, number))
        except OSError as error:
            return Check("port", "fail", f"{host}:{number}: {error.strerror}", "choose another with ARC_PORT, or 0 for a free one")
    return Check("port", "ok", f"{host}:{number} is free")


def recipes() -> Check:
    """Whether every recipe of the catalog, plug-ins included, can be described."""
    broken = []
    try:
        names = sorted(catalog.rows())
    except ArcError as error:
        return Check("recipes", "fail", error.message, "uninstall one of the two packages")
    for name in names:
        try:
            catalog.spec(name)
        except ArcError as error:
            broken.append(f"{name}: {error.message}")
    if broken:
        return Check("recipes", "fail", "; ".join(broken), "reinstall the package that offers it")
    if not names:
        return Check("recipes", "fail", "none", "the package is not installed: pip install -e .")
    return Check("recipes", "ok", f"{len(names)} load")


def _existing(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _filesystem(folder: Path) -> str:
    mounts = [part for part in psutil.disk_partitions(all=True) if folder.is_relative_to(part.mountpoint)]
    return max(mounts, key=lambda part: len(part.mountpoint)).fstype if mounts else ""


def _torch_for_cpu() -> bool:
    try:
        return "+cpu" in metadata.version("torch")
    except metadata.PackageNotFoundError:
        return False


def _gpu_names() -> list[str]:
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        return [str(pynvml.nvmlDeviceGetName(handle)) for handle in handles]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()
