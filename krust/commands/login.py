"""krust login: keep a credential for a registry where docker would keep it."""

from __future__ import annotations

import sys

import click

from plumbing.commands.network import Network, network_options
from plumbing.errors import Malformed
from plumbing.oci.reference import DOCKER_HUB, Reference
from plumbing.registry import Registry
from plumbing.registry.authfile import servers
from plumbing.registry.credential import Credential
from plumbing.registry.credentials import Credentials

_LONGEST = 64 * 1024  # more is a file that was piped in by mistake


def login(registry: Registry, credential: Credential, *, credentials: Credentials) -> str:
    """Keep `credential` for `registry`, which presents it, and return where it is now.

    Raises Unauthorized or another RegistryError where the registry does not take it, and CredentialError or Malformed
    where it cannot be kept; all is then as it was.
    """
    registry.sign_in()
    return credentials.store(registry.host, credential)


def used(host: str, *, credentials: Credentials) -> Credential:
    """The credential that would be used for `host`. Raises CredentialError, with the places, if there is none."""
    found = credentials.find(host)
    if found is None:
        raise credentials.missing(host)
    return found


def _host(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """A registry's host[:port], as references have it; https:// is taken off, and Docker Hub has one name."""
    if value in servers(DOCKER_HUB):
        return DOCKER_HUB
    try:
        return Reference(registry=value.removeprefix("https://").removesuffix("/"), repository="any").registry
    except Malformed:
        fault = Malformed("registry", value, expected="host[:port], such as ghcr.io")
        raise click.BadParameter(str(fault)) from None


host_argument = click.argument("host", callback=_host)


@click.command("login")
@host_argument
@click.option("-u", "--username", metavar="NAME", help="Who you are there; asked for if it is not given.")
@click.option("--password-stdin", is_flag=True, help="Read the password, or access token, from standard input.")
@click.option(
    "--check", "only_check", is_flag=True, help="Print who would be logged in, and from where; change nothing."
)
@network_options
def command(host: str, username: str | None, password_stdin: bool, only_check: bool, network: Network) -> None:
    """Log in to the registry HOST.

    The registry is asked first. Then the credential is kept in docker's config.json, or in the credential helper that
    this names. The password is never taken from the command line, where others could see it.
    """
    credentials = network.credentials
    if only_check:
        if username is not None or password_stdin:
            raise click.UsageError("--check takes no user name and no password")
        click.echo(used(host, credentials=credentials))
        return
    credential = Credential.given(*_asked(username, password_stdin))
    with _registry(network, host, credential) as registry:
        where = login(registry, credential, credentials=credentials)
    network.voice.say(f"logged in to '{host}' as '{credential.username}'; kept in {where}")
    first = credentials.find(host)
    if first is not None and first.source != where:
        network.voice.say(f"but {first.source} goes before that, and has '{first.username}' for '{host}'")


def _registry(network: Network, host: str, credential: Credential) -> Registry:
    """The registry at `host` for one who is known by `credential`, whatever else is kept for it."""
    voice = network.voice
    return Registry(host, credential=lambda *_: credential, settings=network.settings, log=voice.detail, warn=voice.say)


def _asked(username: str | None, password_stdin: bool) -> tuple[str, str]:
    """User name and password, by the options or from the person at the terminal."""
    if password_stdin:
        if username is None:
            raise click.UsageError("--password-stdin needs --username")
        try:
            password = sys.stdin.buffer.read(_LONGEST).decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise click.UsageError("the password on standard input is not UTF-8") from None
        if not password:
            raise click.UsageError("no password on standard input")
        return username, password
    if not sys.stdin.isatty():
        raise click.UsageError("cannot ask for a password: standard input is no terminal; use -u NAME --password-stdin")
    username = username or click.prompt("user name", err=True)
    return username, click.prompt("password", hide_input=True, err=True)
