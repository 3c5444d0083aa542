"""Places: stores and files whose names are odd or long, on other devices, and on file systems that know no case."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from plumbing.store import Store
from plumbing.store.fsck import fsck
from tests.faults.deeds import executable
from tests.plumbing.store.images import put_image
from tests.tools import KRUST, require

pytestmark = pytest.mark.slow

_ODD = [b"with space", b"with\nnewline", b"with'quote", b"not utf-8 \xff\xfe", "größer ü".encode(), b"a:b", b"n" * 255]


def _krust(
    cwd: Path, *words: str | bytes | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    # strict, as in a locale that is not C: then what is no UTF-8 cannot just be printed
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8:strict", **(env or {})}
    done = subprocess.run([KRUST, *words], cwd=cwd, env=environment, capture_output=True, check=False)
    assert b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    return done


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app"
    path.write_bytes(executable())
    return path


@pytest.mark.parametrize("name", _ODD, ids=repr)
def test_a_store_of_any_name(name: bytes, tmp_path: Path, app: Path) -> None:
    store = tmp_path / os.fsdecode(name)
    words = [
        ("image", "--no-push", "--base", "scratch", app),
        ("ls-refs",),
        ("cat-manifest", "app"),
        ("verify",),
        ("gc",),
    ]
    for command, *rest in words:
        done = _krust(tmp_path, command, "--store", name, *rest)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
    found = _krust(tmp_path, "cat-blob", "--store", name, "sha256:" + "0" * 64)
    assert found.returncode == 1
    assert found.stderr.startswith(b"krust: cannot read 'sha256:0")
    said = _krust(
        tmp_path, "image", "--no-push", "--base", "scratch", "--image-refs", "refs", "--store", name, app
    ).stdout
    assert said.startswith(name + b"@sha256:")
    assert (tmp_path / "refs").read_bytes() == said
    account = _krust(tmp_path, "image", "--no-push", "--base", "scratch", "--json", "--store", name, app)
    if b"\xff" in name:  # which JSON cannot say
        assert (account.returncode, account.stdout) == (1, b"")
        assert b"expected UTF-8" in account.stderr
    else:
        assert account.returncode == 0, account.stderr
    [ref] = Store.open(store).refs
    assert ref.name == "app:latest"


@pytest.mark.parametrize("name", _ODD, ids=repr)
def test_files_of_any_name_are_written(name: bytes, tmp_path: Path, app: Path) -> None:
    words = ("image", "--no-push", "--base", "scratch", "--store", "store")
    tar = name[:251] + b".tar"
    done = _krust(tmp_path, *words, "-o", name, "--trace", b"t" + name[1:], "--image-refs", b"r" + name[1:], app)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert fsck(Store.open(tmp_path / os.fsdecode(name))).problems == ()
    done = _krust(tmp_path, *words, "-o", tar, app)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert (tmp_path / os.fsdecode(tar)).stat().st_size > 512
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".krust.")] == []


def test_a_path_that_is_too_long_for_blobs_is_said(tmp_path: Path) -> None:
    """As deep as paths can be, so that the store itself still has a path and what lies in it has none."""
    before = Path.cwd()
    deep = tmp_path
    while len(os.fsencode(deep)) < 4096 - 220:
        deep /= "d" * min(200, 4096 - 210 - len(os.fsencode(deep)))
    deep.mkdir(parents=True)
    room = 4095 - len(os.fsencode(deep)) - len("/") - len("/blobs/sha256")
    store = deep / ("s" * min(room, 200))
    done = _krust(tmp_path, "hash-blob", "-w", "--store", store, os.fspath(__file__))
    assert done.returncode == 1
    assert b"file name too long; choose another place with '--store'\n" in done.stderr
    assert Path.cwd() == before


# devices


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Another device at `folder`. `options` are mount's."""
    require(os.geteuid() == 0, "only root can mount what this needs")
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", folder], capture_output=True, check=False)
    require(done.returncode == 0, f"cannot mount: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_store_on_another_device_than_the_temporary_folder(tmp_path: Path, app: Path) -> None:
    with mounted(tmp_path / "device") as device:
        for store, temporary in ((tmp_path / "here", device), (device / "there", tmp_path)):
            words = ("image", "--no-push", "--base", "scratch", "--store", store, "-o", store.with_name("out"), app)
            assert _krust(tmp_path, *words, env={"TMPDIR": str(temporary)}).returncode == 0
            assert fsck(Store.open(store)).problems == ()


@pytest.mark.parametrize("name", ["out", "out.tar"])
def test_a_full_device_is_said_of_what_was_to_be_written_there(tmp_path: Path, app: Path, name: str) -> None:
    app.write_bytes(app.read_bytes() + os.urandom(1 << 18))
    with mounted(tmp_path / "device", "-o", "size=128k") as device:
        done = _krust(tmp_path, "image", "--no-push", "--base", "scratch", "-o", f"device/{name}", app)
        said = f"krust: cannot write 'device/{name}': no space left on device; free some, or choose another place"
        assert (done.returncode, done.stdout, done.stderr.decode()) == (1, b"", f"{said} with '-o'\n")
        assert list(device.iterdir()) == []


@pytest.mark.parametrize("option", ["-o", "--trace", "--image-refs"])
def test_a_read_only_folder_is_said_before_anything_is_made(tmp_path: Path, app: Path, option: str) -> None:
    with mounted(tmp_path / "device", "-o", "ro"):
        done = _krust(tmp_path, "image", "--no-push", "--base", "scratch", option, "device/out", app)
    said = b"krust: cannot write 'device/out': the folder 'device' is read-only; choose another place\n"
    assert (done.returncode, done.stderr) == (1, said)
    assert not (tmp_path / ".krust").exists()


def test_a_staging_folder_on_another_device_is_said(tmp_path: Path, app: Path) -> None:
    store = Store.create(tmp_path / ".krust")
    with mounted(store.path / "tmp"):
        done = _krust(tmp_path, "hash-blob", "-w", app)
        assert done.returncode == 1
        assert re.fullmatch(
            rb"krust: cannot write '.krust/blobs/[^']+': invalid cross-device link; "
            rb"a store is on one file system, with its 'tmp'\n",
            done.stderr,
        )
        assert list((store.path / "tmp").iterdir()) == []
    assert _krust(tmp_path, "hash-blob", "-w", app).returncode == 0


# case


def test_no_two_files_of_a_store_differ_in_case_alone(tmp_path: Path) -> None:
    """So a file system that knows no case holds it. There is none here to try: mkfs knows it, this kernel may not."""
    store = Store.create(tmp_path / ".krust")
    names = ["a/b:v1", "a/B:v1", "A/b:v1", "a/b:V1", "host:5000/a/b:v1"]
    images = {name: put_image(store, name) for name in names}
    for name, image in images.items():
        store.update_ref(name, image)
    for name, image in images.items():
        store.leave_hint("Kind", str(image.digest), image.digest)
        assert store.refs.get(name) is not None
    files = Counter(str(path.relative_to(store.path)).casefold() for path in store.path.rglob("*"))
    assert max(files.values()) == 1
    assert {ref.name for ref in store.refs} == set(names)


@pytest.fixture
def caseless(tmp_path: Path) -> Iterator[Path]:
    """A folder of an ext4 that knows no case, in a file."""
    require(os.geteuid() == 0, "only root can mount what this needs")
    if not Path("/sys/fs/ext4/features/casefold").exists():
        pytest.skip("this kernel's ext4 cannot do without case")
    image, folder = tmp_path / "ext4", tmp_path / "caseless"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-O", "casefold", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, folder], check=True)
    try:
        (folder / "caseless").mkdir()
        subprocess.run(["chattr", "+F", folder / "caseless"], check=True)
        yield folder / "caseless"
    finally:
        subprocess.run(["umount", folder], check=True)


def test_names_that_differ_in_case_alone(caseless: Path, app: Path) -> None:
    for name in ("app", "APP"):
        store = ("--store", caseless / ".krust")
        tag = ("--name", "app", "--tag", name)
        assert _krust(caseless, "image", "--no-push", "--base", "scratch", *store, *tag, app).returncode == 0
    store_ = Store.open(caseless / ".krust")
    assert {ref.name for ref in store_.refs} == {"app:app", "app:APP"}
    assert fsck(store_).problems == ()
