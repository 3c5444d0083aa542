"""What krust shows a registry that is odd about manifests, tags and referrers. registries.md 1.2, 6, and 4.4."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plumbing.errors import RegistryError
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.registry.referrers import fallback_tag
from tests.registry.faults import Registry, registry
from tests.registry.moves import APP, Image, holds, image, index, person

KIND = "application/vnd.example.signature"


@pytest.fixture
def app(tmp_path: Path) -> Image:
    return image(tmp_path / "app")


def test_children_are_put_before_what_names_them_and_tags_last(tmp_path: Path) -> None:
    app = index(tmp_path / "app")
    with registry() as r:
        person(r).push(r.host, app, tags=("v1", "v2"))
        assert holds(r, app)
        puts = [q.path.rpartition("/")[2] for q in r.seen("PUT", "/manifests/")]
    first, second = Index.parse(app.store.read(app.root)).manifests
    assert puts == [str(first.digest), str(second.digest), str(app.root.digest), "v1", "v2"]


def test_a_digest_that_is_not_ours_is_an_error_after_the_put(app: Image) -> None:
    with registry(wrong_digest_header=True) as r, pytest.raises(RegistryError, match="says that it took 'sha256:"):
        person(r).push(r.host, app)


def test_a_blob_that_was_lost_is_pushed_again(tmp_path: Path) -> None:
    app = index(tmp_path / "app")
    with registry(blob_lost_once=True) as r:
        someone = person(r)
        someone.push(r.host, app)
        assert holds(r, app)
    assert someone.time.sleeps == [1.5]


def test_tags_that_never_move_stay_and_the_same_is_no_fault(app: Image, tmp_path: Path) -> None:
    with registry(immutable_tags=True) as r:
        person(r).push(r.host, app)
        person(r).push(r.host, app)
        with pytest.raises(RegistryError, match=r"TAG_ALREADY_EXISTS.*; the tag is taken"):
            person(r).push(r.host, image(tmp_path / "other", 5, seed=1))
        kept = r.store.refs.get(f"{APP}:v1")
        assert kept is not None
        assert kept.digest == app.root.digest


def test_a_tag_that_may_not_go_from_index_to_manifest_is_a_clear_error(app: Image, tmp_path: Path) -> None:
    with registry(kind_change_400=True) as r:
        person(r).push(r.host, index(tmp_path / "index"))
        with pytest.raises(RegistryError, match=rf"cannot push '{r.host}/{APP}:v1': .* MANIFEST_INVALID"):
            person(r).push(r.host, app)


def test_an_image_of_ours_has_no_docker_types(app: Image) -> None:
    with registry(oci_types_only=True) as r:
        person(r).push(r.host, app)
        assert holds(r, app)


def test_docker_types_that_are_refused_are_a_clear_error(app: Image) -> None:
    value = document.load(app.store.read(app.root), "manifest") | {"mediaType": mediatype.DOCKER_MANIFEST}
    docker = app.store.put(document.dump(value), mediatype.DOCKER_MANIFEST)
    with (
        registry(oci_types_only=True) as r,
        pytest.raises(RegistryError, match="media types of docker are not supported"),
    ):
        person(r).push(r.host, replace(app, root=docker))


# tags


def test_tags_are_listed_page_by_page(app: Image) -> None:
    names = [f"v{number:04}" for number in range(2500)]
    with registry(list_max=1000) as r:
        give_tags(r, app, names)
        assert person(r).ask(r.host, lambda repository: list(repository.tags())) == names
        assert [q.query.partition("&")[0] for q in r.seen(part="tags")] == ["n=1000"] * 3


def give_tags(r: Registry, app: Image, names: list[str]) -> None:
    for item in app.store.walk(app.root):
        r.store.put(app.store.read(item), item.media_type)
    r.store.update_refs({f"{APP}:{name}": (app.root, None) for name in names})


def test_a_page_on_another_origin_is_refused(app: Image) -> None:
    with registry(link_bad="origin") as r:
        give_tags(r, app, ["v1"])
        with pytest.raises(RegistryError, match=r"cannot list the tags of .* another host, which no page"):
            person(r).ask(r.name, lambda repository: list(repository.tags()))
        assert not r.seen(origin="other")


def test_pages_without_end_are_given_up() -> None:
    with registry(link_bad="endless") as r:
        with pytest.raises(RegistryError, match="sent more than 1000 pages"):
            person(r).ask(r.host, lambda repository: list(repository.tags()))
        assert len(r.seen(part="tags")) <= 1001


# referrers


def signature(app: Image, number: int = 0, kind: str = KIND) -> Image:
    """A manifest whose subject is `app`, in its store."""
    empty = app.store.put(b"{}", mediatype.EMPTY)
    raw = Manifest.of(empty, [empty], subject=app.root, artifact_type=kind, annotations={"number": str(number)}).raw
    return Image(app.store, app.store.put(raw, mediatype.MANIFEST))


def listed(r: Registry, app: Image, kind: str | None = None) -> list[Descriptor]:
    found: list[Descriptor] = person(r).ask(r.host, lambda it: list(it.referrers(app.root.digest, kind)))
    return found


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"referrers_unsupported": 404},
        {"referrers_unsupported": 400},
        {"referrers_unsupported": 401},
        {"subject_header_lie": True},
        {"referrers_no_filter": True},
    ],
    ids=str,
)
def test_a_referrer_is_found_by_its_subject(switches: dict[str, Any], app: Image) -> None:
    one, two, other = signature(app, 1), signature(app, 2), signature(app, 3, "application/vnd.example.sbom")
    with registry(**switches) as r:
        person(r).push(r.host, app)
        for each in (one, two, other, one):
            person(r).push(r.host, each, tags=())
        assert sorted(str(d.digest) for d in listed(r, app)) == sorted(str(i.root.digest) for i in (one, two, other))
        found = listed(r, app, KIND)
        assert {d.digest for d in found} == {one.root.digest, two.root.digest}
        assert {d.artifact_type for d in found} == {KIND}
        assert {d.annotations["number"] for d in found} == {"1", "2"}
        tagged = r.store.refs.get(f"{APP}:{fallback_tag(app.root.digest)}")
        assert (tagged is not None) == ("referrers_unsupported" in switches or "subject_header_lie" in switches)


def test_an_image_without_referrers_has_none(app: Image) -> None:
    for status in (None, 404):
        with registry(referrers_unsupported=status) as r:
            person(r).push(r.host, app)
            assert listed(r, app) == []


def test_a_fallback_tag_that_is_the_subject_is_left_alone(app: Image) -> None:
    with registry(fallback_tag_is_subject=True) as r:
        person(r).push(r.host, app)
        with pytest.raises(
            RegistryError, match=r"the tag 'sha256-[0-9a-f]{64}' on '.*' is no list of referrers, and stays"
        ):
            person(r).push(r.host, signature(app), tags=())
        assert r.store.refs.get(f"{APP}:{fallback_tag(app.root.digest)}") is None


def test_a_referrer_that_another_client_overwrote_is_seen_and_added_again(app: Image) -> None:
    with registry(fallback_race=True) as r:
        person(r).push(r.host, app)
        mine = signature(app)
        person(r).push(r.host, mine, tags=())
        found = listed(r, app)
    assert mine.root.digest in [d.digest for d in found]
    assert len(found) == 2, "the other's is there too"
