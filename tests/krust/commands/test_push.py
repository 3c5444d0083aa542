"""krust push: from any layout or archive to a registry, what it prints, and what it asks the registry."""

from __future__ import annotations

import re
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.digest import Digest
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from tests.krust.commands.conftest import Krust
from tests.registry import moves
from tests.registry.debian import docker_registry
from tests.registry.faults import Registry, registry
from tests.registry.moves import Image, holds
from tests.tools import require_tool, run

_KIND, _NAME = re.compile(r".*/(manifests|blobs)/.*"), r"\1"


@pytest.fixture
def app(tmp_path: Path) -> Image:
    """An image in the layout `layout`, whose only ref is `image`."""
    return moves.image(tmp_path / "layout", 60_000, 20_000)


@pytest.fixture
def stored(tmp_path: Path) -> Image:
    """An image in the store, named as builds name it."""
    image = moves.image(tmp_path / ".krust", 50_000, seed=1)
    image.store.update_ref("app:v1", image.root)
    image.store.delete_ref("image")
    return image


def means(r: Registry, name: str) -> Digest | None:
    """What the tag `name`, repository:tag, is in the registry."""
    descriptor = r.store.refs.get(name)
    return None if descriptor is None else descriptor.digest


def tags(r: Registry) -> set[str]:
    return {ref.name for ref in r.store.refs if ref.name and "@" not in ref.name}


# what SRC may be


@pytest.mark.parametrize("source", ["layout", "./layout", "layout:image", "layout@DIGEST", "layout/"])
def test_a_layout_by_its_only_root_by_ref_and_by_digest(krust: Krust, r: Registry, app: Image, source: str) -> None:
    pushed = krust("push", source.replace("DIGEST", str(app.root.digest)), f"{r.host}/team/app:v1")
    assert (pushed.code, pushed.stdout) == (0, f"{r.host}/team/app@{app.root.digest}\n"), pushed.stderr
    assert pushed.stderr == ""
    assert means(r, "team/app:v1") == app.root.digest
    assert holds(r, app)


@pytest.mark.parametrize("source", ["app:v1", "DIGEST", "HEX", "registry.example/team/app@DIGEST", ".krust:app:v1"])
def test_any_name_in_the_store(krust: Krust, r: Registry, stored: Image, source: str) -> None:
    digest = stored.root.digest
    pushed = krust("push", source.replace("DIGEST", str(digest)).replace("HEX", digest.hex[:9]), f"{r.host}/x:t")
    assert (pushed.code, pushed.stdout) == (0, f"{r.host}/x@{digest}\n"), pushed.stderr
    assert means(r, "x:t") == digest
    assert holds(r, stored)


def test_without_dst_the_image_keeps_its_name_and_tag(krust: Krust, r: Registry, stored: Image) -> None:
    line = f"{r.host}/team/app@{stored.root.digest}\n"
    by_flag = krust("push", "app:v1", "--repo", f"{r.host}/team")
    assert (by_flag.code, by_flag.stdout) == (0, line), by_flag.stderr
    by_environment = krust("push", "app:v1", env={"KRUST_REPO": f"{r.host}/other/"})
    assert by_environment.stdout == line.replace("team", "other")
    assert tags(r) == {"team/app:v1", "other/app:v1"}
    for words, said in (
        (["app:v1"], "no repository is set"),
        ([str(stored.root.digest)[:20], "--repo", r.host], "no name of its own"),
    ):
        refused = krust("push", *words)
        assert (refused.code, refused.stdout) == (1, "")
        assert said in refused.fault
        assert "DST" in refused.fault


def test_an_index_goes_with_all_that_is_below_it(krust: Krust, r: Registry, tmp_path: Path) -> None:
    both = moves.index(tmp_path / "both")
    assert krust("push", "both", f"{r.host}/app").stdout == f"{r.host}/app@{both.root.digest}\n"
    assert holds(r, both)
    assert tags(r) == {"app:image"}, "the layout's own name for it, as DST has none"


