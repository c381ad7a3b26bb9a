"""What every store must do for experiments, datasets and access, and for transactions; a part of `StoreContract`."""

from typing import Any

import pytest

from arc.core.access import Role, Token
from arc.core.dataset import SealedUse
from arc.core.errors import Conflict, InvalidSpec, NotFound
from arc.core.experiment import Experiment
from arc.core.page import Page
from arc.core.states import JobStatus
from arc.store import artifacts, datasets, experiments, jobs, metrics, tokens
from arc.store.engine import Store
from arc.testing.store_values import MOMENT, after, artifact, at_once, dataset, experiment, job, put, read, sealed_use, start


class ExperimentsContract:
    """Kept, found, archived, deleted."""

    def test_an_experiment_reads_back_and_changes(self, store: Store) -> None:
        with store.write() as tx:
            experiments.insert(tx, experiment())
            experiments.update(tx, "exp_1", status="completed", completed_at=after(3.5), metrics={"auc": {"value": 0.9, "low": None}})
        changed = experiment(status="completed", completed_at=after(3.5), metrics={"auc": {"value": 0.9, "low": None}})
        assert read(store, lambda tx: experiments.get(tx, "exp_1")) == changed
        with pytest.raises(Conflict), store.write() as tx:
            experiments.insert(tx, experiment())
        for act in (lambda tx: experiments.update(tx, "exp_x", archived=True), lambda tx: experiments.get(tx, "exp_x")):
            with pytest.raises(NotFound), store.write() as tx:
                act(tx)

    def test_pages_hold_every_experiment_once_newest_first(self, store: Store) -> None:
        with store.write() as tx:
            for i in range(7):
                experiments.insert(
                    tx, experiment(f"exp_{i}", created_at=after(i // 3), recipe="ab"[i % 2], archived=i == 6, dataset=f"d_{i}%")
                )
        found, cursor = [], None
        while True:
            here: Page[Experiment] = read(store, lambda tx: experiments.page(tx, limit=2, cursor=cursor))  # noqa: B023
            found += [one.id for one in here.items]
            cursor = here.next_cursor
            if cursor is None:
                break
        assert found == ["exp_5", "exp_4", "exp_3", "exp_2", "exp_1", "exp_0"]
        assert self._ids(store, recipe="a") == ["exp_4", "exp_2", "exp_0"]
        assert self._ids(store, archived=True) == ["exp_6"]
        assert self._ids(store, search="d_3%") == ["exp_3"]
        assert self._ids(store, search="%") == ["exp_5", "exp_4", "exp_3", "exp_2", "exp_1", "exp_0"]
        assert self._ids(store, search="d%3") == []
        assert self._ids(store, status="running") == []

    @pytest.mark.parametrize("cursor", ["", "!!!!", "x", "MQ", "wrIKZXhw", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTkKZXhw", "LTEKZXhw"])
    def test_a_cursor_that_no_list_of_experiments_gave_is_refused(self, store: Store, cursor: str) -> None:
        with pytest.raises(InvalidSpec) as refused, store.read() as tx:
            experiments.page(tx, cursor=cursor)
        assert refused.value.field == "cursor"

    def test_what_hangs_on_an_experiment_goes_with_it(self, store: Store) -> None:
        put(store, job(experiment_id="exp_1", needs=("job_0",)), job("job_2"))
        start(store)
        with store.write() as tx:
            metrics.append(tx, job_id="job_1", attempt=1, points={"loss": [(0, 1.0, 0.0)]})
            experiments.insert(tx, experiment())
            artifacts.insert(tx, artifact())
            experiments.delete(tx, "exp_1")
        assert [one.id for one in read(store, lambda tx: jobs.page(tx)).items] == ["job_2"]
        assert read(store, lambda tx: metrics.names(tx, "job_1")) == []
        assert self._ids(store) == []

    @staticmethod
    def _ids(store: Store, **filters: Any) -> list[str]:
        return [one.id for one in read(store, lambda tx: experiments.page(tx, **filters)).items]


class DatasetsContract:
    """Versions, and the ledger of their sealed splits."""

    def test_versions_are_numbered_and_kept(self, store: Store) -> None:
        assert read(store, lambda tx: datasets.next_version(tx, "eyes")) == 1
        first, second, other = dataset(), dataset(version=2, parent=1), dataset("hrf")
        with store.write() as tx:
            for one in (first, other, second):
                datasets.insert(tx, one)
        assert read(store, lambda tx: datasets.next_version(tx, "eyes")) == 3
        assert read(store, lambda tx: datasets.get(tx, "eyes")) == second
        assert read(store, lambda tx: datasets.get(tx, "eyes", 1)) == first
        assert read(store, lambda tx: datasets.versions(tx, "eyes")) == [first, second]
        assert read(store, lambda tx: datasets.names(tx)) == ["eyes", "hrf"]
        for name, version in (("eyes", 3), ("nose", None)):
            with pytest.raises(NotFound), store.read() as tx:
                datasets.get(tx, name, version)
        with pytest.raises(Conflict), store.write() as tx:
            datasets.insert(tx, first)

    def test_the_ledger_numbers_the_uses_of_a_version(self, store: Store) -> None:
        with store.write() as tx:
            for one in (dataset(), dataset(version=2)):
                datasets.insert(tx, one)
        with store.write() as tx:
            made = [datasets.record_sealed_use(tx, sealed_use(job_id=f"job_{i}")) for i in range(3)]
            made.append(datasets.record_sealed_use(tx, sealed_use(version=2)))
        assert [one.use for one in made] == [1, 2, 3, 1]
        assert read(store, lambda tx: datasets.sealed_uses(tx, "eyes", 1)) == made[:3]

    def test_uses_at_one_moment_get_numbers_of_their_own(self, store: Store) -> None:
        with store.write() as tx:
            datasets.insert(tx, dataset())

        def use(i: int) -> SealedUse:
            with store.write() as tx:
                return datasets.record_sealed_use(tx, sealed_use(job_id=f"job_{i}"))

        assert sorted(one.use for one in at_once(6, use)) == [1, 2, 3, 4, 5, 6]


class AccessContract:
    """Tokens, codes and sessions, all by hash."""

    def test_a_token_is_known_until_it_is_revoked(self, store: Store) -> None:
        token = Token(id="tok_1", name="me", role=Role.OPERATOR, created_at=MOMENT, revoked_at=None)
        with store.write() as tx:
            tokens.insert(tx, token, secret_hash="h")  # noqa: S106 - made up
        assert read(store, lambda tx: tokens.by_hash(tx, "h")) == token
        assert read(store, lambda tx: tokens.by_hash(tx, "H")) is None
        with store.write() as tx:
            tokens.revoke(tx, "tok_1", now=after(1))
            tokens.revoke(tx, "tok_1", now=after(2))
        assert read(store, lambda tx: tokens.by_hash(tx, "h")) is None
        assert read(store, lambda tx: tokens.all(tx)) == [token.model_copy(update={"revoked_at": after(1)})]
        assert read(store, lambda tx: tokens.get(tx, "tok_1")).revoked_at == after(1)
        with pytest.raises(NotFound), store.read() as tx:
            tokens.get(tx, "tok_x")
        with pytest.raises(NotFound), store.write() as tx:
            tokens.revoke(tx, "tok_x", now=MOMENT)

    def test_a_login_code_is_taken_once_and_in_time(self, store: Store) -> None:
        with store.write() as tx:
            tokens.insert_code(tx, code_hash="a", expires_at=after(10))
            tokens.insert_code(tx, code_hash="b", expires_at=after(10))

        def take(_: int) -> bool:
            with store.write() as tx:
                return tokens.take_code(tx, "a", now=after(9))

        assert sum(at_once(5, take)) == 1
        with store.write() as tx:
            assert not tokens.take_code(tx, "b", now=after(10))
            assert not tokens.take_code(tx, "never", now=MOMENT)

    def test_a_session_ends_when_it_said(self, store: Store) -> None:
        with store.write() as tx:
            until = tx.clock.now() + (after(60) - MOMENT)
            tokens.insert_session(tx, session_hash="s", expires_at=until, role=Role.ADMIN)
        assert read(store, lambda tx: tokens.session(tx, "s", now=until - (after(1) - MOMENT))) is Role.ADMIN
        assert read(store, lambda tx: tokens.session(tx, "s", now=until)) is None
        assert read(store, lambda tx: tokens.session(tx, "t", now=MOMENT)) is None


class TransactionsContract:
    """What is committed, and what is not."""

    def test_callbacks_run_after_the_commit_in_order(self, store: Store) -> None:
        seen: list[Any] = []
        with store.write() as tx:
            tx.after_commit(lambda: seen.append(read(store, lambda tx: jobs.get(tx, "job_1")).id))
            tx.after_commit(lambda: seen.append("second"))
            tx.on_rollback(lambda: seen.append("undone"))
            jobs.insert(tx, job())
        assert seen == ["job_1", "second"]

    def test_an_error_takes_everything_back(self, store: Store) -> None:
        seen: list[str] = []
        with pytest.raises(ZeroDivisionError), store.write() as tx:  # noqa: PT012 - what comes before the error matters
            tx.after_commit(lambda: seen.append("committed"))
            tx.on_rollback(lambda: seen.append("first"))
            tx.on_rollback(lambda: seen.append("second"))
            jobs.insert(tx, job())
            raise ZeroDivisionError
        assert seen == ["second", "first"]
        assert read(store, lambda tx: jobs.counts(tx))["queued"] == 0

    def test_a_failed_statement_takes_the_whole_transaction_back(self, store: Store) -> None:
        with pytest.raises(Conflict), store.write() as tx:  # noqa: PT012 - what comes before the error matters
            jobs.insert(tx, job())
            jobs.insert(tx, job())
        put(store, job())
        assert read(store, lambda tx: jobs.get(tx, "job_1")).status is JobStatus.QUEUED

    def test_upkeep_loses_nothing(self, store: Store) -> None:
        put(store, *[job(f"job_{i}") for i in range(30)])
        assert "dialect" in store.upkeep()
        assert read(store, lambda tx: jobs.counts(tx))["queued"] == 30
