"""Registry: what the endpoints share, and what they read from a URL in the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

from starlette.requests import Request

from plumbing.errors import DigestMismatch, Malformed, NotFound
from plumbing.oci.digest import Digest
from plumbing.oci.reference import check_repository
from plumbing.server.refusal import Refusal, blob_unknown, digest_invalid
from plumbing.server.sessions import Sessions
from plumbing.store import Store
from plumbing.store.blobs import freshen


@dataclass(slots=True)
class Registry:
    """A store that is served. `deleted` are manifests whose URLs are gone while their bytes wait for gc."""

    store: Store
    sessions: Sessions
    read_only: bool = False
    deleted: set[tuple[str, Digest]] = field(default_factory=set)

    def blob_size(self, digest: Digest) -> int:
        """The size of a blob that is there, right to the last byte, and safe from gc for a while. Blocks.

        raises  Refusal where it is not
        """
        try:
            size = self.store.blobs.verify(digest)
        except (NotFound, DigestMismatch) as error:
            raise blob_unknown(error) from None
        if not self.read_only:
            freshen(self.store.blobs.path(digest))
        return size


def registry_of(request: Request) -> Registry:
    return cast(Registry, request.app.state.registry)


def repository_of(request: Request) -> str:
    """The `name` of the URL. Raises Refusal for one off the grammar."""
    try:
        return check_repository(request.path_params["name"])
    except Malformed as error:
        raise Refusal(400, "NAME_INVALID", error) from None


def digest_in(text: str) -> Digest:
    """Raises Refusal for anything but a digest."""
    try:
        return Digest.parse(text)
    except Malformed as error:
        raise digest_invalid(error) from None
