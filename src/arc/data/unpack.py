"""data.unpack: an archive, a `.mat` file or a folder of photographs becomes a dataset whose sealed patients nobody can reach.

Steps: what was handed over into a fresh folder (`opening`), what is in it (`layout`), each picture decoded once in the
sandbox and written plain (`ingest`), patients to splits and files to their places (`assemble`). What trains goes to the
folder `dataset`, what judges to `sealed`; the engine puts both in their places when the job completes. When anything
is wrong, nothing is left of either.
"""

import os
import shutil
from dataclasses import replace
from pathlib import Path

from arc.core.ports import RunContext
from arc.core.recipe import Done
from arc.data import layout
from arc.data.assemble import assemble
from arc.data.ingest import convert
from arc.data.opening import open_source
from arc.data.publish import version_folders
from arc.data.spec import UnpackParams


def run(ctx: RunContext, params: UnpackParams) -> Done:
    """Make the dataset; BadData, TooLarge or NoSpace say what stands in the way."""
    source = Path(ctx.input("archive").path)
    work = ctx.folder("unpacked")
    try:
        with version_folders(ctx) as (dataset, sealed):
            opened = open_source(ctx, params, source, work)
            ctx.phase("look")
            found = layout.recognise(opened.root, most_files=params.max_files, layout=params.layout, mapping=opened.mapping)
            found = replace(found, warnings=(*opened.warnings, *found.warnings))
            ctx.log("layout", name=found.name, photographs=len(found.photographs))
            kept = convert(ctx, params, opened.root, found.photographs, into=work / "converted")
            step = {"unpack": params.model_dump(mode="json", exclude={"name", "licence", "source", "description"}) | {"seed": ctx.seed}}
            result = assemble(ctx, kept, found, asked=params, rule=params, step=step, place=os.rename, dataset=dataset, sealed=sealed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Done(metrics={"images": result["files"]}, result=result | {"format": opened.format, "bytes_in": opened.bytes_in})
