from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from krust.cargo.targets import host_platform
from krust.config.keys import TABLE
from krust.config.origin import Rank
from krust.config.resolve import DATA
from krust.config.values import File
from krust.errors import SettingError
from plumbing.layer.capability import parse_capabilities
from plumbing.oci.config import Execution
from plumbing.oci.platform import Platform
from tests.krust.config.conftest import Case, setting
from tests.tools import require_tool, run

_ID = "org.opencontainers.image."
_KNOWN = {"title": "hello", "version": "1.2.3"}


def test_without_settings_an_image_is_what_the_design_says(case: Case) -> None:
    found = case.resolve()
    labels = {f"{_ID}title": "hello", f"{_ID}version": "1.2.3"}
    assert (found.name, found.repository, found.tags) == ("hello", None, ("latest",))
    assert (found.base, found.platforms, found.profile, found.features) == ("static", (host_platform(),), "release", ())
    assert found.execution == Execution(entrypoint=("/app/hello",), env={}, labels=labels)
    assert found.annotations == labels
    assert (found.files, found.data, found.capabilities, found.compression) == ((), None, None, "gzip")
    assert (found.target_cpu, found.notes, found.program) == ({}, (), "/app/hello")
    assert [each.key for each in found.settings] == [key.name for key in TABLE]


def test_every_setting_comes_to_its_value(case: Case) -> None:
    metadata = """
        name = "greeter"
        repo = "ghcr.io/me"
        tags = ["v{version}", "v{version}", "latest"]
        base = "alpine"
        platforms = "all"
        features = ["tls"]
        profile = "dist"
        args = ["--help"]
        entrypoint = ["/tini", "/app/hello"]
        user = 1000
        workdir = "/srv"
        ports = [8080, "53/udp"]
        volumes = ["/data"]
        stop-signal = "SIGINT"
        files = [{ src = "app.toml", dest = "/etc/", mode = "0600", user = "1:2" }, { dest = "/data" }]
        capabilities = ["cap_net_raw", "cap_chown"]
        compression = "zstd"
        env.VERSION = "{version}"
        target-cpu."linux/arm64/v8" = "neoverse-n1"
    """
    found = case.resolve(metadata)
    assert (str(found.repository), found.tags) == ("ghcr.io/me/greeter", ("v1.2.3", "latest"))
    assert (found.base, found.platforms, found.profile, found.features) == ("alpine", "all", "dist", ("tls",))
    assert found.execution == Execution(
        user="1000",
        workdir="/srv",
        entrypoint=("/tini", "/app/hello"),
        args=("--help",),
        env={"VERSION": "1.2.3"},
        labels=found.execution.labels,
        ports=("8080/tcp", "53/udp"),
        volumes=("/data",),
        stop_signal="SIGINT",
    )
    assert found.files == (
        File(src=case.folder / "app.toml", dest="/etc/", mode=0o600, uid=1, gid=2),
        File(src=None, dest="/data"),
    )
    assert found.capabilities == parse_capabilities("cap_net_raw,cap_chown=ep")
    assert (found.compression, found.target_cpu) == ("zstd", {Platform.parse("linux/arm64"): "neoverse-n1"})


@given(st.sets(st.sampled_from(Rank)))
def test_the_strongest_place_wins(ranks: set[Rank]) -> None:
    def said(rank: Rank) -> str:
        return f'base = "{rank.name.lower()}"\n' if rank in ranks else ""

    with TemporaryDirectory() as folder:
        found = Case(Path(folder)).resolve(
            said(Rank.PACKAGE) + "[bins.hello]\n" + said(Rank.BINARY),
            workspace=said(Rank.WORKSPACE),
            person=said(Rank.PERSON),
            env={"KRUST_BASE": "environment"} if Rank.ENVIRONMENT in ranks else {},
            flags={"base": "flag"} if Rank.FLAG in ranks else {},
        )
        expected = max(ranks, default=Rank.DEFAULT)
        origins = {
            Rank.DEFAULT: "default",
            Rank.PERSON: f"{folder}/person.toml",
            Rank.WORKSPACE: f"{folder}/Cargo.toml [workspace.metadata.krust]",
            Rank.PACKAGE: f"{folder}/Cargo.toml [package.metadata.krust]",
            Rank.BINARY: f"{folder}/Cargo.toml [package.metadata.krust.bins.hello]",
            Rank.ENVIRONMENT: "KRUST_BASE",
            Rank.FLAG: "--base",
        }
        base = "static" if expected is Rank.DEFAULT else expected.name.lower()
        assert setting(found, "base") == (base, origins[expected])
        assert found.base == base


