from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from krust.cargo import compile, elf, metadata, toolchain, zig
from krust.cargo.compile import Binary
from krust.cargo.metadata import BinaryTarget, Project
from krust.cargo.targets import Target
from krust.cargo.toolchain import Toolchain
from krust.errors import BinaryError, CargoError, SettingError
from tests.krust.cargo.conftest import Build, Write
from tests.tools import EXAMPLES, ROOT, free_port, listens, require_tool, run, running

pytestmark = pytest.mark.slow

_MANIFEST = '[package]\nname = "p"\nversion = "0.1.0"\nedition = "2021"\n'

_PATHS = {
    "Cargo.toml": _MANIFEST + '[dependencies]\ninner = { path = "inner" }\n',
    "inner/Cargo.toml": _MANIFEST.replace('"p"', '"inner"'),
    "inner/src/lib.rs": "pub fn fail(text: &str) -> u32 { text.parse().expect(file!()) }\n",
    # An index out of bounds says where it is, and so does what is inlined from the standard library.
    "src/main.rs": "fn main() { let mut all: Vec<_> = std::env::args().collect(); let last = all.split_off(1);\n"
    'println!("{} {} {}", file!(), inner::fail(&last[0]), all[7]); }\n',
}


def test_the_example_is_built_static_and_position_independent_and_runs(hello: Path, build: Build, host: Target) -> None:
    built = build(hello)
    assert (built.name, built.kind, built.package.name) == ("hello-krust", "bin", "hello-krust")
    assert elf.check(built.path, host).position_independent
    assert run(built.path).stdout == b"Hello from krust!\n"


def test_it_has_other_addresses_each_time_it_runs(write: Write, build: Build) -> None:
    main = 'fn main() { println!("{:p}", main as fn()) }\n'
    path = build(write({"Cargo.toml": _MANIFEST, "src/main.rs": main})).path
    assert len({run(path).stdout for _ in range(8)}) > 1


def test_the_same_source_is_the_same_bytes_in_another_directory(
    write: Write, build: Build, tmp_path: Path, env: dict[str, str]
) -> None:
    one = write(_PATHS)
    two = shutil.copytree(one, tmp_path / "elsewhere" / "deep er")
    digests = {hashlib.sha256(build(root).path.read_bytes()).hexdigest() for root in (one, two)}
    assert len(digests) == 1
    content = build(one).path.read_bytes()
    for place in (tmp_path, env.get("CARGO_HOME"), env.get("RUSTUP_HOME"), env.get("XDG_CACHE_HOME"), Path.home()):
        assert str(place).encode() not in content


def test_examples_and_profiles_and_cargos_arguments_pass(write: Write, build: Build) -> None:
    main = 'fn main() { println!("{} {}", cfg!(feature = "x"), cfg!(debug_assertions)) }\n'
    root = write({"Cargo.toml": _MANIFEST + "[features]\nx = []\n", "src/lib.rs": "", "examples/e.rs": main})
    built = build(root, example="e", profile="dev", cargo_args=("--features", "x", "--quiet"))
    assert (built.kind, built.name) == ("example", "e")
    assert run(built.path).stdout == b"true true\n"


def test_several_binaries_are_one_call(write: Write, tools, host: Target, env, cache: Path, capfd) -> None:
    main = "fn main() {}\n"
    root = write({"Cargo.toml": _MANIFEST, "src/bin/a.rs": main, "src/bin/b.rs": main})
    project = metadata.load(tools, root, env=env)
    chosen = [metadata.choose(project, root, binary=name) for name in "ba"]
    built = compile.build(tools, project, chosen, [host.platform], env=env, cache=cache, say=print)
    assert [each.path.name for each in built] == ["b", "a"]
    assert capfd.readouterr().err.count("Finished") == 1


def test_each_binary_is_told_of_while_cargo_works_on(
    write: Write, tools, host: Target, env, cache: Path, tmp_path: Path
) -> None:
    require_tool("cc")
    # The script of the slow package ends when the quick one has been told of, or fails.
    mark = tmp_path / "told"
    script = f"""fn main() {{
        for _ in 0..600 {{
            if std::path::Path::new({json.dumps(str(mark))}).exists() {{ return }}
            std::thread::sleep(std::time::Duration::from_millis(100));
        }}
        panic!("nobody was told of quick");
    }}"""
    root = write(_workspace({"quick": {}, "slow": {"build.rs": script}}))
    project, chosen = _chosen(tools, root, env, [("slow", "slow"), ("quick", "quick")])
    told: list[str] = []

    def finished(binary: Binary) -> None:
        told.append(binary.name)
        mark.touch()

    built = compile.build(tools, project, chosen, [host.platform], env=env, cache=cache, say=print, finished=finished)
    assert told == ["quick", "slow"]
    assert [each.name for each in built] == ["slow", "quick"]


