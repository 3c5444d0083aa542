from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed, RegistryError
from plumbing.registry.message import Answer, Headers, Raw, Request
from plumbing.registry.origin import Origin, is_local, is_loopback
from plumbing.registry.redirect import follow, next_page, shown_headers, shown_url, target

BASE = "https://registry.test/v2/app/blobs/uploads/1?_state=x"
REGISTRY = Origin.of(BASE)
OTHER = "https://files.test/x"


def answer(status: int = 202, url: str = BASE, **headers: str) -> Answer:
    return Answer(status, Headers(headers.items()), url)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/v2/app/blobs/uploads/2", "https://registry.test/v2/app/blobs/uploads/2"),
        ("2?a=%2f&b=+", "https://registry.test/v2/app/blobs/uploads/2?a=%2f&b=+"),
        ("?b=1", "https://registry.test/v2/app/blobs/uploads/1?b=1"),
        ("https://files.test/x?sig=a/b=&c", "https://files.test/x?sig=a/b=&c"),
        ("//files.test/x", "https://files.test/x"),
        ("https://files.test/a/../b//c/./d", "https://files.test/a/../b//c/./d"),
        ("https://files.test/x#fragment", "https://files.test/x"),
        ("http://registry.test/x?y=%41", "https://registry.test/x?y=%41"),
        ("http://registry.test:8080/x", "https://registry.test/x"),
        ("http://registry.test", "https://registry.test"),
        ("http://registry.test?a=b/c", "https://registry.test?a=b/c"),
    ],
)
def test_a_location_is_resolved_and_its_bytes_kept(location: str, expected: str) -> None:
    assert target(answer(), location, REGISTRY, "push") == expected


@pytest.mark.parametrize(
    "location",
    [
        "http://files.test/x",
        "ftp://files.test/x",
        "null://x",
        "file:///etc/passwd",
        "https://user:password@files.test/x",
        "https://",
        "https://[::1",
        "https://files.test:99999/",
        "https://files.test/a b",
        "https://files.test/\x1b[31m",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f.0.0.1/x",
        "https://10.1.2.3/x",
        "https://192.168.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://0.0.0.0/",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[fe80::1]/x",
        "https://[fd00::1]/x",
        "https://localhost/x",
        "https://x.localhost/x",
        "https://localhost./x",
        "https://１２７.0.0.1/x",
        "https://127。0。0。1/x",
        "https://ｌocalhost/x",
        "https://a..b/x",
        f"https://{'a.' * 127}a/x",
        "https://\xa0/x",
        "http://\xa0",
    ],
)
def test_a_location_that_leads_astray_is_refused(location: str) -> None:
    with pytest.raises(RegistryError, match=r"^cannot push: 'registry.test' leads to '") as caught:
        target(answer(), location, REGISTRY, "push")
    assert str(caught.value).isprintable()
    assert "password" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["//registry.test:443/", "ftp://registry.test:443/", "https://./", "https://:443/", "https://[fe80::1%Ú]/"]
)
def test_what_has_no_scheme_of_ours_or_no_host_has_no_origin(url: str) -> None:
    with pytest.raises(Malformed):
        Origin.of(url)


@pytest.mark.parametrize("host", ["5\0", "0\udcee", "1" * 300])
def test_what_can_be_no_host_is_none_of_this_machine(host: str) -> None:
    assert not is_local(host)


def test_a_name_of_other_letters_is_the_one_that_the_dns_is_asked_for() -> None:
    assert Origin.of("https://Bücher.test/").host == "xn--bcher-kva.test"


@pytest.mark.parametrize("url", ["http://127.0.0.1:5000/v2/", "http://192.168.1.2/v2/", "http://localhost:5000/"])
def test_a_local_registry_may_lead_to_local_addresses(url: str) -> None:
    registry = Origin.of(url)
    assert target(answer(url=url), "http://127.0.0.1:9000/x", registry, "push") == "http://127.0.0.1:9000/x"


@pytest.mark.parametrize(
    ("method", "status", "to", "followed"),
    [
        *[
            (method, status, "https://files.test/x", True)
            for method in ("GET", "HEAD")
            for status in (301, 302, 303, 307, 308)
        ],
        *[(method, status, "/x", True) for method in ("POST", "PATCH", "PUT") for status in (301, 302, 307, 308)],
        *[
            (method, status, "https://files.test/x", True)
            for method in ("POST", "PATCH", "PUT")
            for status in (307, 308)
        ],
        *[
            (method, status, "https://files.test/x", False)
            for method in ("POST", "PATCH", "PUT")
            for status in (301, 302)
        ],
        *[(method, 303, "/x", False) for method in ("POST", "PATCH", "PUT")],
    ],
)
def test_the_same_verb_goes_on_with_its_body_or_not_at_all(method: str, status: int, to: str, followed: bool) -> None:
    body = Raw(b"bytes") if method in ("PATCH", "PUT") else None
    request = Request(method=method, url=BASE, doing="push", headers={"Authorization": "Bearer x"}, body=body)
    redirect = answer(status, location=to)
    if not followed:
        with pytest.raises(RegistryError, match=f"by {status}, which may lose a body"):
            follow(request, redirect, REGISTRY)
        return
    following = follow(request, redirect, REGISTRY)
    assert (following.method, following.body) == (method, body)
    assert ("Authorization" in following.headers) == to.startswith("/")


