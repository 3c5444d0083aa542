"""What several porcelain commands take."""

from __future__ import annotations

import click

_META = "krust.cargo_args"


class CargoCommand(click.Command):
    """A command with words for cargo after `--`, and none before it: a second DIRECTORY is our error, not cargo's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--" in args:
            position = args.index("--")
            ctx.meta[_META] = tuple(args[position + 1 :])
            args = args[:position]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- CARGO_ARGS]"]


def cargo_args(ctx: click.Context) -> tuple[str, ...]:
    """What stood after `--`."""
    words: tuple[str, ...] = ctx.meta.get(_META, ())
    return words
