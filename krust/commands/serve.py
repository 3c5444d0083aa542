"""krust serve: the store as a registry on this machine."""

from __future__ import annotations

import click

from plumbing.commands.options import Whole, store_option
from plumbing.server import serve
from plumbing.server.guard import is_loopback
from plumbing.server.serve import HOST
from plumbing.store import Store


def _loopback(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if not is_loopback(value):
        raise click.BadParameter(f"'{value}' is not a loopback address such as {HOST}; there are no passwords")
    return value


@click.command("serve")
@click.option("--port", type=Whole(0, 65535), default=0, show_default=True, help="0 takes any free port.")
@click.option(
    "--host", default=HOST, show_default=True, callback=_loopback, metavar="ADDRESS", help="A loopback address."
)
@click.option("--read-only", is_flag=True, help="Refuse whatever would write.")
@store_option
def command(port: int, host: str, read_only: bool, store: Store) -> None:
    """Serve the store as a registry on this machine, and print its host:port once it is ready.

    It runs until it is interrupted or gets SIGTERM.
    """
    serve(store, host=host, port=port, read_only=read_only, ready=click.echo)
