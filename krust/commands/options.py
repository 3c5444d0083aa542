"""What several porcelain commands take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import wraps
from typing import Any, TypeVar, cast

import click

from krust.cargo.metadata import Kind
from krust.cargo.selection import Selection
from krust.config.keys import (
    ANNOTATIONS,
    BASE,
    BIN,
    COMPRESSION,
    LABELS,
    PLATFORMS,
    PROFILE,
    REPO,
    TABLE,
    TAGS,
    Key,
)
from plumbing.commands.options import Pair

F = TypeVar("F", bound=Callable[..., Any])

_FLAGGED = tuple(key for key in TABLE if key.flag and key is not BIN)
_SHARED = (REPO, TAGS, BASE, PLATFORMS, PROFILE, LABELS, ANNOTATIONS, COMPRESSION)

_META, _ORDER = "krust.passed", "krust.order"


class Passing(click.Command):
    """A command with words for another program after `--`, and none before it: a second DIRECTORY is our error.

    `words` is what the help calls them.
    """

    words = "ARGS"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            position = args.index("--")
            ctx.meta[_META] = tuple(args[position + 1 :])
            args = args[:position]
        # click collects each option's words on its own, and forgets which of two options came first
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        ctx.meta[_ORDER] = tuple(parameter.name for parameter in order)
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), f"[-- {self.words}]"]


class CargoCommand(Passing):
    words = "CARGO_ARGS"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """An option of cargo's is no slip for one of krust's that sounds like it, or not for certain."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            from krust.cargo.compile import KRUSTS_OWN

            name = error.option_name
            near = f"did you mean '{error.possibilities[0]}'; " if error.possibilities else ""
            why = KRUSTS_OWN.get(name, f"{near}cargo's own follow '--'")
            raise click.UsageError(f"no such option '{name}'; {why}", ctx) from error


def passed(ctx: click.Context) -> tuple[str, ...]:
    """What stood after `--`."""
    words: tuple[str, ...] = ctx.meta.get(_META, ())
    return words


def taking(function: F, collected: Callable[..., Any], options: Iterable[Callable[[Any], Any]]) -> F:
    """`function` as a command that takes `options`, in the order of its help. `collected` makes of them what it wants.

    options  of click, or of one that was made by this
    """
    decorated: Any = wraps(function)(collected)
    for option in reversed([*options]):
        decorated = option(decorated)
    return cast(F, decorated)


def settings_options(function: F) -> F:
    """`flags`: what was given on the command line of the keys that have a flag, by their names. See config.keys."""
    return _taking_flags(function, _FLAGGED)


def shared_settings_options(function: F) -> F:
    """`flags`, of a command that makes the images of many packages: what is said of one stands in its Cargo.toml."""
    return _taking_flags(function, _SHARED)


def _taking_flags(function: F, keys: Sequence[Key[Any]]) -> F:
    def collected(*args: Any, **more: Any) -> Any:
        flags = {key.name: more.pop(_parameter(key)) if key in keys else None for key in _FLAGGED}
        return function(*args, flags=flags, **more)

    return taking(function, collected, map(_option, keys))


def _parameter(key: Key[Any]) -> str:
    return f"setting_{key.name.replace('-', '_')}"


def _option(key: Key[Any]) -> Callable[[F], F]:
    short = ("-t",) if key.flag == "--tag" else ()
    meaning = key.meaning.partition(". ")[0].rstrip(".").replace("`", "'")
    several = "; repeatable" if key.form != "text" else ""
    return click.option(
        *short,
        key.flag,
        _parameter(key),
        multiple=key.form != "text",
        type=Pair() if key.form == "map" else str,
        metavar="NAME=VALUE" if key.form == "map" else "TEXT",
        help=f"{meaning}{several}.",
    )


def _in_order(binaries: Sequence[str], examples: Sequence[str]) -> tuple[tuple[Kind, str], ...]:
    """The kinds and names of executables as they were given, of a Passing command."""
    order = click.get_current_context().meta.get(_ORDER, ())
    words: dict[str, Iterator[tuple[Kind, str]]] = {
        "binary": (("bin", name) for name in binaries),
        "example": (("example", name) for name in examples),
    }
    return tuple(next(words[name]) for name in order if name in words)


def selection_options(function: F) -> F:
    """`selection: Selection`: the executables that are named."""

    def collected(
        *args: Any,
        package: tuple[str, ...],
        binary: tuple[str, ...],
        example: tuple[str, ...],
        workspace: bool,
        **more: Any,
    ) -> Any:
        if workspace and (package or binary or example):
            raise click.UsageError("--workspace takes every binary: give it without -p, --bin and --example")
        selection = Selection(packages=package, executables=_in_order(binary, example), workspace=workspace)
        return function(*args, selection=selection, **more)

    options = (
        click.option(
            "-p", "--package", multiple=True, metavar="NAME", help="A package, in a workspace of several; repeatable."
        ),
        click.option("--bin", "binary", multiple=True, metavar="NAME", help="A binary, of several; repeatable."),
        click.option("--example", multiple=True, metavar="NAME", help="An example; repeatable."),
        click.option("--workspace", "--all", "workspace", is_flag=True, help="Every binary of every package."),
    )
    return taking(function, collected, options)
