"""Auth files, pure: which entry of docker's config.json, or of podman's auth.json, is a registry's, and what it holds.

docker/cli, cli/config; containers-auth.json(5). No message shows what an entry holds.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self

from plumbing.errors import Malformed, shown
from plumbing.registry.credential import Credential

_HUB = ("https://index.docker.io/v1/", "docker.io", "index.docker.io", "registry-1.docker.io")
_STRICT = (("auths",), ("auth",))

Keys = Callable[[Iterable[str], str, str], Iterator[str]]
"""From a file's keys, a host and a repository: the keys that are meant, the best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthFile:
    """What one file or variable, `source`, says. Entries are looked at when they are asked for, and not before."""

    source: str
    keys: Keys
    auths: Mapping[str, object]
    helpers: Mapping[str, object]
    store: str | None

    @classmethod
    def docker(cls, raw: bytes, source: str) -> Self:
        """`config.json`. Raises Malformed."""
        return cls._of(load(raw, source), source, docker_keys)

    @classmethod
    def podman(cls, raw: bytes, source: str) -> Self:
        """`auth.json`, whose keys may go on with a path. Raises Malformed."""
        return cls._of(load(raw, source), source, podman_keys)

    @classmethod
    def flat(cls, raw: bytes, source: str) -> Self:
        """`.dockercfg`, which is all entries. Raises Malformed."""
        return cls._of({"auths": load(raw, source)}, source, docker_keys)

    @classmethod
    def variable(cls, text: str, source: str) -> Self:
        """DOCKER_AUTH_CONFIG: nothing but `{"auths": {host: {"auth": …}}}`, as docker has it. Raises Malformed."""
        file = cls._of(load(text.encode(errors="replace"), source, known=_STRICT[0]), source, docker_keys)
        for key in file.auths:
            where = f"auths.{shown(key)}"
            _known(_object(file.auths, key, source, where), _STRICT[1], source, f"{where}.")
        return file

    @classmethod
    def _of(cls, value: Mapping[str, Any], source: str, keys: Keys) -> Self:
        return cls(
            source=source,
            keys=keys,
            auths=_object(value, "auths", source, "auths"),
            helpers=_object(value, "credHelpers", source, "credHelpers"),
            store=_text(value, "credsStore", source, "credsStore"),
        )

    def helpers_of(self, host: str) -> tuple[str, ...]:
        """The names of the credential helpers to ask about `host`, in this order: its own, the one for all.

        An empty name for the host means, as it does for docker, that its entry is in the file.
        """
        own = next((key for key in docker_keys(self.helpers, host, "") if self.helpers[key] is not None), None)
        name = None if own is None else _text(self.helpers, own, self.source, f"credHelpers.{shown(own)}")
        if own is not None and not name:
            return ()
        return tuple(dict.fromkeys(name for name in (name, self.store) if name))

    def find(self, host: str, repository: str) -> Credential | None:
        """What the best entry for `repository` on `host` holds; empty ones count as absent. Raises Malformed."""
        for key in self.keys(self.auths, host, repository):
            where = f"auths.{shown(key)}"
            credential = from_json(_object(self.auths, key, self.source, where), self.source, where)
            if credential:
                return credential
        return None


def load(raw: bytes, source: str, *, known: tuple[str, ...] | None = None) -> dict[str, Any]:
    """The JSON object in `raw`; an empty file counts as `{}`, as for docker. Raises Malformed.

    known  the only keys that it may have; None is any
    """
    if not raw.strip():
        return {}
    try:
        value = json.loads(raw.decode(), parse_constant=_constant)
    except json.JSONDecodeError as error:
        _wrong(source, f"JSON ({error.msg})", f"line {error.lineno}, column {error.colno}")
    except UnicodeDecodeError as error:
        _wrong(source, "UTF-8", f"byte {error.start}")
    except (ValueError, RecursionError):
        _wrong(source, "JSON with numbers and nesting of a sensible size")
    if not isinstance(value, dict):
        _wrong(source, "a JSON object")
    if known is not None:
        _known(value, known, source)
    return value


