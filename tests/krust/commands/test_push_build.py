"""krust build that pushes: to which repository, under which tags, and what other tools then find there."""

from __future__ import annotations

import json
import re
import shutil
import socket
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from plumbing.oci.digest import Digest
from plumbing.store import Store
from tests.krust.commands.conftest import Krust, clean
from tests.krust.commands.serving import serving
from tests.krust.commands.test_push import asked, counted, means, tags
from tests.registry.debian import docker_registry
from tests.registry.faults import Registry, registry
from tests.tools import require_tool, run

pytestmark = pytest.mark.slow  # each test compiles


def digest_of(line: str) -> Digest:
    return Digest.parse(line.rstrip("\n").partition("@")[2])


@pytest.mark.parametrize(
    ("words", "environment", "repository", "moved"),
    [
        (["--repo", "HOST/team"], {}, "team/hello-krust", {"latest"}),
        (["--repo", "HOST/team/"], {"KRUST_REPO": "registry.example/x"}, "team/hello-krust", {"latest"}),
        ([], {"KRUST_REPO": "HOST"}, "hello-krust", {"latest"}),
        (["--repo", "HOST", "--name", "greeter"], {}, "greeter", {"latest"}),
        (["--repo", "HOST", "-t", "v1", "-t", "v2"], {}, "hello-krust", {"v1", "v2"}),
        (["--repo", "HOST", "--no-tag"], {}, "hello-krust", set()),
        (["--image", "HOST/a/b"], {}, "a/b", {"latest"}),
        (["--image", "HOST/a/b:v7"], {"KRUST_REPO": "registry.example/x"}, "a/b", {"v7"}),
        (["--image", "HOST/a/b:v7", "-t", "v8"], {}, "a/b", {"v7", "v8"}),
    ],
)
def test_where_it_goes_and_which_tags_move(
    krust: Krust,
    hello: Path,
    r: Registry,
    words: list[str],
    environment: dict[str, str],
    repository: str,
    moved: set[str],
) -> None:
    words = [word.replace("HOST", r.host) for word in words]
    built = krust(
        "build", *words, hello, env={name: text.replace("HOST", r.host) for name, text in environment.items()}
    )
    assert built.code == 0, built.stderr
    assert re.fullmatch(rf"{r.host}/{repository}@sha256:[0-9a-f]{{64}}\n", built.stdout)
    assert tags(r) == {f"{repository}:{tag}" for tag in moved}
    digest = digest_of(built.stdout)
    assert all(means(r, f"{repository}:{tag}") == digest for tag in moved)
    assert r.store.complete(r.store.describe(digest))
    assert krust("rev-parse", built.stdout.strip()).stdout.strip() == str(digest), "what it printed is a name here"