def test_several_roots_are_listed_until_one_is_named_or_all(krust: Krust, r: Registry, tmp_path: Path) -> None:
    first, second = moves.image(tmp_path / "many", 1000), moves.image(tmp_path / "many", 2000, seed=2)
    store = second.store
    store.delete_ref("image")
    store.update_ref("v1", first.root)
    store.update_ref("v2", second.root)
    refused = krust("push", "many", f"{r.host}/app")
    assert (refused.code, refused.stdout) == (1, "")
    assert "many:v1" in refused.fault
    assert "many:v2" in refused.fault
    assert "--all-tags" in refused.fault
    assert r.seen("PUT") == []
    named = krust("push", "many:v2", f"{r.host}/app")
    assert named.stdout == f"{r.host}/app@{second.root.digest}\n"
    assert tags(r) == {"app:v2"}
    every = krust("push", "--all-tags", "many", f"{r.host}/all")
    assert sorted(every.stdout.split()) == sorted(f"{r.host}/all@{image.root.digest}" for image in (first, second))
    assert (means(r, "all:v1"), means(r, "all:v2")) == (first.root.digest, second.root.digest)
    one_tag = krust("push", "--all-tags", "many", f"{r.host}/all:v3")
    assert (one_tag.code, one_tag.stdout) == (2, ""), "which of them would v3 be?"
    assert "v3" in one_tag.fault


def test_two_names_of_one_root_are_one_root(krust: Krust, r: Registry, app: Image) -> None:
    app.store.update_ref("stable", app.root)
    assert krust("push", "layout", f"{r.host}/app:v1").stdout == f"{r.host}/app@{app.root.digest}\n"
    every = krust("push", "--all-tags", "layout", f"{r.host}/app")
    assert every.stdout == f"{r.host}/app@{app.root.digest}\n", "a line for an image, not for a tag"
    assert tags(r) == {"app:v1", "app:image", "app:stable"}


@pytest.mark.parametrize("maker", ["skopeo", "umoci"])
def test_layouts_of_other_tools(krust: Krust, r: Registry, app: Image, tmp_path: Path, maker: str) -> None:
    theirs = tmp_path / "theirs"
    if maker == "skopeo":
        run(require_tool("skopeo"), "copy", f"oci:{app.store.path}:image", f"oci:{theirs}:made")
    else:
        umoci = require_tool("umoci")
        run(umoci, "init", "--layout", theirs)
        run(umoci, "new", "--image", f"{theirs}:made")
    root = Store.open(theirs).refs.get("made")
    assert root is not None
    for source in ("theirs", "theirs:made"):
        pushed = krust("push", source, f"{r.host}/app:{maker}")
        assert (pushed.code, pushed.stdout) == (0, f"{r.host}/app@{root.digest}\n"), pushed.stderr
    assert holds(r, Image(Store.open(theirs), root))
    assert not (theirs / "tmp").exists(), "nothing is written into what is only read"
    assert not (theirs / "lock").exists()


