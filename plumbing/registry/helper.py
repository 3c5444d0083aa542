"""Credential helpers: programs `docker-credential-NAME` that keep credentials. docker/docker-credential-helpers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from plumbing.errors import shown
from plumbing.registry.credential import Credential, CredentialError

_NAME = re.compile(r"[A-Za-z0-9._-]+")
_NOT_FOUND = b"credentials not found in native keychain"
_TOKEN = "<token>"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended, and what it wrote to stdout. That may be a secret, so it is in no message."""

    code: int
    out: bytes

    def __repr__(self) -> str:
        return f"Ended(code={self.code})"


Run = Callable[[str, str, bytes], Ended]
"""Runs a program by its name, with one argument and its stdin. Raises CredentialError: why it cannot; what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helper:
    """The credential helper that `named_in`, a file, calls `name`."""

    name: str
    named_in: str
    run: Run

    def __post_init__(self) -> None:
        # A name is part of a program's: with a '/' in it, a file could name any program at all.
        if not _NAME.fullmatch(self.name):
            raise CredentialError(
                f"cannot run credential helper '{shown(self.name)}' of '{self.named_in}': "
                "its name may have letters, digits, '.', '_' and '-' only"
            )

    @property
    def program(self) -> str:
        return f"docker-credential-{self.name}"

    def __str__(self) -> str:
        return f"{self.program}, named in {self.named_in}"

    def get(self, server: str) -> Credential | None:
        """What it has for `server`. Raises CredentialError where it fails in any way but saying that it has nothing."""
        ended = self._ask("get", server, server.encode())
        if ended.code != 0 and _NOT_FOUND in ended.out:
            return None
        self._check("get", server, ended)
        try:
            value = json.loads(ended.out)
            username, secret = value["Username"], value["Secret"]
        except (ValueError, KeyError, TypeError, RecursionError):
            self._failed("get", server, "its answer has no Username and Secret in JSON")
        if not isinstance(username, str) or not isinstance(secret, str):
            self._failed("get", server, "its answer has a Username or a Secret that is no string")
        if not username and not secret:
            return None
        if username == _TOKEN:
            return Credential(identity_token=secret, source=str(self))
        return Credential(username=username, password=secret, source=str(self))

    def store(self, server: str, credential: Credential) -> None:
        """Have it keep `credential`. Raises CredentialError where it fails."""
        value = {
            "ServerURL": server,
            "Username": _TOKEN if credential.identity_token else credential.username,
            "Secret": credential.identity_token or credential.password,
        }
        self._check("store", server, self._ask("store", server, json.dumps(value).encode()))

    def erase(self, server: str) -> None:
        """Have it forget what it has for `server`. Raises CredentialError where it fails."""
        self._check("erase", server, self._ask("erase", server, server.encode()))

    def _ask(self, verb: str, server: str, data: bytes) -> Ended:
        try:
            return self.run(self.program, verb, data)
        except CredentialError as error:
            raise self._fault(verb, server, str(error)) from error.__cause__

    def _check(self, verb: str, server: str, ended: Ended) -> None:
        if ended.code != 0:
            self._failed(verb, server, f"exit {ended.code}")

    def _failed(self, verb: str, server: str, why: str) -> NoReturn:
        # Nothing that it said is repeated: helpers are known to print secrets while they fail.
        then = f"see what it says to 'echo {shown(server)} | {self.program} get'"
        raise self._fault(verb, server, f"{why}; {then}") from None

    def _fault(self, verb: str, server: str, why: str) -> CredentialError:
        return CredentialError(
            f"cannot {verb} the credential for '{shown(server)}' by '{self.program}', named in '{self.named_in}': {why}"
        )
