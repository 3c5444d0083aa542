"""krust build of workspaces: which executables are meant, how often cargo is called, what is printed in which order.

Each test writes a workspace of its own, of programs that say who they are, and real cargo compiles it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from tests.krust.commands.conftest import Cargo, Krust, clean, write_project
from tests.krust.commands.serving import serving
from tests.registry.faults import registry
from tests.tools import KRUST, require, require_tool, run

pytestmark = pytest.mark.slow  # each test compiles


def manifest(name: str, more: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "2021"\n{more}\n'


def main(words: str) -> str:
    return f'fn main() {{ println!("{words}"); }}\n'


_LIBRARY = {"lib/Cargo.toml": manifest("lib"), "lib/src/lib.rs": 'pub fn name() -> &\'static str { "lib" }\n'}
_USES = '[dependencies]\nlib = { path = "../lib" }\n'

SERVICES = {
    "Cargo.toml": '[workspace]\nmembers = ["lib", "one", "two", "three"]\nresolver = "2"\n',
    **_LIBRARY,
    "one/Cargo.toml": manifest("one", _USES),
    "one/src/main.rs": 'fn main() { println!("one with {}", lib::name()); }\n',
    "one/examples/show.rs": main("an example of one"),
    "two/Cargo.toml": manifest("two", f'default-run = "b"\n{_USES}'),
    "two/src/bin/a.rs": main("a of two"),
    "two/src/bin/b.rs": main("b of two"),
    "three/Cargo.toml": manifest("three", '[package.metadata.krust]\nbin = "y"\n'),
    "three/src/bin/x.rs": main("x of three"),
    "three/src/bin/y.rs": main("y of three"),
    "three/src/bin/z.rs": main("z of three"),
}
"""A virtual workspace: a library, a program, a package with default-run, and one with krust's `bin`."""


Says = Callable[..., str]


@pytest.fixture
def says(krust: Krust, tmp_path: Path) -> Says:
    """What the program says that is the entrypoint of the image `name`."""

    def says(name: str, store: Path = tmp_path / ".krust") -> str:
        [program] = json.loads(krust("cat-config", "--store", store, name).stdout)["config"]["Entrypoint"]
        layer = krust("ls-tree", "--store", store, name).stdout.splitlines()[-1].split()[1]
        tar = run(KRUST, "cat-blob", "--store", store, layer, cwd=tmp_path).stdout
        folder = tmp_path / "said"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        run("tar", "-xz", "-C", folder, stdin=tar)
        return run(folder / program.removeprefix("/")).stdout.decode().removesuffix("\n")

    return says


def named(store: Path) -> list[str]:
    """The refs of a store; none where nothing was written."""
    return sorted(str(ref.name) for ref in Store.open(store).refs) if Store.is_layout(store) else []


# ------------------------------------------------------------------------------------------------------ what is meant


@pytest.mark.parametrize(
    ("directory", "words", "images"),
    [
        ("one", [], ["one"]),
        ("one/src", [], ["one"]),
        ("two", [], ["b"]),
        ("three", [], ["y"]),
        ("", ["-p", "one"], ["one"]),
        ("", ["-p", "three", "-p", "one"], ["y", "one"]),
        ("", ["-p", "three", "-p", "one@1.2.3", "-p", "three"], ["y", "one"]),
        ("two", ["--bin", "a", "--bin", "b"], ["a", "b"]),
        ("two", ["--bin", "b", "--bin", "a"], ["b", "a"]),
        ("", ["--bin", "z", "--bin", "one"], ["z", "one"]),
        ("one", ["--bin", "one", "--example", "show"], ["one", "show"]),
        ("one", ["--example", "show", "--bin", "one"], ["show", "one"]),
        ("", ["-p", "two", "-p", "three", "--bin", "x", "--bin", "a"], ["x", "a"]),
        ("", ["--workspace"], ["one", "y", "b"]),
        ("two", ["--all"], ["one", "y", "b"]),
    ],
)
def test_an_image_for_each_executable_that_is_meant_in_the_order_asked(
    krust: Krust, tmp_path: Path, cargo: Cargo, directory: str, words: list[str], images: list[str]
) -> None:
    project = write_project(tmp_path / "project", SERVICES)
    built = krust("build", "--no-push", "--base=scratch", "--profile=dev", *words, project / directory, env=cargo.env)
    assert built.code == 0, built.stderr
    means = {krust("rev-parse", name).stdout.strip(): name for name in images}
    printed = [means.get(line.partition("@")[2]) for line in built.stdout.splitlines()]
    assert sorted(printed, key=str) == sorted(images)
    if "--workspace" not in words and "--all" not in words:
        assert printed == images
    assert named(tmp_path / ".krust") == sorted(f"{name}:latest" for name in images)
    assert len(cargo.builds) == 1, cargo.builds


