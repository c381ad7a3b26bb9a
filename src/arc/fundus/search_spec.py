"""What a study may change about the trainings of this room, when it brings no space of its own. Imports core alone: no torch.

Bounds are hard: a study may narrow them, and a study on a CPU will. Sizes are choices, because networks that pool or cut patches
take multiples of 16 alone. What gives rise to another question than "which configuration is best" is not searched: weights to begin
with, folds, sampling, the seed.
"""

from typing import Final

from arc.core.space import Choice, Integer, Parameter, Real, Space, When

_SIZES: Final = Choice(values=(64, 96, 128, 192, 256, 384, 512, 768, 1024))
_RATES: Final[dict[str, Parameter]] = {
    "lr": Real(low=1e-6, high=1.0, log=True),
    "weight_decay": Real(low=1e-7, high=0.1, log=True),
    "optimizer": Choice(values=("adam", "adamw", "sgd", "rmsprop", "muon")),
    "schedule": Choice(values=("cosine", "step", "plateau", "constant")),
    "schedule_factor": Real(low=0.1, high=0.9, when=When(name="schedule", values=("step", "plateau"))),
    "schedule_epochs": Integer(low=1, high=10, when=When(name="schedule", values=("step", "plateau"))),
}
_COMMON: Final[dict[str, Parameter]] = _RATES | {
    "batch_size": Integer(low=1, high=128, log=True),
    "epochs": Integer(low=1, high=500, log=True),
    "dropout": Real(low=0.0, high=0.9),
    "input_size": _SIZES,
    "patience": Integer(low=0, high=20),  # 0 never stops early
}

_MOST: Final = {  # effect of a training picture -> the strongest that still shows a photograph
    "flip": 1.0,
    "rotate": 180.0,
    "crop": 0.5,
    "elastic_transform": 0.05,
    "grid_distortion": 0.5,
    "brightness": 0.5,
    "contrast": 0.5,
    "colour": 0.3,
    "gamma": 1.0,
    "gaussian_blur": 0.02,
    "gaussian_noise": 0.1,
    "coarse_dropout": 0.3,
}
_POLICY: Final[dict[str, Parameter]] = {
    f"augmentation.{name}.{part}": Real(low=0.0, high=highest)
    for name, most in _MOST.items()
    for part, highest in (("probability", 1.0), ("strength", most))
}

CLASSIFY_SPACE: Final = Space(
    parameters=_COMMON
    | {
        "model": Choice(
            values=("small_cnn", "small_resnet", "efficientnet_b0", "efficientnet_b3", "efficientnet_b5", "resnet50", "vit_base")
        ),
        "loss": Choice(values=("focal", "cross_entropy", "weighted_bce")),
        "focal_gamma": Real(low=0.0, high=5.0, when=When(name="loss", values=("focal",))),
        "positive_weight": Real(low=0.1, high=10.0, log=True, when=When(name="loss", values=("weighted_bce",))),
        "label_smoothing": Real(low=0.0, high=0.3, when=When(name="loss", values=("cross_entropy",))),
    }
    | _POLICY
)

SEGMENT_SPACE: Final = Space(
    parameters=_COMMON
    | {
        "model": Choice(values=("unet", "attention_unet")),
        "heads": Choice(values=("classes", "binary")),
        "width": Choice(values=(8, 16, 32, 64)),
        "loss": Choice(
            values=("dice_ce", "bce_dice", "dice_focal", "dice", "generalized_dice", "tversky", "lovasz", "cross_entropy", "focal")
        ),
        "tversky_missed": Real(low=0.1, high=0.9, when=When(name="loss", values=("tversky",))),
    }
    | _POLICY
)
