"""What every store must do, as tests: subclass, give a fixture `store`, and let pytest collect.

The fixture is an open, empty `arc.store.engine.Store` of that test alone. Times are handed in, so any clock will do.
"""

from arc.testing.queue_contract import AttemptsContract, EventsContract, JobsContract


class StoreContract(JobsContract, AttemptsContract, EventsContract):
    """Every part of the suite."""
