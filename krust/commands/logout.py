"""krust logout: forget the credential of a registry."""

from __future__ import annotations

import click

from krust.commands.login import credentials_of, host_argument
from krust.settings import Settings
from plumbing.registry.credentials import Credentials


def logout(host: str, *, credentials: Credentials) -> tuple[str, ...]:
    """Forget what docker's config.json and its helpers have for `host`; return where that was, if anywhere.

    Safe to repeat. Raises CredentialError or Malformed.
    """
    return credentials.erase(host)


@click.command("logout")
@host_argument
@click.pass_obj
def command(settings: Settings, host: str) -> None:
    """Log out of the registry HOST.

    Its credential is taken out of docker's config.json, or of the credential helper that it names.
    """
    credentials = credentials_of(settings)
    places = logout(host, credentials=credentials)
    if places:
        settings.console.say(f"logged out of '{host}'; nothing is left in {' and '.join(places)}")
    else:
        settings.console.say(f"not logged in to '{host}': nothing in '{credentials.places.docker_config}'")
    other = credentials.find(host)
    if other is not None:
        settings.console.say(f"but there is still {other}, which krust does not change")