@pytest.mark.parametrize(
    ("directory", "words", "code", "fault"),
    [
        ("", [], 1, "several binaries; name one of"),
        ("lib", [], 1, "cannot build 'lib': no binary target"),
        ("", ["-p", "four"], 1, "no such member of .*; there are lib, one, three, two|there are lib, one, two, three"),
        ("", ["-p", "one", "-p", "two", "--bin", "z"], 1, "'z'"),
        ("", ["--workspace", "-p", "one"], 2, "--workspace takes every binary"),
    ],
)
def test_what_is_not_there_is_said_before_anything_is_compiled(
    krust: Krust, tmp_path: Path, cargo: Cargo, directory: str, words: list[str], code: int, fault: str
) -> None:
    project = write_project(tmp_path / "project", SERVICES)
    refused = krust("build", "--no-push", *words, project / directory, env=cargo.env)
    assert (refused.code, refused.stdout) == (code, "")
    assert re.search(fault, refused.fault), refused.fault
    assert cargo.builds == []
    assert not (tmp_path / ".krust").exists()


# ---------------------------------------------------------------------------------------------------- what is printed


def test_json_refs_and_archive_have_all_images(krust: Krust, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", SERVICES)
    words = ["--no-push", "--base=scratch", "--profile=dev", "-p", "two", "-p", "one", project]
    built = krust("build", "--image-refs", "refs", "-o", "all.tar", "--trace", "trace.sh", *words)
    lines = built.stdout.splitlines()
    assert len(set(lines)) == 2, built
    assert (tmp_path / "refs").read_text() == built.stdout
    accounts = json.loads(krust("build", "--json", *words).stdout)
    assert [account["reference"] for account in accounts] == lines
    assert [account["name"] for account in accounts] == ["b", "one"]
    assert isinstance(json.loads(krust("build", "--json", *words[:-3], project).stdout), dict), "one is no list"

    run("tar", "-xf", "all.tar", "--one-top-level=layout", cwd=tmp_path)
    assert named(tmp_path / "layout") == ["b:latest", "one:latest"]
    assert clean(tmp_path / "layout")

    environment = {"PATH": f"{KRUST.parent}:{os.environ['PATH']}", "KRUST_STORE": str(tmp_path / "traced")}
    run("sh", "trace.sh", cwd=tmp_path, env=environment)
    digests = [line.partition("@")[2] for line in lines]
    traced = [krust("rev-parse", "--store", "traced", name).stdout.strip() for name in ("b", "one")]
    assert traced == digests
    assert named(tmp_path / "traced") == ["b:latest", "one:latest"]


def test_each_image_has_a_line_where_it_was_pushed(krust: Krust, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", SERVICES)
    with serving(tmp_path / "registry") as host:
        built = krust("build", "--base=scratch", "--profile=dev", "--workspace", project, env={"KRUST_REPO": host})
        assert built.code == 0, built.stderr
        names = [line.partition("@")[0] for line in built.stdout.splitlines()]
        assert sorted(names) == [f"{host}/{name}" for name in ("b", "one", "y")]
        for line in built.stdout.splitlines():
            name, _, digest = line.partition("@")
            assert krust("ls-remote", name).stdout == "latest\n"
            assert krust("rev-parse", "--store=registry", name.removeprefix(f"{host}/")).stdout.strip() == digest


# ---------------------------------------------------------------------------------------------------- what has one name

_TWINS = {
    "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n',
    "one/Cargo.toml": manifest("one"),
    "one/src/bin/server.rs": main("server of one"),
    "two/Cargo.toml": manifest("two"),
    "two/src/bin/server.rs": main("server of two"),
}


def test_binaries_of_one_name_in_two_packages_are_two_images(krust: Krust, tmp_path: Path, says: Says) -> None:
    project = write_project(tmp_path / "project", _TWINS)
    for _ in range(2):  # also where cargo has nothing to do
        built = krust("build", "--no-push", "--base=scratch", "--workspace", project)
        assert len(set(built.stdout.splitlines())) == 2, built
        assert [says("one"), says("two")] == ["server of one", "server of two"]


@pytest.mark.parametrize(
    "different", ['features = ["f"]', 'profile = "dev"', 'target-cpu = { "linux/amd64" = "x86-64-v2" }']
)
def test_also_where_cargo_has_to_build_them_differently(
    krust: Krust, tmp_path: Path, says: Says, different: str
) -> None:
    two = manifest("two", f"[features]\nf = []\n[package.metadata.krust]\n{different}\n")
    project = write_project(tmp_path / "project", {**_TWINS, "two/Cargo.toml": two})
    for _ in range(2):
        built = krust("build", "--no-push", "--workspace", project)  # with a base to write first, which takes a while
        assert len(set(built.stdout.splitlines())) == 2, built
        assert [says("one"), says("two")] == ["server of one", "server of two"]


@pytest.mark.parametrize(
    ("files", "subject"),
    [
        (
            {
                **_TWINS,
                "one/src/bin/client.rs": main(""),
                "two/src/bin/agent.rs": main(""),
            },
            "server",
        ),
        ({**_TWINS, "two/Cargo.toml": manifest("two", '[package.metadata.krust]\nname = "one"\n')}, "one"),
    ],
    ids=["by default", "by a setting"],
)
def test_images_of_one_name_are_an_error_before_anything_is_compiled(
    krust: Krust, tmp_path: Path, cargo: Cargo, files: Mapping[str, str], subject: str
) -> None:
    project = write_project(tmp_path / "project", files)
    refused = krust("build", "--no-push", "--workspace", project, env=cargo.env)
    assert (refused.code, refused.stdout) == (1, "")
    assert f"cannot call 2 images '{subject}': --bin server of one and --bin server of two" in refused.fault
    assert cargo.builds == []
    assert not (tmp_path / ".krust").exists()


# ------------------------------------------------------------------------------------------------ how cargo is to build

_LOUD = 'fn main() { println!("{}{}", if cfg!(feature = "loud") { "LOUD" } else { "quiet" }, env!("WORDS")); }\n'
_BUILD = r"""
use std::env::var;
fn main() {
    let words: Vec<String> = ["PROFILE", "OPT_LEVEL", "RUSTUP_TOOLCHAIN", "TOLD"].iter()
        .filter_map(|name| var(name).ok()).collect();
    println!("cargo:rustc-env=WORDS= {}", words.join(" "));
}
"""


def package(name: str, more: str = "") -> dict[str, str]:
    """A program that says how it was built."""
    return {
        f"{name}/Cargo.toml": manifest(name, f"[features]\nloud = []\nother = []\n{more}"),
        f"{name}/src/main.rs": _LOUD,
        f"{name}/build.rs": _BUILD,
    }


def test_each_package_is_built_with_its_own_features_and_profile(
    krust: Krust, tmp_path: Path, cargo: Cargo, says: Says
) -> None:
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["a", "b", "c", "d"]\nresolver = "2"\n[profile.small]\n'
        'inherits = "release"\nopt-level = "s"\n',
        **package("a"),
        **package("b", '[package.metadata.krust]\nfeatures = ["loud"]\n'),
        **package("c", '[package.metadata.krust]\nprofile = "small"\n'),
        **package("d"),
    }
    project = write_project(tmp_path / "project", files)
    built = krust("build", "--no-push", "--base=scratch", "--workspace", project, env=cargo.env)
    assert built.code == 0, built.stderr
    said = [says(name).split()[:3] for name in "abcd"]
    plain = ["quiet", "release", "3"]
    assert said == [plain, ["LOUD", "release", "3"], ["quiet", "release", "s"], plain]
    assert len(cargo.builds) == 3, "a and d together"
    assert len(built.stdout.splitlines()) == 4


def test_flags_win_and_cargos_own_words_are_passed_on(krust: Krust, tmp_path: Path, cargo: Cargo, says: Says) -> None:
    files = {"Cargo.toml": '[workspace]\nmembers = ["a"]\nresolver = "2"\n', **package("a")}
    project = write_project(tmp_path / "project", files)
    built = krust(
        "build", "--no-push", "--base=scratch", "--profile=dev", "-p", "a", project,
        # With --tests cargo makes two executables of each binary, one of which is no program.
        *("--", "--features", "loud", "--config", "profile.dev.opt-level=1", "--jobs=1", "--tests"),
        env=cargo.env,
    )  # fmt: skip
    assert built.code == 0, built.stderr
    assert says("a").split()[:3] == ["LOUD", "debug", "1"]
    assert "--jobs=1" in cargo.builds[0]


def _target_directories() -> list[pytest.ParameterSet]:
    config = '[build]\ntarget-dir = "elsewhere"\n'
    return [
        pytest.param([], {}, {}, "project/target", id="default"),
        pytest.param(["--", "--target-dir", "../elsewhere"], {}, {}, "elsewhere", id="--target-dir"),
        pytest.param(["--", "--target-dir=elsewhere"], {}, {}, "project/elsewhere", id="--target-dir="),
        pytest.param([], {"CARGO_TARGET_DIR": "TMP/elsewhere"}, {}, "elsewhere", id="CARGO_TARGET_DIR"),
        pytest.param([], {"CARGO_BUILD_TARGET_DIR": "TMP/elsewhere"}, {}, "elsewhere", id="CARGO_BUILD_TARGET_DIR"),
        pytest.param([], {}, {".cargo/config.toml": config}, "project/elsewhere", id="build.target-dir"),
        pytest.param(["--", "--config", "build.target-dir='x'"], {}, {}, "project/x", id="--config"),
    ]


_GENERATED = {
    "Cargo.toml": manifest("app"),
    "src/main.rs": 'include!(concat!(env!("OUT_DIR"), "/made.rs"));\nfn main() { made(std::env::args().count()) }\n',
    "build.rs": 'fn main() { let out = std::env::var("OUT_DIR").unwrap(); std::fs::write(out + "/made.rs", '
    '"fn made(n: usize) { [0u8; 2][n]; panic!(\\"made\\") }").unwrap() }\n',
}


@pytest.mark.parametrize(("words", "environment", "files", "where"), _target_directories())
def test_where_cargo_puts_its_work_changes_nothing(
    krust: Krust, tmp_path: Path, words: list[str], environment: dict[str, str], files: dict[str, str], where: str
) -> None:
    """Not even where what a build script has written is compiled in, with its path in a panic."""
    plain = write_project(tmp_path / "plain" / "project", _GENERATED)
    expected = krust("build", "--no-push", "--base=scratch", "--json", "--store=other", plain)
    project = write_project(tmp_path / "project", {**_GENERATED, **files})
    env = {name: text.replace("TMP", str(tmp_path)) for name, text in environment.items()}
    built = krust("build", "--no-push", "--base=scratch", "--json", project, *words, env=env)
    assert built.code == 0, built.stderr
    account = json.loads(built.stdout)
    [image] = account["images"]
    assert Path(os.path.normpath(image["binary"])).is_relative_to(tmp_path / where)
    assert str(tmp_path).encode() not in Path(image["binary"]).read_bytes()
    assert account["digest"] == json.loads(expected.stdout)["digest"]


def test_cargos_configuration_counts_and_its_rustflags_stay(krust: Krust, tmp_path: Path, says: Says) -> None:
    config = '[build]\nrustflags = ["--cfg", "shout"]\ntarget = "wasm32-unknown-unknown"\n[env]\nTOLD = "by config"\n'
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["a"]\nresolver = "2"\n',
        **package("a"),
        "a/src/main.rs": 'fn main() { println!("{} {}", cfg!(shout), env!("TOLD")); }\n',
        ".cargo/config.toml": config,
    }
    project = write_project(tmp_path / "project", files)
    built = krust("build", "--no-push", "--base=scratch", "--workspace", project)
    assert built.code == 0, built.stderr
    assert says("a") == "true by config"


