"""Executables that nobody compiled, what their packages say, and a store to make images in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from krust.cargo.compile import Binary
from krust.console import Console
from krust.image.plan import Plan
from krust.image.steps import Steps
from plumbing.commands.network import Network
from plumbing.oci.config import Config
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import Index
from plumbing.oci.manifest import Manifest
from plumbing.oci.platform import Platform
from plumbing.store import Store
from tests.krust.config.conftest import Case

AMD64, ARM64 = Platform.parse("linux/amd64"), Platform.parse("linux/arm64")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    folder = tmp_path / "hello"
    folder.mkdir()
    return Case(folder)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.create(tmp_path / "store")


@pytest.fixture
def steps(store: Store) -> Steps:
    return Steps(store)


@pytest.fixture
def network() -> Iterator[Network]:
    network = Network({}, Console(quiet=True))
    yield network
    network.close()


def binary(plan: Plan, platform: Platform, path: Path, contents: bytes = b"program") -> Binary:
    """What a compiler would have made at `path`, in the place of what was there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_bytes(contents)
    path.chmod(0o755)
    wanted = plan.executable
    return Binary(path=path, name=wanted.name, kind=wanted.kind, package=wanted.package, platform=platform)


def manifest(store: Store, root: Descriptor, platform: Platform | None = None) -> Manifest:
    """`root`, or the manifest for `platform` in it."""
    found = store.manifest(root)
    if isinstance(found, Index):
        found = store.manifest(next(each for each in found.manifests if each.platform == platform))
    assert isinstance(found, Manifest)
    return found


def config(store: Store, manifest: Manifest) -> Config:
    return Config.parse(store.read(manifest.config))
