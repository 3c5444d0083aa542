"""Pages: answers that go on at a Link. distribution-spec 1.1, "Listing Tags", "Listing Referrers"; RFC 8288."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from plumbing.errors import RegistryError
from plumbing.registry import redirect
from plumbing.registry.client import Client
from plumbing.registry.message import Answer, Request

SIZE = 1000
"""Entries to ask for: ECR refuses more."""

LIMIT = 8 * 1024 * 1024
"""Bytes of a page that are read."""

_MOST = 1000


def following(client: Client, request: Request, first: Answer) -> Iterator[Answer]:
    """`first`, the answer to `request`, and all the pages after it, each with its body.

    Raises RegistryError for a page that is too big, one on another host, one twice, or pages without end.
    """
    answer = first
    seen = {request.url}
    for _ in range(_MOST):
        if answer.body is None:
            raise _bad(client, request, f"sent a page of more than {LIMIT} bytes")
        yield answer
        url = redirect.next_page(answer, request.doing)
        if url is None:
            return
        if url in seen:
            raise _bad(client, request, "sent a page that leads back to itself")
        seen.add(url)
        answer = client.ask(replace(request, url=url), 200)
    raise _bad(client, request, f"sent more than {_MOST} pages")


def _bad(client: Client, request: Request, what: str) -> RegistryError:
    return RegistryError(f"cannot {request.doing}: '{client.host}' {what}", host=client.host)
