"""krust build: what it prints, what it writes, and what it leaves behind when it cannot."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.manifest import Manifest
from plumbing.store import Store
from tests.krust.commands.conftest import Krust, clean, write_project
from tests.schemas import check_layout, checker
from tests.tools import EXAMPLES, KRUST, require, require_tool, run

pytestmark = pytest.mark.slow  # each test compiles

_PRINTED = re.compile(r"\.krust@sha256:[0-9a-f]{64}\n")
_MANIFEST = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
_MAIN = 'fn main() { println!("hello"); }\n'


def test_it_prints_one_line_which_is_a_name(krust: Krust, hello: Path) -> None:
    built = krust("build", "--no-push", hello)
    assert _PRINTED.fullmatch(built.stdout), built
    name = built.stdout.strip()
    assert krust("rev-parse", name).stdout.strip() == name.partition("@")[2]
    assert krust("rev-parse", "hello-krust").stdout == krust("rev-parse", name).stdout
    assert "Finished" in built.stderr  # cargo's own words, as it works


def test_with_a_repository_it_prints_the_reference_there(krust: Krust, hello: Path) -> None:
    by_flag = krust("build", "--no-push", "--repo", "registry.example/team", hello)
    by_environment = krust("build", "--no-push", hello, env={"KRUST_REPO": "registry.example/team/"})
    assert re.fullmatch(r"registry\.example/team/hello-krust@sha256:[0-9a-f]{64}\n", by_flag.stdout)
    assert by_environment.stdout == by_flag.stdout
    assert krust("rev-parse", by_flag.stdout.strip()).stdout.strip() == by_flag.stdout.strip().partition("@")[2]


def test_json_is_the_full_account(krust: Krust, hello: Path) -> None:
    account = json.loads(krust("build", "--no-push", "--json", "-t", "v1", "-t", "v2", hello).stdout)
    assert account["reference"] == f".krust@{account['digest']}"
    assert (account["name"], account["tags"]) == ("hello-krust", ["v1", "v2"])
    [image] = account["images"]
    [layer] = image["layers"]
    assert layer["codec"].startswith("gzip/isal-")
    config = json.loads(krust("cat-config", "hello-krust:v2").stdout)
    assert config["rootfs"]["diff_ids"][-1] == layer["diffID"]


def test_the_image_is_what_the_design_says(krust: Krust, hello: Path, tmp_path: Path) -> None:
    krust("build", "--no-push", hello)
    store = Store.open(tmp_path / ".krust")
    root = store.refs.get("hello-krust:latest")
    assert root is not None
    manifest = store.manifest(root)
    assert isinstance(manifest, Manifest)
    config = Config.parse(store.read(manifest.config))
    assert config.value["config"]["Entrypoint"] == ["/app/hello-krust"]
    assert config.value["config"]["User"] == "65532:65532"
    assert config.value["config"]["Env"][0].startswith("PATH=")
    assert "Cmd" not in config.value["config"]
    assert config.value["created"] == "1970-01-01T00:00:00Z"
    assert len(manifest.layers) == len(config.diff_ids) == len(config.value["history"]) == 2
    listed = krust("ls-layer", str(manifest.layers[1].digest)).stdout.splitlines()
    assert [line.split("\t")[1] for line in listed] == ["app", "app/hello-krust"]
    assert [line.split()[:2] for line in listed] == [["d0755", "0:0"], ["-0755", "0:0"]]


def test_scratch_is_the_binary_alone(krust: Krust, hello: Path) -> None:
    krust("build", "--no-push", "--base", "scratch", hello)
    tree = krust("ls-tree", "hello-krust").stdout.splitlines()
    assert [line.split()[0] for line in tree] == ["manifest", "config", "layer"]


def test_the_trace_gives_the_same_digest_on_an_empty_store(krust: Krust, hello: Path, tmp_path: Path) -> None:
    built = krust("build", "--no-push", "--trace", "trace.sh", hello)
    environment = {"PATH": f"{KRUST.parent}:{os.environ['PATH']}", "KRUST_STORE": str(tmp_path / "empty")}
    run("sh", "trace.sh", cwd=tmp_path, env=environment)
    assert (
        krust("rev-parse", "--store", "empty", "hello-krust").stdout.strip() == built.stdout.strip().partition("@")[2]
    )
    assert clean(tmp_path / "empty")


@pytest.mark.parametrize("target", ["layout", "image.tar"])
def test_output_is_a_layout_of_this_image_alone(krust: Krust, hello: Path, tmp_path: Path, target: str) -> None:
    krust("build", "--no-push", hello)
    built = krust("build", "--no-push", "--name", "other", "-o", target, hello)
    folder = tmp_path / target
    if target.endswith(".tar"):
        folder = tmp_path / "unpacked"
        folder.mkdir()
        run("tar", "-xf", tmp_path / target, "-C", folder)
    assert sorted(path.name for path in folder.iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert [ref.name for ref in Store.open(folder).refs] == ["other:latest"]
    assert krust("rev-parse", folder).stdout.strip() == built.stdout.strip().partition("@")[2]
    assert len(list((folder / "blobs" / "sha256").iterdir())) == 4
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(f".{target}")]
    assert krust("build", "--no-push", "-o", target, hello).code == 0, "written again, in the place of the old one"


def test_the_same_source_gives_the_same_digest(krust: Krust, hello: Path, tmp_path: Path) -> None:
    elsewhere = shutil.copytree(hello, tmp_path / "another" / "place")
    home = tmp_path / "home"
    home.mkdir()
    one = krust("build", "--no-push", hello)
    other = krust(
        "build",
        "--no-push",
        "--store",
        "elsewhere",
        elsewhere,
        env={"HOME": str(home), "USER": "somebody", "CARGO_HOME": str(home / "cargo"), "TZ": "Asia/Tokyo", "LANG": "C"},
    )
    assert other.code == 0, other
    assert one.stdout.partition("@")[2] == other.stdout.partition("@")[2]


def test_the_number_of_processors_does_not_matter(krust: Krust, hello: Path, tmp_path: Path) -> None:
    taskset = require_tool("taskset")
    one = krust("build", "--no-push", hello)
    bound = run(taskset, "-c", "0", KRUST, "build", "--no-push", "--store", "bound", hello, cwd=tmp_path)
    assert one.stdout.partition("@")[2] == bound.stdout.decode().partition("@")[2]


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that everybody can reach, which pytest's own is not."""
    folder = Path(tempfile.mkdtemp(prefix="krust-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_another_user_gets_the_same_digest(krust: Krust, hello: Path, open_folder: Path) -> None:
    require(os.geteuid() == 0 and shutil.which("unshare"), "only root can become another user")
    setpriv = require_tool("setpriv")
    one = krust("build", "--no-push", hello)
    place = Path(shutil.copytree(hello, open_folder / "theirs", ignore=shutil.ignore_patterns("target")))
    for path in (place, *place.rglob("*")):
        os.chown(path, 65534, 65534)
    # the compiler may lie in a home that only its owner can read: they see the same one at another place, which they
    # alone see, and none can write to, for whoever clears up after a killed test would clear the compiler away
    compiler = open_folder / "compiler"
    compiler.mkdir()
    sysroot = run("rustc", "--print=sysroot", cwd=hello).stdout.decode().strip()
    mounted = 'mount --bind -o ro "$0" "$1" && shift && exec "$@"'
    keep = "+dac_read_search"  # so may the interpreter that runs this; to execute it takes this capability
    done = run(
        *("unshare", "--mount", "sh", "-c", mounted, sysroot, compiler),
        setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", f"--inh-caps={keep}", f"--ambient-caps={keep}",
        *(KRUST, "build", "--no-push"),
        cwd=place,
        env={
            "HOME": str(place),
            "XDG_CACHE_HOME": str(place / "cache"),
            "CARGO_HOME": str(place / "cargo"),
            "CARGO": str(compiler / "bin" / "cargo"),
            "RUSTC": str(compiler / "bin" / "rustc"),
        },
    )  # fmt: skip
    assert done.stdout.decode().partition("@")[2] == one.stdout.partition("@")[2]
    assert {path.stat().st_uid for path in (place / ".krust").rglob("*")} == {65534}


def test_source_date_epoch_is_every_time_in_the_image(krust: Krust, hello: Path) -> None:
    krust("build", "--no-push", "--base", "scratch", hello, env={"SOURCE_DATE_EPOCH": "1700000000"})
    config = json.loads(krust("cat-config", "hello-krust").stdout)
    assert config["created"] == config["history"][0]["created"] == "2023-11-14T22:13:20Z"
    layer = json.loads(krust("cat-manifest", "hello-krust").stdout)["layers"][0]["digest"]
    members = [json.loads(line) for line in krust("ls-layer", "--json", layer).stdout.splitlines()]
    assert {member["mtime"] for member in members} == {1700000000}


def test_a_binary_that_was_stored_before_is_not_compressed_again(krust: Krust, hello: Path, tmp_path: Path) -> None:
    krust("build", "--no-push", hello)
    store = tmp_path / ".krust"
    before = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    krust("delete-ref", "hello-krust")
    krust("build", "--no-push", hello)
    after = {path: path.stat().st_mtime_ns for path in store.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before.get(path)}
    assert changed == {"index.json"}


def _refusals() -> list[pytest.ParameterSet]:
    two = {"Cargo.toml": _MANIFEST, "src/bin/one.rs": _MAIN, "src/bin/two.rs": _MAIN}
    return [
        pytest.param({}, [], "Cargo.toml", id="no Cargo.toml"),
        pytest.param({"Cargo.toml": _MANIFEST, "src/lib.rs": ""}, [], "binary", id="no binary target"),
        pytest.param(two, [], "one.*two", id="several binaries, none chosen"),
        pytest.param(two, ["--bin", "three"], "three.*one.*two", id="no such binary"),
        pytest.param({"Cargo.toml": _MANIFEST, "src/main.rs": "fn main() { 1 }"}, [], "cargo", id="cargo fails"),
        pytest.param({"Cargo.toml": "[package", "src/main.rs": _MAIN}, [], "cargo|Cargo", id="a broken Cargo.toml"),
        pytest.param({"Cargo.toml": _MANIFEST, "src/main.rs": _MAIN}, ["--base", "no such"], "base", id="no such base"),
        pytest.param(
            {"Cargo.toml": _MANIFEST, "src/main.rs": _MAIN}, ["--name", "A B"], "A B", id="a name that is none"
        ),
    ]


@pytest.mark.parametrize(("files", "arguments", "said"), _refusals())
def test_what_cannot_be_built_is_said_and_nothing_is_written(
    krust: Krust, tmp_path: Path, files: dict[str, str], arguments: list[str], said: str
) -> None:
    project = write_project(tmp_path / "project", files)
    project.mkdir(exist_ok=True)
    outcome = krust("build", "--no-push", *arguments, "project")
    assert outcome.code == 1, outcome
    assert outcome.stdout == ""
    assert outcome.fault.startswith("krust: "), outcome.stderr
    assert re.search(said, outcome.fault), outcome.fault
    assert not (tmp_path / ".krust").exists(), "a build that fails makes no store"


def test_cargos_own_message_is_shown(krust: Krust, tmp_path: Path) -> None:
    write_project(tmp_path / "project", {"Cargo.toml": _MANIFEST, "src/main.rs": "fn main() { oops }"})
    assert "cannot find value `oops`" in krust("build", "--no-push", "project").stderr


def test_without_a_toolchain_it_says_where_to_get_one(krust: Krust, hello: Path) -> None:
    outcome = krust("build", "--no-push", hello, env={"PATH": "/nowhere"})
    assert outcome.code == 1
    assert re.search(r"cannot find 'cargo'.*rust", outcome.fault), outcome.fault


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 400 KiB."""
    require(os.geteuid() == 0 and shutil.which("mount"), "only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True, check=False
    )
    require(mounted.returncode == 0, "mount refused a tmpfs")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_disk_is_said_and_the_store_stays_clean(krust: Krust, hello: Path, small_disk: Path) -> None:
    outcome = krust("build", "--no-push", "--store", small_disk / "store", hello)
    assert outcome.code == 1, outcome
    assert "no space left on device" in outcome.fault
    assert "--store" in outcome.fault
    assert clean(small_disk / "store")
    assert not list((small_disk / "store" / "tmp").iterdir())


def test_a_store_that_may_not_be_written_is_said(krust: Krust, hello: Path, tmp_path: Path) -> None:
    require(os.geteuid() == 0 and shutil.which("mount"), "only root can mount a store read-only")
    krust("build", "--no-push", hello)
    main = hello / "src" / "main.rs"
    main.write_text(main.read_text().replace("Hello", "Good evening"))
    store = tmp_path / ".krust"
    run("mount", "--bind", store, store)
    try:
        run("mount", "-o", "remount,bind,ro", store)
        outcome = krust("build", "--no-push", hello)
        assert outcome.code == 1
        assert "read-only file system" in outcome.fault
        assert krust("verify").code == 0
    finally:
        run("umount", store)


def test_what_another_program_half_wrote_is_written_again(krust: Krust, hello: Path, tmp_path: Path) -> None:
    krust("build", "--no-push", hello)
    store = Store.open(tmp_path / ".krust")
    root = store.refs.get("hello-krust:latest")
    assert root is not None
    manifest = store.manifest(root)
    assert isinstance(manifest, Manifest)
    layer = store.blobs.path(manifest.layers[-1].digest)
    whole = layer.read_bytes()
    layer.unlink()
    layer.write_bytes(whole[:-100])
    assert not clean(store.path)
    assert krust("build", "--no-push", hello).code == 0
    assert layer.read_bytes() == whole
    assert clean(store.path)
    assert stat.S_IMODE(layer.stat().st_mode) == 0o444


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_cargo_and_leaves_nothing(hello: Path, tmp_path: Path, number: signal.Signals) -> None:
    (hello / "build.rs").write_text("fn main() { std::thread::sleep(std::time::Duration::from_secs(60)); }")
    process = subprocess.Popen(
        [KRUST, "build", "--no-push", hello], cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 60
        while not _build_scripts(hello):
            assert time.monotonic() < deadline, "the build script does not run"
            time.sleep(0.05)
        process.send_signal(number)
        _, said = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130
    assert said.splitlines()[-1] == "krust: interrupted"
    assert not _build_scripts(hello)
    assert not (tmp_path / ".krust").exists()


def _build_scripts(project: Path) -> list[int]:
    """Processes of build scripts that lie below `project`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            program = (folder / "cmdline").read_bytes().decode(errors="replace").partition("\0")[0]
            if program.startswith(str(project)) and "build-script" in program:
                found.append(int(folder.name))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_at_200_moments_the_store_stays_clean_and_the_next_build_works(
    krust: Krust, hello: Path, tmp_path: Path
) -> None:
    main = hello / "src" / "main.rs"
    source = main.read_text()
    built = krust("build", "--no-push", hello)
    assert built.code == 0, built
    began = time.monotonic()
    main.write_text(source + "// 0\n")
    krust("build", "--no-push", hello)
    longest = (time.monotonic() - began) * 1.2
    random = Random(200)
    killed = 0
    for turn in range(200):
        # another text each time, so that there is a layer, a config, a manifest and a ref to write
        main.write_text(source.replace("Hello", f"Hello {turn}"))
        process = subprocess.Popen(
            [KRUST, "build", "--no-push", "-q", hello],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(random.uniform(0.03, longest))
        killed += process.poll() is None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert clean(tmp_path / ".krust"), f"killed in turn {turn}"
    assert killed > 100, f"only {killed} of 200 were killed while they ran"
    main.write_text(source)
    again = krust("build", "--no-push", hello)
    assert again.stdout == built.stdout


@pytest.mark.parametrize("example", ["hello-krust", "web"])
def test_other_programs_take_the_layout(krust: Krust, tmp_path: Path, example: str) -> None:
    skopeo, umoci, runc = require_tool("skopeo"), require_tool("umoci"), require_tool("runc")
    assert krust("build", "--no-push", "-o", "layout", EXAMPLES / example).code == 0
    run(skopeo, "copy", f"oci:{tmp_path}/layout:{example}:latest", f"dir:{tmp_path}/copied")
    assert krust("verify", "layout").code == 0
    layout = Store.open(tmp_path / "layout")
    root = layout.refs.get(f"{example}:latest")
    assert root is not None
    (tmp_path / "go").mkdir()
    check_layout(checker(tmp_path / "go"), layout, root)
    require(os.geteuid() == 0, "only root can unpack and run an image with all of its owners")
    bundle = tmp_path / "bundle"
    run(umoci, "unpack", "--image", f"{tmp_path}/layout:{example}:latest", bundle)
    spec = json.loads((bundle / "config.json").read_text())
    spec["process"]["terminal"] = False
    assert spec["process"]["args"] == [f"/app/{example}"]
    if example == "hello-krust":
        (bundle / "config.json").write_text(json.dumps(spec))
        done = run(runc, "run", "--bundle", bundle, f"krust-{os.getpid()}")
        assert done.stdout.decode().startswith("Hello from krust!")
        return
    spec["linux"]["namespaces"] = [each for each in spec["linux"]["namespaces"] if each["type"] != "network"]
    spec["process"]["env"].append("PORT=0")
    (bundle / "config.json").write_text(json.dumps(spec))
    _web_answers([runc, "run", "--bundle", str(bundle), f"krust-web-{os.getpid()}"])


def _web_answers(argv: list[str]) -> None:
    """Start the example, read its port from what it says, ask for its page and its health, end it by SIGTERM."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S*?:(\d+)", line)
        assert found, line
        done = run(
            sys.executable,
            "-c",
            "import sys, urllib.request as u; print(u.urlopen(sys.argv[1]).read())",
            f"http://127.0.0.1:{found[1]}/healthz",
        )
        assert b"ok" in done.stdout.lower()
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_a_failed_build_does_not_move_the_ref(krust: Krust, hello: Path, tmp_path: Path) -> None:
    krust("build", "--no-push", hello)
    before: Descriptor | None = Store.open(tmp_path / ".krust").refs.get("hello-krust:latest")
    (hello / "src" / "main.rs").write_text("fn main() { oops }")
    assert krust("build", "--no-push", hello).code == 1
    assert Store.open(tmp_path / ".krust").refs.get("hello-krust:latest") == before


def test_cargo_krust_is_the_same_program(hello: Path, tmp_path: Path) -> None:
    cargo = require_tool(os.environ.get("CARGO", "cargo"))
    environment = {"PATH": f"{KRUST.parent}:{os.environ['PATH']}"}
    done = run(cargo, "krust", "build", "--no-push", hello, cwd=tmp_path, env=environment)
    assert _PRINTED.fullmatch(done.stdout.decode())
