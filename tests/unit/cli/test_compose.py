"""Composing a configuration: what is layered on what, and what never reaches Hydra."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from arc.cli import plain_yaml
from arc.cli.compose import compose, sweep
from arc.core.errors import ArcError, BadData, InvalidSpec, NotFound, TooLarge

RECIPE = "fundus.classify"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A workspace with one configuration of each form."""
    folder = tmp_path / "configs" / "experiment"
    folder.mkdir(parents=True)
    (folder / "baseline.yaml").write_text("lr: 1e-3\noptimizer: sgd\n")
    kept = tmp_path / "experiments" / "exp_1" / "config"
    kept.mkdir(parents=True)
    content = {"recipe": RECIPE, "params": {"epochs": 7}, "inputs": {"dataset": "dataset:demo@1"}, "seed": 3, "threads": 2}
    (kept / "config.yaml").write_text(yaml.safe_dump(content))
    return tmp_path


def test_defaults_then_the_experiment_then_the_overrides(place: Path) -> None:
    made = compose(RECIPE, ["+experiment=baseline", "lr=3e-4", "inputs.dataset=dataset:demo@2", "seed=4"], workspace=place)
    assert (made.params["lr"], made.params["optimizer"], made.params["loss"]) == (3e-4, "sgd", "cross_entropy")
    assert (made.inputs, made.seed) == ({"dataset": "dataset:demo@2"}, 4)
    assert compose(RECIPE, ["+experiment=baseline"], workspace=place).params["lr"] == 1e-3


def test_an_experiment_s_own_configuration_composes_whole(place: Path) -> None:
    made = compose(RECIPE, ["+experiment=exp_1", "learning_rate=1e-2"], workspace=place)
    assert (made.params["epochs"], made.params["lr"]) == (7, 1e-2)
    assert (made.inputs, made.seed, made.threads) == ({"dataset": "dataset:demo@1"}, 3, 2)


def test_a_document_composes_to_itself(place: Path) -> None:
    made = compose(RECIPE, ["lr=3e-4", "seed=2"], workspace=place)
    again = compose(RECIPE, [], workspace=place, file=plain_yaml.parse(yaml.safe_dump(made.document())))
    assert again.document() == made.document()


def test_a_sweep_is_every_combination_and_bounded(place: Path) -> None:
    made = sweep(RECIPE, ["lr=1e-3,3e-4", "seed=1,2"], workspace=place, most=4)
    assert [(one.params["lr"], one.seed) for one in made] == [(1e-3, 1), (1e-3, 2), (3e-4, 1), (3e-4, 2)]
    with pytest.raises(InvalidSpec, match="more than 3 combinations"):
        sweep(RECIPE, ["lr=1e-3,3e-4", "seed=1,2"], workspace=place, most=3)
    with pytest.raises(InvalidSpec, match="combinations"):
        sweep(RECIPE, ["epochs=range(1,1000000000)"], workspace=place, most=50)
    with pytest.raises(InvalidSpec, match="is a sweep"):
        compose(RECIPE, ["lr=1,2"], workspace=place)


@pytest.mark.parametrize(
    "override",
    [
        "~lr", "+lr=1", "++lr=1", "-lr=1", "lr", "@=1", "lr@x=1", "hydra.run.dir=/tmp/x", "hydra/launcher=joblib", "+hydra.job.name=x",
        "_target_=os.system", "params._target_=os.system", "lr=${oc.env:HOME}", "model='\\${oc.env:HOME}'", "lr=[[[", "lr=" + "[" * 1000,
        "lr=" + "1" * 5000, "lrr=1", "lr=abc", "lr=nan", "augment=no", "epochs=5.0", "seed=-1", "seed=a", "model={_target_: os.system}",
        "+experiment=../x", "+experiment=/etc/passwd", "inputs.model=x", "inputs.dataset=3", "lr.x=3", "config_path=/etc", "params=1",
    ],
)  # fmt: skip
def test_what_is_not_on_the_allow_list_is_refused(place: Path, override: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        compose(RECIPE, [override], workspace=place)
    assert caught.value.field


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("lrepochs=.,+-~$@{}[]()'\"\\_:/0123e", max_size=60).map(lambda tail: f"lr={tail}")))
def test_any_override_composes_or_is_the_caller_s_error(text: str) -> None:
    try:
        made = compose(RECIPE, [text], workspace=Path("/nowhere"))
    except (InvalidSpec, NotFound):
        return
    assert "${" not in str(made.document())


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-8, 10))
def test_a_number_arrives_as_it_was_written(value: float) -> None:
    assert compose(RECIPE, [f"lr={value!r}"], workspace=Path("/nowhere")).params["lr"] == value


def test_a_name_is_given_once_and_an_unknown_experiment_says_what_there_is(place: Path) -> None:
    with pytest.raises(InvalidSpec, match="given twice"):
        compose(RECIPE, ["lr=1", "params.lr=2"], workspace=place)
    with pytest.raises(InvalidSpec, match="given twice"):
        compose(RECIPE, ["lr=1", "learning_rate=2"], workspace=place)
    with pytest.raises(NotFound, match="baseline"):
        compose(RECIPE, ["+experiment=nope"], workspace=place)


@pytest.mark.parametrize(
    "file",
    [
        {"recipe": "fundus.report"}, {"params": []}, {"params": {"lrr": 1}}, {"params": {}, "hydra": {}}, {"params": {}, "defaults": []},
        {"_target_": "os.system"}, {"params": {"lr": "${oc.env:HOME}"}}, {"params": {}, "inputs": {"model": "x"}}, {"params": {}, "seed": "1"},
        {"params": {}, "dummy_mode": "no"},
    ],
)  # fmt: skip
def test_a_file_may_say_only_what_the_recipe_has(place: Path, file: dict[str, object]) -> None:
    with pytest.raises(InvalidSpec):
        compose(RECIPE, [], workspace=place, file=file)


def test_scalars_of_a_file_are_those_of_the_command_line() -> None:
    assert plain_yaml.parse("lr: 1e-3\ncountry: no\nsince: 2020-01-01\nnone: null\n") == {
        "lr": 1e-3, "country": "no", "since": "2020-01-01", "none": None,
    }  # fmt: skip
    assert plain_yaml.parse("a: &x [1]\nb: *x\n") == {"a": [1], "b": [1]}
    assert plain_yaml.parse("") == {}


_LAUGHS = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['true']", "a: !!python/name:os.system", "a: !!binary aGk=", "a: 1\n---\nb: 2", "a: 1\na: 2",
        "a: &x [*x]", "a: " + "[" * 100, "a: " + "[" * 100 + "]" * 100, "a: " + "[" * 100_000, "[1]", "text", "? [1]\n: 2", "a: *x", "\x01",
        _LAUGHS,
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_a_file_that_is_more_than_data_is_refused(text: str) -> None:
    with pytest.raises(BadData):
        plain_yaml.parse(text)


def test_a_file_is_bounded_and_text(tmp_path: Path) -> None:
    large, binary = tmp_path / "large.yaml", tmp_path / "binary.yaml"
    large.write_text("a: " + "x" * 300_000)
    binary.write_bytes(b"a: \xff")
    for path, error in ((large, TooLarge), (binary, BadData), (tmp_path / "none.yaml", NotFound)):
        with pytest.raises(error, match=path.name):
            plain_yaml.read(path)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_mapping_or_the_caller_s_error(text: str) -> None:
    try:
        assert isinstance(plain_yaml.parse(text), dict)
    except ArcError as error:
        assert isinstance(error, BadData)
