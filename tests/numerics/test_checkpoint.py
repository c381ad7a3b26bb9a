"""What is put into a checkpoint comes out to the last bit, and what is not one is refused by name."""

import json
import math
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from arc.core.errors import BadData
from arc.kit import checkpoint, optim
from arc.kit.schedule import Schedule

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=5) | st.integers(-5, 5), inner, max_size=3)
    ),
    max_leaves=12,
)


def alike(one, other) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(alike(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    return one == other and (not isinstance(one, float) or math.copysign(1, one) == math.copysign(1, other))


@settings(max_examples=60, deadline=None)
@given(state=st.dictionaries(st.text(max_size=5), plain, max_size=3))
def test_any_plain_nest_comes_back(tmp_path_factory, state):
    path = tmp_path_factory.getbasetemp() / "nest.safetensors"
    checkpoint.save(path, state)
    assert alike(checkpoint.load(path), state)


DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3, 1)], ids=str)
def test_tensors_of_every_type_and_shape_come_back(tmp_path, dtype, shape):
    tensor = (torch.rand(shape, dtype=torch.float64) * 3).to(dtype)
    checkpoint.save(tmp_path / "x", {"a": tensor, "again": [tensor]})
    state = checkpoint.load(tmp_path / "x")
    for found in (state["a"], state["again"][0]):
        assert found.dtype == dtype
        assert torch.equal(found, tensor)


def test_views_slices_and_names_that_look_alike_are_kept_apart(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    state = {"a": {"b": base[0]}, "a/b": base[1], "t": base.t(), "wide": torch.ones(1).expand(5), "base": base}
    checkpoint.save(tmp_path / "x", state)
    found = checkpoint.load(tmp_path / "x")
    assert torch.equal(found["a"]["b"], base[0])
    assert torch.equal(found["a/b"], base[1])
    assert torch.equal(found["t"], base.t())
    assert torch.equal(found["wide"], torch.ones(5))
    assert torch.equal(found["base"], base)


def test_a_tensor_found_twice_is_stored_once(tmp_path):
    tensor = torch.rand(1000)
    checkpoint.save(tmp_path / "once", {"a": tensor})
    checkpoint.save(tmp_path / "twice", {"a": tensor, "b": tensor})
    assert (tmp_path / "twice").stat().st_size < (tmp_path / "once").stat().st_size + 1000


@pytest.mark.parametrize("name", optim.NAMES)
def test_an_optimiser_goes_on_as_if_nothing_had_happened(tmp_path, name):
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = optim.build(model, name=name, lr=0.01, weight_decay=0.1)
    schedule = Schedule("plateau", patience=1)

    def step(model, optimizer, schedule, number):
        optimizer.zero_grad()
        model(torch.arange(8.0).reshape(2, 4)).square().mean().backward()
        schedule.apply(optimizer, number)
        optimizer.step()
        schedule.observe(1.0)

    for number in range(3):
        step(model, optimizer, schedule, number)
    captured = {"m": model.state_dict(), "o": optimizer.state_dict(), "s": schedule.state_dict()}
    checkpoint.save(tmp_path / "x", captured)
    twin = nn.Linear(4, 3)
    twin_optimizer, twin_schedule = optim.build(twin, name=name, lr=0.5), Schedule("plateau", patience=1)
    state = checkpoint.load(tmp_path / "x")
    checkpoint.put_weights(twin, state["m"])
    checkpoint.put_optimizer(twin_optimizer, state["o"])
    twin_schedule.load_state_dict(state["s"])
    assert repr(twin_optimizer.state_dict()) == repr(optimizer.state_dict())
    for number in range(3, 6):
        step(model, optimizer, schedule, number)
        step(twin, twin_optimizer, twin_schedule, number)
    assert torch.equal(model.weight, twin.weight)
    assert optimizer.param_groups[0]["lr"] == twin_optimizer.param_groups[0]["lr"]


def test_an_optimiser_of_another_model_is_refused(tmp_path):
    small, large = nn.Linear(2, 2), nn.Linear(3, 3)
    optimizer = optim.build(small, name="adam", lr=0.1)
    small(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    with pytest.raises(BadData, match="optimiser"):
        checkpoint.put_optimizer(optim.build(large, name="adam", lr=0.1), optimizer.state_dict())
    with pytest.raises(BadData, match="optimiser"):
        checkpoint.put_optimizer(optim.build(nn.Linear(2, 2, bias=False), name="adam", lr=0.1), optimizer.state_dict())


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"a": {"b": object()}}, "a/b"),
        ({"a": {1.5: 1}}, "a"),
        ({"a": [{"x": {1, 2}}]}, "a/0/x"),
        ({"s": torch.sparse_coo_tensor([[0]], [1.0], (3,), check_invariants=True)}, "s"),
    ],
)
def test_what_cannot_be_kept_is_named(tmp_path, state, named):
    with pytest.raises(BadData) as caught:
        checkpoint.save(tmp_path / "x", state)
    assert caught.value.field == named


def tied() -> nn.Module:
    model = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3)})
    model["b"].weight = model["a"].weight
    return model


