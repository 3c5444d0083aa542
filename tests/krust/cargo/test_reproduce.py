from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from krust.cargo import compile, metadata, reproduce, toolchain
from krust.cargo.compile import Binary
from krust.cargo.metadata import Package
from krust.cargo.reproduce import Difference
from krust.cargo.targets import TARGETS, Target
from krust.errors import CargoError
from tests.krust.cargo.conftest import Write
from tests.krust.cargo.test_elf import with_sections
from tests.tools import EXAMPLES, require_tool, run

_MANIFEST = '[package]\nname = "p"\nversion = "0.1.0"\nedition = "2021"\n'
_TIME = """fn main() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    println!("cargo::rustc-env=NOW=it is {}", now.as_nanos());
}"""

Verify = Callable[..., list[Difference]]


@pytest.fixture
def verify(env: dict[str, str], cache: Path, host: Target) -> Verify:
    """Build the one binary of a directory, and tell what differs when it is built again."""

    def verify(directory: Path, *, cargo_args: tuple[str, ...] = (), more: Mapping[str, str] | None = None):
        require_tool(env.get("CARGO", "cargo"))
        given = {**env, **(more or {})}
        tools = toolchain.find(directory, env=given, cache=cache)
        project = metadata.load(tools, directory, env=given, cargo_args=cargo_args)
        chosen = [metadata.choose(project, directory)]
        request = compile.Request(cargo_args=cargo_args)
        around: dict[str, Any] = {"env": given, "cache": cache, "say": print}
        built = compile.build(tools, project, chosen, [host.platform], request, **around)
        before = state(directory), built[0].path.stat().st_mtime_ns
        found = reproduce.differences(tools, project, built, request, **around)
        assert (state(directory), built[0].path.stat().st_mtime_ns) == before
        return found

    return verify


def state(directory: Path) -> dict[Path, int]:
    """When each source was last changed; what is built there may be another test's."""
    paths = (path for path in directory.rglob("*") if "target" not in path.relative_to(directory).parts)
    return {path: path.stat().st_mtime_ns for path in paths}


@pytest.mark.slow
def test_a_program_that_tells_where_it_was_built_differs(write: Write, verify: Verify) -> None:
    root = write({"Cargo.toml": _MANIFEST, "src/main.rs": 'fn main() { println!(env!("CARGO_MANIFEST_DIR")) }\n'})
    texts = [each for each in verify(root) if each.section == ".rodata"]
    assert len(texts) == 1
    assert str(root).encode()[:10] in texts[0].first  # /tmp/pytest
    assert b"/tmp/krust" in texts[0].second
    assert str(texts[0]).startswith(f"'{texts[0].binary.path}' for linux/")
    assert f", section .rodata, offset {texts[0].offset:#x}: '" in str(texts[0])


@pytest.mark.slow
def test_a_program_that_tells_when_it_was_built_differs(write: Write, verify: Verify) -> None:
    main = 'fn main() { println!("{}", std::hint::black_box(env!("NOW"))) }\n'
    found = verify(write({"Cargo.toml": _MANIFEST, "src/main.rs": main, "build.rs": _TIME}))
    assert [each.section for each in found] == [".rodata"]
    assert found[0].first != found[0].second
    assert b"it is " in found[0].first


@pytest.mark.slow
def test_the_example_does_not_differ(verify: Verify) -> None:
    assert verify(EXAMPLES / "hello-krust") == []


@pytest.mark.slow
def test_what_git_ignores_is_not_copied_and_the_commit_is_known(write: Write, verify: Verify, tmp_path: Path) -> None:
    git = require_tool("git")
    script = """fn main() {
        let commit = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output().unwrap();
        println!("cargo::rustc-env=COMMIT={}", String::from_utf8(commit.stdout).unwrap().trim());
        println!("cargo::rerun-if-changed=build.rs");
    }"""
    root = write(
        {
            ".gitignore": "target\nlarge\n",
            "large": "",
            "service/Cargo.toml": _MANIFEST + '[dependencies]\nshared = { path = "../shared" }\n',
            "service/build.rs": script,
            "service/src/main.rs": 'fn main() { println!("{}{}", env!("COMMIT"), shared::X) }\n',
            "shared/Cargo.toml": _MANIFEST.replace('"p"', '"shared"'),
            "shared/src/lib.rs": "pub const X: u32 = 1;\n",
        }
    )
    user = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a"}
    for words in (["init", "-q"], ["add", "shared"], ["commit", "-q", "-m", "x"]):  # service is not even added
        run(git, *words, cwd=root, env=user)
    (root / "large").write_bytes(b"")
    (root / "large").chmod(0)
    assert verify(root / "service") == []


@pytest.mark.slow
def test_a_target_directory_that_is_named_is_not_used_again(hello: Path, verify: Verify, tmp_path: Path) -> None:
    assert verify(hello, cargo_args=("--target-dir", str(tmp_path / "built"))) == []
    assert verify(hello, more={"CARGO_TARGET_DIR": str(tmp_path / "built")}) == []


def binary(path: Path, target: Target, tmp_path: Path) -> Binary:
    package = Package(id="p", name="p", version="1", manifest_path=tmp_path / "Cargo.toml")
    return Binary(path=path, name="p", kind="bin", package=package, platform=target.platform)


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({b".text": b"code", b".rodata": b"constants"}, []),
        ({b".text": b"code", b".rodata": b"constAnts"}, [(".rodata", 5)]),
        ({b".text": b"CODE", b".rodata": b"constants!"}, [(".text", 0), (".rodata", 9)]),
        ({b".text": b"codecode", b".rodata": b"constants"}, [(".text", 4)]),  # what follows it has only moved
        ({b".text": b"code", b".rodata": b"constants", b".new": b"x"}, [(".shstrtab", 16), (".new", None)]),
    ],
)
def test_differences_are_told_by_section(
    second: dict[bytes, bytes], expected: list[tuple[str, int | None]], target: Target, tmp_path: Path
) -> None:
    content = with_sections(target, {b".text": b"code", b".rodata": b"constants"})
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(content)
    other.write_bytes(with_sections(target, second))
    starts = {
        ".text": content.index(b"code"),
        ".rodata": content.index(b"constants"),
        ".shstrtab": content.index(b"\0.text\0"),
    }
    found = list(reproduce.compare(binary(one, target, tmp_path), other))
    assert [each.section for each in found] == [name for name, _ in expected]
    for each, (name, at) in zip(found, expected, strict=True):
        assert each.offset == (len(content) if at is None else starts[name] + at)


def test_what_is_in_no_section_differs_too(tmp_path: Path) -> None:
    content = with_sections(TARGETS[0], {b".text": b"code"})
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(content)
    other.write_bytes(content[:9] + b"\1" + content[10:])
    [found] = reproduce.compare(binary(one, TARGETS[0], tmp_path), other)
    assert (found.section, found.offset) == ("headers", 9)


@pytest.mark.slow
def test_what_only_this_directory_has_is_an_error_of_cargos(write: Write, verify: Verify, capfd) -> None:
    git = require_tool("git")
    main = 'fn main() { print!(include_str!("../ignored")) }\n'
    root = write({".gitignore": "ignored\ntarget\n", "ignored": "x", "Cargo.toml": _MANIFEST, "src/main.rs": main})
    run(git, "init", "-q", cwd=root)
    with pytest.raises(CargoError, match="cannot build 'p': cargo failed"):
        verify(root)
    assert "src/../ignored" in capfd.readouterr().err
