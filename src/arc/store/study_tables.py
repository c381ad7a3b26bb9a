"""Tables of studies: what was asked for, the steps that were recorded, and what was proposed, voted, decided and learned.

A noun is kept whole in `body`; the columns beside it are those that a query looks into. `number` counts within a
study, so that everything is read back in the order in which it was written.
"""

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Index, Integer, String, Table
from sqlalchemy import UniqueConstraint as Unique

from arc.store.moment import Moment
from arc.store.tables import metadata

_json = JSON(none_as_null=True)

studies = Table(
    "studies",
    metadata,
    Column("id", String, primary_key=True),
    Column("recipe", String, nullable=False),
    Column("spec", _json, nullable=False),
    Column("state", String, nullable=False),  # as it was last set; that of the job is looked at beside it
    Column("job_id", String),
    Column("cycle", Integer, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("calls", BigInteger, nullable=False),
    Column("summary", _json, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Index("studies_by_recipe", "recipe", "id"),
)

study_records = Table(
    "study_records",
    metadata,
    Column("study", String, ForeignKey("studies.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("key", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("body", _json, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", Moment, nullable=False),
    Unique("study", "key"),
)

proposals = Table(
    "proposals",
    metadata,
    Column("id", String, primary_key=True),
    Column("study", String, ForeignKey("studies.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("cycle", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("body", _json, nullable=False),
    Column("actor", String, nullable=False),  # who wrote it first
    Column("at", Moment, nullable=False),
    Unique("study", "number"),
)

ballots = Table(
    "ballots",
    metadata,
    Column("proposal_id", String, ForeignKey("proposals.id"), primary_key=True),
    Column("agent", String, primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("body", _json, nullable=False),
    Column("actor", String, nullable=False),
    Column("at", Moment, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("study", String, ForeignKey("studies.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("cycle", Integer, nullable=False),
    Column("body", _json, nullable=False),
    Column("at", Moment, nullable=False),
)

constraints = Table(
    "constraints",
    metadata,
    Column("study", String, ForeignKey("studies.id"), primary_key=True),
    Column("id", String, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("body", _json, nullable=False),
)
