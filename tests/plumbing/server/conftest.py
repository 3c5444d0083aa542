"""A store that is served on loopback, and a client that knows a few of the steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.store import Store
from tests.registry.faults import Registry, registry

BLOB = bytes(range(256)) * 40
DIGEST = Digest.of(BLOB)
ABSENT = Digest.of(b"not there")


class Client(httpx.Client):
    """Speaks to the repository `app` of the server that has `store`."""

    def __init__(self, host: str, store: Store) -> None:
        super().__init__(base_url=f"http://{host}", verify=False, timeout=20)
        self.store = store

    def begin(self, query: str = "", name: str = "app") -> httpx.Response:
        return self.post(f"/v2/{name}/blobs/uploads/{query}")

    def open(self) -> str:
        location: str = self.begin().headers["Location"]
        return location

    def push_blob(self, data: bytes = BLOB, name: str = "app") -> Digest:
        location = self.begin(name=name).headers["Location"]
        assert self.put(f"{location}?digest={Digest.of(data)}", content=data).status_code == 201
        return Digest.of(data)

    def push(
        self, reference: object, raw: bytes, media_type: str = mediatype.MANIFEST, name: str = "app", **headers: str
    ) -> httpx.Response:
        said = {"Content-Type": media_type, **headers}
        return self.put(f"/v2/{name}/manifests/{reference}", content=raw, headers=said)

    def image(self, **more: Any) -> bytes:
        """A manifest; its blobs are in the store."""
        config = self.store.put(b"{}", mediatype.EMPTY)
        layer = self.store.put(BLOB, mediatype.LAYER)
        fields = {"config": config.to_json(), "layers": [layer.to_json()]}
        return document.dump({"schemaVersion": 2, "mediaType": mediatype.MANIFEST, **fields, **more})

    def index(self, *manifests: bytes, **more: Any) -> bytes:
        entries = [Descriptor.of(raw, mediatype.MANIFEST).to_json() for raw in manifests]
        return document.dump({"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": entries, **more})


def codes(response: httpx.Response) -> list[str]:
    return [error["code"] for error in response.json()["errors"]]


@pytest.fixture
def served() -> Iterator[Registry]:
    with registry() as r:
        yield r


@pytest.fixture
def client(served: Registry) -> Iterator[Client]:
    with Client(served.host, served.store) as client:
        yield client
