"""Images to move, ways to move them, and a clock that costs no time."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from plumbing.oci import mediatype
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.registry import Clock, Credential, Registry, Repository, Settings
from plumbing.store import Store
from plumbing.sync import copy
from tests.registry import faults
from tests.secrets.watch import saw

APP = "team/app"


class Time:
    """Sleeping makes it later at once. `sleeps` are the seconds that were asked for, by whichever thread."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self._later = 0.0
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.sleeps.append(seconds)
            self._later += seconds

    @property
    def clock(self) -> Clock:
        return Clock(
            monotonic=lambda: time.monotonic() + self._later,
            now=lambda: time.time() + self._later,
            sleep=lambda seconds, event: self.sleep(seconds),
            jitter=lambda: 1.0,
        )


@dataclass
class Person:
    """Who moves images: what they are told, and how they are set up."""

    settings: Settings = field(default_factory=Settings)
    credential: Credential | None = None
    time: Time = field(default_factory=Time)
    lines: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def registry(self, host: str) -> Registry:
        return Registry(
            host,
            credential=self._find,
            settings=replace(self.settings, clock=self.time.clock),
            log=lambda level, line: self._hear(line(), self.lines),
            warn=lambda text: self._hear(text, self.warnings),
        )

    def push(
        self,
        host: str,
        image: Image,
        *,
        name: str = APP,
        tags: tuple[str, ...] = ("v1",),
        mounts: Mapping[Digest, str] | None = None,
        jobs: int = 4,
    ) -> None:
        with self.registry(host) as registry:
            repository = registry.repository(name, push=True, mounts=mounts)
            copy(image.store, repository, image.root, jobs=jobs)
            for tag in tags:
                repository.tag(tag, image.root, image.store.read(image.root))

    def fetch(self, host: str, reference: str | Digest, into: Path, *, name: str = APP, jobs: int = 4) -> Image:
        """Into a new store at `into`."""
        store = Store.create(into)
        with self.registry(host) as registry:
            repository = registry.repository(name)
            root = repository.resolve(reference)
            copy(repository, store, root, jobs=jobs)
        return Image(store, root)

    def ask(self, host: str, question: Callable[[Repository], Any], *, name: str = APP) -> Any:
        with self.registry(host) as registry:
            return question(registry.repository(name))

    @property
    def said(self) -> str:
        """All that was logged and warned of."""
        return "\n".join([*self.lines, *self.warnings])

    @staticmethod
    def _hear(text: str, lines: list[str]) -> None:
        lines.append(text)
        saw("log", text)

    def _find(self, host: str, repository: str) -> Credential | None:
        self.asked.append((host, repository))
        return self.credential


def person(r: faults.Registry, credential: Credential | None = None, **settings: Any) -> Person:
    """Someone who reaches `r` by its address and by its made-up name, and trusts its CA."""
    plain = frozenset() if r.scheme == "https" else frozenset({r.name})
    return Person(
        settings=Settings(**{"plain_http": plain, "resolve": r.resolve, "ca": r.ca, **settings}), credential=credential
    )


def user(r: faults.Registry) -> Credential:
    return Credential(username=r.user, password=r.password, source="the test")


def token_user(r: faults.Registry) -> Credential:
    return Credential(identity_token=r.identity, source="the test")


@dataclass(frozen=True)
class Image:
    store: Store
    root: Descriptor

    @property
    def blobs(self) -> list[Descriptor]:
        return [
            blob
            for blob in self.store.walk(self.root)
            if blob.media_type not in mediatype.MANIFESTS | mediatype.INDEXES
        ]

    @property
    def nodes(self) -> list[Descriptor]:
        return [
            node for node in self.store.walk(self.root) if node.media_type in mediatype.MANIFESTS | mediatype.INDEXES
        ]

    @property
    def layer(self) -> Descriptor:
        return max(self.blobs, key=lambda blob: blob.size)


def image(folder: Path, *sizes: int, seed: int = 0) -> Image:
    """An image with layers of these sizes (one of 300,000 bytes if none is said), in a new store at `folder`."""
    store = Store.create(folder)
    root = _manifest(store, sizes or (300_000,), random.Random(seed), "amd64")
    store.update_ref("image", root)
    return Image(store, root)


def index(folder: Path, *, seed: int = 0) -> Image:
    """An index of two images that share a layer."""
    store = Store.create(folder)
    chance = random.Random(seed)
    shared = chance.randbytes(50_000)
    manifests = [_manifest(store, (10_000,), chance, arch, shared) for arch in ("amd64", "arm64")]
    root = store.put(Index.of(manifests).raw, mediatype.INDEX)
    store.update_ref("image", root)
    return Image(store, root)


def _manifest(
    store: Store, sizes: tuple[int, ...], chance: random.Random, architecture: str, *more: bytes
) -> Descriptor:
    layers = [store.put(raw, mediatype.LAYER_GZIP) for raw in (*map(chance.randbytes, sizes), *more)]
    platform = Platform(os="linux", architecture=architecture)
    config = Config.of(platform, [layer.digest for layer in layers])
    manifest = Manifest.of(store.put(config.raw, mediatype.CONFIG), layers)
    return replace(store.put(manifest.raw, mediatype.MANIFEST), platform=platform)


def holds(r: faults.Registry, image: Image) -> bool:
    """Whether the registry has all of `image`, byte for byte."""
    return all(
        r.store.read(item, limit=1 << 30) == image.store.read(item, limit=1 << 30)
        for item in image.store.walk(image.root)
    )
