"""Talk to the test registry with plain httpx, so that a switch that does nothing shows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from plumbing.oci import mediatype
from plumbing.oci.digest import Digest
from tests.registry.faults import Registry, registry, trusting

LAYER = b"a layer of 5000 digits: ".ljust(5000, b"7")
BLOB = f"/v2/app/blobs/{Digest.of(LAYER)}"


class Client(httpx.Client):
    """httpx, with the steps of a push. Nothing is followed, nothing is repeated."""

    def begin(self, query: str = "") -> httpx.Response:
        return self.post(f"/v2/app/blobs/uploads/{query}")

    def open(self) -> str:
        """A new upload's URL, resolved."""
        response = self.begin()
        assert response.status_code == 202, response.text
        return str(response.url.join(response.headers["Location"]))

    def finish(self, url: str, data: bytes, content: bytes = b"") -> httpx.Response:
        return self.put(f"{url}{'&' if '?' in url else '?'}digest={Digest.of(data)}", content=content)

    def push(self, data: bytes = LAYER) -> Digest:
        assert self.finish(self.open(), data, data).status_code == 201
        return Digest.of(data)

    def manifest(self, tag: str, document: dict[str, Any], **headers: str) -> httpx.Response:
        kind = {"Content-Type": document["mediaType"]} if "mediaType" in document else {}
        return self.put(f"/v2/app/manifests/{tag}", json=document, headers={**kind, **headers})

    def log_in(self, r: Registry, *scopes: str, **more: Any) -> httpx.Response:
        params = {"scope": scopes or ("repository:app:pull,push",)}
        return self.get(f"{r.url}/token", params=params, **({"auth": (r.user, r.password)} | more))

    def use(self, answer: httpx.Response) -> None:
        value = answer.json()
        self.headers["Authorization"] = f"Bearer {value.get('token') or value['access_token']}"


@contextmanager
def talk(*, name: bool = False, **switches: Any) -> Iterator[tuple[Registry, Client]]:
    with registry(**switches) as r:
        headers = {"Host": r.name} if name else {}
        with Client(base_url=r.url, verify=trusting(r.ca) if r.ca else False, headers=headers, timeout=5) as client:
            yield r, client


def image(r: Registry, **more: Any) -> dict[str, Any]:
    """A manifest whose blobs the registry has."""
    config = r.store.put(b"{}", mediatype.EMPTY)
    layer = r.store.put(LAYER, mediatype.LAYER)
    blobs = {"config": config.to_json(), "layers": [layer.to_json()]}
    return {"schemaVersion": 2, "mediaType": mediatype.MANIFEST, **blobs, **more}


def digest_of(value: dict[str, Any]) -> Digest:
    return Digest.of(httpx.Request("PUT", "http://x", json=value).content)


def code(response: httpx.Response) -> str:
    return str(response.json()["errors"][0]["code"])
