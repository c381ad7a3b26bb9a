"""Weights from elsewhere: files of every family, and what is refused of them, by name."""

import hashlib
import pickle
import re
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from arc.core.errors import BadData
from arc.fundus import pretrained
from arc.fundus.networks import backbone_of, build, freeze_backbone, head_of
from arc.kit import checkpoint


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build("small_cnn", dropout=0.0)


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def other(network: nn.Module, *, classes: int = 2) -> dict[str, torch.Tensor]:
    """Weights of the same network, trained elsewhere for so many classes."""
    generator = torch.Generator().manual_seed(7)
    name, head = head_of(network)
    found = {key: torch.randn(value.shape, generator=generator) for key, value in network.state_dict().items() if value.is_floating_point()}
    return found | {f"{name}.weight": torch.ones(classes, head.in_features), f"{name}.bias": torch.ones(classes)}


def test_a_torch_file_and_a_safetensors_file_give_the_same_and_say_what_came(tmp_path: Path, network: nn.Module) -> None:
    given = other(network, classes=1000)
    save_file(given, tmp_path / "a.safetensors")
    torch.save({"state_dict": {f"module.{name}": tensor for name, tensor in given.items()}, "epoch": 3}, tmp_path / "b.pth")
    states = []
    for file in (tmp_path / "a.safetensors", tmp_path / "b.pth"):
        torch.manual_seed(0)
        fresh = build("small_cnn", dropout=0.0)
        head = head_of(fresh)[1].weight.detach().clone()
        loaded = pretrained.load(fresh, file, model="small_cnn", source=file.name)
        assert loaded.fresh == ("head.weight", "head.bias") == loaded.unused[::-1]
        assert len(loaded.loaded) == len(given) - 2
        assert torch.equal(head_of(fresh)[1].weight, head)
        states.append(weights(fresh))
    assert all(torch.equal(tensor, states[1][name]) for name, tensor in states[0].items())
    assert torch.equal(states[0]["features.0.0.weight"], given["features.0.0.weight"])


def test_a_model_of_this_house_brings_its_head(tmp_path: Path, network: nn.Module) -> None:
    checkpoint.save_model(tmp_path / "model.safetensors", network, {"model": "small_cnn"})
    fresh = build("small_cnn", dropout=0.0)
    loaded = pretrained.load(fresh, tmp_path / "model.safetensors", model="small_cnn", source="m")
    assert loaded.fresh == loaded.unused == ()
    assert all(torch.equal(tensor, weights(fresh)[name]) for name, tensor in weights(network).items())
    with pytest.raises(BadData, match="of small_cnn, not of resnet50"):
        pretrained.load(fresh, tmp_path / "model.safetensors", model="resnet50", source="m")


