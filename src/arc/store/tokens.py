"""Tokens, one-time login codes and browser sessions in the store; secrets are here as hashes only."""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Row, delete, select

from arc.core.access import Role, Token
from arc.core.errors import NotFound
from arc.store import tables as t
from arc.store.engine import Tx


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(**{name: row._mapping[name] for name in Token.model_fields})


def insert(tx: Tx, token: Token, *, secret_hash: str) -> None:
    """Write a new token."""
    tx.conn.execute(sa.insert(t.tokens), dict(token) | {"role": token.role.value, "secret_hash": secret_hash})


def by_hash(tx: Tx, secret_hash: str) -> Token | None:
    """The token with this secret, unless it was revoked."""
    row = tx.conn.execute(select(t.tokens).where(t.tokens.c.secret_hash == secret_hash, t.tokens.c.revoked_at.is_(None))).one_or_none()
    return None if row is None else _token(row)


def get(tx: Tx, token_id: str) -> Token:
    """A token, revoked or not; NotFound."""
    row = tx.conn.execute(select(t.tokens).where(t.tokens.c.id == token_id)).one_or_none()
    if row is None:
        raise NotFound(f"there is no token {token_id[:128]!r}", field="token_id", value=token_id[:128])
    return _token(row)


def all(tx: Tx) -> list[Token]:
    """Every token, oldest first, revoked ones too."""
    return [_token(row) for row in tx.conn.execute(select(t.tokens).order_by(t.tokens.c.id))]


def revoke(tx: Tx, token_id: str, *, now: datetime) -> Token:
    """Make a token useless; revoking twice changes nothing. NotFound."""
    tx.conn.execute(sa.update(t.tokens).where(t.tokens.c.id == token_id, t.tokens.c.revoked_at.is_(None)).values(revoked_at=now))
    return get(tx, token_id)


def insert_code(tx: Tx, *, code_hash: str, expires_at: datetime) -> None:
    """Write a login code."""
    tx.conn.execute(sa.insert(t.login_codes), {"code_hash": code_hash, "expires_at": expires_at})


def take_code(tx: Tx, code_hash: str, *, now: datetime) -> bool:
    """Use a code up; False when there is none, or it has expired. Expired ones are forgotten by the way."""
    taken = tx.conn.execute(delete(t.login_codes).where(t.login_codes.c.code_hash == code_hash, t.login_codes.c.expires_at > now))
    tx.conn.execute(delete(t.login_codes).where(t.login_codes.c.expires_at <= now))
    return taken.rowcount == 1


def insert_session(tx: Tx, *, session_hash: str, expires_at: datetime, role: Role) -> None:
    """Write a session; expired ones are forgotten by the way."""
    tx.conn.execute(delete(t.sessions).where(t.sessions.c.expires_at <= tx.clock.now()))
    tx.conn.execute(sa.insert(t.sessions), {"session_hash": session_hash, "expires_at": expires_at, "role": role.value})


def session(tx: Tx, session_hash: str, *, now: datetime) -> Role | None:
    """The role of a session that has not expired."""
    found = tx.conn.execute(
        select(t.sessions.c.role).where(t.sessions.c.session_hash == session_hash, t.sessions.c.expires_at > now)
    ).scalar_one_or_none()
    return None if found is None else Role(found)
