"""verify: is the store what it says?"""

from __future__ import annotations

import click

from plumbing.commands.group import FAILED
from plumbing.commands.options import store_option
from plumbing.oci import document
from plumbing.store import Store
from plumbing.store.fsck import Report, fsck
from plumbing.store.names import find


@click.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--trust", is_flag=True, help="Believe what was noted when an unchanged blob was last read.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@store_option
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], trust: bool, as_json: bool, store: Store) -> None:
    """Read every blob and follow every ref, or those of the NAMEs; print what is wrong, and exit 1 if anything is."""
    if names:
        found = [find(name, store) for name in names]
        reports = [fsck(item.store, [item.descriptor], trust=trust) for item in found]
    else:
        reports = [fsck(Store.open(store.path), trust=trust)]
    report = Report(
        tuple(problem for one in reports for problem in one.problems),
        sum(one.blobs for one in reports),
        sum(one.size for one in reports),
    )
    if as_json:
        value = {"blobs": report.blobs, "size": report.size, "problems": list(report.problems)}
        click.echo(document.dump(value).decode())
    else:
        for problem in report.problems:
            click.echo(problem)
    click.echo(f"{report.blobs} blobs, {report.size} bytes, {len(report.problems)} problems", err=True)
    if report.problems:
        ctx.exit(FAILED)
