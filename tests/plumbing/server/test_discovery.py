"""What the distribution specification, 1.1, demands of a registry that is looked around in. "Content Discovery"."""

from __future__ import annotations

from typing import Any

import pytest

from plumbing.oci import mediatype
from plumbing.oci.digest import Digest
from plumbing.server import listings
from tests.plumbing.server.conftest import ABSENT, Client, codes

TAGS = ["b", "C", "a", "A", "1", "_x", "a.1", "a-1", "B"]
IN_ORDER = ["1", "_x", "A", "a", "a-1", "a.1", "B", "b", "C"]


@pytest.fixture
def tagged(client: Client) -> Client:
    for tag in TAGS:
        client.push(tag, client.image())
    return client


def tags(client: Client, query: str = "") -> list[str]:
    answer = client.get(f"/v2/app/tags/list{query}")
    assert answer.status_code == 200
    assert answer.json()["name"] == "app"
    listed: list[str] = answer.json()["tags"]
    return listed


def test_tags_must_be_listed_in_lexical_order(tagged: Client) -> None:
    assert tags(tagged) == IN_ORDER


def test_list_of_tags_may_be_empty(client: Client) -> None:
    client.push(Digest.of(client.image()), client.image())
    assert tags(client) == []


def test_tags_of_an_unknown_repository_are_404(client: Client) -> None:
    client.push("v1", client.image(), name="app/other")
    answer = client.get("/v2/app/tags/list")
    assert (answer.status_code, codes(answer)) == (404, ["NAME_UNKNOWN"])


def test_tags_of_another_repository_are_not_listed(client: Client) -> None:
    for name in ("app", "app2", "team/app", "app/team"):
        client.push(name.replace("/", "-"), client.image(), name=name)
    assert tags(client) == ["app"]


@pytest.mark.parametrize("n", [1, 3, 9, 10])
def test_n_must_limit_the_list_and_link_must_lead_to_the_rest(n: int, tagged: Client) -> None:
    url, pages = f"/v2/app/tags/list?n={n}", []
    while True:
        answer = tagged.get(url)
        pages.append(answer.json()["tags"])
        if "next" not in answer.links:
            break
        url = answer.links["next"]["url"]
    assert [len(page) for page in pages[:-1]] == [n] * (len(pages) - 1)
    assert [tag for page in pages for tag in page] == IN_ORDER


def test_n_of_zero_must_be_an_empty_list_without_link(tagged: Client) -> None:
    answer = tagged.get("/v2/app/tags/list?n=0")
    assert (answer.json()["tags"], "Link" in answer.headers) == ([], False)


@pytest.mark.parametrize("n", ["-1", "x", "1.5", "", "9" * 5000])
def test_malformed_n_is_refused(n: str, tagged: Client) -> None:
    assert tagged.get(f"/v2/app/tags/list?n={n}").status_code == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?last=a", IN_ORDER[4:]),
        ("?n=2&last=a", IN_ORDER[4:6]),
        ("?last=C", []),
        ("?last=a.0", IN_ORDER[5:]),  # a tag that is not there, or not there any more
    ],
)
def test_list_must_begin_after_last(query: str, expected: list[str], tagged: Client) -> None:
    assert tags(tagged, query) == expected


def test_catalog(client: Client) -> None:
    for name in ("b/c", "a"):
        client.push("v1", client.image(), name=name)
    client.push(Digest.of(client.image()), client.image(), name="d")
    assert client.get("/v2/_catalog").json() == {"repositories": ["a", "b/c", "d"]}
    first = client.get("/v2/_catalog?n=2")
    assert client.get(first.links["next"]["url"]).json() == {"repositories": ["d"]}


# referrers


def subject(client: Client) -> dict[str, Any]:
    raw = client.image()
    return {"mediaType": mediatype.MANIFEST, "digest": str(Digest.of(raw)), "size": len(raw)}


def referrers(client: Client, query: str = "") -> list[dict[str, Any]]:
    answer = client.get(f"/v2/app/referrers/{Digest.of(client.image())}{query}")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, mediatype.INDEX)
    assert (answer.json()["schemaVersion"], answer.json()["mediaType"]) == (2, mediatype.INDEX)
    found: list[dict[str, Any]] = answer.json()["manifests"]
    return found