def test_the_toolchain_that_the_project_names_compiles_it(krust: Krust, tmp_path: Path, says: Says) -> None:
    require(not {"CARGO", "RUSTC"} & os.environ.keys(), "CARGO and RUSTC say which compiler, whatever a project names")
    rustup = require_tool("rustup")
    toolchains = run(rustup, "toolchain", "list").stdout.decode().splitlines()
    other = [line.split()[0] for line in toolchains if "(active" not in line and not line.startswith("nightly")]
    require(other, "no second toolchain is installed")
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["a"]\nresolver = "2"\n',
        **package("a"),
        "a/src/main.rs": 'fn main() { println!("{}", env!("WORDS")); }\n',
        "rust-toolchain.toml": f'[toolchain]\nchannel = "{other[0]}"\n',
    }
    project = write_project(tmp_path / "project", files)
    built = krust("build", "--no-push", "--base=scratch", "a", cwd=project)
    assert built.code == 0, built.stderr
    assert other[0] in says("a", project / ".krust").split()
    assert says("a", project / ".krust") != ""


def test_locked_and_offline_are_cargos(krust: Krust, tmp_path: Path, says: Says) -> None:
    project = write_project(tmp_path / "project", SERVICES)
    words = [
        "build",
        "--no-push",
        "--base=scratch",
        "--profile=dev",
        "-p",
        "one",
        project,
        "--",
        "--locked",
        "--offline",
    ]
    refused = krust(*words)
    assert refused.code == 1
    assert "--locked" in refused.stderr
    assert not (project / "Cargo.lock").exists()
    run(require_tool(os.environ.get("CARGO", "cargo")), "generate-lockfile", "--offline", cwd=project)
    assert krust(*words).code == 0
    assert says("one") == "one with lib"