def test_a_registry_that_cannot_be_reached_is_said_before_anything_is_compiled(
    krust: Krust, hello: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"  # closed again, so nobody listens
    built = krust("build", "--repo", host, hello, env={"CARGO_TARGET_DIR": str(tmp_path / "target")})
    assert built.code == 1
    assert built.stderr.startswith(f"krust: cannot reach '{host}': ")
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("password", [None, "wrong"])
@pytest.mark.parametrize("switches", [{"basic_only": True}, {"bearer": True}], ids=str)
def test_who_may_not_push_is_told_before_anything_is_compiled(
    krust: Krust, hello: Path, tmp_path: Path, switches: dict[str, Any], password: str | None
) -> None:
    with registry(**switches) as r:
        auths = {r.host: {"auth": b64encode(f"somebody:{password}".encode()).decode()}} if password else {}
        (tmp_path / "config.json").write_text(json.dumps({"auths": auths}))
        env = {"CARGO_TARGET_DIR": str(tmp_path / "target"), "DOCKER_CONFIG": str(tmp_path)}
        built = krust("build", "--repo", r.host, hello, env=env)
        assert built.code == 1
        assert "krust login" in built.fault
        assert r.host in built.fault
        assert not (tmp_path / "target").exists()
        assert r.seen("POST", "/blobs/") == []


def test_the_tag_moves_with_the_source_and_a_repetition_asks_little(krust: Krust, hello: Path, r: Registry) -> None:
    first = krust("build", "--repo", r.host, hello)
    counted(r)
    assert krust("build", "--repo", r.host, hello).stdout == first.stdout
    assert counted(r) == {"GET /v2/": 1, "HEAD manifests": 2}
    main = hello / "src" / "main.rs"
    main.write_text(main.read_text().replace("Hello", "Good evening"))
    second = krust("build", "--repo", r.host, hello)
    assert second.stdout != first.stdout
    assert means(r, "hello-krust:latest") == digest_of(second.stdout)
    sent = counted(r)
    assert (sent["HEAD blobs"], sent["POST blobs"]) == (3, 2), "the base's layer is there already"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 1, "set KRUST_REPO, or give '--repo', such as ghcr.io/me; 'krust build --no-push' needs none"),
        (["--repo", "UPPER/x"], 1, "UPPER/x"),
        (["--image", "host.example/UPPER"], 1, "UPPER"),
        (["--image", "a.example/x", "--repo", "b.example"], 2, "--image takes the place"),
        (["--no-tag", "-t", "v1", "--repo", "a.example"], 2, "--no-tag goes with no tag"),
        (["--no-tag", "--image", "a.example:5000/hello:{version}"], 2, "--no-tag goes with no tag"),
    ],
)
def test_without_a_place_to_push_to_nothing_is_compiled(
    krust: Krust, hello: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    refused = krust("build", *words, hello)
    assert (refused.code, refused.stdout) == (code, "")
    assert said in refused.fault
    assert not (hello / "target").exists()
    assert not (tmp_path / ".krust").exists()


def test_what_cannot_be_pushed_is_in_the_store_still(krust: Krust, hello: Path, tmp_path: Path) -> None:
    with registry(read_only=True) as r:
        refused = krust("build", "--repo", r.host, hello)
        assert (refused.code, refused.stdout) == (1, "")
        assert r.host in refused.fault
    assert clean(tmp_path / ".krust")
    with registry() as r:
        assert krust("push", "hello-krust", "--repo", r.host).code == 0


def test_other_tools_find_it_in_debians_registry_and_it_comes_back_whole(
    krust: Krust, hello: Path, tmp_path: Path
) -> None:
    skopeo = require_tool("skopeo")
    with docker_registry(tmp_path / "registry") as host:
        built = krust("build", "--repo", f"{host}/team", hello)
        assert built.code == 0, built.stderr
        reference, digest = built.stdout.strip(), digest_of(built.stdout)
        seen = json.loads(run(skopeo, "inspect", "--tls-verify=false", f"docker://{reference}").stdout)
        assert seen["Digest"] == str(digest)
        assert seen["RepoTags"] == ["latest"]
        assert (seen["Os"], len(seen["Layers"])) == ("linux", 2)
        run(skopeo, "copy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{tmp_path}/copied:out")
        assert krust("rev-parse", "copied:out").stdout.strip() == str(digest)
        fetched = krust("fetch", "--store", "empty", reference)
        assert fetched.stdout.strip() == str(digest)
        assert krust("verify", "--store", "empty").code == 0
        assert clean(tmp_path / "empty")
        again = krust("build", "-v", "--repo", f"{host}/team", hello)
        assert again.stdout == built.stdout
        assert len(asked(again.stderr)) == 3, "who is there, the manifest, the tag"


# krust serve instead of a registry


def test_crane_skopeo_and_krust_read_a_store_that_is_served(krust: Krust, hello: Path, tmp_path: Path) -> None:
    crane, skopeo = require_tool("crane"), require_tool("skopeo")
    with serving(tmp_path / ".krust") as host:
        built = krust("build", "--no-push", hello, env={"KRUST_REPO": host})
        assert re.fullmatch(rf"{host}/hello-krust@sha256:[0-9a-f]{{64}}\n", built.stdout)
        reference = built.stdout.strip()
        manifest = run(crane, "manifest", reference).stdout
        assert Digest.of(manifest) == digest_of(built.stdout)
        assert run(crane, "manifest", f"{host}/hello-krust").stdout == manifest, "by the tag latest too"
        run(crane, "validate", "--remote", reference)
        run(skopeo, "copy", "--src-tls-verify=false", f"docker://{reference}", f"oci:{tmp_path}/copied:out")
        assert krust("rev-parse", "copied:out").stdout.strip() == str(digest_of(built.stdout))
        run(crane, "copy", reference, f"{host}/copy:v1")
        assert krust("rev-parse", "copy:v1").stdout.strip() == str(digest_of(built.stdout)), (
            "what is pushed to it is a ref"
        )
    assert clean(tmp_path / ".krust")


def test_it_pushes_to_the_server_of_its_own_store_and_of_another(krust: Krust, hello: Path, tmp_path: Path) -> None:
    with serving(tmp_path / ".krust") as host, serving(tmp_path / "other") as other:
        own = krust("build", "--repo", host, hello)
        assert own.code == 0, own.stderr
        elsewhere = krust("build", "--repo", f"{other}/team", hello)
        assert elsewhere.code == 0, elsewhere.stderr
        assert digest_of(own.stdout) == digest_of(elsewhere.stdout)
        assert Store.open(tmp_path / "other").refs.get("team/hello-krust:latest") is not None
    assert clean(tmp_path / "other")
    shutil.rmtree(tmp_path / "other")
