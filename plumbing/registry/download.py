"""Download: a file that anyone may read, by its URL. No credential is sent."""

from __future__ import annotations

from plumbing.errors import RegistryError, Unreachable
from plumbing.registry import redirect, refusal
from plumbing.registry.message import Lost, Request
from plumbing.registry.origin import Origin
from plumbing.registry.settings import Settings


def download(url: str, settings: Settings, *, limit: int) -> bytes:
    """What is at `url`, at the end of redirects.

    raises  Malformed where it is no URL; Unreachable; RegistryError where it is refused, or has more than `limit` bytes
    """
    from plumbing.registry.transport import Transport

    origin = Origin.of(url)
    transport = Transport(settings)
    request = Request(method="GET", url=url, doing=f"read '{redirect.shown_url(url)}'")
    try:
        for _ in range(redirect.MOST + 1):
            with transport.send(request) as answer:
                if redirect.is_redirect(answer):
                    request = redirect.follow(request, answer, origin)
                    continue
                if answer.status != 200:
                    reason = f"'{origin.authority}' answers {refusal.said(answer)}"
                    raise RegistryError(
                        f"cannot {request.doing}: {reason}", host=origin.authority, status=answer.status
                    )
                body = answer.read(limit)
                if body is None:
                    raise RegistryError(
                        f"cannot {request.doing}: it has more than {limit} bytes; download it first",
                        host=origin.authority,
                    )
                return body
    except Lost as lost:
        raise Unreachable(f"cannot {request.doing}: {lost}", host=origin.authority) from lost
    finally:
        transport.close()
    raise RegistryError(f"cannot {request.doing}: it redirects more than {redirect.MOST} times", host=origin.authority)
