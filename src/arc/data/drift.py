"""data.drift: whether the photographs of today look like those that a model was made with.

A version is compared with another version, or with a folder of photographs that came in lately, whatever lies below it. Of every
photograph `arc.data.features` are measured in the sandbox; each feature gets its Kolmogorov-Smirnov statistic and its
population stability index with intervals that hold for all features at once (`arc.stats.drift`), patients drawn whole.

A feature has drifted when the lower bound of its KS statistic is above 0, or that of its index is at least `psi_limit`; the answer
says which. `hold` is what a rollout may wait for: some feature has drifted, or the embedding has. By chance alone that
happens in about 2 of 100 comparisons at the usual confidence of .99. It never says that a model got worse, only that
nobody has shown that it did not.

The odd case: a folder holds photographs as they came, a version as they are kept, so a folder is taken in like the version first
(`arc.data.drift_recent`).

The embedding of a classifier is compared when somebody brings one: a room of its own (`arc.fundus.embed`) knows networks, and this
one may not know it. That room calls `run` with a function, and is what the catalog names as the recipe.

Not covered: the photographs of a sealed split, and what patients a folder shows: each photograph counts as one, unless it is DICOM
and says whose it is.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arc.core.errors import BadData
from arc.core.inputs import ResolvedInput
from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import drift_page, look, manifest
from arc.data.drift_judged import Compared, Comparison, Embedded, Photographs
from arc.data.drift_recent import MAX_MEGAPIXELS, Recent, take_in
from arc.data.features import FEATURES
from arc.data.judge_spec import DriftParams
from arc.data.publish import version_of
from arc.kit import report
from arc.kit.documents import save_json
from arc.stats.drift import check_draws, ks_all, psi_all
from arc.stats.mmd import mmd

_MOST_EMBEDDED: Final = 1000  # photographs of each side, drawn: the test holds all pairs at once
_NAMED: Final = 50  # unreadable files that are named

Embed = Callable[[Sequence[Path]], NDArray[np.float64]]  # (n, d) of n photographs; a row of NaN where there is none


def run(ctx: RunContext, params: DriftParams, *, embed: Embed | None = None) -> Done:
    """Compare the reference with the current version or the recent folder; `embed` adds the embedding.

    BadData when not exactly one of them is given, or nothing of a side can be read; InvalidSpec when so few draws cannot
    show anything with that confidence.
    """
    check_draws(params.resamples, params.ks_confidence, field="resamples")
    if embed is not None:
        check_draws(params.permutations, params.ks_confidence, field="permutations")
    current, recent = ctx.optional("current"), ctx.optional("recent")
    if (current is None) == (recent is None):
        raise BadData("give exactly one of the inputs current and recent", field="inputs.current")
    ctx.phase("look")
    old = version(ctx, ctx.input("reference"))
    with tempfile.TemporaryDirectory(dir=ctx.folder("recent")) as into:
        new = version(ctx, current) if current is not None else _recent(ctx, Path(into))
        ctx.phase("compare")
        found = compare(old, new, params, seed=ctx.seed)
        if embed is not None:
            ctx.phase("embed")
            found = found.with_embedding(_embedded(old, new, embed, params, seed=ctx.seed))
        ctx.phase("report")
        page = drift_page.page(found, params, max_megapixels=MAX_MEGAPIXELS)
    said = told(found, params)
    save_json(ctx, "drift.json", "result", said, ascii_only=False)
    ctx.save("drift.html", "report", lambda path: report.write(path, page))
    most = max(one.psi.value or 0.0 for one in found.features)
    return Done(metrics={"drifted_features": len(found.drifted), "max_psi": most, "hold": float(found.hold)}, result=said)


def compare(reference: Photographs, current: Photographs, params: DriftParams, *, seed: int) -> Comparison:
    """Every feature of both sides against each other; `found.hold` says whether to wait."""
    how: dict[str, Any] = {
        "reference_groups": reference.patients,
        "current_groups": current.patients,
        "confidence": params.ks_confidence,
        "resamples": params.resamples,
        "seed": seed,
    }
    tested, indices = ks_all(reference.values, current.values, **how), psi_all(reference.values, current.values, **how)
    features = [
        Compared(
            feature=name,
            ks=one,
            psi=index,
            because=tuple(
                word
                for word, so in (("ks", (one.interval.low or 0.0) > 0), ("psi", (index.low or 0.0) >= params.psi_limit))
                if so
            ),
        )
        for name, one, index in zip(FEATURES, tested, indices, strict=True)
    ]  # fmt: skip
    return Comparison(reference, current, tuple(features))


def _embedded(reference: Photographs, current: Photographs, embed: Embed, params: DriftParams, *, seed: int) -> Embedded:
    random = np.random.default_rng([seed, 1])
    vectors, groups = [], []
    for side in (reference, current):
        chosen = np.sort(random.permutation(len(side.paths))[:_MOST_EMBEDDED])
        found = embed([side.paths[at] for at in chosen])
        there = np.isfinite(found).all(axis=1)
        vectors.append(found[there])
        groups.append([side.patients[at] for at in chosen[there]])
    tested, chance = mmd(
        *vectors,
        reference_groups=groups[0],
        current_groups=groups[1],
        confidence=params.ks_confidence,
        permutations=params.permutations,
        seed=seed,
    )
    drifted = tested.p is not None and tested.p <= 1 - params.ks_confidence + 1e-9
    return Embedded(tested, chance, (len(vectors[0]), len(vectors[1])), drifted)


# --- what is compared ---------------------------------------------------------------------------


def version(ctx: RunContext, given: ResolvedInput) -> Photographs:
    """The photographs of a version that are not sealed."""
    about = version_of(given)
    rows = [(Path(table).parent, row) for split, table in given.splits.items() if split != "sealed" for row in manifest.read(Path(table))]
    files = [Recent(row.file, folder / row.file, row.patient) for folder, row in rows]
    return _seen(ctx, about.ref, files, patients_known=about.patients_known)


def _recent(ctx: RunContext, into: Path) -> Photographs:
    root = Path(ctx.input("recent").path)
    files = take_in(ctx, root, version_of(ctx.input("reference")), into=into)
    return _seen(ctx, root.name, files, patients_known=False)


def _seen(ctx: RunContext, name: str, files: Sequence[Recent], *, patients_known: bool) -> Photographs:
    whole = [one for one in files if not one.error]
    seen = look.look(ctx, [(one.path, None) for one in whole], max_megapixels=MAX_MEGAPIXELS)
    read = [(one, it.features) for one, it in zip(whole, seen, strict=True) if it.features is not None]
    if not read:
        raise BadData(f"no photograph of {name} can be read ({len(files)} were tried)", field="inputs", value=name)
    errors = {one.file: it.error for one, it in zip(whole, seen, strict=True) if it.features is None}
    errors |= {one.file: one.error for one in files if one.error}
    return Photographs(
        name=name,
        files=tuple(one.file for one, _ in read),
        paths=tuple(one.path for one, _ in read),
        patients=tuple(one.patient for one, _ in read),
        patients_known=patients_known,
        values=np.array([[features[feature] for feature in FEATURES] for _, features in read]),
        unreadable=tuple(sorted(errors.items())),
    )


# --- what is said -------------------------------------------------------------------------------


def told(found: Comparison, params: DriftParams) -> dict[str, Any]:
    """The answer as JSON: both sides, every feature with its intervals, the embedding, `drifted`, `enough` and `hold`."""
    return {
        "reference": _side(found.reference),
        "current": _side(found.current),
        "hold": found.hold,
        "enough": found.enough,
        "drifted": list(found.drifted),
        "rule": {"psi_limit": params.psi_limit, "confidence": params.ks_confidence, "for_all_features_at_once": True},
        "features": [_feature(found, one) for one in found.features],
        "embedding": None if found.embedding is None else _embedding(found.embedding),
    }


def _side(side: Photographs) -> dict[str, Any]:
    return {
        "name": side.name,
        "photographs": len(side.files),
        "patients": len(set(side.patients)) if side.patients_known else None,
        "unreadable": len(side.unreadable),
        "unreadable_files": [{"file": file, "what": why} for file, why in side.unreadable[:_NAMED]],
    }


def _feature(found: Comparison, one: Compared) -> dict[str, Any]:
    quartiles = {
        key: np.quantile(side.of(one.feature), (0.25, 0.5, 0.75)).tolist()
        for key, side in (("reference", found.reference), ("current", found.current))
    }
    return {
        "feature": one.feature,
        "ks": one.ks.interval.as_dict(),
        "p": one.ks.p,
        "psi": one.psi.as_dict(),
        "drifted": one.drifted,
        "because": list(one.because),
        "quartiles": quartiles,
    }


def _embedding(one: Embedded) -> dict[str, Any]:
    return {
        "mmd": one.tested.interval.as_dict(),
        "p": one.tested.p,
        "chance": one.chance,
        "photographs": list(one.n),
        "drifted": one.drifted,
    }
