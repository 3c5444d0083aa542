"""The same program from the same source: krust build --verify-reproducible, and two users in two places."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.krust.cargo.test_std import link
from tests.krust.commands.conftest import Krust, write_project
from tests.tools import EXAMPLES, require_tool, run

pytestmark = pytest.mark.slow  # each test compiles twice


def test_what_is_reproducible_becomes_an_image(krust: Krust, hello: Path) -> None:
    built = krust("build", "--no-push", "--verify-reproducible", hello)
    assert built.code == 0, built
    assert "krust: building again in" in built.stderr
    assert built.stdout == krust("build", "--no-push", hello).stdout


def test_what_is_not_is_named_with_its_section_and_offset_and_nothing_is_written(
    krust: Krust, hello: Path, tmp_path: Path
) -> None:
    (hello / "build.rs").write_text(
        "fn main() { let now = std::time::SystemTime::now();"
        ' println!("cargo:rustc-env=NOW={:?}", now); println!("cargo:rerun-if-changed=build.rs"); }'
    )
    (hello / "src" / "main.rs").write_text('fn main() { println!("{}", env!("NOW")); }')
    refused = krust("build", "--no-push", "--verify-reproducible", hello)
    assert (refused.code, refused.stdout) == (1, "")
    assert "cannot reproduce 'hello-krust'" in refused.fault
    assert re.search(r"for linux/\S+, section \.rodata, offset 0x[0-9a-f]+: ", refused.stderr), refused.stderr
    assert not (tmp_path / ".krust").exists()


# ------------------------------------------------------------------------------------------------ two users, two places


def person(folder: Path) -> dict[str, str]:
    """Variables of somebody who has a home of their own, with the crates that were downloaded, and a compiler there."""
    (folder / "home").mkdir(parents=True)
    env = {"HOME": str(folder / "home"), "USER": folder.name, "CARGO_HOME": str(folder / "home" / "crates")}
    downloaded = Path(os.environ["CARGO_HOME"])
    for name in ("config.toml", "registry/index", "registry/cache"):
        if (downloaded / name).exists():
            (folder / "home/crates" / name).parent.mkdir(parents=True, exist_ok=True)
            run("cp", "-a", downloaded / name, folder / "home/crates" / name)
    sysroot = Path(run("rustc", "--print=sysroot", cwd=folder).stdout.decode().strip())
    if sysroot.parent.name == "toolchains":  # rustup's, which may be anywhere
        ignored = shutil.ignore_patterns("doc", "man")
        mine = folder / "rustup" / "toolchains" / sysroot.name
        shutil.copytree(sysroot, mine, symlinks=True, copy_function=link, ignore=ignored)
        env |= {"RUSTUP_HOME": str(folder / "rustup"), "RUSTUP_TOOLCHAIN": sysroot.name}
    return env


def crate(name: str, more: str = "") -> dict[str, str]:
    """A library that panics in line 2, and says where."""
    panics = f"pub fn at(n: usize) -> u8 {{\n    [1, 2, 3][n]\n}}\n// of {name}\n"
    return {f"{name}/Cargo.toml": _PACKAGE.format(name) + more, f"{name}/src/lib.rs": panics}


_PACKAGE = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2021"\n'
_APP = """\
use std::{hint::black_box, panic::catch_unwind};
fn main() {
    let n = black_box(7);
    for each in [outside::at, further::at, fetched::at, vendored::at, member::at] {
        assert!(catch_unwind(|| each(n)).is_err());
    }
}
"""


def project(folder: Path, remote: Path) -> Path:
    """A workspace that takes crates from everywhere: itself, paths outside of it, git, and a vendored registry."""
    dependencies = (
        'outside = { path = "../../outside" }',
        'further = { path = "../../../further" }',
        f'fetched = {{ git = "file://{remote}" }}',
        'vendored = "1"',
        'member = { path = "../member" }',
    )
    sources = '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "../vendor"\n'
    files = {
        "work/project/Cargo.toml": '[workspace]\nmembers = ["app", "member"]\nresolver = "2"\n',
        "work/project/.cargo/config.toml": sources,
        "work/project/app/Cargo.toml": "\n".join([_PACKAGE.format("app"), "[dependencies]", *dependencies]),
        "work/project/app/src/main.rs": _APP,
        **{f"work/project/{path}": text for path, text in crate("member").items()},
        **{f"work/{path}": text for path, text in crate("outside").items()},
        **{f"work/vendor/{path}": text for path, text in crate("vendored").items()},
        "work/vendor/vendored/.cargo-checksum.json": json.dumps({"files": {}, "package": None}),
        **crate("further"),
    }
    return write_project(folder, files) / "work/project"


def test_wherever_crates_come_from_two_users_get_one_digest_and_panics_show_no_place(
    krust: Krust, tmp_path: Path
) -> None:
    remote = write_project(tmp_path / "remote", crate("fetched")) / "fetched"
    who = {f"GIT_{role}_{what}": "somebody" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        run(require_tool("git"), *words, cwd=remote, env=who)
    built = {}
    for place in ("ann", "bob/deeper"):
        root = project(tmp_path / place, remote)
        env = person(tmp_path / f"{place}-home")
        done = krust("build", "--no-push", "--base=scratch", "--store", root / ".krust", root / "app", env=env)
        assert done.code == 0, done.stderr
        built[done.stdout.rpartition("@")[2]] = next(root.glob("target/*-linux-musl*/release/app"))
    assert len(built) == 1, "two digests"
    [program] = built.values()
    said = subprocess.run([program], env={}, capture_output=True, text=True, check=True).stderr
    places = re.findall(r"panicked at (\S+/src/lib\.rs):2:5", said)
    assert [places[0], places[1], *places[3:]] == [
        "/src/../outside/src/lib.rs",
        "/src/../../further/src/lib.rs",
        "/src/../vendor/vendored/src/lib.rs",
        "member/src/lib.rs",
    ]
    assert re.fullmatch(r"/cargo/git/checkouts/fetched-\w+/\w+/src/lib\.rs", places[2])
    assert str(tmp_path).encode() not in program.read_bytes()


def test_two_users_get_one_digest_of_the_service(krust: Krust, tmp_path: Path) -> None:
    require_tool("cp")
    ignored = shutil.ignore_patterns("target", ".krust")
    copy = shutil.copytree(EXAMPLES / "web", tmp_path / "bob" / "elsewhere" / "web", ignore=ignored)
    one = krust("build", "--no-push", "--store", "one", EXAMPLES / "web")
    other = krust("build", "--no-push", "--store", "other", copy, env=person(tmp_path / "bob" / "home"))
    assert other.code == 0, other.stderr
    # The labels know the commit that the example is of, and that the copy is of none.
    layers = [json.loads(krust("cat-manifest", built.stdout.strip()).stdout)["layers"] for built in (one, other)]
    assert layers[0] == layers[1]
