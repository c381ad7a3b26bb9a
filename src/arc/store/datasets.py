"""Dataset versions and the ledger of their sealed splits in the store."""

import sqlalchemy as sa
from sqlalchemy import func, select

from arc.core.dataset import DatasetVersion, SealedUse, Tracking, Validation
from arc.core.errors import NotFound
from arc.store import tables as t
from arc.store.engine import Tx
from arc.store.nouns import clean


def insert(tx: Tx, version: DatasetVersion) -> None:
    """Write a new version; Conflict when its number is taken."""
    tx.conn.execute(sa.insert(t.dataset_versions), clean(dict(version)))


def get(tx: Tx, name: str, version: int | None = None) -> DatasetVersion:
    """A version, the newest when none is named; NotFound."""
    c = t.dataset_versions.c
    query = select(t.dataset_versions).where(c.name == name)
    if version is not None:
        query = query.where(c.version == version)
    row = tx.conn.execute(query.order_by(c.version.desc()).limit(1)).one_or_none()
    if row is None:
        wanted = name[:128] if version is None else f"{name[:128]}@{version}"
        raise NotFound(f"there is no dataset {wanted!r}", field="dataset", value=wanted)
    return DatasetVersion(**row._mapping)


def next_version(tx: Tx, name: str) -> int:
    """The number that the next version of a dataset gets: 1, 2, …; nobody else is given it before the transaction ends."""
    tx.in_turn(f"dataset {name}")
    newest = tx.conn.execute(select(func.max(t.dataset_versions.c.version)).where(t.dataset_versions.c.name == name)).scalar_one()
    return (newest or 0) + 1


def names(tx: Tx) -> list[str]:
    """Every dataset, by name."""
    return sorted(
        tx.conn.execute(select(t.dataset_versions.c.name).distinct()).scalars()
    )  # here, because databases differ in what comes first


def versions(tx: Tx, name: str) -> list[DatasetVersion]:
    """Every version of a dataset, first to last."""
    query = select(t.dataset_versions).where(t.dataset_versions.c.name == name).order_by(t.dataset_versions.c.version)
    return [DatasetVersion(**row._mapping) for row in tx.conn.execute(query)]


def record_sealed_use(tx: Tx, use: SealedUse) -> SealedUse:
    """Enter one use of a sealed split; the ledger numbers it."""
    c = t.sealed_uses.c
    tx.in_turn(f"sealed {use.dataset}@{use.version}")
    uses = tx.conn.execute(select(func.count()).where(c.dataset == use.dataset, c.version == use.version)).scalar_one()
    numbered = use.model_copy(update={"use": uses + 1})
    tx.conn.execute(sa.insert(t.sealed_uses), clean(dict(numbered)))
    return numbered


def sealed_uses(tx: Tx, name: str, version: int) -> list[SealedUse]:
    """The ledger of a version, first use to last."""
    query = select(t.sealed_uses).where(t.sealed_uses.c.dataset == name, t.sealed_uses.c.version == version)
    return [SealedUse(**row._mapping) for row in tx.conn.execute(query.order_by(t.sealed_uses.c.use))]


def record_validation(tx: Tx, found: Validation) -> None:
    """Write what a validation said."""
    tx.conn.execute(sa.insert(t.dataset_validations), clean(dict(found)))


def last_validation(tx: Tx, name: str, version: int) -> Validation | None:
    """What the newest validation of a version said; None when there was none."""
    c = t.dataset_validations.c
    query = select(t.dataset_validations).where(c.dataset == name, c.version == version).order_by(c.at.desc(), c.id.desc()).limit(1)
    row = tx.conn.execute(query).one_or_none()
    return None if row is None else Validation(**row._mapping)


def record_tracking(tx: Tx, kept: Tracking) -> None:
    """Write that DVC keeps a version, in place of what was known before."""
    c = t.dataset_trackings.c
    tx.in_turn(f"tracking {kept.dataset}@{kept.version}")
    tx.conn.execute(sa.delete(t.dataset_trackings).where(c.dataset == kept.dataset, c.version == kept.version))
    tx.conn.execute(sa.insert(t.dataset_trackings), clean(dict(kept)))


def tracking(tx: Tx, name: str, version: int) -> Tracking | None:
    """Where DVC keeps a version; None when it does not."""
    c = t.dataset_trackings.c
    row = tx.conn.execute(select(t.dataset_trackings).where(c.dataset == name, c.version == version)).one_or_none()
    return None if row is None else Tracking(**row._mapping)