def refer(client: Client, *, by_tag: str | None = None, **fields: Any) -> Digest:
    raw = client.image(subject=subject(client), **fields)
    assert client.push(by_tag or Digest.of(raw), raw).status_code == 201
    return Digest.of(raw)


def test_no_referrers_must_be_an_empty_index(client: Client) -> None:
    assert referrers(client) == []


def test_malformed_digest_must_be_400(client: Client) -> None:
    assert client.get("/v2/app/referrers/sha256:x").status_code == 400


def test_every_new_manifest_with_the_subject_must_be_listed(client: Client) -> None:
    pushed = {refer(client, annotations={"number": str(number)}) for number in range(3)}
    pushed.add(refer(client, by_tag="signature"))
    other = {**subject(client), "digest": str(ABSENT)}
    client.push("other", client.image(subject=other))
    assert {Digest.parse(entry["digest"]) for entry in referrers(client)} == pushed


def test_referrer_under_two_names_is_listed_once(client: Client) -> None:
    refer(client)
    refer(client, by_tag="signature")
    assert len(referrers(client)) == 1


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"artifactType": "application/vnd.test"}, "application/vnd.test"),
        ({}, mediatype.EMPTY),  # its config's
        ({"artifactType": ""}, mediatype.EMPTY),
    ],
)
def test_artifact_type_must_be_the_manifests_or_its_configs(
    fields: dict[str, Any], expected: str, client: Client
) -> None:
    refer(client, **fields)
    assert [entry["artifactType"] for entry in referrers(client)] == [expected]


def test_artifact_type_of_an_index_must_be_its_own_or_none(client: Client) -> None:
    with_type = client.index(subject=subject(client), artifactType="application/vnd.test")
    without = client.index(subject=subject(client))
    for raw in (with_type, without):
        client.push(Digest.of(raw), raw, mediatype.INDEX)
    found = {entry["digest"]: entry.get("artifactType") for entry in referrers(client)}
    assert found == {str(Digest.of(with_type)): "application/vnd.test", str(Digest.of(without)): None}


def test_annotations_must_be_listed(client: Client) -> None:
    digest = refer(client, by_tag="signature", annotations={"org.example": "yes"})
    (entry,) = referrers(client)
    assert entry == {
        "mediaType": mediatype.MANIFEST,
        "digest": str(digest),
        "size": client.store.blobs.size(digest),
        "annotations": {"org.example": "yes"},
        "artifactType": mediatype.EMPTY,
    }


def test_filter_should_be_applied_and_must_be_named(client: Client) -> None:
    refer(client, artifactType="application/vnd.a")
    wanted = refer(client, artifactType="application/vnd.b+json")
    query = "?artifactType=application/vnd.b%2Bjson"
    assert [entry["digest"] for entry in referrers(client, query)] == [str(wanted)]
    url = f"/v2/app/referrers/{Digest.of(client.image())}"
    assert client.get(url + query).headers["OCI-Filters-Applied"] == "artifactType"
    assert "OCI-Filters-Applied" not in client.get(url).headers


def test_what_the_tag_schema_lists_must_be_included(client: Client) -> None:
    """ "Enabling the Referrers API": an index that an older client kept, and manifests that have no other name."""
    raw = client.image(subject=subject(client))
    stranger = client.image(annotations={"no": "subject"})
    for each in (raw, stranger):
        client.store.put(each, mediatype.MANIFEST)
    index = client.index(raw, stranger)
    client.push(f"sha256-{Digest.of(client.image()).hex}", index, mediatype.INDEX)
    assert [entry["digest"] for entry in referrers(client)] == [str(Digest.of(raw))]


def test_link_must_lead_on_where_one_answer_does_not_hold_all(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    of_type = {"artifactType": "application/vnd.test"}
    pushed = {str(refer(client, **of_type, annotations={"number": str(number)})) for number in range(5)}
    monkeypatch.setattr(listings, "_PAGE", 700)
    url, found, pages = f"/v2/app/referrers/{Digest.of(client.image())}?artifactType=application/vnd.test", set(), 0
    while url:
        answer = client.get(url)
        found |= {entry["digest"] for entry in answer.json()["manifests"]}
        pages += 1
        url = answer.links["next"]["url"] if "next" in answer.links else ""
    assert found == pushed
    assert pages > 1