def servers(host: str) -> tuple[str, ...]:
    """The names that `host` goes by, the one to write first: docker.io has four, any other host its own."""
    return _HUB if host in _HUB else (host,)


def docker_keys(keys: Iterable[str], host: str, _: str) -> Iterator[str]:
    """The exact key, then those that are the host's once scheme and path are taken off, in their order."""
    names = servers(host)
    keys = list(keys)
    exact = [name for name in names if name in keys]
    yield from exact
    yield from (key for key in keys if key not in exact and _host(key) in names)


def podman_keys(keys: Iterable[str], host: str, repository: str) -> Iterator[str]:
    """`host/a/b`, `host/a`, `host`; then those that are the host's once scheme and path are taken off.

    A path without a scheme is a namespace, never to be taken off: its credential is for what lies below it.
    """
    names = servers(host)
    keys = list(keys)
    parts = repository.split("/") if repository else []
    paths = ["".join(f"/{part}" for part in parts[:length]) for length in range(len(parts), -1, -1)]
    exact = [f"{name}{path}" for path in paths for name in names if f"{name}{path}" in keys]
    yield from exact
    yield from (key for key in keys if key not in exact and "://" in key and _host(key) in names)


def from_json(entry: Mapping[str, Any], source: str, where: str) -> Credential | None:
    """The credential in one entry of `auths`; None for an empty one. Raises Malformed."""
    auth, username, password, identity_token, registry_token = (
        _text(entry, name, source, f"{where}.{name}") or None
        for name in ("auth", "username", "password", "identitytoken", "registrytoken")
    )
    if auth:
        username, password = _decode(auth, source, f"{where}.auth")
    if not password and (identity_token or registry_token or not username):
        password = None  # `az acr login` writes a user without a password beside the token
    if password is None and not identity_token and not registry_token:
        return None
    return Credential(
        username=username or None,
        password=password,
        identity_token=identity_token,
        registry_token=registry_token,
        source=source,
    )


def to_json(credential: Credential) -> dict[str, str]:
    """The entry that `from_json` reads back."""
    entry = {}
    if credential.username is not None:
        pair = f"{credential.username}:{credential.password or ''}"
        entry["auth"] = base64.b64encode(pair.encode()).decode()
    if credential.identity_token is not None:
        entry["identitytoken"] = credential.identity_token
    if credential.registry_token is not None:
        entry["registrytoken"] = credential.registry_token
    return entry


def _decode(auth: str, source: str, where: str) -> tuple[str, str]:
    packed = "".join(auth.split())
    try:
        pair = base64.b64decode(packed.rstrip("=") + "=" * (-len(packed.rstrip("=")) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        pair = ""
    username, colon, password = pair.partition(":")
    if not colon:
        _wrong(source, "base64 of user:password", where)
    return username, password.strip("\0")


def _host(key: str) -> str:
    return key.removeprefix("https://").removeprefix("http://").partition("/")[0]


def _object(value: Mapping[str, Any], key: str, source: str, where: str) -> Mapping[str, Any]:
    found = value.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        _wrong(source, "an object", where)
    return found


def _text(value: Mapping[str, Any], key: str, source: str, where: str) -> str | None:
    found = value.get(key)
    if found is not None and not isinstance(found, str):
        _wrong(source, "a string", where)
    return found


def _known(value: Mapping[str, Any], known: tuple[str, ...], source: str, where: str = "") -> None:
    for key in value:
        if key not in known:
            _wrong(
                source, f"no key but '{known[0]}' here; put the rest into docker's config.json", f"{where}{shown(key)}"
            )


def _constant(name: str) -> NoReturn:
    raise ValueError(name)


def _wrong(source: str, expected: str, where: str | None = None) -> NoReturn:
    raise Malformed("auth file", source, expected=expected, where=where) from None