def test_what_is_no_program_of_its_platform_is_not_told_of(
    hello: Path, tools, host: Target, env, cache: Path, tmp_path: Path
) -> None:
    linker = tmp_path / "linker"
    linker.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho "no ELF" >"$2"; chmod +x "$2"\n')
    linker.chmod(0o755)
    project, chosen = _chosen(tools, hello, env, [("hello-krust", "hello-krust")])
    told: list[Binary] = []
    with pytest.raises(BinaryError, match="needs an ELF executable"):
        compile.build(
            tools,
            project,
            chosen,
            [host.platform],
            env={**env, f"CARGO_TARGET_{host.variable}_LINKER": str(linker)},
            cache=cache,
            say=print,
            finished=told.append,
        )
    assert told == []


@pytest.mark.parametrize(
    ("wanted", "calls"),
    [
        ([("a", "a"), ("b", "b")], 1),
        ([("a", "same"), ("b", "same")], 2),
        # The words for these two would also mean the `same` of b, which nobody has asked for.
        ([("a", "same"), ("b", "b")], 2),
    ],
)
def test_binaries_of_several_packages_are_their_own(
    wanted: list[tuple[str, str]], calls: int, write: Write, tools, host: Target, env, cache: Path, capfd
) -> None:
    same = 'fn main() { print!("same of {}", env!("CARGO_PKG_NAME")) }\n'
    root = write(_workspace({"a": {"src/bin/same.rs": same}, "b": {"src/bin/same.rs": same}}))
    project, chosen = _chosen(tools, root, env, wanted)
    for _ in range(2):  # compiled, and with nothing to do
        built = compile.build(tools, project, chosen, [host.platform], env=env, cache=cache, say=print)
        assert [each.path.name for each in built] == [name for _, name in wanted]
        printed = [run(each.path).stdout.decode() for each in built]
        assert printed == [f"same of {package}" if name == "same" else package for package, name in wanted]
        assert capfd.readouterr().err.count("Finished") == calls


