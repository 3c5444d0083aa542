"""Who may ask: programs on this machine, and no web page that a browser on it shows."""

from __future__ import annotations

import httpx
import pytest

from plumbing.server.guard import is_loopback
from tests.plumbing.server.conftest import Client, codes


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:5000",
        "LOCALHOST:1",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.9.9.9",
        "[::1]",
        "[::1]:80",
        "a.localhost",
    ],
)
def test_names_of_loopback_are_answered(host: str, client: Client) -> None:
    assert client.get("/v2/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:5000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "10.0.0.1",
        "0.0.0.0",
        "[::]",
        "",
    ],
)
def test_other_names_are_refused(host: str, client: Client) -> None:
    """DNS rebinding: a page's own host that resolves to 127.0.0.1."""
    for method in ("GET", "PUT"):
        answer = client.request(method, "/v2/app/manifests/v1", headers={"Host": host})
        assert (answer.status_code, codes(answer)) == (403, ["DENIED"])


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
    ],
)
def test_web_pages_are_refused(headers: dict[str, str], client: Client) -> None:
    for answer in (client.get("/v2/_catalog", headers=headers), client.post("/v2/app/blobs/uploads/", headers=headers)):
        assert (answer.status_code, codes(answer)) == (403, ["DENIED"])
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_address_bar_is_answered(client: Client) -> None:
    assert client.get("/v2/_catalog", headers={"Sec-Fetch-Site": "none"}).status_code == 200


def test_refused_write_leaves_nothing(client: Client) -> None:
    client.push("v1", client.image(), **{"Origin": "https://evil.example"})
    assert list(client.store.refs) == []


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("0.0.0.0", False), ("", False), ("localhost", True)]
)
def test_is_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../../etc/passwd",
        "/v2/app/blobs/..%2f..%2findex.json",
        "/v2/app/manifests/%2e%2e",
        "/v2/app%00/tags/list",
        "/%ff",
    ],
)
def test_paths_lead_nowhere(path: str, client: Client) -> None:
    answer = client.send(httpx.Request("GET", httpx.URL(str(client.base_url)).copy_with(raw_path=path.encode())))
    assert answer.status_code in (400, 404)