def test_weights_of_another_model_are_refused_by_what_differs(tmp_path: Path, network: nn.Module) -> None:
    given = other(network)
    del given["features.1.0.weight"]
    given["attention.weight"] = torch.ones(1, 3, 1, 1)
    save_file(given, tmp_path / "a.safetensors")
    before = weights(network)
    with pytest.raises(BadData, match=r"2 of \d+ differ .*features.1.0.weight is not there.*attention.weight is \(1, 3, 1, 1\)"):
        pretrained.load(network, tmp_path / "a.safetensors", model="small_cnn", source="a.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in weights(network).items())


class Evil:
    """A pickle that would run a program."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.file,)


def test_a_pickle_that_carries_more_than_weights_runs_nothing(tmp_path: Path, network: nn.Module) -> None:
    torch.save({"state_dict": Evil(tmp_path / "ran")}, tmp_path / "evil.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    (tmp_path / "list.pth").write_bytes(b"")
    torch.save([1, 2], tmp_path / "list.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "evil.pth").read_bytes()[:80])
    for name in ("evil.pth", "plain.pth", "list.pth", "cut.pth"):
        with pytest.raises(BadData, match=name):
            pretrained.load(network, tmp_path / name, model="small_cnn", source=name)
    assert not (tmp_path / "ran").exists()


def test_numbers_that_are_none_are_refused(tmp_path: Path, network: nn.Module) -> None:
    given = other(network)
    given["features.0.0.weight"][0] = torch.nan
    save_file(given, tmp_path / "a.safetensors")
    with pytest.raises(BadData, match=r"features\.0\.0\.weight"):
        pretrained.load(network, tmp_path / "a.safetensors", model="small_cnn", source="a")


def test_the_names_of_the_published_efficientnet_are_understood() -> None:
    torch.manual_seed(0)
    network = build("efficientnet_b0", dropout=0.0, size=32)
    # The published names count the blocks through; MONAI's put the number of the stack in front.
    published = {re.sub(r"_blocks\.\d+\.(\d+)\.", r"_blocks.\1.", name): tensor for name, tensor in other(network, classes=1000).items()}
    assert "_blocks.15._bn2.weight" in published
    loaded = pretrained.put(network, published, source="hub")
    assert (loaded.fresh, loaded.unused) == (("_fc.weight", "_fc.bias"), ("_fc.bias", "_fc.weight"))


def published_vit(family: str, patches: int) -> dict[str, torch.Tensor]:
    """The weights of a ViT-B/16 under the names that torchvision or timm give them; the same numbers in both."""
    generator = torch.Generator().manual_seed(3)

    def made(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator) * 0.02

    block: list[tuple[str, str, tuple[int, ...]]] = [
        ("ln_1.weight", "norm1.weight", (768,)), ("ln_1.bias", "norm1.bias", (768,)),
        ("self_attention.in_proj_weight", "attn.qkv.weight", (2304, 768)), ("self_attention.in_proj_bias", "attn.qkv.bias", (2304,)),
        ("self_attention.out_proj.weight", "attn.proj.weight", (768, 768)), ("self_attention.out_proj.bias", "attn.proj.bias", (768,)),
        ("ln_2.weight", "norm2.weight", (768,)), ("ln_2.bias", "norm2.bias", (768,)),
        ("mlp.linear_1.weight", "mlp.fc1.weight", (3072, 768)), ("mlp.linear_1.bias", "mlp.fc1.bias", (3072,)),
        ("mlp.linear_2.weight", "mlp.fc2.weight", (768, 3072)), ("mlp.linear_2.bias", "mlp.fc2.bias", (768,)),
    ]  # fmt: skip
    names = [
        ("class_token", "cls_token", (1, 1, 768)), ("encoder.pos_embedding", "pos_embed", (1, patches + 1, 768)),
        ("conv_proj.weight", "patch_embed.proj.weight", (768, 3, 16, 16)), ("conv_proj.bias", "patch_embed.proj.bias", (768,)),
        *((f"encoder.layers.encoder_layer_{n}.{a}", f"blocks.{n}.{b}", shape) for n in range(12) for a, b, shape in block),
        ("encoder.ln.weight", "norm.weight", (768,)), ("encoder.ln.bias", "norm.bias", (768,)),
        ("heads.head.weight", "head.weight", (1000, 768)), ("heads.head.bias", "head.bias", (1000,)),
    ]  # fmt: skip
    return {theirs if family == "torchvision" else timm: made(*shape) for theirs, timm, shape in names}


def reference_vit(published: dict[str, torch.Tensor], image: torch.Tensor) -> torch.Tensor:
    """The features of the class token by the paper's equations, with torch's own layers, from torchvision's names."""
    at = published.__getitem__
    patches = nn.functional.conv2d(image, at("conv_proj.weight"), at("conv_proj.bias"), stride=16).flatten(2).transpose(1, 2)
    x = torch.cat([at("class_token").expand(len(image), -1, -1), patches], dim=1) + at("encoder.pos_embedding")
    for n in range(12):
        block = {name.rpartition(f"encoder_layer_{n}.")[2]: value for name, value in published.items() if f"encoder_layer_{n}." in name}
        normed = nn.functional.layer_norm(x, (768,), block["ln_1.weight"], block["ln_1.bias"], eps=1e-6)
        heads = nn.functional.linear(normed, block["self_attention.in_proj_weight"], block["self_attention.in_proj_bias"])
        q, k, v = (part.unflatten(2, (12, 64)).transpose(1, 2) for part in heads.chunk(3, dim=2))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + nn.functional.linear(mixed, block["self_attention.out_proj.weight"], block["self_attention.out_proj.bias"])
        normed = nn.functional.layer_norm(x, (768,), block["ln_2.weight"], block["ln_2.bias"], eps=1e-6)
        hidden = nn.functional.gelu(nn.functional.linear(normed, block["mlp.linear_1.weight"], block["mlp.linear_1.bias"]))
        x = x + nn.functional.linear(hidden, block["mlp.linear_2.weight"], block["mlp.linear_2.bias"])
    return nn.functional.layer_norm(x, (768,), at("encoder.ln.weight"), at("encoder.ln.bias"), eps=1e-6)[:, 0]


def test_a_published_vit_computes_here_what_its_paper_says() -> None:
    torch.manual_seed(0)
    network = build("vit_base", dropout=0.0, size=32).eval()
    published = published_vit("torchvision", 4)
    loaded = pretrained.put(network, published, source="hub")
    assert loaded.fresh == ("classification_head.weight", "classification_head.bias")
    image = torch.randn(2, 3, 32, 32)
    features: list[torch.Tensor] = []
    hook = head_of(network)[1].register_forward_pre_hook(lambda _, inputs: features.append(inputs[0]))
    with torch.no_grad():
        network(image)
    hook.remove()
    assert torch.allclose(features[0], reference_vit(published, image), atol=1e-4)
    state = weights(network)
    pretrained.put(network, published_vit("timm", 4), source="timm")
    assert all(torch.equal(tensor, state[name]) for name, tensor in weights(network).items())
    pretrained.put(network, published_vit("timm", 196), source="timm at 224 px")


def test_what_the_hub_cannot_give_is_said_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setitem(pretrained.HUB, "resnet50", "http://127.0.0.1:9/resnet50-11ad3fa6.pth")  # nobody listens there
    with pytest.raises(BadData, match=r"cannot be had.*give a file"):
        pretrained.from_hub("resnet50")
    with pytest.raises(BadData, match="no weights of small_cnn are published"):
        pretrained.from_hub("small_cnn")


def test_what_comes_from_the_hub_is_kept_and_must_be_what_was_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))
    content = b"weights"
    name = f"net-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    (tmp_path / name).write_bytes(content)
    (tmp_path / "net-00000000.pth").write_bytes(content)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        monkeypatch.setitem(pretrained.HUB, "resnet50", f"http://127.0.0.1:{server.server_port}/net-00000000.pth")
        with pytest.raises(BadData, match="SHA-256"):
            pretrained.from_hub("resnet50")
        assert not list((tmp_path / "home").rglob("*.pth"))
        monkeypatch.setitem(pretrained.HUB, "resnet50", f"http://127.0.0.1:{server.server_port}/{name}")
        assert pretrained.from_hub("resnet50").read_bytes() == content
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert pretrained.from_hub("resnet50").read_bytes() == content  # and needs nobody any more


def test_a_frozen_backbone_keeps_its_weights_and_its_running_means(network: nn.Module) -> None:
    before = weights(network)
    freeze_backbone(network.train(), True)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network(torch.randn(4, 3, 32, 32)).square().sum().backward()
    optimizer.step()
    moved = {name for name, tensor in weights(network).items() if not torch.equal(tensor, before[name])}
    assert moved == {"head.weight", "head.bias"}
    freeze_backbone(network.train(), False)
    assert all(parameter.requires_grad for parameter in backbone_of(network))
