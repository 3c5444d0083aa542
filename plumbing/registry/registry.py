"""Registry: one host, and the repositories on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Self

from plumbing.oci.digest import Digest
from plumbing.registry.client import Client
from plumbing.registry.credential import Credential
from plumbing.registry.message import Request
from plumbing.registry.repository import Repository
from plumbing.registry.settings import Log, Settings, Warn

Find = Callable[[str, str], Credential | None]
"""From a host and a repository ("" for none) to the credential for it; None is anonymous. May be asked again."""


def nobody(host: str, repository: str) -> None:
    """The credential of someone who has none."""


class Registry:
    """The registry at `host`, as references name it. `with` it: it holds connections. Safe to use from several threads.

    Nothing is sent, and httpcore is not imported, before the first question to one of its repositories.

    log, warn   see settings.py; both may be called from any thread
    """

    def __init__(
        self,
        host: str,
        *,
        credential: Find = nobody,
        settings: Settings | None = None,
        log: Log = lambda level, line: None,
        warn: Warn = lambda text: None,
    ) -> None:
        self.host = host
        self._client = Client(host, find=partial(credential, host), settings=settings or Settings(), log=log, warn=warn)

    def repository(self, name: str, *, push: bool = False, mounts: Mapping[Digest, str] | None = None) -> Repository:
        """The repository `name`, which need not exist. Sends nothing. Raises Malformed.

        push    ask for the right to push
        mounts  by digest, repositories on this registry that a blob can be mounted from
        """
        return Repository(self._client, name, push=push, mounts=mounts)

    def sign_in(self) -> None:
        """Try the credential for the host as such, whatever it is good for. Raises Unauthorized where it is refused.

        A registry that asks nobody who they are takes any.
        """
        request = Request(method="GET", url=self._client.url("/v2/"), doing=f"sign in to '{self.host}'", scopes=())
        self._client.ask(request, 200).close()

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
