"""data.split: the photographs of a version in other splits, as a new version.

The photographs keep their files (a second name for the same bytes where the disk allows it). Unless it is asked for,
the sealed split stays as it is: what a model was trained on must not come to judge it.
"""

from dataclasses import replace
from pathlib import Path

from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import alike, manifest
from arc.data.derive_spec import ResplitParams
from arc.data.manifest import Row
from arc.data.publish import Facts, derived, folder_of, link, publish, put, version_folders, version_of
from arc.data.splits import SPLITS, Member, rule_in_words, split


def run(ctx: RunContext, params: ResplitParams) -> Done:
    """Split anew; BadData when it cannot be done."""
    given = ctx.input("dataset")
    old = [(name, Path(given.splits[name]).parent, row) for name in SPLITS for row in manifest.read(Path(given.splits[name]))]
    with version_folders(ctx) as (dataset, sealed):
        names, said = _split(ctx, params, old, known=version_of(given).patients_known)
        ctx.phase("link")
        places = [(source, folder_of(name, dataset, sealed), row) for name, (_, source, row) in zip(names, old, strict=True)]
        put(
            ctx, [(f"{source}/{file}", f"{target}/{file}") for source, target, row in places for file in (row.file, row.mask) if file], link
        )
        rows = [(name, row) for name, (_, _, row) in zip(names, old, strict=True)]
        result = publish(rows, replace(_facts(ctx, params), warnings=tuple(said)), dataset=dataset, sealed=sealed, threads=ctx.threads)
    return Done(metrics={"images": result["files"]}, result=result)


def _split(ctx: RunContext, params: ResplitParams, old: list[tuple[str, Path, Row]], *, known: bool) -> tuple[list[str], list[str]]:
    """The split of each photograph, and warnings."""
    members = [Member(row.patient, row.label, row.sha256, row.site, name) for name, _, row in old]
    looked = params.near_duplicates and not known
    pairs, said = alike.pairs(ctx, [folder / row.file for _, folder, row in old]) if looked else ([], [])
    sealed = None if params.redraw_sealed else [name == "sealed" for name, _, _ in old]
    return split(members, params, seed=ctx.seed, alike=pairs, sealed=sealed), said


def _facts(ctx: RunContext, params: ResplitParams) -> Facts:
    old = version_of(ctx.input("dataset"))
    rule = rule_in_words(params, patients_known=old.patients_known, seed=ctx.seed)
    if not params.redraw_sealed:
        rule = f"{rule}; the sealed split as it was ({old.split_rule})"
    step = params.model_dump(mode="json", exclude={"name"}) | {"seed": ctx.seed}
    return replace(derived(old, name=params.name, step="split", parameters=step), split_rule=rule)
