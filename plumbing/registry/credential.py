"""Credential: what tells a registry who is asking."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Self

from plumbing.errors import Malformed, PlumbingError, shown

_TOKEN = re.compile(r"[!-~]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")  # which JSON can say, and no request can hold


class CredentialError(PlumbingError):
    """A credential cannot be read, kept or forgotten: a helper that fails, a file that cannot be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user name and password, or a token; where several are set, the registry token is used, then the identity token.

    username        with password, for Basic; beside a token it is only a name to show
    identity_token  an OAuth2 refresh token, good for the realm alone
    registry_token  sent to the registry as Bearer, as it is
    source          where it was found, for people: a path, a variable, a credential helper

    Neither `repr()` nor `str()` shows a secret.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    identity_token: str | None = field(default=None, repr=False)
    registry_token: str | None = field(default=None, repr=False)
    source: str

    def __post_init__(self) -> None:
        if _SURROGATE.search(f"{self.username or ''}{self.password or ''}"):
            raise self._malformed("a user name and a password that UTF-8 can hold")
        if self.password is not None:
            if not self.username or ":" in self.username or _CONTROL.search(self.username):
                raise self._malformed("a user name without ':' beside the password")  # RFC 7617, section 2
            if _CONTROL.search(self.password):
                raise self._malformed("a password without control characters")
        tokens = [token for token in (self.identity_token, self.registry_token) if token is not None]
        if not all(_TOKEN.fullmatch(token) for token in tokens):
            raise self._malformed("tokens of printable ASCII without spaces")
        if self.password is None and not tokens:
            raise self._malformed("a password or a token")

    @classmethod
    def given(cls, username: str, password: str) -> Self:
        """What the user gave on this command line."""
        return cls(username=username, password=password, source="the command line")

    def _malformed(self, expected: str) -> Malformed:
        return Malformed("credential", self.username or "", expected=expected, where=self.source)

    def __str__(self) -> str:
        """Who, and from where."""
        return f"{shown(self.username or '<token>')} from {self.source}"