def _workspace(members: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Packages that each print their name, and more files of each."""
    files = {"Cargo.toml": f'[workspace]\nresolver = "2"\nmembers = {json.dumps(list(members))}\n'}
    for name, more in members.items():
        own = {
            "Cargo.toml": _MANIFEST.replace('"p"', f'"{name}"'),
            "src/main.rs": 'fn main() { print!("{}", env!("CARGO_PKG_NAME")) }\n',
        }
        files |= {f"{name}/{path}": text for path, text in {**own, **more}.items()}
    return files


def _chosen(
    tools: Toolchain, root: Path, env: Mapping[str, str], wanted: Sequence[tuple[str, str]]
) -> tuple[Project, list[BinaryTarget]]:
    project = metadata.load(tools, root, env=env)
    return project, [metadata.choose(project, root, package=package, binary=name) for package, name in wanted]


def test_a_build_that_fails_shows_cargos_words(write: Write, build: Build, capfd) -> None:
    root = write({"Cargo.toml": _MANIFEST, "src/main.rs": "fn main() { x }\n"})
    with pytest.raises(CargoError, match=r"^cannot build 'p': cargo failed, and has said why above$"):
        build(root)
    assert "cannot find value `x`" in capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="a dynamic ELF program is at hand on Linux alone")
def test_a_binary_that_the_linker_made_dynamic_is_refused_if_it_is_not_allowed(
    hello: Path, build: Build, env: dict[str, str], host: Target, tmp_path: Path
) -> None:
    linker = tmp_path / "linker"
    linker.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\nexec cp /bin/sh "$2"\n')
    linker.chmod(0o755)
    env = {**env, f"CARGO_TARGET_{host.variable}_LINKER": str(linker)}
    with pytest.raises(BinaryError, match=r"linked, by the interpreter '/.*' with libc\..*; .* '--allow-dynamic'"):
        build(hello, env=env)
    assert not elf.check(build(hello, env=env, allow_dynamic=True).path, host, allow_dynamic=True).static


_SHARED = """
    use std::{env::var, process::Command};
    fn main() {
        let (out, target) = (var("OUT_DIR").unwrap(), var("TARGET").unwrap());
        let (c, so) = (format!("{out}/foo.c"), format!("{out}/libfoo.so"));
        std::fs::write(&c, "int foo(void) { return 7; }").unwrap();
        let cc = var(format!("CC_{}", target.replace('-', "_"))).unwrap();
        let words = ["-shared", "-Wl,-soname,libfoo.so.1", "-o", &so, &c];
        assert!(Command::new(cc).args(words).status().unwrap().success());
        println!("cargo:rustc-link-search=native={out}");
        println!("cargo:rustc-link-lib=dylib=foo");
    }
"""


def test_the_package_that_has_a_shared_library_linked_is_named(write: Write, build: Build, host: Target) -> None:
    needs = '[dependencies]\n{0} = {{ path = "../{0}" }}\n'
    files = {
        "foo-sys/build.rs": _SHARED,
        "foo-sys/src/lib.rs": 'extern "C" { fn foo() -> i32; } pub fn seven() -> i32 { unsafe { foo() } }',
        "between/Cargo.toml": _MANIFEST.replace('"p"', '"between"') + needs.format("foo-sys"),
        "between/src/lib.rs": "pub use foo_sys::seven;",
        "foo-sys/Cargo.toml": _MANIFEST.replace('"p"', '"foo-sys"'),
        "app/Cargo.toml": _MANIFEST + needs.format("between") + "[workspace]\n",
        "app/src/main.rs": 'fn main() { println!("{}", between::seven()) }',
    }
    root = write(files) / "app"
    for _ in range(2):  # cargo tells of it again where it has nothing to do
        with pytest.raises(
            BinaryError, match=r" libfoo\.so\.1, .*; foo-sys@0\.1\.0 has libfoo\.so\.1 linked, "
        ) as error:
            build(root)
    tree = re.search(r"'cargo (tree [^']*)'", str(error.value))
    assert tree
    assert b"between v0.1.0" in run("cargo", *tree[1].split(), cwd=root).stdout


def test_fixed_addresses_are_refused_unless_the_user_wants_them(
    hello: Path, build: Build, env, host: Target, tools: Toolchain, cache: Path, tmp_path: Path
) -> None:
    variable, linker = f"CARGO_TARGET_{host.variable}_LINKER", tmp_path / "linker"
    usual = zig.environment(tools, [host], env=env, cache=cache)[variable]
    linker.write_text(f'#!/bin/sh\nexec {usual} "$@" -no-pie\n')
    linker.chmod(0o755)
    with pytest.raises(BinaryError, match="its addresses are fixed"):
        build(hello, env={**env, variable: str(linker)})
    fixed = build(hello, env={**env, "RUSTFLAGS": "-Crelocation-model=static"})
    assert not elf.check(fixed.path, host).position_independent
    assert run(fixed.path).stdout == b"Hello from krust!\n"


def test_it_needs_no_home(hello: Path, build: Build, env: dict[str, str], host: Target) -> None:
    env = {**env, "HOME": "", "XDG_CACHE_HOME": ""}
    assert run(build(hello, env=env).path).stdout == b"Hello from krust!\n"


@pytest.mark.parametrize(
    "word", ["--target", "--target=x", "--release", "--profile=dev", "--message-format=json", "--bin=x", "-p", "--help"]
)
def test_what_krust_says_to_cargo_cannot_be_said_twice(word: str, hello: Path, build: Build) -> None:
    with pytest.raises(SettingError, match=f"cannot pass '{word}' to cargo: "):
        build(hello, cargo_args=(word, "x"))


def test_a_wrapper_of_rustc_is_used(hello: Path, build: Build, env: dict[str, str], tmp_path: Path) -> None:
    wrapper, log = tmp_path / "wrapper", tmp_path / "log"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec "$@"\n')
    wrapper.chmod(0o755)
    build(hello, env={**env, "RUSTC_WRAPPER": str(wrapper)})
    assert "--crate-name hello_krust" in log.read_text()


def test_the_linker_that_the_user_names_is_used(
    hello: Path, build: Build, env: dict[str, str], host: Target, capfd
) -> None:
    with pytest.raises(CargoError):
        build(hello, env={**env, f"CARGO_TARGET_{host.variable}_LINKER": "/nonexistent/linker"})
    assert "/nonexistent/linker" in capfd.readouterr().err


_KRUST = """
import os, sys
from pathlib import Path
from krust.cargo import compile, metadata, toolchain
from krust.cargo.targets import host_platform
directory, cache = map(Path, sys.argv[1:])
env = dict(os.environ)
tools = toolchain.find(directory, env=env)
project = metadata.load(tools, directory, env=env)
chosen = metadata.choose(project, directory)
try:
    compile.build(tools, project, [chosen], [host_platform()], env=env, cache=cache, say=print)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_running(number: int, write: Write, cache: Path, env, tmp_path: Path) -> None:
    require_tool("cargo")
    pid = tmp_path / "pid"
    script = f'fn main() {{ std::fs::write("{pid}", std::process::id().to_string()).unwrap(); loop {{}} }}\n'
    root = write({"Cargo.toml": _MANIFEST, "src/main.rs": "fn main() {}\n", "build.rs": script})
    krust = subprocess.Popen([sys.executable, "-c", _KRUST, root, cache], cwd=ROOT, env=env, stderr=subprocess.DEVNULL)
    try:
        wait_for(pid)
        krust.send_signal(number)
        assert krust.wait(10) == 130
    finally:
        krust.kill()
        krust.wait()
    deadline = time.monotonic() + 5
    while Path("/proc", pid.read_text()).exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def wait_for(path: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"no {path} after {seconds} s"
        time.sleep(0.02)


@pytest.mark.alone
def test_a_build_that_has_nothing_to_do_takes_little_more_than_cargos(
    hello: Path, build: Build, env: Mapping[str, str], cache: Path
) -> None:
    build(hello)
    tools = toolchain.find(hello, env=env)
    run(tools.cargo, "build", "--release", "--quiet", cwd=hello)
    cargos = min(timed(lambda: run(tools.cargo, "build", "--release", "--quiet", cwd=hello)) for _ in range(7))
    krusts = min(timed(lambda: build(hello, cargo_args=("--quiet",))) for _ in range(7))
    assert krusts - cargos < 0.1, f"krust {krusts:.3f} s, cargo {cargos:.3f} s"


def timed(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def test_c_dependencies_are_built_and_linked(build: Build, tmp_path: Path) -> None:
    built = build(EXAMPLES / "web")
    port, secure = free_port(), free_port()
    ports = {"PORT": str(port), "HTTPS_PORT": str(secure)}
    with running([built.path], ready=listens(port), log=tmp_path / "log", env=ports) as server:
        assert fetch(f"http://127.0.0.1:{port}/healthz") == "ok\n"
        assert "Visits: 1. SQLite 3." in fetch(f"http://127.0.0.1:{port}/")
        assert "Visits: 2." in run(require_tool("curl"), "-sk", f"https://127.0.0.1:{secure}/").stdout.decode()
        os.kill(server.pid, signal.SIGTERM)
        wait_until_said(server.log, "stopped\n")


def test_c_is_compiled_with_the_users_flags_and_without_this_machines_paths(
    write: Write, build: Build, env: dict[str, str]
) -> None:
    file = 'concat!(env!("CARGO_MANIFEST_DIR"), "/own.c")'
    root = write(
        {
            "Cargo.toml": _MANIFEST + '[build-dependencies]\ncc = "1"\n',
            "build.rs": f'fn main() {{ cc::Build::new().file({file}).compile("own"); }}\n',
            "own.c": "int users(void) { return USERS; }\nconst char *where(void) { return __FILE__; }\n",
            "src/main.rs": """
                extern "C" { fn users() -> i32; fn r#where() -> *const std::ffi::c_char; }
                fn main() {
                    let path = unsafe { std::ffi::CStr::from_ptr(r#where()) };
                    println!("{} {}", path.to_str().unwrap(), unsafe { users() });
                }
            """,
        }
    )
    assert run(build(root, env={**env, "CFLAGS": "-DUSERS=7"}).path).stdout == b"/src/own.c 7\n"


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def wait_until_said(log: Path, text: str) -> None:
    deadline = time.monotonic() + 5
    while text not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
