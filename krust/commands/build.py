"""krust build: from a cargo project to images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from krust.cargo.selection import Selection
from krust.commands.deliver import Order, deliver, order_options
from krust.commands.options import CargoCommand, passed, selection_options, settings_options
from krust.errors import BinaryError
from krust.image.opening import open_workshop
from krust.settings import Settings
from plumbing.commands.network import Network, network_options
from plumbing.commands.options import store_option
from plumbing.store import Store

if TYPE_CHECKING:
    from krust.image.plan import Plan, Workshop


def verify(workshop: Workshop, plans: Sequence[Plan]) -> None:
    """Compile `plans` twice. Raises BinaryError where the executables differ; each place is said before."""
    from krust.image.make import groups

    found = [difference for group in groups(plans) for difference in workshop.differences(group)]
    for difference in found:
        workshop.settings.console.say(str(difference))
    if found:
        names = ", ".join(dict.fromkeys(f"'{difference.binary.name}'" for difference in found))
        what = "look for times, paths or random numbers in build scripts and macros"
        raise BinaryError(f"cannot reproduce {names}: {len(found)} sections differ, which are named above; {what}")


@click.command("build", cls=CargoCommand)
@click.argument("directory", default=".", type=click.Path(path_type=Path))
@selection_options
@settings_options
@click.option(
    "--verify-reproducible",
    is_flag=True,
    help="Build twice, the second time elsewhere and cold, and compare; then go on.",
)
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
    verify_reproducible: bool,
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
    workshop = open_workshop(settings, directory, flags=flags, cargo_args=passed(ctx), allow_dynamic=allow_dynamic)
    plans = workshop.plans(selection, network, store, offline=order.offline)
    if verify_reproducible:
        verify(workshop, plans)
    created = order.created(settings, workshop.git)
    deliver(order, store, plans, workshop.compile, network, created=created)
