"""Deeds: commands that write, each with a world that it changes, and what that world looks like before and after."""

from __future__ import annotations

import json
import os
import shutil
import stat
import struct
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from plumbing.oci import mediatype
from plumbing.store import Store
from plumbing.store.fsck import fsck
from plumbing.store.refs import initial
from tests.faults.shim import Done, Krust, Shim
from tests.krust.commands.serving import serving
from tests.plumbing.store.images import put_image, put_index
from tests.tools import KRUST, run


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """A command, run in a copy of the world. Words in braces are digests, or the registry, of that world.

    lasts  what it reports is there after a power cut
    names  and also if it was not the one who wrote it: the blobs below a ref
    """

    name: str
    words: tuple[str, ...]
    stdin: bytes = b""
    lasts: bool = True
    names: bool = False

    def __str__(self) -> str:
        return self.name


def deed(line: str, *, name: str | None = None, **more: Any) -> Deed:
    """Of a command line, with one space between its words; called by its first word if no `name` is given."""
    words = tuple(line.split(" "))
    return Deed(name=name or words[0], words=words, **more)


DEEDS = [
    deed("hash-blob -w file"),
    deed("hash-blob -w --store new file", name="the first blob of a store"),
    deed("write-layer --compression none app=/app/app file=/file"),
    deed("write-config --platform linux/amd64 --env a=b --layer {layer}"),
    deed("write-manifest --annotation a=b --config {config} --layer {layer}"),
    deed("write-index {one} {two}"),
    deed("update-ref new:1 {two}", names=True),
    deed("update-ref a:1 {two}", name="update-ref of one that is there", names=True),
    deed("delete-ref a:1", names=True),
    deed("gc --grace 0", lasts=False),
    deed("fetch {registry}/remote:1", names=True),
    deed("copy b:1 deep/er/copied:1", name="copy to a new layout", names=True),
    deed("image --no-push --base scratch --trace trace --image-refs refs app", names=True),
    deed("image --no-push --base scratch -o out.tar app", name="image -o archive", names=True),
    deed("image --no-push --base scratch -o out app", name="image -o layout", names=True),
    deed("resolve -i --locked lock.json -f one.yaml -f two.yaml"),
    deed("login {registry} -u me --password-stdin", stdin=b"secret"),
    deed("logout {registry}"),
]


@dataclass(frozen=True, slots=True)
class Seen:
    """A file, folder or link: its mode, and its bytes or target."""

    mode: int
    content: bytes | None


Tree = Mapping[str, Seen]

STAGING = ("tmp", ".krust.")
"""How the names begin of what is on its way to another place."""


def look(folder: Path) -> dict[str, Seen]:
    """All below `folder`, by path. Of a directory the mode, of a file its bytes too."""
    found = {}
    for path in folder.rglob("*"):
        content = os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        found[str(path.relative_to(folder))] = Seen(path.lstat().st_mode, content)
    return found