def test_tables_are_merged_by_name_and_lists_are_replaced(case: Case) -> None:
    found = case.resolve(
        "env = { B = 'package', C = false, D = '4' }\nports = [2]\nbins.hello.env.D = 'bin'",
        workspace="env = { A = 'workspace', B = 'workspace', C = '3' }\nports = [1, 3]",
        flags={"env": {"E": "flag"}},
    )
    assert found.execution.env == {"A": "workspace", "B": "package", "D": "bin", "E": "flag"}
    assert found.execution.ports == ("2/tcp",)
    file = f"{case.folder}/Cargo.toml"
    assert setting(found, "env")[1] == {
        "A": f"{file} [workspace.metadata.krust]",
        "B": f"{file} [package.metadata.krust]",
        "D": f"{file} [package.metadata.krust.bins.hello]",
        "E": "--env",
    }


def test_what_does_not_win_need_not_be_filled_in(case: Case) -> None:
    found = case.resolve("tags = ['{git.tag}', '-']\nenv.A = '{env.NO}'", flags={"tags": ("x",), "env": {"A": "a"}})
    assert (found.tags, found.execution.env) == (("x",), {"A": "a"})


def test_empty_arguments_take_those_of_the_base_away(case: Case) -> None:
    assert case.resolve().execution.args is None
    assert case.resolve("args = []").execution.args == ()


# -------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("bins", "target", "name"),
    [
        (["hello"], "hello", "hello"),
        (["other"], "other", "hello"),
        (["a_b", "My-App_"], "My-App_", "my-app"),
        (["a_b", "c"], "a_b", "a_b"),
        (["hello"], "demo", "demo"),
    ],
)
def test_the_name_is_the_packages_or_the_binarys(bins: list[str], target: str, name: str, case: Case) -> None:
    found = case.resolve(bins=bins, target=target)
    assert found.name == name
    assert found.execution.entrypoint == (f"/app/{target}",)


def test_a_name_that_no_registry_takes_is_an_error(case: Case) -> None:
    with pytest.raises(SettingError, match="cannot name an image 'é' in a registry; choose another name"):
        case.resolve(bins=["é", "b"], target="é")


def test_binaries_have_their_own_tables(case: Case) -> None:
    metadata = "name = 'app'\nargs = ['x']\nbins.b = { name = 'worker', ports = [1] }"
    one, two = (case.resolve(metadata, bins=["a", "b"], target=target) for target in "ab")
    assert (one.name, one.execution.ports, one.execution.args) == ("app", (), ("x",))
    assert (two.name, two.execution.ports, two.execution.args) == ("worker", ("1/tcp",), ("x",))


def test_an_example_is_not_called_or_run_as_the_binaries_are(case: Case) -> None:
    metadata = "name = 'app'\nimage = 'a/b'\nargs = ['x']\nentrypoint = ['/x']\nuser = 'me'\nbins.hello.user = 'you'"
    found = case.resolve(metadata, target="demo")
    assert (found.name, found.repository, found.execution.user) == ("demo", None, "me")
    assert (found.execution.args, found.execution.entrypoint) == (None, ("/app/demo",))


@pytest.mark.parametrize(
    ("metadata", "env", "flags", "pushed", "tags"),
    [
        ("repo = 'a.io/x'", {}, {}, "a.io/x/hello", ["latest"]),
        ("repo = 'a.io/x'\nname = 'y'", {"KRUST_REPO": "b.io"}, {}, "b.io/y", ["latest"]),
        ("image = 'a.io/x'", {}, {}, "a.io/x", ["latest"]),
        ("image = 'a.io/x:1'", {}, {}, "a.io/x", ["1"]),
        ("image = 'a.io/x:1'\nrepo = 'b.io'\nname = 'y'", {}, {}, "a.io/x", ["1"]),
        ("image = 'a.io/x:1'\ntags = ['2']", {}, {}, "a.io/x", ["1", "2"]),
        ("image = 'a.io/x:1'", {}, {"tags": ("2",)}, "a.io/x", ["2"]),
        ("image = 'a.io/x:1'\ntags = ['2']", {}, {"image": "b.io/y:3"}, "b.io/y", ["3"]),
        ("image = 'a.io/x:1'\ntags = ['2']", {}, {"image": "b.io/y"}, "b.io/y", ["2"]),
        ("image = 'a.io/x:1'", {"KRUST_REPO": "localhost:5000"}, {}, "localhost:5000/hello", ["latest"]),
        ("image = 'a.io/x:1'\nrepo = 'b.io'", {}, {"name": "y"}, "b.io/y", ["latest"]),
        ("image = 'a.io/x:1'\nrepo = 'b.io'\nbins.hello.name = 'y'", {}, {}, "b.io/y", ["latest"]),
    ],
)
def test_where_an_image_is_pushed(
    metadata: str, env: dict[str, str], flags: dict[str, Any], pushed: str, tags: list[str], case: Case
) -> None:
    found = case.resolve(metadata, env=env, flags=flags)
    assert (str(found.repository), list(found.tags)) == (pushed, tags)
    assert found.name == pushed.rpartition("/")[2]


