"""The way to registries, as commands are told of it: options, and what the environment says of proxies and credentials.

click reads the variables, as values of options that nobody sees: so plumbing works without krust, and still every
variable that counts is named in one place.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from plumbing.commands.options import Whole
from plumbing.store.names import DEFAULT_TAG, find

if TYPE_CHECKING:
    from plumbing.oci.descriptor import Descriptor
    from plumbing.oci.exchange import Progress, Source
    from plumbing.oci.reference import Reference
    from plumbing.registry import Registry, Repository, Settings
    from plumbing.registry.credentials import Credentials
    from plumbing.store import Store

    class Voice(Protocol):
        """Who tells people how it goes: krust's console, or nobody."""

        def say(self, text: str) -> None: ...

        def detail(self, level: int, line: Callable[[], str]) -> None: ...

        def progress(self) -> Progress | None: ...


F = TypeVar("F", bound=Callable[..., Any])

REMOTE = "docker://"
"""Before a reference: ask its registry. Everything else is looked up in stores alone."""

_VARIABLES = (
    "DOCKER_AUTH_CONFIG",
    "DOCKER_CONFIG",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PATH",
    "REGISTRY_AUTH_FILE",
    "SSL_CERT_FILE",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    "https_proxy",
    "http_proxy",
    "no_proxy",
)
_META = "plumbing.environment"

_DOWNLOAD = 64 * 1024 * 1024
"""Bytes of a file that is read from a URL into memory."""


class _Plain:
    """What plumbing says alone: warnings."""

    def say(self, text: str) -> None:
        click.echo(text, err=True)

    def detail(self, level: int, line: Callable[[], str]) -> None:
        pass

    def progress(self) -> Progress | None:
        return None


class Network:
    """Registries by host, each opened once, closed together. Nothing is imported or sent before the first is asked."""

    def __init__(
        self,
        environment: dict[str, str],
        voice: Voice,
        *,
        plain_http: frozenset[str] = frozenset(),
        insecure: frozenset[str] = frozenset(),
        ca: Path | None = None,
        token_servers: frozenset[str] = frozenset(),
        chunk: int | None = None,
    ) -> None:
        self.voice = voice
        self._environment = environment
        self._plain_http = plain_http
        self._insecure = insecure
        self._ca = ca
        self._token_servers = token_servers
        self._chunk = chunk
        self._registries: dict[str, Registry] = {}

    def registry(self, host: str) -> Registry:
        if host not in self._registries:
            from plumbing.registry import Registry

            self._registries[host] = Registry(
                host,
                credential=self.credentials.find,
                settings=self.settings,
                log=self.voice.detail,
                warn=self.voice.say,
            )
        return self._registries[host]

    def repository(
        self, reference: Reference, *, push: bool = False, mounts: dict[Any, str] | None = None
    ) -> Repository:
        return self.registry(reference.registry).repository(reference.repository, push=push, mounts=mounts)

    def resolve(self, reference: Reference) -> tuple[Repository, Descriptor]:
        """What `reference` means now, and where that can be read."""
        repository = self.repository(reference)
        return repository, repository.resolve(reference.digest or reference.tag or DEFAULT_TAG)

    def download(self, url: str) -> bytes:
        """What is at `url`, which need not be a registry's. Raises Malformed, RegistryError."""
        from plumbing.registry.download import download

        return download(url, self.settings, limit=_DOWNLOAD)

    @property
    def settings(self) -> Settings:
        from plumbing.registry import Settings

        environment = self._environment
        proxies = {
            scheme: proxy
            for scheme in ("http", "https")
            if (proxy := environment.get(f"{scheme}_proxy") or environment.get(f"{scheme.upper()}_PROXY"))
        }
        trust = environment.get("SSL_CERT_FILE")
        return Settings(
            plain_http=self._plain_http,
            insecure=self._insecure,
            ca=self._ca,
            realms=self._token_servers,
            chunk=self._chunk,
            trust=Path(trust) if trust else None,
            proxies=proxies,
            no_proxy=environment.get("no_proxy") or environment.get("NO_PROXY") or "",
        )

    @property
    def credentials(self) -> Credentials:
        return _credentials_of(self._environment)

    def close(self) -> None:
        for registry in self._registries.values():
            registry.close()


