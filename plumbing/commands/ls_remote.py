"""ls-remote: the tags of a repository."""

from __future__ import annotations

import click

from plumbing.commands.network import REMOTE, Network, network_options
from plumbing.commands.options import zero_option
from plumbing.errors import Malformed
from plumbing.oci.reference import Reference


@click.command("ls-remote")
@click.argument("repository")
@click.option("--digests", is_flag=True, help="Print digest, tab, tag, as ls-refs does; a request for each tag.")
@zero_option
@network_options
def command(repository: str, digests: bool, zero: bool, network: Network) -> None:
    """List the tags of REPOSITORY, host/name, in its registry."""
    reference = Reference.parse(repository.removeprefix(REMOTE))
    if reference.tag or reference.digest:
        raise Malformed("repository", repository, expected="host/name without tag and digest")
    remote = network.repository(reference)
    end = "\0" if zero else "\n"
    for tag in remote.tags():
        digest = f"{remote.resolve(tag).digest}\t" if digests else ""
        click.echo(f"{digest}{tag}{end}", nl=False)