def test_an_archive_of_a_layout(krust: Krust, r: Registry, app: Image, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        for name in ("oci-layout", "index.json", "blobs"):
            tar.add(app.store.path / name, name)
    pushed = krust("push", "image.tar", f"{r.host}/app")
    assert (pushed.code, pushed.stdout) == (0, f"{r.host}/app@{app.root.digest}\n"), pushed.stderr
    assert (tags(r), holds(r, app)) == ({"app:image"}, True)
    assert not (tmp_path / ".krust").exists()


def test_a_layout_whose_folder_is_called_tar(krust: Krust, r: Registry, app: Image, tmp_path: Path) -> None:
    app.store.path.rename(tmp_path / "image.tar")
    pushed = krust("push", "image.tar", f"{r.host}/app")
    assert (pushed.code, pushed.stdout) == (0, f"{r.host}/app@{app.root.digest}\n"), pushed.stderr


@pytest.mark.parametrize(
    ("refs", "said"),
    [("nowhere/refs", "no such folder 'nowhere'; make it first"), (".", "cannot write '.': it is a folder")],
)
def test_references_that_cannot_be_written_are_said_before_anything_is_sent(
    krust: Krust, r: Registry, app: Image, refs: str, said: str
) -> None:
    refused = krust("push", "layout", f"{r.host}/app", "--image-refs", refs)
    assert (refused.code, refused.stdout) == (1, "")
    assert said in refused.fault
    assert r.requests == []


def test_an_archive_of_docker_save(krust: Krust, r: Registry, tmp_path: Path) -> None:
    skopeo = require_tool("skopeo")
    tar = tmp_path / "layer.tar"
    run("tar", "-cf", tar, "-C", tmp_path, "--files-from=/dev/null")
    image = moves.image(tmp_path / "layout", 10)
    layer = image.store.put(tar.read_bytes(), mediatype.LAYER)
    config = image.store.put(Config.of(Platform.parse("linux/amd64"), [layer.digest]).raw, mediatype.CONFIG)
    root = image.store.put(Manifest.of(config, [layer]).raw, mediatype.MANIFEST)
    image.store.update_ref("plain", root)
    saved = tmp_path / "saved.tar"
    run(skopeo, "copy", f"oci:{image.store.path}:plain", f"docker-archive:{saved}:registry.example/team/saved:v7")
    pushed = krust("push", "saved.tar", "--repo", r.host)
    assert re.fullmatch(rf"{r.host}/team/saved@sha256:[0-9a-f]{{64}}\n", pushed.stdout), pushed.stderr
    assert tags(r) == {"team/saved:v7"}
    again = krust("push", "saved.tar", f"{r.host}/elsewhere:v1")
    assert again.stdout.partition("@")[2] == pushed.stdout.partition("@")[2], "the same archive, the same digest"
    assert run(skopeo, "inspect", "--tls-verify=false", f"docker://{r.host}/team/saved:v7").stdout


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nothing", "cannot find 'nothing'"),
        ("layout:none", "none"),
        (f"layout@sha256:{'0' * 64}", "no such blob"),
        ("broken.tar", "broken.tar"),
        ("empty.tar", "expected a tar of a layout, or what 'docker save' writes"),
    ],
)
def test_what_is_not_there_is_one_line(
    krust: Krust, r: Registry, app: Image, tmp_path: Path, source: str, said: str
) -> None:
    (tmp_path / "broken.tar").write_bytes(b"no tar at all" * 100)
    tarfile.open(tmp_path / "empty.tar", "w").close()
    Store.create(tmp_path / ".krust")
    refused = krust("push", source, f"{r.host}/app")
    assert (refused.code, refused.stdout) == (1, ""), refused
    assert said in refused.fault
    assert refused.stderr.count("\n") == 1
    assert r.seen("PUT") == []


def test_what_is_damaged_gets_no_name(krust: Krust, r: Registry, app: Image) -> None:
    path = app.store.blobs.path(app.layer.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused = krust("push", "layout", f"{r.host}/app:v1")
    assert (refused.code, refused.stdout) == (1, "")
    assert str(app.layer.digest) in refused.fault
    assert tags(r) == set()


# where it goes, and under which names


def test_several_dsts_and_tags(krust: Krust, r: Registry, app: Image, tmp_path: Path) -> None:
    with registry() as other:
        pushed = krust(
            *("push", "layout", f"{r.host}/a:one", f"{r.host}/a:two", f"{other.host}/b"),
            *("-t", "extra", "--image-refs", "refs.txt"),
        )
        a, b = (f"{host}@{app.root.digest}" for host in (f"{r.host}/a", f"{other.host}/b"))
        assert (pushed.code, pushed.stdout) == (0, f"{a}\n{b}\n"), pushed.stderr
        assert (tmp_path / "refs.txt").read_text() == pushed.stdout
        assert tags(r) == {"a:one", "a:two", "a:extra"}
        assert tags(other) == {"b:image", "b:extra"}


def test_no_tag_pushes_by_digest_alone(krust: Krust, r: Registry, stored: Image) -> None:
    pushed = krust("push", "--no-tag", "app:v1", f"{r.host}/app")
    assert (pushed.code, pushed.stdout) == (0, f"{r.host}/app@{stored.root.digest}\n"), pushed.stderr
    assert tags(r) == set()
    assert holds(r, stored)
    assert krust("push", "--no-tag", "-t", "v1", "app:v1", f"{r.host}/app").code == 2
    assert krust("push", "--no-tag", "app:v1", f"{r.host}/app:v1").code == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["layout", "A/b"], 1),
        (["layout", "localhost:1/UPPER"], 1),
        (["layout", "localhost:1/app:"], 1),
        (["layout", "localhost:1/app", "-t", "a tag"], 2),
        ([], 2),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_sent(
    krust: Krust, app: Image, words: list[str], code: int
) -> None:
    refused = krust("push", *words)
    assert (refused.code, refused.stdout, refused.stderr.count("\n")) == (code, "", 1), refused


