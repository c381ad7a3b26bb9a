"""What a training declares that it takes grows with what it is, and no network is forgotten."""

from typing import get_args

import pytest

from arc.fundus.classify_spec import CLASSIFY, ClassifyParams

MODELS = get_args(ClassifyParams.model_fields["model"].annotation)


def needs(*, gpu: bool = False, **params: object) -> float:
    return CLASSIFY.needs_of(ClassifyParams.model_validate(params).model_dump(mode="json"), gpu=gpu).memory_gb


@pytest.mark.parametrize("model", MODELS)
def test_every_network_says_what_it_takes(model: str) -> None:
    small, large = needs(model=model, input_size=224, batch_size=16), needs(model=model, input_size=512, batch_size=64)
    assert CLASSIFY.needs.memory_gb <= small < large
    assert needs(model=model, input_size=512, batch_size=64, gpu=True) < large


def test_what_was_measured_fits_into_what_is_declared() -> None:
    """Peaks of the resident set of a whole training on a CPU, fp32, adamw, running mean, 224 px, batches of 16."""
    for model, measured_gb in (("vit_base", 3.96), ("efficientnet_b0", 2.36), ("resnet50", 2.50)):
        assert measured_gb <= needs(model=model, input_size=224, batch_size=16) <= 1.25 * measured_gb


def test_the_usual_batch_is_counted_where_none_is_given() -> None:
    assert needs(model="vit_base", input_size=224) == needs(model="vit_base", input_size=224, batch_size=16)
