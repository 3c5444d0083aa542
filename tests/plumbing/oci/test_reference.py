from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbing.errors import Malformed
from plumbing.oci.digest import Digest
from plumbing.oci.reference import Reference, check_repository, check_tag
from tests.strategies import digests, references, tags

DIGEST = f"sha256:{'a' * 64}"


@given(references())
def test_a_reference_parses_back_from_its_text(reference: Reference) -> None:
    assert Reference.parse(str(reference)) == reference


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("alpine", "docker.io/library/alpine"),
        ("alpine:3.22", "docker.io/library/alpine:3.22"),
        ("me/app", "docker.io/me/app"),
        ("docker.io/alpine", "docker.io/library/alpine"),
        ("ghcr.io/me/app:v1", "ghcr.io/me/app:v1"),
        ("localhost/app", "localhost/app"),
        ("localhost:5000/app", "localhost:5000/app"),
        ("registry:5000/app", "registry:5000/app"),
        ("127.0.0.1:5000/a/b/c:t", "127.0.0.1:5000/a/b/c:t"),
        ("[::1]:5000/app", "[::1]:5000/app"),
        ("[2001:db8::1]/app:t", "[2001:db8::1]/app:t"),
        (f"ghcr.io/me/app@{DIGEST}", f"ghcr.io/me/app@{DIGEST}"),
        (f"ghcr.io/me/app:v1@{DIGEST}", f"ghcr.io/me/app:v1@{DIGEST}"),
        ("ghcr.io/a__b/c-d.e---f", "ghcr.io/a__b/c-d.e---f"),
    ],
)
def test_short_forms_are_dockers(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full


HOSTILE = {
    "nothing": "",
    "a slash": "/",
    "no repository": "ghcr.io/",
    "no host": "/app",
    "a userinfo": "user@ghcr.io/app",
    "a userinfo with a password": "user:secret@ghcr.io/app:v1",
    "a scheme": "https://ghcr.io/app",
    "an upper-case repository": "ghcr.io/Me/app",
    "an upper-case short name": "Alpine",
    "an empty part": "ghcr.io/a//b",
    "a slash at the end": "ghcr.io/app/",
    "a way up": "ghcr.io/../app",
    "a dot": "ghcr.io/./app",
    "a part that ends in a dash": "ghcr.io/app-",
    "three underscores": "ghcr.io/a___b",
    "a query": "ghcr.io/app?x=1",
    "a fragment": "ghcr.io/app#x",
    "a percent sign": "ghcr.io/a%2fb",
    "a backslash": "ghcr.io\\app",
    "a space": "ghcr.io/a b",
    "a newline at the end": "ghcr.io/app\n",
    "a newline after the tag": "ghcr.io/app:v1\n",
    "a zero byte": "ghcr.io/app\0",
    "no tag after the colon": "ghcr.io/app:",
    "a tag that begins with a dot": "ghcr.io/app:.v1",
    "a tag that begins with a dash": "ghcr.io/app:-v1",
    "a tag with a slash": "ghcr.io/app:v/1",
    "a tag of 129 characters": f"ghcr.io/app:{'t' * 129}",
    "two tags": "ghcr.io/app:a:b",
    "no digest after the at": "ghcr.io/app@",
    "a short digest": "ghcr.io/app@sha256:abc",
    "two digests": f"ghcr.io/app@{DIGEST}@{DIGEST}",
    "a host that ends in a dash": "ghcr-.io/app",
    "two dots in the host": "ghcr..io/app",
    "an underscore in the host": "my_host.io/app",
    "a port that is no number": "ghcr.io:http/app",
    "no port after the colon": "ghcr.io:/app",
    "a port beyond the last": "ghcr.io:65536/app",
    "the port zero": "ghcr.io:0/app",
    "an IPv6 host that is not closed": "[::1/app",
    "an IPv6 host without brackets": "::1/app",
    "an IPv6 host that is no address": "[::::]/app",
    "an IPv6 zone": "[fe80::1%eth0]/app",
    "a host of another script": "ghçr.io/app",
    "a host of 256 characters": f"{'a.' * 127}io/app",
    "a repository of 256 characters": f"ghcr.io/{'a' * 256}",
    "host and repository of 256 characters": f"ghcr.io/{'a' * 248}",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Reference.parse(text)


def test_the_longest_names_are_taken() -> None:
    assert Reference.parse(f"ghcr.io/{'a' * 247}:{'t' * 128}").tag == "t" * 128


@pytest.mark.parametrize(
    "fields",
    [
        {"registry": "ghcr.io", "repository": "App"},
        {"registry": "user@ghcr.io", "repository": "app"},
        {"registry": "", "repository": "app"},
        {"registry": "ghcr.io", "repository": "app", "tag": ""},
        {"registry": "host", "repository": "app"},
    ],
    ids=lambda fields: "{registry}/{repository}:{tag}".format(**{"tag": None, **fields}),
)
def test_no_way_in_goes_round_the_check(fields: dict[str, str]) -> None:
    """The last would read back as docker.io/host/app."""
    with pytest.raises(Malformed):
        Reference(**fields)  # type: ignore[arg-type]  # a row has only texts


def test_a_repository_of_one_part_on_docker_io_is_in_library_however_it_is_made() -> None:
    assert str(Reference(registry="docker.io", repository="app", tag="v1")) == "docker.io/library/app:v1"


@given(st.text() | st.text("a.:/@[]-_A0", max_size=20))
def test_any_text_is_a_reference_or_malformed(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except Malformed:
        return
    assert Reference.parse(str(reference)) == reference


@given(references(), digests(), tags())
def test_a_reference_is_by_digest_or_by_tag(reference: Reference, digest: Digest, tag: str) -> None:
    assert str(reference.at(digest)) == f"{reference.name}@{digest}"
    assert str(reference.tagged(tag)) == f"{reference.name}:{tag}"


@pytest.mark.parametrize(("check", "good", "bad"), [(check_tag, "v1.0", "v1\n"), (check_repository, "a/b", "a/b\n")])
def test_a_part_alone_is_checked_whole(check, good: str, bad: str) -> None:
    assert check(good) == good
    with pytest.raises(Malformed):
        check(bad)
