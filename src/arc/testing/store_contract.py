"""What every store must do, as tests: subclass, give a fixture `store`, and let pytest collect.

The fixture is an open, empty `arc.store.engine.Store` of that test alone. Times are handed in, so any clock will do.
"""

from arc.testing.attempts_contract import AttemptsContract, EventsContract
from arc.testing.jobs_contract import JobsContract
from arc.testing.leases_contract import LeasesContract
from arc.testing.ledger_contract import AccessContract, DatasetsContract, ExperimentsContract, TransactionsContract
from arc.testing.records_contract import ArtifactRowsContract, MetricsContract
from arc.testing.studies_contract import StudiesContract


class StoreContract(
    JobsContract,
    AttemptsContract,
    EventsContract,
    MetricsContract,
    ArtifactRowsContract,
    ExperimentsContract,
    DatasetsContract,
    AccessContract,
    LeasesContract,
    StudiesContract,
    TransactionsContract,
):
    """Every part of the suite."""
