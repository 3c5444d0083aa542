"""krust delete: the objects of YAML with references in it, by kubectl. Nothing is built: names are enough."""

from __future__ import annotations

import tempfile

import click

from krust.commands.apply import KubectlCommand
from krust.commands.options import passed
from krust.commands.texts import Asked, text_options, unresolved
from krust.kube import kubectl
from krust.kube.join import join
from krust.settings import Settings
from plumbing.commands.network import Network, network_options


@click.command("delete", cls=KubectlCommand)
@text_options
@network_options
@click.pass_context
def command(ctx: click.Context, asked: Asked, network: Network) -> None:
    """Delete what was applied, by kubectl. Nothing is built.

    What follows '--' goes to 'kubectl delete -f -': 'krust delete -f k8s/ -- --wait=false'. It ends as kubectl does.
    """
    settings: Settings = ctx.obj
    program = kubectl.find(settings.env)
    with tempfile.TemporaryFile() as file:
        join(unresolved(asked, network), file)
        network.close()
        kubectl.become(program, ["delete", "-f", "-", *passed(ctx)], standard_input=file, env=settings.env)
