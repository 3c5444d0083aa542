"""krust build: from a cargo project to images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from krust.cargo.selection import Selection
from krust.commands.deliver import Order, deliver, order_options
from krust.commands.options import CargoCommand, cargo_args, selection_options, settings_options
from krust.image.plan import Workshop
from krust.settings import Settings
from plumbing.commands.network import Network, network_options
from plumbing.commands.options import store_option
from plumbing.store import Store


@click.command("build", cls=CargoCommand)
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@selection_options
@settings_options
@click.option("--allow-dynamic", is_flag=True, help="Take a program that needs a loader; the base has to have it.")
@order_options
@store_option
@network_options
@click.pass_context
def command(
    ctx: click.Context,
    directory: Path,
    selection: Selection,
    flags: Mapping[str, object],
    allow_dynamic: bool,
    order: Order,
    store: Store,
    network: Network,
) -> None:
    """Compile the cargo project in DIRECTORY to a static binary, push an image of it, print its reference by digest.

    What follows '--' goes to cargo: 'krust build -- --locked'. Several images give a line each, in the order asked.
    """
    settings: Settings = ctx.obj
    order.check(flags)
    workshop = Workshop.open(settings, directory, flags=flags, cargo_args=cargo_args(ctx), allow_dynamic=allow_dynamic)
    plans = workshop.plans(selection, network, store, offline=order.offline)
    created = order.created(settings, workshop.git)
    deliver(order, store, plans, workshop.compile, network, created=created)