def test_a_wrong_second_dst_is_said_before_the_first_is_pushed(krust: Krust, r: Registry, app: Image) -> None:
    assert krust("push", "layout", f"{r.host}/app", "UPPER/x").code == 1
    assert r.requests == []


def test_where_image_refs_cannot_be_written_nothing_is_pushed(krust: Krust, r: Registry, app: Image) -> None:
    refused = krust("push", "layout", f"{r.host}/app", "--image-refs", "no/such/folder")
    assert (refused.code, refused.stdout) == (1, "")
    assert r.requests == []


def test_a_proxy_that_limits_a_request_is_passed_in_pieces(krust: Krust, tmp_path: Path) -> None:
    image = moves.image(tmp_path / "layout", 14_000_000)
    with registry(body_limit_413=8_000_000) as r:
        refused = krust("push", "layout", f"{r.host}/app:v1")
        assert (refused.code, refused.stdout) == (1, "")
        assert "body limit of a proxy" in refused.fault
        pushed = krust("push", "--chunk", "6", "layout", f"{r.host}/app:v1")
        assert pushed.code == 0, pushed.stderr
        assert holds(r, image)


# what it asks


def counted(r: Registry) -> Counter[str]:
    """The requests since the last call, by method and kind."""
    found = Counter(f"{request.method} {_KIND.sub(_NAME, request.path)}" for request in r.requests)
    r.requests.clear()
    return found


def test_a_push_that_was_complete_asks_once_for_each_manifest_and_tag(
    krust: Krust, r: Registry, app: Image, tmp_path: Path
) -> None:
    target = f"{r.host}/app:v1"
    first = krust("push", "layout", target)
    assert counted(r)["PUT manifests"] == 2  # by digest, by tag
    assert krust("push", "layout", target).stdout == first.stdout
    assert counted(r) == {"GET /v2/": 1, "HEAD manifests": 2}
    krust("push", "layout", target, "-t", "v2")
    assert counted(r) == {"GET /v2/": 1, "HEAD manifests": 3, "PUT manifests": 1}
    krust("push", "layout", target, "--quiet")
    assert counted(r) == {"GET /v2/": 1, "HEAD manifests": 2}
    moves.index(tmp_path / "both")
    krust("push", "both", f"{r.host}/both:v1")
    counted(r)
    krust("push", "both", f"{r.host}/both:v1")
    assert counted(r) == {"GET /v2/": 1, "HEAD manifests": 2}, "what is below an index had to be there before it"


def test_only_what_is_missing_is_sent(krust: Krust, r: Registry, app: Image, tmp_path: Path) -> None:
    krust("push", "layout", f"{r.host}/app:v1")
    counted(r)
    newer = moves.image(tmp_path / "newer", 60_000, 20_000, 500)  # the first two layers are the same
    krust("push", "newer", f"{r.host}/app:v2")
    assert holds(r, newer)
    asked = counted(r)
    assert asked["HEAD blobs"] == 4
    assert asked["POST blobs"] == 2, "the new layer, and the config"


def test_it_is_shown_by_verbose_what_was_asked(krust: Krust, r: Registry, app: Image) -> None:
    pushed = krust("push", "-v", "layout", f"{r.host}/app:v1")
    assert pushed.stdout == f"{r.host}/app@{app.root.digest}\n"
    shown = [line for line in pushed.stderr.splitlines() if "> " in line]
    assert len(shown) == len(r.requests)


def test_debians_registry_takes_it_and_a_second_push_is_short(krust: Krust, app: Image, tmp_path: Path) -> None:
    skopeo = require_tool("skopeo")
    with docker_registry(tmp_path / "registry") as host:
        pushed = krust("push", "layout", f"{host}/team/app:v1")
        assert (pushed.code, pushed.stdout) == (0, f"{host}/team/app@{app.root.digest}\n"), pushed.stderr
        again = krust("push", "-v", "layout", f"{host}/team/app:v1")
        assert again.stdout == pushed.stdout
        assert [re.sub(r".*> (\S+ )http://[^/]*(/v2/).*", r"\1\2", line) for line in asked(again.stderr)] == [
            "GET /v2/",
            "HEAD /v2/",
            "HEAD /v2/",
        ]
        inspected = run(skopeo, "inspect", "--tls-verify=false", f"docker://{host}/team/app:v1")
        assert str(app.root.digest).encode() in inspected.stdout


def asked(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if "> " in line]