def test_weights_and_their_description_come_back_and_equal_models_are_equal_bytes(tmp_path):
    model = tied()
    meta = {"classes": ["no", "yes"], "threshold": 0.1 + 0.2}
    checkpoint.save_model(tmp_path / "one", model, meta)
    checkpoint.save_model(tmp_path / "two", model, meta)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    weights = checkpoint.load_model_weights(tmp_path / "one")
    assert weights.meta == meta
    other = tied()
    checkpoint.put_weights(other, weights.tensors)
    assert torch.equal(other["b"].weight, model["a"].weight)
    assert other["b"].weight is other["a"].weight


def test_weights_that_do_not_fit_name_the_first_key(tmp_path):
    weights = nn.Linear(3, 2).state_dict()
    with pytest.raises(BadData, match=r"lack bias"):
        checkpoint.put_weights(nn.Linear(3, 2), {"weight": weights["weight"]})
    with pytest.raises(BadData, match=r"weight has the shape \(2, 3\), the model wants \(2, 4\)"):
        checkpoint.put_weights(nn.Linear(4, 2), weights)
    with pytest.raises(BadData, match="no place for extra"):
        checkpoint.put_weights(nn.Linear(3, 2), weights | {"extra": torch.ones(1)})
    with pytest.raises(BadData, match=r"weight has the type torch\.int64"):
        checkpoint.put_weights(nn.Linear(3, 2), weights | {"weight": torch.ones(2, 3, dtype=torch.int64)})


def test_numbers_that_are_none_are_refused_unless_asked_for(tmp_path):
    model = nn.Linear(2, 2)
    model.bias.data[0] = math.nan
    checkpoint.save_model(tmp_path / "x", model, {})
    with pytest.raises(BadData, match="bias holds NaN"):
        checkpoint.load_model_weights(tmp_path / "x")
    assert checkpoint.load_model_weights(tmp_path / "x", finite=False).tensors["bias"][0].isnan()


def test_a_checkpoint_is_no_model_and_a_model_no_checkpoint(tmp_path):
    checkpoint.save(tmp_path / "c", {"a": 1})
    checkpoint.save_model(tmp_path / "m", nn.Linear(1, 1), {})
    with pytest.raises(BadData, match="not a model file"):
        checkpoint.load_model_weights(tmp_path / "c")
    with pytest.raises(BadData, match="not a checkpoint"):
        checkpoint.load(tmp_path / "m")


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


BAD = {
    "empty": b"",
    "short": b"\x00" * 7,
    "zeros": b"\x00" * 64,
    "huge header": struct.pack("<Q", 2**60) + b"{}",
    "header over the limit": struct.pack("<Q", 10_000_001) + b" " * 100,
    "cut header": struct.pack("<Q", 500) + b"{}",
    "no json": safetensors(b"{nope"),
    "deep": safetensors(b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "list": safetensors([1]),
    "nan": safetensors(b'{"a": NaN}'),
    "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
    "duplicate key": safetensors(
        b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', b"\0" * 4
    ),
    "hole": safetensors({"a": entry(0, 4, [1]), "b": entry(8, 12, [1])}, b"\0" * 12),
    "overlap": safetensors({"a": entry(0, 4, [1]), "b": entry(2, 6, [1])}, b"\0" * 6),
    "trailing": safetensors({"a": entry(0, 4, [1])}, b"\0" * 9),
    "cut data": safetensors({"a": entry(0, 4, [1])}, b"\0" * 3),
    "shape lies": safetensors({"a": entry(0, 4, [1000])}, b"\0" * 4),
    "negative": safetensors({"a": entry(0, 4, [-1])}, b"\0" * 4),
    "overflow": safetensors({"a": entry(0, 4, [2**62, 8])}, b"\0" * 4),
    "unknown type": safetensors({"a": entry(0, 4, [1], "X99")}, b"\0" * 4),
    "meta no text": safetensors({"__metadata__": {"arc": 1}, "a": entry(0, 4, [1])}, b"\0" * 4),
    "meta no json": safetensors({"__metadata__": {"arc": "{"}, "a": entry(0, 4, [1])}, b"\0" * 4),
    "meta list": safetensors({"__metadata__": {"arc": "[]"}, "a": entry(0, 4, [1])}, b"\0" * 4),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_none_is_bad_data(tmp_path, name):
    path = tmp_path / "given.safetensors"
    path.write_bytes(BAD[name])
    with pytest.raises(BadData, match=r"given\.safetensors"):
        checkpoint.load_model_weights(path)


STATES = [
    {"$t": "nowhere"},
    {"$d": [["a"]]},
    {"$d": [[None, 1]]},
    {"$f": "1e5"},
    {"$x": 1},
    {"$t": "a", "$d": []},
    [1],
    None,
    {"$d": [["a", {"$t": ["a"]}]]},
]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_a_state_that_does_not_hold_together_is_bad_data(tmp_path, state):
    path = tmp_path / "x"
    meta = {"arc": json.dumps({"kind": checkpoint.CHECKPOINT, "state": state})}
    path.write_bytes(safetensors({"__metadata__": meta, "a": entry(0, 4, [1])}, b"\0" * 4))
    with pytest.raises(BadData):
        checkpoint.load(path)


def test_any_flipped_byte_is_bad_data_or_a_state(tmp_path):
    path = tmp_path / "x"
    checkpoint.save(path, {"a": torch.ones(3), "b": [1, 2.5, {"c": (None, "t")}]})
    good = path.read_bytes()
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x11]) + good[at + 1 :])
        try:
            checkpoint.load(path)
        except BadData:
            pass
