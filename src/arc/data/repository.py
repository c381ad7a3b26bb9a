"""Repository: a workspace as one git and DVC repository, so that a person can go on with plain `dvc` and `git`.

DVC keeps the bytes (in `.dvc/cache`, and in a remote when they are pushed), git the small `.dvc` files that name them.
`.gitignore` lists what may be committed and shuts everything else out: a photograph, a secret or the database can never
come in by accident. (`?*` stands in it where `*` would do for git: DVC asks about `datasets/eyes/`, which `/datasets/*/*`
matches with nothing behind the slash, and would then find no version.) What is true of this machine alone, how files are
linked and where DVC keeps its notes, is in `.dvc/config.local`, which is not committed; credentials of a remote belong there.

With DVC 3.67 the cache type `reflink,hardlink,copy` copies every byte on a file system without reflinks, so the first
kind that works is chosen here. A hard link costs no space; DVC makes such files read-only, because a change would go
through to its cache. A killed process leaves neither the lock of the turn nor DVC's own, which the kernel holds; git's
index lock it does leave, and an old one is taken away. Imported by attempts alone, since importing DVC takes a second.
"""

import fcntl
import hashlib
import os
import subprocess
import threading
from _thread import interrupt_main
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeVar

from dvc.config import Config, RemoteConfigError
from dvc.exceptions import DvcException, FileTransferError
from dvc.fs import AuthError, LocalFileSystem, RemoteMissingDepsError
from dvc.lock import LockError
from dvc.repo import Repo
from dvc_objects.fs.generic import test_links

from arc.core.clock import SystemClock
from arc.core.errors import BadData, Cancelled, PermanentError, RecipeBroken, ServiceDown, TemporaryError
from arc.core.ports import RunContext

_Answer = TypeVar("_Answer")
LOCAL: Final = "dvc-remote"  # the folder of the workspace that is the remote where the settings name no other
_FIRST: Final = "# Written by ARC: "
IGNORE: Final = (
    _FIRST
    + """what of this workspace may be committed. No database, no secret, no photograph.
/*
!/.gitignore
!/.dvcignore
!/data_registry.yaml
!/.dvc
/.dvc/*
!/.dvc/config
!/datasets
!/sealed
/datasets/*
/sealed/*
!/datasets/*/
!/sealed/*/
/datasets/*/?*
/sealed/*/?*
!/datasets/*/*.dvc
!/sealed/*/*.dvc
/datasets/*/?*/
/sealed/*/?*/
"""
)
DVCIGNORE: Final = _FIRST + "where DVC looks for versions.\n/*\n!/datasets\n!/sealed\n"
_TURN: Final = "track.lock"
_TRIES: Final = 3  # a damaged list of files, damaged files, and whole at last
_OLD_LOCK_S: Final = 600.0  # no git command of a person holds the index for so long
_PATIENCE_S: Final = 6 * 3600.0
_LOOK_S: Final = 1.0
_GIT: Final = ("-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false", "-c", "commit.gpgSign=false", "-c", "core.fsmonitor=false")