def test_a_repository_that_is_too_long_together_says_where(case: Case) -> None:
    with pytest.raises(SettingError, match=r"malformed reference 'a\.io/x+.*' in '--repo': expected host and reposi"):
        case.resolve(f"name = '{200 * 'y'}'", flags={"repo": f"a.io/{100 * 'x'}"})


# ------------------------------------------------------------------------------------------------------ what it is of


def test_labels_and_annotations_say_what_cargo_says(case: Case) -> None:
    found = case.resolve(
        description="Says\n hello {name}. ",
        license="MIT/Apache-2.0",
        repository="https://example.com/hello.git",
        homepage="",
        documentation="https://docs.example.com",
    )
    assert found.execution.labels == found.annotations
    assert found.annotations == {
        f"{_ID}title": "hello",
        f"{_ID}version": "1.2.3",
        f"{_ID}description": "Says hello {name}.",
        f"{_ID}licenses": "MIT OR Apache-2.0",
        f"{_ID}source": "https://example.com/hello.git",
        f"{_ID}documentation": "https://docs.example.com",
    }
    assert set(setting(found, "labels")[1].values()) == {f"{case.folder}/Cargo.toml [package]"}


@pytest.mark.parametrize(
    ("metadata", "labels", "annotations"),
    [
        ("labels.a = 'b'", {"a": "b", **_KNOWN}, _KNOWN),
        ("annotations.a = 'b'", _KNOWN, {"a": "b", **_KNOWN}),
        ("labels = { 'ID.title' = 'x', 'ID.version' = false }", {"title": "x"}, {"title": "x"}),
        ("annotations = { 'ID.title' = 'x', 'ID.version' = false }", _KNOWN, {"title": "x"}),
        ("labels = false", {}, {}),
        ("labels = false\nannotations.a = 'b'", {}, {"a": "b"}),
        ("annotations = false", _KNOWN, {}),
        ("labels = false\nbins.hello.labels.a = 'b'", {"a": "b"}, {}),
        ("labels.'ID.vendor' = 'x'", {"vendor": "x", **_KNOWN}, {"vendor": "x", **_KNOWN}),
    ],
)
def test_labels_are_merged_with_what_is_known(
    metadata: str, labels: dict[str, str], annotations: dict[str, str], case: Case
) -> None:
    found = case.resolve(metadata.replace("ID.", _ID))
    assert {name.removeprefix(_ID): text for name, text in (found.execution.labels or {}).items()} == labels
    assert {name.removeprefix(_ID): text for name, text in found.annotations.items()} == annotations


def test_the_revision_is_asked_of_git_only_if_it_is_wanted(case: Case, tmp_path: Path) -> None:
    git = require_tool("git")
    (tmp_path / "Cargo.toml").touch()
    who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    for words in (["init", "-q"], ["add", "Cargo.toml"], [*who, "commit", "-qm", "one"]):
        run(git, *words, cwd=tmp_path)
    commit = run(git, "rev-parse", "HEAD", cwd=tmp_path).stdout.decode().strip()
    here = {"PATH": os.environ["PATH"]}
    found = case.resolve(env=here)
    assert found.annotations[f"{_ID}revision"] == commit
    assert setting(found, "labels")[1][f"{_ID}revision"] == "git"
    assert case.resolve("env.REV = '{git.commit}'", env=here).execution.env == {"REV": commit}

    nowhere = {"PATH": "/nowhere"}
    found = case.resolve(env=nowhere)
    assert f"{_ID}revision" not in found.annotations
    [note] = found.notes
    assert note.startswith(f"cannot tell git's commit in '{tmp_path}': cannot start 'git'")
    for unwanted in (f"labels.'{_ID}revision' = false", f"labels.'{_ID}revision' = 'r1'", "labels = false"):
        assert case.resolve(unwanted, env=nowhere).notes == ()


def test_krustdata_is_told_by_a_variable(case: Case, tmp_path: Path) -> None:
    (tmp_path / DATA).mkdir()
    assert (case.resolve().data, case.resolve().execution.env) == (None, {})  # git has no empty directory
    (tmp_path / DATA / "page.html").touch()
    found = case.resolve()
    assert (found.data, found.execution.env) == (tmp_path / "krustdata", {"KRUST_DATA_PATH": "/krustdata"})
    assert setting(found, "env") == ({"KRUST_DATA_PATH": "/krustdata"}, {"KRUST_DATA_PATH": "krustdata/"})
    assert case.resolve("env.KRUST_DATA_PATH = '/x'").execution.env == {"KRUST_DATA_PATH": "/x"}
    assert case.resolve("env = false").execution.env == {}