@pytest.mark.parametrize(
    "url", ["https://registry.test:444/x", "https://sub.registry.test/x", "https://registry.test.evil.test/x"]
)
def test_another_port_or_name_is_another_origin(url: str) -> None:
    request = Request(method="GET", url=BASE, doing="fetch", headers={"authorization": "Bearer x"})
    assert follow(request, answer(307, location=url), REGISTRY).headers == {}


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('</v2/app/tags/list?n=2&last=b>; rel="next"', "https://registry.test/v2/app/tags/list?n=2&last=b"),
        ("</next>;rel=next", "https://registry.test/next"),
        ('<https://registry.test/x>; title="a"; REL="next"', "https://registry.test/x"),
        ('</first>; rel="first", </next>; rel="next"', "https://registry.test/next"),
        ('</prev>; rel="prev"', None),
        ("nonsense", None),
    ],
)
def test_the_next_page_is_the_link_that_says_so(link: str, expected: str | None) -> None:
    assert next_page(answer(200, link=link), "list") == expected


@pytest.mark.parametrize("url", ["https://other.test/x", "https://registry.test:8443/x", "http://other.test/x"])
def test_a_next_page_on_another_origin_is_refused(url: str) -> None:
    with pytest.raises(RegistryError, match=r"cannot list: 'registry.test' leads to"):
        next_page(answer(200, link=f'<{url}>; rel="next"'), "list")


def test_urls_in_logs_keep_what_helps_and_no_more() -> None:
    url = "https://u:p@files.test/x?X-Amz-Signature=s1&digest=sha256%3Aab&_state=s2&token=s3&sig=s4&unknown=s5&n=5"
    shown = shown_url(url)
    assert shown == (
        "https://files.test/x?X-Amz-Signature=***&digest=sha256:ab&_state=***&token=***&sig=***&unknown=***&n=5"
    )


@given(st.text(st.characters(codec="ascii", exclude_characters="\t\r\n"), max_size=40))
def test_no_value_of_an_unknown_field_is_shown(value: str) -> None:
    assert "SECRET" not in shown_url(f"https://files.test/x?state{value}=SECRET")


def test_headers_in_logs_have_no_secrets() -> None:
    fields = [
        ("Authorization", "Bearer SECRET"),
        ("Set-Cookie", "SECRET"),
        ("Location", "/v2/x?_state=SECRET"),
        ("Link", '</v2/x?last=a&token=SECRET>; rel="next"'),
        ("Content-Type", "text/plain"),
        ("Location", "https://me:SECRET@files.test/x"),
    ]
    lines = shown_headers(fields, BASE)
    assert "SECRET" not in "\n".join(lines)
    assert lines[2] == "Location: https://registry.test/v2/x?_state=***"
    assert lines[3] == 'Link: <https://registry.test/v2/x?last=a&token=***>; rel="next"'
    assert lines[4] == "Content-Type: text/plain"
    assert lines[5] == "Location: https://files.test/x"


@pytest.mark.parametrize("text", ["a", "<", "<a", "<a>;", "<a>; rel", "?", "//", "@/", "\x1b]", "\x1b["])
def test_a_long_header_costs_no_more_than_its_length(text: str) -> None:
    value = text * (100_000 // len(text))  # as long as httpx lets one be
    begun = time.process_time()
    shown_headers({"Location": value, "Link": value}, BASE)
    assert next_page(answer(200, link=value), "list") is None
    with contextlib.suppress(RegistryError):
        target(answer(), value, REGISTRY, "push")
    assert time.process_time() - begun < 2  # two minutes where each start of a match is tried to the end


def test_a_secret_body_stays_behind_where_the_origin_changes() -> None:
    request = Request(method="POST", url="https://auth.test/token", doing="sign in", body=Raw(b"token"), private=True)
    with pytest.raises(RegistryError, match=r"leads to 'https://files.test/x': another host, which your token is not"):
        follow(request, answer(307, request.url, location=OTHER), REGISTRY)
    assert follow(request, answer(307, request.url, location="/v2"), REGISTRY).url == "https://auth.test/v2"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "a.localhost", "LOCALHOST."])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["localhost.example", "127.0.0.1.example", "10.0.0.1", "registry.test", "1.1.1.1", "cafe"]
)
def test_hosts_that_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["registry.test", "1.1.1.1", "2606:4700::1111", "10.example"])
def test_hosts_that_are_not_local(host: str) -> None:
    assert not is_local(host)
