"""Tokens: how one is asked for, and what the answer holds. Pure. distribution, "Token Authentication Specification",
"OAuth2 Token Authentication Specification"; registries.md, section 3.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlencode, urljoin, urlsplit

from plumbing.errors import Malformed, RegistryError
from plumbing.registry.challenge import Challenge
from plumbing.registry.credential import Credential
from plumbing.registry.message import Raw, Request
from plumbing.registry.origin import Origin
from plumbing.registry.problem import clean

LIMIT = 1024 * 1024
"""Bytes of a token server's answer."""

LONGEST = 86400.0
"""Seconds after which a token is renewed in any case: an answer may say any number."""

SHORTEST = 60.0
"""Seconds that a token is taken to be good for, where the answer says less or nothing. distribution, "token"."""

EARLY = 30.0
"""Seconds before its end from which a token is renewed."""

_CLIENT = "krust"
_FORM = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class Token:
    """`until` is on the monotonic clock of whoever asked. The text is never shown."""

    text: str
    until: float

    @classmethod
    def parse(cls, body: bytes | None, *, host: str, now: float) -> Self:
        """From a token server's answer; None is one that was too long. Raises RegistryError."""
        if body is None:
            raise _bad(host, f"more than {LIMIT} bytes")
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            raise _bad(host, "no JSON") from None
        if not isinstance(value, dict):
            raise _bad(host, "no JSON object")
        text = value.get("token") or value.get("access_token")
        if not isinstance(text, str) or not _FORM.fullmatch(text):
            raise _bad(host, "no token in it")
        seconds = value.get("expires_in")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not seconds >= SHORTEST:
            seconds = SHORTEST
        return cls(text, now + min(seconds, LONGEST))

    def is_fresh(self, now: float) -> bool:
        return now < self.until - EARLY

    def __repr__(self) -> str:
        return f"Token(until={self.until})"


@dataclass(frozen=True, slots=True)
class Realm:
    """Where tokens for `registry`, a host, are given out: the URL and service of its challenge."""

    registry: str
    url: str
    service: str

    @classmethod
    def of(cls, challenge: Challenge, asked: str, registry: Origin, allowed: frozenset[str]) -> Self:
        """From a Bearer challenge in the answer to the URL `asked`. Raises RegistryError for one that gets no secrets.

        allowed   hosts that may be realms although their address is local
        """
        realm = challenge.fields.get("realm", "")
        host = registry.authority
        try:
            url = urljoin(asked, realm)
            origin = Origin.of(url)
        except (Malformed, ValueError):
            raise _refused(host, realm, "no http(s) URL") from None
        if not realm:
            raise _refused(host, realm, "no URL")
        if origin.scheme == "http" and registry.scheme == "https":
            raise _refused(host, realm, "http, although the registry speaks https")
        own = (origin.host, origin.port) == (registry.host, registry.port)
        named = bool({origin.host, origin.authority} & allowed)
        by_address = origin.is_local and not (registry.is_local and origin.host.endswith("localhost"))
        if by_address and not own and not named:
            raise _refused(host, realm, f"an address of the local network; allow '{origin.authority}' if it is yours")
        return cls(host, url, challenge.fields.get("service", ""))

    @property
    def origin(self) -> Origin:
        return Origin.of(self.url)

    @property
    def _doing(self) -> str:
        return f"sign in to '{self.registry}'"

    def get(self, scopes: tuple[str, ...], credential: Credential | None) -> Request:
        """The request for a token, with the password if there is one. Nothing else may learn it."""
        fields = [("service", self.service)] if self.service else []
        fields += [("scope", scope) for scope in scopes]
        fields += [("account", credential.username)] if credential and credential.username else []
        fields += [("client_id", _CLIENT)]
        joint = "&" if urlsplit(self.url).query else "?"
        headers = {"Authorization": basic(credential)} if credential else {}
        return Request(
            method="GET",
            url=f"{self.url}{joint}{urlencode(fields)}",
            doing=self._doing,
            headers=headers,
            limit=LIMIT,
        )

    def post(self, scopes: tuple[str, ...], identity_token: str) -> Request:
        """The OAuth2 request for a token, by an identity token."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": identity_token,
            "service": self.service,
            "client_id": _CLIENT,
            "scope": " ".join(scopes),
        }
        return Request(
            method="POST",
            url=self.url,
            doing=self._doing,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
            body=Raw(urlencode(form).encode()),
            private=True,
            limit=LIMIT,
        )


def basic(credential: Credential) -> str:
    """The value of Authorization by user and password; an identity token can be a password too. RFC 7617."""
    password = credential.password if credential.password is not None else credential.identity_token or ""
    return "Basic " + b64encode(f"{credential.username or '<token>'}:{password}".encode()).decode()


def _bad(host: str, why: str) -> RegistryError:
    return RegistryError(f"cannot sign in: the answer of '{host}', which gives out tokens, has {why}", host=host)


def _refused(host: str, realm: str, why: str) -> RegistryError:
    return RegistryError(f"cannot sign in to '{host}': its realm '{clean(realm)[:200]}' is {why}", host=host)