@dataclass(frozen=True, slots=True)
class World:
    """`template` is copied for each run, to `folder`; `values` stand for the words in braces."""

    template: Path
    folder: Path
    values: Mapping[str, str]
    krust: Krust
    after: dict[str, Tree] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def built(cls, folder: Path, shim: Shim) -> Iterator[World]:
        """A store with two refs, a manifest that has none, and garbage; a registry; files for the other commands."""
        template = folder / "template"
        remote = Store.create(folder / "remote")
        remote.update_ref("up:1", put_image(remote, "one", "remote"))
        store = Store.create(template / ".krust")
        one, two = put_image(store, "one"), put_image(store, "two")
        store.update_ref("a:1", one)
        store.update_ref("b:1", put_index(store, one, two))
        store.put(b"garbage", mediatype.LAYER)
        config, layer, _ = store.walk(one)
        (template / "file").write_bytes(b"some bytes\n" * 1000)
        (template / "app").write_bytes(executable())
        images = [
            {"directory": "x", "package": "x", "image": "r.io/x", "digest": str(one.digest), "platforms": []},
            {"directory": "y", "package": "y", "image": "r.io/y", "digest": str(two.digest), "platforms": []},
        ]
        tar = run(KRUST, "write-layer", "--store", store.path, f"{template}/file=/file").stdout.decode().strip()
        (template / "lock.json").write_text(json.dumps({"version": 1, "images": images}))
        (template / "one.yaml").write_text("image: krust://x\n")
        (template / "two.yaml").write_text("image: krust://y # why\n")
        docker = template / "home" / ".docker"
        docker.mkdir(parents=True)
        with serving(remote.path) as registry, shim.started() as krust:
            run(KRUST, "push", f"{remote.path}:up:1", f"{registry}/remote:1")
            auths = {registry: {"auth": "bWU6b2xk"}, "other": {"auth": "bWU6b2xk"}}
            (docker / "config.json").write_text(json.dumps({"auths": auths}))
            values = {
                **{"one": str(one.digest), "two": str(two.digest), "registry": registry},
                **{"config": str(config.digest), "layer": str(layer.digest), "tar": tar},
            }
            yield cls(template, folder / "world", values, krust)

    def renew(self) -> None:
        """A fresh copy. Attributes and times are as they were, so that what was noted of blobs holds."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self.template, self.folder, symlinks=True)

    def run(self, deed: Deed, **more: Any) -> Done:
        """Carry it out, with `more` as for Shim.environment."""
        words = [word.format(**self.values) if word.startswith("{") else word for word in deed.words]
        home = self.folder / "home"
        env = {"HOME": str(home), "TMPDIR": str(self.folder.parent)}
        return self.krust.run(words, self.folder, cwd=self.folder, env=env, stdin=deed.stdin, **more)

    def tell(self, deed: Deed) -> Done:
        """Carry it out in a fresh world, with nothing in the way, and remember how the world is then."""
        self.renew()
        done = self.run(deed)
        assert done.code == 0, done.err
        self.after[deed.name] = look(self.folder)
        return done

    @property
    def before(self) -> Tree:
        return look(self.template)

    def stores(self) -> list[Store]:
        """Each layout in it that is one by its marker, but for those that are on their way to another place."""
        markers = sorted(self.folder.rglob("oci-layout"))
        return [Store.open(marker.parent) for marker in markers if ".krust." not in str(marker)]

    def problems(self) -> list[str]:
        """What `krust verify` would say of each."""
        return [problem for store in self.stores() for problem in fsck(store).problems]

    def half_written(self, deed: Deed, *, apart_from: tuple[str, ...] = ()) -> list[str]:
        """Whatever is there and neither as it was before `deed` nor as it is after.

        apart_from  beginnings of names that do not count, nor what is below them
        """
        before, after = self.before, self.after[deed.name]
        new = Seen(stat.S_IFREG | 0o644, initial())  # the index of a store that is made
        return [
            path
            for path, seen in look(self.folder).items()
            if seen not in (before.get(path), after.get(path), new)
            and not any(part.startswith(apart_from) for part in Path(path).parts if apart_from)
        ]

    def is_done(self, deed: Deed) -> bool:
        """Whether all is there that `deed` makes, and nothing that it removes. Hints need not be."""
        now, after = look(self.folder), self.after[deed.name]
        missed = {path for path, seen in after.items() if now.get(path) != seen}
        kept = {path for path in self.before if path not in after and path in now}
        return all("hints" in Path(path).parts for path in missed | kept)


def executable() -> bytes:
    """All that is looked at of one for linux/amd64: an ELF header and a PT_LOAD segment."""
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x1000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x1000, 0x1000, 120, 120, 0x1000)


def verify(store: Path) -> subprocess.CompletedProcess[str]:
    """`krust verify` itself."""
    return subprocess.run([KRUST, "verify", "--store", store], capture_output=True, text=True, check=False)