def network_options(function: F) -> F:
    """`network: Network`: by what the options and the environment say; closed when the command ends."""
    options = (
        click.option("--plain-http", metavar="HOST", multiple=True, expose_value=False, is_eager=True,
                     envvar="KRUST_PLAIN_HTTP", show_envvar=True, callback=_keep,
                     help="Speak http to HOST, not https; repeatable. Loopback hosts need no leave."),
        click.option("--ca", metavar="FILE",
                     expose_value=False, is_eager=True, envvar="KRUST_CA", show_envvar=True, callback=_keep,
                     help="Trust the certificate authorities in FILE too (PEM)."),
        click.option("--tls-verify", type=(click.Choice(["false", "true"]), str), metavar="false HOST", multiple=True,
                     expose_value=False, is_eager=True, callback=_keep,
                     help="Do not check the certificate of HOST; repeatable."),
        click.option("--token-server", metavar="HOST", multiple=True, expose_value=False, is_eager=True,
                     envvar="KRUST_TOKEN_SERVER", show_envvar=True, callback=_keep,
                     help="Sign in at HOST, a local address that is not the registry's; repeatable."),
        click.option("--chunk", type=Whole(6, 10_000), metavar="MB", expose_value=False, is_eager=True,
                     envvar="KRUST_CHUNK", show_envvar=True, callback=_keep,
                     help="Upload in pieces of MB megabytes, through a proxy that limits a request."),
        click.option("--network", "network", hidden=True, callback=_network),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return _environment(function)


def credentials_option(function: F) -> F:
    """`credentials: Credentials`: in the places that the environment names. For who asks no registry."""
    return _environment(click.option("--credentials", "credentials", hidden=True, callback=_credentials)(function))


def _environment(function: F) -> F:
    """What counts of the environment, as options that nobody sees."""
    return click.option(
        "--environment", cls=_Environment, type=click.UNPROCESSED, hidden=True, expose_value=False, is_eager=True,
        callback=_keep,
    )(function)  # fmt: skip


class _Environment(click.Option):
    """An option that nobody gives: its value is all of _VARIABLES that are set, as click reads them."""

    def value_from_envvar(self, ctx: click.Context) -> Any:
        found = {}
        for self.envvar in _VARIABLES:
            value = self.resolve_envvar_value(ctx)
            if value:
                found[self.envvar] = value
        return found


def _keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    """Put an option's value aside for `_network`, which comes after."""
    ctx.meta.setdefault(_META, {})[param.name] = value


def _network(ctx: click.Context, param: click.Parameter, value: object) -> Network:
    kept = ctx.meta[_META]
    network = Network(
        _said(ctx),
        voice(ctx),
        plain_http=frozenset(kept["plain_http"]),
        insecure=frozenset(host for verify, host in kept["tls_verify"] if verify == "false"),
        ca=Path(kept["ca"]) if kept["ca"] else None,
        token_servers=frozenset(kept["token_server"]),
        chunk=kept["chunk"] * 1_000_000 if kept["chunk"] else None,
    )
    ctx.call_on_close(network.close)
    return network


def _credentials(ctx: click.Context, param: click.Parameter, value: object) -> Credentials:
    return _credentials_of(_said(ctx))


def _said(ctx: click.Context) -> dict[str, str]:
    """The variables that are set, and not empty."""
    said: dict[str, str] | None = ctx.meta[_META]["environment"]
    return said or {}


def _credentials_of(environment: dict[str, str]) -> Credentials:
    from plumbing.registry.credentials import Credentials, Places

    home = Path(environment.get("HOME") or _home())
    return Credentials(Places.of(environment, home=home, uid=os.getuid(), linux=sys.platform == "linux"))


def _home() -> Path:
    """Of whoever runs this; the root for a user whom the machine does not know, as containers have it."""
    try:
        return Path.home()
    except RuntimeError:
        return Path("/")


def voice(ctx: click.Context) -> Voice:
    """The console of whoever runs the command, if it brought one."""
    console: Voice | None = getattr(ctx.obj, "console", None)
    return console or _Plain()


def locate(name: str, store: Store, network: Network) -> tuple[Source, Descriptor]:
    """What `name` means and where it can be read: docker://REFERENCE in its registry, all else as `find` has it."""
    if name.startswith(REMOTE):
        from plumbing.oci.reference import Reference

        return network.resolve(Reference.parse(name.removeprefix(REMOTE)))
    found = find(name, store)
    return found.store, found.descriptor


jobs_option: Callable[[F], F] = click.option(
    "-j", "--jobs", type=Whole(1, 64), default=4, show_default=True, help="How many blobs are moved at once."
)
