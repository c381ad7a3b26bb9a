"""The environment of attempts: an allow list, and what is always set."""

from arc.jobs.backends.environment import FIXED, scrubbed


def test_only_what_is_allowed_passes() -> None:
    given = {"PATH": "/bin", "LC_ALL": "C", "CUDA_HOME": "/cuda", "AWS_SECRET_ACCESS_KEY": "x", "ARC_DATABASE_URL": "x", "https_proxy": "x"}
    assert scrubbed(given) == {"PATH": "/bin", "LC_ALL": "C", "CUDA_HOME": "/cuda", **FIXED}


def test_native_threads_are_off_whatever_the_caller_set() -> None:
    assert scrubbed({"OMP_NUM_THREADS": "64", "OMP_WAIT_POLICY": "active"})["OMP_NUM_THREADS"] == "1"
    assert scrubbed({"OMP_WAIT_POLICY": "active"})["OMP_WAIT_POLICY"] == "passive"


def test_without_an_argument_it_is_that_of_this_process() -> None:
    assert "PATH" in scrubbed()
