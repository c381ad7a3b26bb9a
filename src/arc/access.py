"""Access: who is asking, found from a secret that only its owner has.

Four kinds of secret exist: a token (a program, for good), a login code (ten minutes, once), the session it
becomes in a browser, and the capability of an attempt (dead with the attempt). Each is 32 random bytes; the
store keeps its SHA-256 only, which is enough for secrets that cannot be guessed. Looking a hash up leaks no
timing about the secret behind it.

The first token lies in `<workspace>/secrets/token`, readable by the owner alone: whoever can read that file
owns the workspace anyway, so local commands need no password. Whenever that file does not hold a valid
admin token at a start (it was revoked, or deleted), a new one is made.

Not covered: what a role may do (routes declare it, `arc.api.routing` checks it).
"""

import hashlib
import os
import secrets
from datetime import timedelta
from pathlib import Path

from arc.core.access import Actor, Role, Token
from arc.core.errors import Forbidden, NotFound, Unauthorized
from arc.core.ids import check_name, new_id
from arc.store import attempts, events, jobs, tokens
from arc.store.engine import Store, Tx

FIRST = "first"
CODE_LIFE = timedelta(minutes=10)
SESSION_LIFE = timedelta(hours=12)
_LONGEST_SECRET = 512  # a header of megabytes is not hashed


