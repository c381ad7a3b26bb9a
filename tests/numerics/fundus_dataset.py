"""A small synthetic dataset for the fundus recipes, made by the recipes that make the large one."""

from pathlib import Path
from typing import Any

from arc.core.inputs import ResolvedInput
from arc.data import synthetic, unpack
from arc.data.spec import SyntheticFundusParams, UnpackParams
from tests.unit.data.context import FolderContext, given


def made(root: Path, *, patients: int = 20, size_px: int = 64, seed: int = 3) -> Path:
    """A folder with `dataset` and `sealed`."""
    draw = FolderContext(root / "draw", seed=seed)
    synthetic.run(draw, SyntheticFundusParams(patients=patients, size_px=size_px))
    source = draw.saved["synthetic-fundus.zip"][1]
    ctx = FolderContext(root / "unpack", seed=seed, inputs={"archive": given(source)})
    unpack.run(ctx, UnpackParams(name="tiny"))
    return ctx.root


def dataset(root: Path, *, sealed: bool = False, **more: Any) -> ResolvedInput:
    """The dataset below `root` as the engine gives it to a training, or with its sealed part to an evaluation."""
    splits = {name: str(root / "dataset" / f"{name}.csv") for name in ("train", "val")}
    if sealed:
        splits["sealed"] = str(root / "sealed" / "sealed.csv")
    told = {"digest": "d" * 64, "info": {"name": "tiny", "version": 1}} | more
    return ResolvedInput(
        ref="dataset:tiny@1", path=str(root / "dataset"), splits=splits, sealed_path=str(root / "sealed") if sealed else None, **told
    )
