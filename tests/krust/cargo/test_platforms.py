"""All platforms at once, from one call of cargo, and what comes out run by qemu. Caches are kept between runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from krust.cargo import compile, elf, metadata, targets, toolchain
from krust.cargo.compile import Binary
from krust.cargo.targets import TARGETS, Target, target_of
from plumbing.oci.platform import Platform
from tests.krust.cargo.conftest import Write
from tests.krust.cargo.test_compile import fetch
from tests.tools import EXAMPLES, free_port, listens, require_tool, run, running

pytestmark = pytest.mark.slow

# What differs between machines: threads and what is theirs, unwinding, floats in registers, atomics, byte order.
_TRIAL = """
    use std::{cell::Cell, collections::BTreeMap, panic, sync::atomic::{AtomicU64, Ordering}, thread};
    thread_local!(static OWN: Cell<u32> = Cell::new(1));
    static ALL: AtomicU64 = AtomicU64::new(u32::MAX as u64);
    #[inline(never)] fn float(a: f32, b: f64) -> f64 { (a as f64) * b.sqrt() }
    fn main() {
        panic::set_hook(Box::new(|_| {}));
        let threads: Vec<_> = (1..5).map(|n| thread::spawn(move || {
            OWN.set(OWN.get() + n);
            ALL.fetch_add(OWN.get() as u64, Ordering::SeqCst);
        })).collect();
        for each in threads { each.join().unwrap() }
        let caught = panic::catch_unwind(|| { let _own = vec![1]; panic!("x") }).is_err();
        let joined = thread::spawn(|| panic!("y")).join().is_err();
        let bytes = |number: f32| number.to_bits().to_be_bytes();
        let sorted: BTreeMap<_, _> = [(bytes(2.5), 2), (bytes(1.5), 1)].into();
        let all = ALL.load(Ordering::SeqCst) - u32::MAX as u64;
        println!("{all} {} {caught} {joined} {:?} {}", OWN.get(), sorted.values().collect::<Vec<_>>(),
            float(std::env::args().count() as f32 * 1.5, 16.0));
    }
"""
_SAYS = b"14 1 true true [1, 2] 6\n"


@pytest.fixture(scope="module")
def built(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, Target], Binary]:
    """examples/hello-krust, and the trial, by name and target."""
    require_tool(os.environ.get("CARGO", "cargo"))
    root = tmp_path_factory.mktemp("platforms")
    hello = shutil.copytree(EXAMPLES / "hello-krust", root / "hello", ignore=shutil.ignore_patterns("target"))
    trial = root / "trial"
    (trial / "src").mkdir(parents=True)
    (trial / "src/main.rs").write_text(_TRIAL)
    (trial / "Cargo.toml").write_text('[package]\nname = "trial"\nversion = "0.1.0"\nedition = "2021"\n')
    found = {}
    for directory in (hello, trial):
        env = dict(os.environ)
        tools = toolchain.find(directory, env=env, cache=cache)
        project = metadata.load(tools, directory, env=env)
        chosen = [metadata.choose(project, directory)]
        platforms = [target.platform for target in TARGETS]
        for each in compile.build(tools, project, chosen, platforms, env=env, cache=cache, say=print):
            found[each.name, target_of(each.platform)] = each
    return found


@pytest.mark.parametrize("target", TARGETS, ids=str)
@pytest.mark.parametrize(("name", "says"), [("hello-krust", b"Hello from krust!\n"), ("trial", _SAYS)])
def test_every_platform_is_built_and_runs(
    name: str, says: bytes, target: Target, built: dict[tuple[str, Target], Binary]
) -> None:
    binary = built[name, target]
    found = elf.check(binary.path, target)
    assert found.static
    assert found.position_independent
    assert run(emulator(target), binary.path).stdout == says


def emulator(target: Target) -> str:
    architecture = target.platform.architecture
    qemus = {"amd64": "x86_64", "arm64": "aarch64", "386": "i386"}.get(architecture, architecture)
    return require_tool(f"qemu-{qemus}-static")


def test_a_platform_is_not_compiled_again_because_of_another(
    hello: Path, tools, host: Target, env, cache: Path, capfd
) -> None:
    project = metadata.load(tools, hello, env=env)
    chosen = [metadata.choose(project, hello)]
    other = target_of(Platform.parse("linux/s390x"))

    def compiled(*platforms: Platform) -> int:
        compile.build(tools, project, chosen, platforms, env=env, cache=cache, say=print)
        said: str = capfd.readouterr().err
        return said.count("Compiling hello-krust")

    assert compiled(host.platform) == 1
    assert compiled(host.platform, other.platform) == 1  # the other
    assert compiled(host.platform) == 0
    assert compiled(other.platform) == 0


def test_c_is_built_for_two_platforms_in_one_call_and_answers(tools, env, cache: Path, tmp_path: Path, capfd) -> None:
    web = EXAMPLES / "web"
    project = metadata.load(tools, web, env=env)
    platforms = [Platform.parse("linux/amd64"), Platform.parse("linux/arm64")]
    built = compile.build(tools, project, [metadata.choose(project, web)], platforms, env=env, cache=cache, say=print)
    assert capfd.readouterr().err.count("Finished") == 1
    for binary in built:
        target = target_of(binary.platform)
        assert elf.check(binary.path, target).position_independent
        port = free_port()
        ports = {"PORT": str(port), "HTTPS_PORT": str(free_port())}
        command: list[str | Path] = [binary.path]
        if target != target_of(targets.host_platform()):
            command = [emulator(target), *command]
        log = tmp_path / target.triple
        with running(command, ready=listens(port), log=log, env=ports, seconds=60):
            assert fetch(f"http://127.0.0.1:{port}/healthz") == "ok\n"
            assert "Visits: 1. SQLite 3." in fetch(f"http://127.0.0.1:{port}/")


def test_a_processor_is_that_of_its_platform_alone_in_rust_and_in_c(write: Write, tools, env, cache: Path) -> None:
    c = """
#ifdef __AVX2__
const char *c(void) { return "C has AVX2"; }
#else
const char *c(void) { return "C has none"; }
#endif
"""
    main = """
        extern "C" { fn c() -> *const std::ffi::c_char; }
        fn main() {
            println!("{}", if cfg!(target_feature = "avx2") { "Rust has AVX2" } else { "Rust has none" });
            println!("{}", unsafe { std::ffi::CStr::from_ptr(c()) }.to_str().unwrap());
        }
    """
    build = 'fn main() { cc::Build::new().file("c.c").compile("trial"); }\n'
    manifest = '[package]\nname = "p"\nversion = "0.1.0"\nedition = "2021"\n[build-dependencies]\ncc = "1"\n'
    root = write({"Cargo.toml": manifest, "src/main.rs": main, "build.rs": build, "c.c": c})
    project = metadata.load(tools, root, env=env)
    amd64, arm64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")
    chosen = [metadata.choose(project, root)]
    cpu = {amd64: "x86-64-v3"}
    request = compile.Request(target_cpu=cpu)
    both = compile.build(tools, project, chosen, [amd64, arm64], request, env=env, cache=cache, say=print)
    for binary, words in zip(both, [(b"Rust has AVX2", b"C has AVX2"), (b"Rust has none", b"C has none")], strict=True):
        content = binary.path.read_bytes()
        assert all(each in content for each in words), binary.platform
