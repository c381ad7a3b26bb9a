"""The torch-free side of the fundus recipes: what a request may say, and who is given the sealed split."""

import pytest
from pydantic import ValidationError

from arc.data.spec import SYNTHETIC_FUNDUS, UNPACK
from arc.fundus.spec import CLASSIFY, EVALUATE, REPORT, ClassifyParams, EvaluateParams


def test_learning_rate_is_another_name_of_lr_and_kept_as_lr() -> None:
    params = ClassifyParams.model_validate({"learning_rate": 0.01})
    assert params.lr == 0.01
    assert params.model_dump()["lr"] == 0.01
    assert ClassifyParams.model_validate(params.model_dump()) == params
    with pytest.raises(ValidationError):
        ClassifyParams.model_validate({"learning_rate": 0.01, "lr": 0.02})


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": float("nan")}, {"lr": 0}, {"lr": 11}, {"lr": "0.1"}, {"epochs": 0}, {"epochs": True}, {"epochs": "3"}, {"batch_size": 2.5},
        {"dropout": 1.0}, {"model": "resnet"}, {"loss": "mse"}, {"optimizer": "lion"}, {"input_size": 8}, {"focal_gamma": -1}, {"more": 1},
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClassifyParams.model_validate(wrong)


def test_the_evaluation_alone_is_given_the_sealed_split() -> None:
    readers = [
        recipe.name
        for recipe in (SYNTHETIC_FUNDUS, UNPACK, CLASSIFY, EVALUATE, REPORT)
        if any("sealed" in given.splits for given in recipe.inputs.values())
    ]
    assert readers == ["fundus.evaluate"]
    assert EvaluateParams().split == "sealed"


def test_every_number_says_what_it_is() -> None:
    for recipe in (SYNTHETIC_FUNDUS, UNPACK, CLASSIFY, EVALUATE, REPORT):
        for name, field in recipe.params.model_fields.items():
            assert field.description, f"{recipe.name}.{name}"
        recipe.params()  # every parameter has a default
