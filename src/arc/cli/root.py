"""Root: the command `arc`, its groups, and the one place where an error becomes an exit status.

0 done, 1 a job or the machine failed, 2 the request was wrong, 3 trying again may help, 4 cancelled,
130 interrupted. An error is a line or two on stderr; a traceback goes to a file whose path is printed.
"""

import errno
import os
import sys
import tempfile
import traceback
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import arc
from arc.cli import (
    data,
    demo,
    doctor,
    evaluate,
    experiments,
    explain,
    jobs,
    leases,
    recipes,
    run,
    script,
    serve,
    settings,
    study,
    submit,
    tokens,
    train,
    train_segmentation,
)
from arc.cli.advice import next_step
from arc.cli.options import Call
from arc.cli.output import complain, error_document, note, sentence
from arc.cli.session import Interrupted
from arc.core.errors import ArcError, NoSpace, PermanentError


class Root(TyperGroup):
    """The group that turns errors into lines and exit statuses."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; every error of the house ends here."""
        try:
            return super().invoke(ctx)
        except Interrupted as error:
            note(str(error))
            raise typer.Exit(error.exit_code) from None
        except ArcError as error:
            _report(ctx, error)
        except BrokenPipeError:
            _close_stdout()
            raise typer.Exit(1) from None
        except OSError as error:
            _report(ctx, _of_os(error))


app = typer.Typer(
    name="arc",
    cls=Root,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="ARC trains, judges, ships and keeps improving models. Start with [cyan]arc demo[/cyan].",
)
for _panel, _parts in (
    ("Start", (demo, serve, doctor)),
    ("Work", (data, submit, train, train_segmentation, run, script, evaluate, explain, jobs, experiments, study, leases)),
    ("Look up and set up", (recipes, settings, tokens)),
):
    for _part in _parts:
        _part.register(app, panel=_panel)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"arc {arc.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    ctx: typer.Context,
    workspace: Annotated[
        Path | None, typer.Option("--workspace", "-w", help="Folder that ARC keeps everything in; understood after the command, too.")
    ] = None,
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    ctx.obj = Call(workspace=workspace)


def main() -> None:
    """Run the command line and leave with its exit status."""
    sys.excepthook = _unexpected
    typer.main.get_command(app)()  # not `app()`, which puts a hook of its own in place of ours


def _report(ctx: typer.Context, error: ArcError) -> None:
    advice = next_step(error)
    if isinstance(ctx.obj, Call) and ctx.obj.as_json:
        error_document(error, next_step=advice)
    complain(sentence(error), advice)
    raise typer.Exit(type(error).exit_code) from None


def _of_os(error: OSError) -> ArcError:
    where = f"{error.filename}: " if error.filename else ""
    return (NoSpace if error.errno == errno.ENOSPC else PermanentError)(f"{where}{error.strerror or error}")


def _close_stdout() -> None:
    """The reader of the pipe is gone: say nothing more, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _unexpected(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An error that nobody foresaw: its traceback into a file, its name to the reader."""
    with tempfile.NamedTemporaryFile("w", prefix="arc-error-", suffix=".txt", delete=False) as kept:
        kept.writelines(traceback.format_exception(kind, error, trace))
    complain(f"this is a mistake in ARC: {kind.__name__}: {error}", f"Please report it with {kept.name}")
