"""The price of a class activation map: `arc.fundus.cam` against `monai.visualize.GradCAM` on the same network and photographs.

Both look at the same layer and give maps of the size of the photograph between 0 and 1, in turns, in random order, on
batches of photographs of noise. MONAI has maps for a batch of Grad-CAM; Grad-CAM++ is compared photograph by photograph, because
MONAI's gives one at a time.

    python benchmarks/bench_cam.py [--rounds 9] [--size 224] [--batch 4]

The ratio is MONAI's processor time over ours, the median over rounds of the two of the same round: 1 is as fast.
"""

import argparse
import copy
import os
import random
import statistics
import time
from collections.abc import Callable

import torch
from monai.networks.nets import EfficientNetBN, resnet50
from monai.visualize import GradCAM, GradCAMpp
from torch import nn

from arc.fundus.cam import cams, heat
from arc.fundus.networks import SmallCnn


def networks() -> dict[str, tuple[nn.Module, str]]:
    """Each network with the layer that is looked at."""
    return {
        "small_cnn": (SmallCnn(), "features"),
        "efficientnet_b0": (EfficientNetBN("efficientnet-b0", pretrained=False, spatial_dims=2, in_channels=3, num_classes=2), "_bn1"),
        "resnet50": (resnet50(spatial_dims=2, n_input_channels=3, num_classes=2), "layer4"),
    }


def seconds(run: Callable[[], object]) -> float:
    """Processor time of one turn."""
    begin = time.process_time()
    run()
    return time.process_time() - begin


def compare(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, list[float]]:
    """Milliseconds of one turn of ours, and the ratios of all rounds."""
    ours(), theirs()
    took, ratios = [], []
    for _ in range(rounds):
        first_ours = random.random() < 0.5
        pair = {name: seconds(run) for name, run in ((("o", ours), ("t", theirs)) if first_ours else (("t", theirs), ("o", ours)))}
        took.append(pair["o"])
        ratios.append(pair["t"] / pair["o"])
    return 1000 * statistics.median(took), sorted(ratios)


def main() -> None:
    """Print a line for each network and method."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=4)
    chosen = parser.parse_args()
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f}, {chosen.batch} of {chosen.size} px"
    )
    images = torch.randn((chosen.batch, 3, chosen.size, chosen.size))
    classes = torch.ones(chosen.batch, dtype=torch.int64)
    for name, (network, layer) in networks().items():
        network.eval()
        for method, peer, inputs in (("gradcam", GradCAM, images), ("gradcam_pp", GradCAMpp, images[:1])):
            theirs = peer(nn_module=copy.deepcopy(network), target_layers=layer)  # its hooks stay

            def ours(inputs: torch.Tensor = inputs, layer: str = layer, method: str = method, network: nn.Module = network) -> object:
                return heat(cams(network, inputs, layer=layer, method=method, classes_N=classes[: len(inputs)]).maps_NHW, chosen.size)

            def monai(inputs: torch.Tensor = inputs, theirs: Callable[..., object] = theirs) -> object:
                return theirs(x=inputs, class_idx=1)

            took, ratios = compare(ours, monai, chosen.rounds)
            middle, low, high = statistics.median(ratios), ratios[len(ratios) // 5], ratios[-1 - len(ratios) // 5]
            print(f"{name:16} {method:10} {took:8.1f} ms  ratio {middle:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
