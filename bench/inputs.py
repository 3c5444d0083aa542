"""What is worked on: files, images, projects. All are made anew, and the same each time."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path

import ziglang

from bench.timing import Deed, timed
from plumbing.oci import document, mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from plumbing.store.refs import ANNOTATION as REF_NAME
from tests.tools import EXAMPLES, KRUST, run

MIB = 1 << 20

_SHA256 = "import hashlib, sys; hashlib.file_digest(open(sys.argv[1], 'rb'), 'sha256')"
_RATIO = 0.47
"""What gzip at level 1 leaves of `big_binary`: that of large programs which embed data, some of it compressed."""


def example(name: str, folder: Path) -> Path:
    """A copy of one of examples/ in `folder`, never built."""
    ignored = shutil.ignore_patterns("target", ".krust")
    return Path(shutil.copytree(EXAMPLES / name, folder / name, ignore=ignored))


def hello_binary(folder: Path) -> Path:
    """A static executable: that of examples/hello-krust, built in `folder`."""
    project = example("hello-krust", folder)
    run(KRUST, "build", "--no-push", "-q", "--store", project / ".krust", project)
    return next(project.glob("target/*/release/hello-krust"))


def big_binary(folder: Path, size: int) -> Path:
    """A static executable of `size` bytes: a small one, and then pieces of real binaries and of random bytes.

    There are as many random ones as it takes to be compressed to `_RATIO`, whatever binaries this machine has.
    """
    start = hello_binary(folder).read_bytes()
    path, chance = folder / "big", random.Random(0)
    pieces = cycle(_pieces(chance))
    ratio = sum(len(zlib.compress(next(pieces)(), 1)) for _ in range(64)) / (64 * MIB)
    share = max(0.0, (_RATIO - ratio) / (1 - ratio))
    with path.open("wb") as file:
        left = size - file.write(start)
        while left > 0:
            piece = chance.randbytes(MIB) if chance.random() < share else next(pieces)()
            left -= file.write(piece[:left])
    path.chmod(0o755)
    return path


def _pieces(chance: random.Random) -> list[Callable[[], bytes]]:
    """The binaries that a machine for krust has, in whole pieces of a MiB, shuffled; each is read when it is called."""

    def read(path: Path, start: int) -> bytes:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(MIB)

    places = [(path, start) for path in _binaries() for start in range(0, path.stat().st_size - MIB, MIB)]
    chance.shuffle(places)
    return [partial(read, *place) for place in places]


def _binaries() -> list[Path]:
    """The linker, and the compiler with its libraries: all of them large."""
    rustc = os.environ.get("RUSTC", "rustc")
    sysroot = subprocess.run([rustc, "--print=sysroot"], check=True, capture_output=True, text=True).stdout.strip()
    compiler = [
        path for path in Path(sysroot, "lib").glob("*.so*") if path.is_file() and path.stat().st_size > 32 * MIB
    ]
    return [Path(ziglang.__file__).with_name("zig"), *sorted(compiler)]


def sha256(file: Path) -> Deed:
    """One pass over it, in one thread: the least that anything takes which names content by its digest."""
    return lambda: timed(sys.executable, "-IS", "-c", _SHA256, file)


def image(folder: Path, sizes: list[int], *, sparse: bool = False) -> Path:
    """A layout of one image, `big:latest`, with a layer of each of `sizes` bytes: random ones, or a hole."""
    store = Store.create(folder)
    write = _hole if sparse else _random
    layers = [
        Descriptor(media_type=mediatype.LAYER_GZIP, digest=write(store, size, number), size=size)
        for number, size in enumerate(sizes)
    ]
    config = Config.of(Platform.parse("linux/amd64"), [layer.digest for layer in layers])
    manifest = Manifest.of(store.put(config.raw, mediatype.CONFIG), layers)
    store.update_ref("big:latest", store.put(manifest.raw, mediatype.MANIFEST))
    store.strip()  # of what crane does not know
    return folder


def _random(store: Store, size: int, seed: int) -> Digest:
    chance = random.Random(seed)
    with store.writer() as blob:
        for start in range(0, size, MIB):
            blob.write(chance.randbytes(min(MIB, size - start)))
        return blob.commit()


def _hole(store: Store, size: int, seed: int) -> Digest:
    """Takes no room on the disk, whatever its size. There is one of each size."""
    hasher = Digest.of(b"").hasher()
    for start in range(0, size, MIB):
        hasher.update(bytes(min(MIB, size - start)))
    digest = Digest.ending(hasher)
    path = store.blobs.path(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.truncate(size)
    return digest


def many_images(folder: Path, blobs: int) -> list[Digest]:
    """A layout of `blobs` small blobs, three to an image, whose refs are app-0:latest and so on; return the images.

    Written past the store, which would sync each blob to the disk.
    """
    store = Store.create(folder)

    def put(raw: bytes, media_type: str) -> Descriptor:
        descriptor = Descriptor.of(raw, media_type)
        path = store.blobs.path(descriptor.digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
        path.chmod(0o444)
        return descriptor

    images = []
    for number in range(blobs // 3):
        named = {REF_NAME: f"app-{number}:latest"}
        layer = put(f"layer {number}".encode(), mediatype.LAYER)
        config = Config.of(Platform.parse("linux/amd64"), [layer.digest])
        manifest = Manifest.of(put(config.raw, mediatype.CONFIG), [layer])
        images.append(replace(put(manifest.raw, mediatype.MANIFEST), annotations=named))
    store.adopt(_index(images))
    return [image.digest for image in images]


def keep_ref(folder: Path, name: str) -> None:
    """Make `name` the only ref of a store; all blobs stay."""
    store = Store.open(folder)
    store.adopt(_index([ref.descriptor for ref in store.refs if ref.name == name]))


def _index(roots: list[Descriptor]) -> bytes:
    """Past plumbing's own, which takes no more than a registry would."""
    entries = [root.to_json() for root in roots]
    return document.dump({"schemaVersion": 2, "mediaType": mediatype.INDEX, "manifests": entries})
