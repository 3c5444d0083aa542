"""krust: the root of all commands, and where errors become messages."""

from __future__ import annotations

import gc
import signal

gc.disable()  # start-up makes many objects and no garbage; `_main` turns it on again for the command
signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` can say so in words, Ctrl-C ends us without a traceback

import sys  # noqa: E402

import click  # noqa: E402

from krust import commands as porcelain  # noqa: E402
from krust.settings import Settings, store_path  # noqa: E402
from plumbing import commands as plumbing  # noqa: E402
from plumbing.commands.group import FAILED, Commands, leave, run  # noqa: E402
from plumbing.errors import PlumbingError  # noqa: E402


class Krust(Commands):
    """Adds to every command what all of them take."""

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        command = super().get_command(ctx, cmd_name)
        if command is not None and not any(parameter.name == "quiet" for parameter in command.params):
            command.params.extend(_verbosity())
        return command


def _verbosity() -> list[click.Option]:
    def quiet(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value and (settings := ctx.find_object(Settings)):
            settings.console.quiet = True

    def verbose(ctx: click.Context, param: click.Parameter, value: int) -> None:
        if value and (settings := ctx.find_object(Settings)):
            settings.console.verbose += value

    return [
        click.Option(["-q", "--quiet"], is_flag=True, expose_value=False, callback=quiet, help="Say errors alone."),
        click.Option(
            ["-v", "--verbose"], count=True, expose_value=False, callback=verbose, help="Say more; -vv says all."
        ),
    ]


def _help(ctx: click.Context) -> None:
    click.echo(ctx.get_help())


@click.command(
    "krust",
    cls=Krust,
    sections={
        **{f"Porcelain: {kind}": names for kind, names in porcelain.TABLE.items()},
        **{f"Plumbing: {kind}": names for kind, names in plumbing.TABLE.items()},
    },
    packages={
        **dict.fromkeys(porcelain.NAMES, "krust.commands"),
        **dict.fromkeys(plumbing.NAMES, "plumbing.commands"),
    },
    invoke_without_command=True,
)
@click.option("-V", "--version", is_flag=True, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context, version: bool) -> None:
    """Container images for Rust applications, without Docker.

    Porcelain is for people, plumbing for scripts: 'docker run $(krust build)'.
    """
    if version:
        from krust import __version__

        click.echo(f"krust {__version__}")
    elif ctx.invoked_subcommand is None:
        _help(ctx)
    if ctx.obj is None:
        ctx.obj = Settings.load()
    here = ctx.obj.here
    ctx.default_map = {name: {"store": lambda: store_path(here)} for name in (ctx.invoked_subcommand or "",)}


cli.params.extend(_verbosity())


def main() -> None:
    """The entry point `krust`."""
    _main(sys.argv[1:], "krust")


def cargo_main() -> None:
    """The entry point `cargo-krust`: cargo gives the word `krust` first. The Cargo Book, "Custom subcommands"."""
    arguments = sys.argv[1:]
    _main(arguments[1:] if arguments[:1] == ["krust"] else arguments, "cargo krust")


def _main(arguments: list[str], name: str) -> None:
    gc.set_threshold(50_000)  # few commands make as much as that
    gc.enable()
    try:
        settings = Settings.load()
    except FileNotFoundError:
        click.echo(f"{name}: cannot start: the working directory is gone; change to another", err=True)
        leave(FAILED)

    def fault(error: PlumbingError) -> None:
        """With -v, what led to the error."""
        cause = error.__cause__
        while cause is not None and settings.console.verbose:
            click.echo(f"{name}: because of {type(cause).__name__}: {cause}", err=True)
            cause = cause.__cause__

    cli.context_settings["obj"] = settings
    leave(run(cli, arguments, name=name, fault=fault, ending=settings.console.end))