def test_a_dependency_by_path_may_lie_outside(krust: Krust, tmp_path: Path, says: Says) -> None:
    dependency = {
        "shared/Cargo.toml": manifest("shared"),
        "shared/src/lib.rs": 'pub fn greet(n: usize) -> &\'static str { ["hello", "bye"][n - 1] }\n',
        "app/Cargo.toml": manifest("app", '[dependencies]\nshared = { path = "../shared" }\n'),
        "app/src/main.rs": 'fn main() { println!("{}", shared::greet(std::env::args().count())); }\n',
    }
    project = write_project(tmp_path / "project", dependency)
    built = krust("build", "--no-push", "--base=scratch", project / "app")
    assert built.code == 0, built.stderr
    assert says("app") == "hello"


def test_a_wrapper_of_the_compiler_is_called(krust: Krust, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", SERVICES)
    wrapper = tmp_path / "wrapper"
    wrapper.write_text(f'#!/bin/sh\necho "$2 $3" >>{tmp_path}/wrapped\nexec "$@"\n')
    wrapper.chmod(0o755)
    built = krust("build", "--no-push", "--base=scratch", "-p", "one", project, env={"RUSTC_WRAPPER": str(wrapper)})
    assert built.code == 0, built.stderr
    wrapped = (tmp_path / "wrapped").read_text().splitlines()
    assert {"--crate-name lib", "--crate-name one"} <= set(wrapped)


# -------------------------------------------------------------------------------------------------------- what overlaps


def _waiting(signal: Path) -> str:
    """A build script that ends when `signal` is there."""
    wait = f'while !std::path::Path::new("{signal}").exists() {{ sleep(Duration::from_millis(20)) }}'
    return f"use std::{{thread::sleep, time::Duration}};\nfn main() {{ {wait} }}\n"


def test_the_first_image_is_written_while_cargo_compiles_the_second(tmp_path: Path) -> None:
    signal, store = tmp_path / "signal", tmp_path / ".krust"
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n',
        "one/Cargo.toml": manifest("one"),
        "one/src/main.rs": main("one"),
        "two/Cargo.toml": manifest("two"),
        "two/src/main.rs": main("two"),
        "two/build.rs": _waiting(signal),
    }
    project = write_project(tmp_path / "project", files)
    process = subprocess.Popen(
        [KRUST, "build", "--no-push", "--base=scratch", "--workspace", project],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 120
        while not (whole := _manifests(store)):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "nothing is written while cargo works"
            time.sleep(0.02)
        assert not signal.exists()
        assert named(store) == [], "no name before all is there"
        signal.touch()
        printed, said = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0, said
    assert printed.splitlines()[0].partition("@")[2] in whole
    assert named(store) == ["one:latest", "two:latest"]


def test_a_change_in_one_service_compiles_one_and_writes_one(krust: Krust, tmp_path: Path) -> None:
    project, blobs = write_project(tmp_path / "project", SERVICES), tmp_path / ".krust/blobs/sha256"
    words = ("build", "--no-push", "--base=scratch", "--workspace", project)
    first = krust(*words).stdout.splitlines()
    before = {path.name for path in blobs.iterdir()}
    (project / "one/src/main.rs").write_text(main("another one"))
    again = krust(*words)
    assert re.findall(r"Compiling (\S+)", again.stderr) == ["one"]
    assert [was == now for was, now in zip(first, again.stdout.splitlines(), strict=True)] == [False, True, True]
    assert len({path.name for path in blobs.iterdir()} - before) == 3, "a layer, a config and a manifest"
    nothing = krust(*words)
    assert (nothing.stdout, re.findall("Compiling", nothing.stderr)) == (again.stdout, [])


def _manifests(store: Path) -> list[str]:
    """The digests of manifests in the store, all below which is there."""
    found = []
    for blob in (store / "blobs" / "sha256").glob("*"):
        if blob.stat().st_size < 1 << 16 and (raw := blob.read_bytes()).startswith(b'{"schemaVersion"'):
            layers = Manifest.parse(raw).layers
            found += (
                [f"sha256:{blob.name}"] if all((blob.parent / layer.digest.hex).exists() for layer in layers) else []
            )
    return found


def test_a_compile_error_in_one_of_several_names_and_pushes_nothing(krust: Krust, tmp_path: Path) -> None:
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "2"\n',
        "one/Cargo.toml": manifest("one"),
        "one/src/main.rs": main("one"),
        "two/Cargo.toml": manifest("two"),
        "two/src/main.rs": "fn main() { oops }",
        "two/build.rs": "fn main() { std::thread::sleep(std::time::Duration::from_secs(3)) }",  # one is there before
    }
    project = write_project(tmp_path / "project", files)
    with registry() as r:
        refused = krust("build", "--workspace", project, env={"KRUST_REPO": r.host})
        assert (refused.code, refused.stdout) == (1, ""), refused
        assert "cannot find value `oops`" in refused.stderr
        assert "cannot build 'one, two'" in refused.fault
        assert named(tmp_path / ".krust") == []
        assert [name for name in named(r.store.path) if "@" not in name] == [], "no tag, whatever lies there by digest"
    assert clean(tmp_path / ".krust")