class Access:
    """Tokens, login codes and sessions of one workspace."""

    def __init__(self, store: Store, secrets_dir: Path) -> None:
        self._store = store
        self._file = secrets_dir / "token"

    def prepare(self) -> None:
        """Make sure that the token file holds a valid admin token; called at every start.

        Forbidden when others could read the folder or the file and that cannot be changed.
        """
        _private_folder(self._file.parent)
        secret = self._read_file()
        if secret:
            self._file.chmod(0o600)
        with self._store.write() as tx:
            token = tokens.by_hash(tx, digest(secret)) if secret else None
            if token is None or token.role is not Role.ADMIN:
                secret = _secret()
                _write_private(self._file, secret)  # a crash before the commit leaves a file that the next start replaces
                self._insert(tx, FIRST, Role.ADMIN, secret, actor="system")

    def first_token(self) -> str:
        """The secret in the token file, for commands on this machine; NotFound before the first start."""
        secret = self._read_file()
        if not secret:
            raise NotFound("there is no token file in the workspace yet: start the control plane once", field="token")
        return secret

    def authenticate(self, bearer: str) -> Actor:
        """Who has this bearer secret: a token, or a running attempt; Unauthorized when nobody does."""
        hashed = _checked(bearer)
        with self._store.read() as tx:
            token = tokens.by_hash(tx, hashed)
            if token is not None:
                return Actor(name=token.name, role=token.role)
            return _attempt_actor(tx, hashed)

    def capability(self, secret: str) -> Actor:
        """The running attempt that has this secret: a viewer of its own job; Unauthorized when none has."""
        hashed = _checked(secret)
        with self._store.read() as tx:
            return _attempt_actor(tx, hashed)

    def session(self, cookie: str) -> Actor:
        """Whose browser has this session; Unauthorized when it is unknown or over."""
        hashed = _checked(cookie)
        with self._store.read() as tx:
            role = tokens.session(tx, hashed, now=tx.clock.now())
        if role is None:
            raise Unauthorized("this session is over; open a new login link")
        return Actor(name="browser", role=role)

    def create(self, name: str, role: Role, *, actor: str = "cli") -> tuple[Token, str]:
        """A new token and its secret, which is shown this once; InvalidSpec for a bad name."""
        check_name(name, field="name")
        secret = _secret()
        with self._store.write() as tx:
            return self._insert(tx, name, role, secret, actor=actor), secret

    def list(self) -> list[Token]:
        """Every token, revoked ones too; never a secret."""
        with self._store.read() as tx:
            return tokens.all(tx)

    def revoke(self, token_id: str, *, actor: str = "cli") -> None:
        """End a token at once; NotFound for an unknown one. Revoking twice is no error."""
        with self._store.write() as tx:
            token = tokens.get(tx, token_id)
            if token.revoked_at is None:
                tokens.revoke(tx, token_id, now=tx.clock.now())
                events.append(tx, subject=token_id, kind="token.revoked", actor=actor, detail={"name": token.name})

    def rotate(self, token_id: str, *, actor: str = "cli") -> tuple[Token, str]:
        """A new token of the same name and role, and the end of the old one, in one step.

        When the old one is the token of the token file, the file gets the new secret.
        """
        secret = _secret()
        with self._store.write() as tx:
            old = tokens.get(tx, token_id)
            if old.revoked_at is not None:
                raise NotFound(f"token {token_id[:80]!r} was revoked", field="token_id", value=token_id[:80])
            mine = self._read_file()
            in_file = bool(mine) and getattr(tokens.by_hash(tx, digest(mine)), "id", None) == token_id
            tokens.revoke(tx, token_id, now=tx.clock.now())
            token = self._insert(tx, old.name, old.role, secret, actor=actor, kind="token.rotated")
        if in_file:
            _write_private(self._file, secret)
        return token, secret

    def login_code(self) -> str:
        """A code that logs one browser in as admin, once, within ten minutes."""
        code = _secret()
        with self._store.write() as tx:
            tokens.insert_code(tx, code_hash=digest(code), expires_at=tx.clock.now() + CODE_LIFE)
        return code

    def login_link(self, base_url: str) -> str:
        """The address to open in a browser to log in, with a fresh code."""
        return f"{base_url.rstrip('/')}/login?code={self.login_code()}"

    def redeem(self, code: str) -> str:
        """The secret of a new session for a login code; Unauthorized when the code is unknown, used or too old."""
        hashed = _checked(code)
        session = _secret()
        with self._store.write() as tx:
            now = tx.clock.now()
            if not tokens.take_code(tx, hashed, now=now):
                raise Unauthorized("this login code is not valid: it works once, within ten minutes; make a new link", field="code")
            tokens.insert_session(tx, session_hash=digest(session), expires_at=now + SESSION_LIFE, role=Role.ADMIN)
            events.append(tx, subject="access", kind="access.login", actor="browser")
        return session

    def _insert(self, tx: Tx, name: str, role: Role, secret: str, *, actor: str, kind: str = "token.created") -> Token:
        token = Token(id=new_id("tok", tx.clock), name=name, role=role, created_at=tx.clock.now(), revoked_at=None)
        tokens.insert(tx, token, secret_hash=digest(secret))
        events.append(tx, subject=token.id, kind=kind, actor=actor, detail={"name": name, "role": role.value})
        return token

    def _read_file(self) -> str:
        try:
            return self._file.read_text(encoding="ascii").strip()[:_LONGEST_SECRET]
        except (FileNotFoundError, UnicodeDecodeError):
            return ""


def digest(secret: str) -> str:
    """What the store keeps of a secret: its SHA-256 in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _checked(secret: str) -> str:
    if not secret or len(secret) > _LONGEST_SECRET:
        raise Unauthorized
    return digest(secret)


def _attempt_actor(tx: Tx, hashed: str) -> Actor:
    attempt = attempts.by_capability(tx, hashed)
    if attempt is None:
        raise Unauthorized("this token is not valid, or was revoked")
    orchestrates = jobs.get(tx, attempt.job_id).requires.role == "orchestrator"
    return Actor(name=f"job:{attempt.job_id}", role=Role.VIEWER, job_id=attempt.job_id, orchestrates=orchestrates)


def _private_folder(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.stat().st_mode & 0o077:
        try:
            folder.chmod(0o700)
        except PermissionError:
            raise Forbidden(f"{folder} can be read by others and belongs to someone else", field="workspace") from None


def _write_private(path: Path, text: str) -> None:
    """Replace `path` in one step with a file that its owner alone may read."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
