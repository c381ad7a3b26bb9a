"""Access: who gets in, until when, and what is kept of a secret."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from arc.access import CODE_LIFE, SESSION_LIFE, Access, digest
from arc.core.access import Role
from arc.core.errors import InvalidSpec, NotFound, Unauthorized
from arc.store import events
from arc.store.engine import Store
from arc.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'arc.db'}", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def access(store: Store, tmp_path: Path) -> Access:
    made = Access(store, tmp_path / "secrets")
    made.prepare()
    return made


def test_the_first_start_makes_a_private_admin_token(access: Access, tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    actor = access.authenticate(file.read_text().strip())
    assert (actor.name, actor.role, actor.job_id) == ("first", Role.ADMIN, None)


def test_later_starts_keep_it_and_make_it_private_again(access: Access, tmp_path: Path) -> None:
    file = tmp_path / "secrets" / "token"
    before = access.first_token()
    file.chmod(0o644)
    file.parent.chmod(0o755)
    access.prepare()
    assert access.first_token() == before
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert len(access.list()) == 1


@pytest.mark.parametrize("damage", ["", "guessed", "\xff"])
def test_a_start_without_a_valid_token_file_makes_a_new_one(access: Access, tmp_path: Path, damage: str) -> None:
    before = access.first_token()
    (tmp_path / "secrets" / "token").write_text(damage, encoding="latin-1")
    access.prepare()
    assert access.first_token() != before
    assert access.authenticate(access.first_token()).role is Role.ADMIN


def test_before_the_first_start_there_is_no_token(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Access(store, tmp_path / "elsewhere").first_token()


def test_the_store_holds_no_secret(access: Access, tmp_path: Path, store: Store) -> None:
    secret = access.create("robot", Role.VIEWER)[1]
    code = access.login_code()
    session = access.redeem(code)
    store.upkeep()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("arc.db*"))
    for text in (secret, code, session, access.first_token()):
        assert text.encode() not in kept
    assert digest(secret).encode() in kept


def test_a_token_works_until_it_is_revoked(access: Access) -> None:
    token, secret = access.create("robot", Role.OPERATOR, actor="someone")
    assert access.authenticate(secret).role is Role.OPERATOR
    access.revoke(token.id)
    access.revoke(token.id)
    with pytest.raises(Unauthorized):
        access.authenticate(secret)
    assert next(item for item in access.list() if item.id == token.id).revoked_at is not None


def test_rotating_ends_the_old_secret_and_keeps_name_and_role(access: Access) -> None:
    token, old = access.create("robot", Role.VIEWER)
    new_token, new = access.rotate(token.id)
    assert (new_token.name, new_token.role) == ("robot", Role.VIEWER)
    assert access.authenticate(new).name == "robot"
    with pytest.raises(Unauthorized):
        access.authenticate(old)
    with pytest.raises(NotFound):
        access.rotate(token.id)


def test_rotating_the_first_token_rewrites_its_file(access: Access) -> None:
    before = access.first_token()
    first = access.list()[0]
    secret = access.rotate(first.id)[1]
    assert access.first_token() == secret != before


@pytest.mark.parametrize("name", ["", "a b", "../x", "<b>", "x" * 200, "a\nb"])
def test_a_bad_name_is_refused(access: Access, name: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        access.create(name, Role.VIEWER)
    assert caught.value.field == "name"


@pytest.mark.parametrize("secret", ["", "guessed", "x" * 10_000, "\ud800", "é", "' OR 1=1 --"])
def test_a_wrong_secret_is_nobody(access: Access, secret: str) -> None:
    for ask in (access.authenticate, access.session, access.capability, access.redeem):
        with pytest.raises(Unauthorized):
            ask(secret)


def test_unknown_tokens_are_not_found(access: Access) -> None:
    for ask in (access.revoke, access.rotate):
        with pytest.raises(NotFound):
            ask("tok_absent")


def test_a_code_works_once(access: Access) -> None:
    code = access.login_code()
    assert access.session(access.redeem(code)).role is Role.ADMIN
    with pytest.raises(Unauthorized):
        access.redeem(code)


def test_a_code_is_too_old_after_ten_minutes(access: Access, clock: FakeClock) -> None:
    code = access.login_code()
    clock.advance(CODE_LIFE.total_seconds() + 1)
    with pytest.raises(Unauthorized):
        access.redeem(code)


def test_a_session_ends(access: Access, clock: FakeClock) -> None:
    session = access.redeem(access.login_code())
    clock.advance((SESSION_LIFE - timedelta(seconds=1)).total_seconds())
    assert access.session(session).name == "browser"
    clock.advance(2)
    with pytest.raises(Unauthorized):
        access.session(session)


def test_a_login_link_carries_a_code_and_no_token(access: Access) -> None:
    link = access.login_link("http://127.0.0.1:8000/")
    assert link.startswith("http://127.0.0.1:8000/login?code=")
    assert access.first_token() not in link
    assert access.redeem(link.partition("=")[2])


def test_what_is_done_with_tokens_is_on_record(access: Access, store: Store) -> None:
    token = access.create("robot", Role.VIEWER, actor="anna")[0]
    new = access.rotate(token.id, actor="bert")[0]
    access.revoke(new.id, actor="cleo")
    access.redeem(access.login_code())
    with store.read() as tx:
        found = [(event.kind, event.actor) for event in events.after(tx, 0)]
    assert found == [
        ("token.created", "system"), ("token.created", "anna"), ("token.rotated", "bert"), ("token.revoked", "cleo"),
        ("access.login", "browser"),
    ]  # fmt: skip
