"""krust apply: what `krust resolve` prints, to kubectl; and the three that do so with another of kubectl's commands."""

from __future__ import annotations

import click

from krust.commands.options import Passing, passed
from krust.commands.resolve import Errand, resolve, resolve_options
from krust.commands.texts import Asked
from krust.kube import kubectl
from krust.settings import Settings
from plumbing.commands.network import Network


class KubectlCommand(Passing):
    words = "KUBECTL_ARGS"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(
                f"no such option '{error.option_name}' before '--'; kubectl's own follow it: "
                f"'krust {self.name} -f k8s/ -- -n web'",
                ctx,
            ) from error


def to_kubectl(verb: str, deed: str) -> click.Command:
    """The command `verb`, of krust and of kubectl. `deed` is the first sentence of its help."""

    @click.command(
        verb,
        cls=KubectlCommand,
        help=f"{deed}\n\nIt is 'krust resolve', with its options, to 'kubectl {verb} -f -'. What follows '--' goes to "
        f"kubectl: 'krust {verb} -f k8s/ -- --context test -n web'. It ends as kubectl does.",
    )
    @resolve_options
    @click.pass_context
    def command(ctx: click.Context, asked: Asked, errand: Errand, network: Network) -> None:
        settings: Settings = ctx.obj
        program = kubectl.find(settings.env)  # before anything is built for it
        resolved = resolve(settings, asked, errand, network)
        network.close()
        settings.console.end()
        kubectl.become(program, [verb, "-f", "-", *passed(ctx)], standard_input=resolved, env=settings.env)

    return command


command = to_kubectl("apply", "Build what YAML refers to as krust://PACKAGE, push it, and apply the YAML by kubectl.")
