"""krust logout: forget the credential of a registry."""

from __future__ import annotations

import click

from krust.commands.login import host_argument
from plumbing.commands.network import credentials_option, voice
from plumbing.registry.credentials import Credentials


def logout(host: str, *, credentials: Credentials) -> tuple[str, ...]:
    """Forget what docker's config.json and its helpers have for `host`; return where that was, if anywhere.

    Safe to repeat. Raises CredentialError or Malformed.
    """
    return credentials.erase(host)


@click.command("logout")
@host_argument
@credentials_option
@click.pass_context
def command(ctx: click.Context, host: str, credentials: Credentials) -> None:
    """Log out of the registry HOST.

    Its credential is taken out of docker's config.json, or of the credential helper that it names.
    """
    say = voice(ctx).say
    places = logout(host, credentials=credentials)
    if places:
        say(f"logged out of '{host}'; nothing is left in {' and '.join(places)}")
    else:
        say(f"not logged in to '{host}': nothing in '{credentials.places.docker_config}'")
    other = credentials.find(host)
    if other is not None:
        say(f"but there is still {other}, which krust does not change")
