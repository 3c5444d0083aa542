"""Each fault of manifests, tags and referrers is shown to plain httpx."""

from __future__ import annotations

from typing import Any

import pytest

from plumbing.oci import document, mediatype
from plumbing.oci.digest import Digest
from tests.registry.faults import Registry
from tests.registry.faults.talk import code, digest_of, image, talk


def test_immutable_tags() -> None:
    with talk(immutable_tags=True) as (r, c):
        assert c.manifest("v1", image(r)).status_code == 201
        answer = c.manifest("v1", image(r))
        assert (answer.status_code, code(answer)) == (400, "TAG_ALREADY_EXISTS")
        assert c.manifest(str(digest_of(image(r))), image(r)).status_code == 201


def test_kind_change_400() -> None:
    with talk(kind_change_400=True) as (r, c):
        index = {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}
        assert [c.manifest("v1", value).status_code for value in (image(r), index, image(r))] == [201, 201, 400]


def test_oci_types_only() -> None:
    with talk(oci_types_only=True) as (r, c):
        assert c.manifest("v1", image(r, mediaType=mediatype.DOCKER_MANIFEST)).status_code == 400
        inside = image(r)
        inside["config"]["mediaType"] = mediatype.DOCKER_CONFIG
        assert c.manifest("v1", inside).status_code == 400
        assert c.manifest("v1", image(r)).status_code == 201


@pytest.mark.parametrize("value", ["ambiguous", "deep", "wide", "platform", "urls"])
def test_hostile_manifest(value: str) -> None:
    with talk(hostile_manifest=value) as (r, c):
        answer = c.get("/v2/app/manifests/any")
        digest = answer.headers["Docker-Content-Digest"]
        assert (
            digest == str(Digest.of(answer.content)) == c.head("/v2/app/manifests/any").headers["Docker-Content-Digest"]
        )
        got = answer.json()
        if value == "ambiguous":
            assert {"manifests", "layers", "config"} <= got.keys()
        elif value == "deep":
            for _ in range(20):
                got = c.get(f"/v2/app/manifests/{got['manifests'][0]['digest']}").json()
            assert "manifests" in got
        elif value == "wide":
            assert len(got["manifests"]) > 20_000
            assert len(answer.content) <= document.LIMIT
        elif value == "platform":
            assert got["manifests"][0]["platform"]["os"] == "linux"
            child = c.get(f"/v2/app/manifests/{got['manifests'][0]['digest']}").json()
            assert c.get(f"/v2/app/blobs/{child['config']['digest']}").json()["os"] == "windows"
        else:
            assert got["layers"][0]["urls"] == [f"http://{r.other}/layer"]


def test_list_max() -> None:
    with talk(list_max=5) as (r, c):
        c.manifest("v1", image(r))
        assert c.get("/v2/app/tags/list?n=6").status_code == 400
        assert c.get("/v2/app/tags/list?n=5").status_code == 200


def test_link_bad() -> None:
    with talk(link_bad="origin") as (r, c):
        c.manifest("v1", image(r))
        assert c.get("/v2/app/tags/list").links["next"]["url"].startswith(f"http://{r.other}/")
    with talk(link_bad="endless") as (_, c):
        url = "/v2/app/tags/list"
        for _ in range(20):
            url = c.get(url).links["next"]["url"]


def with_subject(r: Registry) -> dict[str, Any]:
    subject = {"mediaType": mediatype.MANIFEST, "digest": str(digest_of(image(r))), "size": 1}
    return image(r, subject=subject, artifactType="application/vnd.test")


def fallback_of(r: Registry) -> str:
    return f"/v2/app/manifests/sha256-{digest_of(image(r)).hex}"


@pytest.mark.parametrize("status", [404, 400, 401])
def test_referrers_unsupported(status: int) -> None:
    with talk(referrers_unsupported=status) as (r, c):
        assert "OCI-Subject" not in c.manifest("sig", with_subject(r)).headers
        answer = c.get(f"/v2/app/referrers/{digest_of(image(r))}")
        assert answer.status_code == status
        assert "WWW-Authenticate" not in answer.headers


def test_referrers_no_filter() -> None:
    with talk(referrers_no_filter=True) as (r, c):
        c.manifest("sig", with_subject(r))
        answer = c.get(f"/v2/app/referrers/{digest_of(image(r))}?artifactType=application/vnd.none")
        assert len(answer.json()["manifests"]) == 1
        assert "OCI-Filters-Applied" not in answer.headers


def test_subject_header_lie() -> None:
    with talk(subject_header_lie=True) as (r, c):
        assert c.manifest("sig", with_subject(r)).headers["OCI-Subject"] == str(digest_of(image(r)))
        assert c.get(f"/v2/app/referrers/{digest_of(image(r))}").status_code == 404


def test_fallback_tag_is_subject() -> None:
    with talk(fallback_tag_is_subject=True) as (r, c):
        c.manifest("v1", image(r))
        assert Digest.of(c.get(fallback_of(r)).content) == digest_of(image(r))
        assert c.get(f"/v2/app/referrers/{digest_of(image(r))}").status_code == 404


def test_fallback_race() -> None:
    with talk(fallback_race=True) as (r, c):
        name = fallback_of(r).rpartition("/")[2]
        mine = {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}
        assert c.get(fallback_of(r)).status_code == 404
        assert c.manifest(name, mine).status_code == 201
        assert c.get(fallback_of(r)).json() != mine
        assert c.manifest(name, mine).status_code == 201
        assert c.get(fallback_of(r)).json() == mine


def test_fallback_race_before_the_put() -> None:
    with talk(fallback_race="before") as (r, c):
        name = fallback_of(r).rpartition("/")[2]
        mine = {"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": []}
        answer = c.manifest(name, mine, **{"If-None-Match": "*"})
        assert answer.status_code == 412
        assert len(c.get(fallback_of(r)).json()["manifests"]) == 1