def git(root: Path, *words: str) -> str:
    """What a git command says, run in the repository of the workspace and in no other; hooks and signing are off.

    PermanentError where git is missing or refuses, TemporaryError while another git command holds the index.
    """
    place = ("--git-dir", str(root / ".git"), "--work-tree", str(root))
    try:
        said = subprocess.run(
            ["git", *place, *_GIT, *words], cwd=root, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        raise PermanentError("git is not installed; DVC needs it to keep versions", field="git") from None
    if said.returncode == 0:
        return said.stdout.strip()
    if ".lock" in said.stderr:
        raise TemporaryError(f"another git command is at work in the workspace: {said.stderr.strip()[:300]}", delay_s=10.0, field="git")
    raise PermanentError(f"git {words[0]}: {said.stderr.strip()[:400]}", field="git")


def remote_name(remote: str) -> str:
    """What DVC calls a remote: `local` for the folder in the workspace, else a name that is always the same for one URL."""
    return "local" if remote == LOCAL else f"remote-{hashlib.sha256(remote.encode()).hexdigest()[:8]}"


def _url(root: Path, remote: str) -> str:
    return str(root / LOCAL) if remote == LOCAL else remote


def _open(root: Path, remote: str = LOCAL, *, threads: int = 1) -> Repo:
    """The repository; it may have been moved since its configuration was written, so what depends on its place is said anew."""
    core = {"site_cache_dir": _notes(root), "checksum_jobs": threads}
    return Repo(str(root), config={"core": core, "remote": {remote_name(remote): {"url": _url(root, remote)}}})


def _notes(root: Path) -> str:
    return str(root / ".dvc" / "tmp" / "notes")


@contextmanager
def turn(root: Path, ctx: RunContext) -> Iterator[None]:
    """Have the repository alone among attempts; waits, and says so, while another one is at work. Cancelled when asked to stop."""
    with (root / _TURN).open("a") as file:

        def take() -> None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise LockError("another attempt has its turn") from None

        patiently(ctx, take)
        yield


def patiently(ctx: RunContext, act: Callable[[], _Answer]) -> _Answer:
    """Do it as soon as no other command holds the lock that it needs."""
    pause = threading.Event()
    while True:
        try:
            return act()
        except LockError:
            ctx.phase("wait for another command of DVC", budget_s=_PATIENCE_S)
            pause.wait(_LOOK_S)
            if ctx.should_stop():
                raise Cancelled("asked to stop while another command of DVC was at work") from None


def prepare(root: Path, remote: str) -> None:
    """Make the workspace a repository where it is none yet, and `remote` its default remote. In one's turn."""
    _git_ready(root)
    for name, text in ((".gitignore", IGNORE), (".dvcignore", DVCIGNORE)):
        _ours(root / name, text)
    (root / ".dvc").mkdir(exist_ok=True)
    if not (root / ".dvc" / "config").exists():
        Config.init(str(root / ".dvc"))  # what `dvc init` does, but for the notes that it begins in /var/tmp
    with told(), _open(root, remote) as repo:
        with repo.config.edit("repo") as shared:
            shared["core"] |= {"analytics": False, "check_update": False, "remote": remote_name(remote)}
            shared["remote"][remote_name(remote)] = {"url": _url(root, remote)}
        with repo.config.edit("local") as mine:
            mine["core"]["site_cache_dir"] = _notes(root)
            mine["cache"]["type"] = "reflink,copy" if _reflinks(root) else "hardlink,copy"
    commit(root, [root / ".gitignore", root / ".dvcignore", root / ".dvc" / "config"], f"Keep versions in {remote_name(remote)}")


def _git_ready(root: Path) -> None:
    if not (root / ".git" / "config").exists():
        git(root, "init", "--quiet", "--initial-branch=main", "--template=")
        git(root, "config", "user.name", "ARC")
        git(root, "config", "user.email", "arc@localhost")
    if (root / ".git" / "HEAD").read_text()[:5] != "ref: ":
        raise PermanentError("the repository of the workspace is on no branch; go back with `git switch main`", field="git")
    lock = root / ".git" / "index.lock"  # of a git that was killed: it never goes by itself
    if lock.exists() and SystemClock().now().timestamp() - lock.stat().st_mtime > _OLD_LOCK_S:
        lock.unlink(missing_ok=True)


def _ours(path: Path, text: str) -> None:
    """Write the file unless a person has put his own there."""
    if not path.exists() or path.read_text(errors="replace").startswith(_FIRST):
        path.write_text(text)


def _reflinks(root: Path) -> bool:
    disk = LocalFileSystem()
    return bool(test_links(["reflink"], disk, str(root / ".dvc"), disk, str(root / "datasets")))


def add(root: Path, folders: Sequence[Path], ctx: RunContext) -> list[tuple[Path, int]]:
    """Put folders into DVC's cache: the `.dvc` file that names each, and how many files it names. Bytes stay as they are."""
    with told(), _open(root, threads=ctx.threads) as repo:
        stages = patiently(ctx, lambda: repo.add([str(folder) for folder in folders]))
        return [(Path(stage.path), int(stage.outs[0].meta.nfiles or 0)) for stage in stages]


def push(root: Path, files: Sequence[Path], remote: str, ctx: RunContext) -> None:
    """Copy what `.dvc` files name from the cache to the remote; what is there already is not sent again."""
    with told(), _open(root, remote) as repo:
        patiently(ctx, lambda: repo.push([str(file) for file in files], remote=remote_name(remote)))


def fetch(root: Path, files: Sequence[Path], remote: str, ctx: RunContext) -> None:
    """Bring into the cache what `.dvc` files name and it lacks, whole; ServiceDown when the remote cannot give it, BadData when damaged there.

    DVC trusts a read-only file of its cache unread, and a hard link shares the fate of the file in the version's folder.
    So what is in the cache is read, and what is damaged fetched anew.
    """
    for _ in range(_TRIES):
        with told(), _open(root, remote) as repo:
            patiently(ctx, lambda: repo.fetch([str(file) for file in files], remote=remote_name(remote)))
            if not _drop_damaged(repo, files):
                return
    raise BadData("what DVC keeps of this version is damaged, in the remote too", field="dataset")


def _drop_damaged(repo: Repo, files: Sequence[Path]) -> bool:
    outs = [out for out in repo.index.outs if Path(out.stage.path) in files]
    lists = {out.hash_info.value for out in outs}
    if damaged := _damaged(repo, lists):
        return damaged  # what it lists cannot be read
    return _damaged(repo, {oid.value for out in outs for _, _, oid in out.get_obj()})


def _damaged(repo: Repo, names: set[str]) -> bool:
    found = [path for name in names if _md5(path := Path(repo.cache.local.oid_to_path(name))) != name.removesuffix(".dir")]
    for path in found:
        path.unlink()
    return bool(found)


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()  # DVC's name for the bytes


def checkout(root: Path, files: Sequence[Path], ctx: RunContext) -> None:
    """Put what `.dvc` files name into its place, from the cache."""
    with told(), _open(root) as repo:
        patiently(ctx, lambda: repo.checkout([str(file) for file in files], force=True))


def commit(root: Path, files: Sequence[Path], message: str) -> None:
    """Commit what has changed in these files, and nothing else."""
    names = [str(file.relative_to(root)) for file in files if file.exists()]
    git(root, "add", "--", *names)
    if git(root, "status", "--porcelain", "--untracked-files=no", "--", *names):
        git(root, "commit", "--quiet", "--message", message, "--", *names)


def tagged(root: Path, files: Sequence[Path], tag: str) -> str:
    """The commit that last changed these files, which gets a tag."""
    found = git(root, "log", "-1", "--format=%H", "--", *(str(file.relative_to(root)) for file in files))
    git(root, "tag", "--force", tag, found)
    return found


@contextmanager
def watched(ctx: RunContext, folder: Path, *, of: int, what: str) -> Iterator[None]:
    """Report how many new files come to lie in a folder of DVC's, once a second; Cancelled when asked to stop meanwhile."""
    over, before = threading.Event(), _files_in(folder)

    def look() -> None:
        while not over.wait(_LOOK_S):
            ctx.progress(min(_files_in(folder) - before, of), of, unit="file")
            if ctx.should_stop():
                interrupt_main()
                return

    thread = threading.Thread(target=look, name="watch", daemon=True)
    thread.start()
    try:
        try:
            yield
        finally:
            over.set()
            thread.join()
    except KeyboardInterrupt:
        raise Cancelled(f"asked to stop while DVC was to {what}") from None


def _files_in(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


@contextmanager
def told() -> Iterator[None]:
    """Say DVC's errors in the words of the house."""
    try:
        yield
    except RemoteMissingDepsError as error:
        raise RecipeBroken(f"DVC cannot speak to this remote yet: {error}", field="dvc_remote") from error
    except (RemoteConfigError, AuthError) as error:
        raise PermanentError(f"DVC: {error}", field="dvc_remote") from error
    except FileTransferError as error:
        raise ServiceDown(f"DVC: {error}; is the remote there?", delay_s=60.0, field="dvc_remote") from error
    except LockError:
        raise
    except DvcException as error:
        raise PermanentError(f"DVC: {error}", field="dvc") from error
