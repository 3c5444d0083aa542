"""What a script may rely on, of every plumbing command: stdout is data, stderr words, exit 0, 1 or 2."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plumbing.__main__ import group
from plumbing.commands import NAMES
from plumbing.oci.descriptor import Descriptor
from plumbing.store import Store
from tests.plumbing.commands.conftest import Plumbing
from tests.plumbing.store.images import put_image, put_index
from tests.tools import KRUST, ROOT

BOTH = {"krust": [str(KRUST)], "python -m plumbing": [sys.executable, "-m", "plumbing"]}
NETWORK = {"fetch", "push", "copy", "ls-remote"}  # tests/plumbing/registry


@pytest.fixture
def image(store: Store) -> Descriptor:
    """`hello:latest`, of one layer."""
    image = put_image(store, "layer")
    store.update_ref("hello:latest", image)
    return image


def process(argv: list[str], cwd: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


GOOD = [
    "hash-blob -w file",
    "write-layer file=/file",
    "write-config --platform linux/amd64 --layer {layer} --entrypoint /app",
    "write-manifest --config {config} --layer {layer}",
    "write-index {image}",
    "update-ref other {image}",
    "delete-ref hello",
    "cat-blob {layer}",
    "cat-config hello",
    "cat-manifest hello",
    "ls-tree hello",
    "ls-layer {archive}",
    "ls-refs",
    "rev-parse hello",
    "verify",
    "gc --grace 0",
]


def test_the_table_has_every_command() -> None:
    assert {line.split()[0] for line in GOOD} == set(NAMES) - NETWORK


@pytest.mark.parametrize("line", GOOD, ids=lambda line: line.split()[0])
def test_both_ways_do_the_same(line: str, image: Descriptor, store: Store, plumbing: Plumbing) -> None:
    Path("file").write_bytes(b"file")
    config, layer = store.manifest(image).children
    archive = plumbing("write-layer", "file=/file").out.strip()
    words = line.format(image=image.digest, config=config.digest, layer=layer.digest, archive=archive).split()
    said = set()
    for way, argv in BOTH.items():
        subprocess.run(["cp", "-a", ".krust", way], check=True)
        done = process([*argv, *words, "--store", way], Path.cwd())
        assert done.returncode == 0, done.stderr
        said.add((done.stdout, done.stderr, (Path(way) / "index.json").read_bytes()))
    assert len(said) == 1
    [(out, err, _)] = said
    if words[0].startswith(("hash", "write")):
        assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", out)
    if words[0] not in ("verify", "gc"):
        assert err == ""


@pytest.mark.parametrize("name", NAMES)
def test_help_says_what_is_printed(name: str, plumbing: Plumbing) -> None:
    text = plumbing(name, "--help").out
    assert text.startswith(f"Usage: plumbing {name} ")
    prints = r"\b([Pp]rint|List|to standard output)"
    silent = {"update-ref", "delete-ref"}
    assert name in silent or re.search(prints, text.partition("Options:")[0]), "nothing about what it prints"
    assert "--store" in text or name in NETWORK


@pytest.mark.parametrize("way", BOTH)
def test_alone_each_way_shows_help(way: str, tmp_path: Path) -> None:
    done = process(BOTH[way], tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"\n  {name} " in done.stdout for name in NAMES)
    assert list(tmp_path.iterdir()) == []


USAGE = [
    ("nope", "no such command 'nope'; try 'plumbing --help'"),
    ("cat-blobb", "no such command 'cat-blobb'; did you mean 'cat-blob'; try 'plumbing --help'"),
    ("rev-parse", "expected NAME... or --batch FILE; try 'plumbing rev-parse --help'"),
    ("rev-parse --nope x", "no such option '--nope'"),
    ("rev-parse --jsn x", "no such option '--jsn'; did you mean '--json'; try 'plumbing rev-parse --help'"),
    ("cat-blob", "expected either NAME or --batch FILE; try 'plumbing cat-blob --help'"),
    ("cat-blob x --batch -", "expected either NAME or --batch FILE; try 'plumbing cat-blob --help'"),
    ("cat-manifest", "missing argument 'NAME'; try 'plumbing cat-manifest --help'"),
    ("hash-blob", "missing argument 'FILE'; try 'plumbing hash-blob --help'"),
    ("write-index", "missing argument 'MANIFEST...'; try 'plumbing write-index --help'"),
    ("write-manifest", "missing option '--config'; try 'plumbing write-manifest --help'"),
    ("write-config", "missing option '--platform'; try 'plumbing write-config --help'"),
    (
        "write-config --platform linux",
        "invalid value for '--platform': malformed platform 'linux': expected os/architecture[/variant]; try",
    ),
    (
        "write-config --platform linux/amd64 --env x",
        "invalid value for '--env': malformed pair 'x': expected KEY=VALUE; try",
    ),
    ("write-layer", "no sources: expected SRC=DEST or --batch FILE; try 'plumbing write-layer --help'"),
    (
        "write-layer --mode 9 a=b",
        "invalid value for '--mode': malformed mode '9': expected octal digits, such as 755; try",
    ),
    ("update-ref a", "nothing to do: expected NAME NEW [OLD] or --batch FILE; try 'plumbing update-ref --help'"),
    ("gc --grace x", "invalid value for '--grace': 'x' is not a valid number; try 'plumbing gc --help'"),
    ("gc --grace -1", "invalid value for '--grace': -1.0 is not in the range x>=0; try 'plumbing gc --help'"),
]


@pytest.mark.parametrize(("line", "said"), USAGE, ids=[line for line, _ in USAGE])
def test_a_wrong_command_line_is_exit_2(line: str, said: str, plumbing: Plumbing) -> None:
    ran = plumbing(*line.split(), code=2)
    assert ran.out == ""
    assert ran.err.startswith(f"plumbing: {said}")
    assert len(ran.err.splitlines()) == 1


DIGEST = f"sha256:{'0' * 64}"
FAULTS = [
    (
        "cat-blob nope",
        "cannot find 'nope': no ref, digest or layout of that name in '.krust'; 'krust ls-refs' lists the refs",
    ),
    (f"cat-blob {DIGEST}", f"cannot read '{DIGEST}': no such blob in '.krust'"),
    ("cat-config {layer}", "malformed image '{layer}': expected a manifest or an index, not a layer"),
    ("cat-config nope", "cannot find 'nope': no ref"),
    ("cat-manifest {config}", "malformed image '{config}': expected a manifest or an index, not a config"),
    (
        "cat-manifest hello --platform linux/s390x",
        "cannot find platform 'linux/s390x' in '{image}': it is for linux/amd64",
    ),
    ("ls-tree nope", "cannot find 'nope': no ref"),
    ("ls-layer hello", "malformed layer '{image}': expected a layer, not a manifest; 'krust ls-tree' lists the layers"),
    ("ls-layer {layer}", "malformed "),
    ("rev-parse hello nope", "cannot find 'nope': no ref"),
    ("verify nope", "cannot find 'nope': no ref"),
    ("delete-ref nope", "cannot find ref 'nope:latest' in '.krust'; 'krust ls-refs' lists the refs that are there"),
    (
        f"delete-ref hello {DIGEST}",
        f"cannot update ref 'hello:latest': expected {DIGEST}, found {{image}}; look at it again with 'krust ls-refs'",
    ),
    (
        f"update-ref hello {{image}} {DIGEST}",
        f"cannot update ref 'hello:latest': expected {DIGEST}, found {{image}}; look at it again with 'krust ls-refs'",
    ),
    ("update-ref hello {config}", "malformed target of a ref '{config}': expected a manifest or an index"),
    ("update-ref hello nope", "cannot find 'nope': no ref"),
    ("update-ref hello {image} latest", "malformed digest 'latest': expected sha256: and 64, or sha512: and 128"),
    ("update-ref a\tb {image}", r"malformed ref 'a\tb:latest': expected parts of letters, digits"),
    ("write-index {config}", "malformed manifest '{config}': expected a manifest or an index"),
    (
        "write-manifest --config {config}",
        "malformed manifest '0 layers': expected the 1 of which the config '{config}' speaks",
    ),
    (
        "write-manifest --config hello",
        "malformed config '{image}': expected what 'write-config' printed, not a manifest",
    ),
    (
        "write-config --platform linux/amd64 --layer hello",
        "malformed layer '{image}': expected what 'write-layer' printed",
    ),
    (
        "write-config --platform linux/arm64 --base hello",
        "cannot find platform 'linux/arm64' in '{image}': it is for linux/amd64",
    ),
    ("hash-blob nope", "cannot read 'nope': no such file or directory"),
    ("hash-blob .", "cannot read '.': is a directory"),
    ("hash-blob .krust/index.json --media-type x", "malformed media type 'x': expected type/subtype"),
    ("write-layer x", "malformed source 'x': expected SRC=DEST"),
    ("write-layer nope=/x", "cannot read 'nope': no such file"),
    ("cat-blob --batch nope", "cannot read 'nope': no such file or directory"),
    ("cat-blob hello --store nope", "cannot open 'nope': no OCI layout there; 'krust build --no-push' makes a store"),
    ("ls-refs --store nope", "cannot open 'nope': no OCI layout there"),
    ("gc --store nope", "cannot open 'nope': no OCI layout there"),
    ("verify --store nope", "cannot open 'nope': no OCI layout there"),
    ("update-ref a {image} --store nope", "cannot open 'nope': no OCI layout there"),
    ("delete-ref a --store nope", "cannot open 'nope': no OCI layout there"),
    ("write-manifest --config {config} --store nope", "cannot open 'nope': no OCI layout there"),
]


@pytest.mark.parametrize(("line", "said"), FAULTS, ids=[line for line, _ in FAULTS])
def test_a_fault_is_exit_1_one_line_and_changes_nothing(
    line: str, said: str, image: Descriptor, store: Store, plumbing: Plumbing
) -> None:
    config, layer = store.manifest(image).children
    names = {"image": image.digest, "config": config.digest, "layer": layer.digest}
    before = ((store.path / "index.json").read_bytes(), set(store.blobs))
    ran = plumbing(*(word.format(**names) for word in line.split(" ")), code=1)
    assert ran.err.startswith(f"plumbing: {said.format(**names)}")
    assert len(ran.err.splitlines()) == 1
    assert ran.out == ("" if not line.startswith("rev-parse") else f"{image.digest}\n")
    assert ((store.path / "index.json").read_bytes(), set(store.blobs)) == before
    assert not Path("nope").exists(), "a store that is only read is not made"
    assert list((store.path / "tmp").iterdir()) == []


def test_krusts_messages_have_its_name(tmp_path: Path) -> None:
    for way, argv in BOTH.items():
        done = process([*argv, "cat-blob", "nope"], tmp_path)
        assert (done.returncode, done.stdout) == (1, "")
        assert (
            done.stderr == f"{way}: cannot open '.krust': no OCI layout there; 'krust build --no-push' makes a store\n"
        )
    assert list(tmp_path.iterdir()) == []


def test_the_store_is_the_one_named_else_the_environments_else_the_nearest(image: Descriptor, store: Store) -> None:
    here = Path.cwd()
    deep = here / "a" / "b"
    deep.mkdir(parents=True)
    other = Store.create(here / "other")
    other.update_ref("other:1", put_image(other, "other"))
    for argv in BOTH.values():
        ls_refs = [*argv, "ls-refs"]
        env = {"KRUST_STORE": str(here / "other")}
        assert process(ls_refs, deep).stdout.split()[1] == "hello:latest"
        assert process(ls_refs, deep, env).stdout.split()[1] == "other:1"
        assert process([*ls_refs, "--store", "../../.krust"], deep, env).stdout.split()[1] == "hello:latest"


def test_an_empty_name_of_a_store_makes_none_here(plumbing: Plumbing) -> None:
    before = sorted(Path.cwd().iterdir())
    Path("file").write_text("file")
    plumbing("hash-blob", "-w", "file", "--store", "", code=1)
    assert sorted(Path.cwd().iterdir()) == [*before, Path.cwd() / "file"]


@pytest.mark.parametrize("way", BOTH)
@pytest.mark.parametrize("line", ["ls-refs", "cat-blob {blob}"])
def test_a_reader_that_goes_away_is_no_noise(way: str, line: str, image: Descriptor, store: Store) -> None:
    blob = store.put(bytes(1 << 20), "application/octet-stream")
    if line == "ls-refs":  # more than a pipe holds
        store.update_refs({f"name{number}:latest": (image, None) for number in range(1000)})
    command = " ".join([*BOTH[way], line.format(blob=blob.digest)])
    done = process(["sh", "-c", f"{command} | head -c 10"], Path.cwd())
    assert (len(done.stdout), done.stderr) == (10, "")


def test_a_full_output_is_a_fault(image: Descriptor) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for way, argv in BOTH.items():
        done = process(["sh", "-c", f"{' '.join(argv)} cat-manifest hello > /dev/full"], Path.cwd())
        assert (done.returncode, done.stderr) == (1, f"{way}: cannot go on: no space left on device\n")


def test_no_memory_is_a_fault(store: Store) -> None:
    os.truncate(store.path / "index.json", 500 << 20)
    for way, argv in BOTH.items():
        done = process(["sh", "-c", f"ulimit -v 400000; {' '.join(argv)} ls-refs"], Path.cwd())
        assert (done.returncode, done.stderr) == (1, f"{way}: cannot go on: out of memory\n")


def test_no_thread_is_a_fault(image: Descriptor, tmp_path: Path) -> None:
    """The stack of a thread is as large as `ulimit -s` says, and has no room here."""
    for way, argv in BOTH.items():
        command = f"ulimit -s 4000000; ulimit -v 2000000; {' '.join(argv)} copy hello {tmp_path / 'copied'}{len(argv)}"
        done = process(["bash", "-c", command], Path.cwd())
        said = "cannot go on: no thread can be started; allow more processes, or more memory"
        assert (done.returncode, done.stderr) == (1, f"{way}: {said}\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("way", BOTH)
def test_an_interrupt_is_exit_130_and_leaves_nothing(way: str, number: signal.Signals, store: Store) -> None:
    argv = [*BOTH[way], "hash-blob", "-w", "-"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    deadline = time.monotonic() + 20
    while not list((store.path / "tmp").iterdir()):
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.05)  # until it reads
    process.send_signal(number)
    assert process.stdin is not None
    out, err = process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert err.decode().strip() == f"{way}: interrupted"
    assert list((store.path / "tmp").iterdir()) == []
    assert list(store.blobs) == []


def test_a_word_that_is_not_utf_8_is_a_fault(store: Store) -> None:
    argv = [*BOTH["python -m plumbing"], "write-config", "--platform", "linux/amd64", "--label"]
    done = subprocess.run([*map(os.fsencode, argv), b"k=\xff"], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (1, b"")
    assert re.fullmatch(rb"python -m plumbing: malformed text '.*\\udcff': expected UTF-8\n", done.stderr)


def test_every_json_is_an_object_a_line(image: Descriptor, store: Store, plumbing: Plumbing) -> None:
    Path("file").write_bytes(b"file")
    put_index(store, image)
    archive = plumbing("write-layer", "file=/file").out.strip()
    config, layer = store.manifest(image).children
    for line in GOOD:
        words = line.format(image=image.digest, config=config.digest, layer=layer.digest, archive=archive).split()
        if any("--json" in option.opts for option in group.get_command(None, words[0]).params):  # type: ignore[arg-type, union-attr]
            lines = plumbing(*words, "--json").lines
            assert lines
            assert all(isinstance(json.loads(line), dict) for line in lines), words
