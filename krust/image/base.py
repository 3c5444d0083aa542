"""Base images: `scratch`, nothing; `static`, made here of what a static binary looks for; any image of a registry."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from krust.errors import SettingError
from krust.image.steps import Steps
from plumbing.commands.fetch import fetch, ref_name
from plumbing.commands.network import Network
from plumbing.errors import NotFound
from plumbing.layer.codec import codec_id
from plumbing.layer.entries import Source
from plumbing.oci.config import Execution
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.manifest import BASE_DIGEST, BASE_NAME
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference
from plumbing.store import Store
from plumbing.store.images import choose as choose_manifest
from plumbing.store.images import manifest_of
from plumbing.store.images import platforms as platforms_of

STATIC, SCRATCH = "static", "scratch"

_NONROOT = 65532
_NOT_DATA = ("*.py", "__pycache__")
_FILES = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What an image is built on, for one platform.

    descriptor   a manifest in the store, or None for nothing
    layers       those of the manifest
    annotations  what the manifest of an image on top says of it
    """

    descriptor: Descriptor | None
    layers: tuple[Descriptor, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


NOTHING = Base(descriptor=None)


def choose(steps: Steps, name: str, platform: Platform, network: Network, *, offline: bool, jobs: int) -> Base:
    """The base called `name`, for `platform`. Raises Malformed for what is no reference, and as `fetched`."""
    if name == SCRATCH:
        return NOTHING
    if name == STATIC:
        return static(steps, platform)
    return fetched(steps, Reference.parse(name), platform, network, offline=offline, jobs=jobs)


def platforms(name: str, network: Network, store: Store, *, offline: bool) -> list[Platform] | None:
    """The platforms that the base called `name` has; None for one that is made for any."""
    if name in (STATIC, SCRATCH):
        return None
    reference = Reference.parse(name)
    if not offline:
        return platforms_of(*network.resolve(reference))
    root = store.refs.get(ref_name(reference)) if Store.is_layout(store.path) else None
    if root is None:
        raise NotFound(
            f"cannot tell the platforms of base '{reference}': it is not in '{store.path}', and '--offline' was given; "
            f"'krust fetch {reference}' gets it, or name platforms"
        )
    return platforms_of(store, root)


def static(steps: Steps, platform: Platform) -> Base:
    """users and groups, CA certificates, time zones, /tmp and a home: no shell, no package manager, no library.

    It depends on the certificates, the time zones and the codec alone, so it is made once and found by a hint after.
    Its times are 0, whatever SOURCE_DATE_EPOCH says: every image of every commit shares this one layer.
    """
    certificates = _package("certifi") / "cacert.pem"
    zones = _package("tzdata") / "zoneinfo"
    sources = [
        Source(src=_FILES / "etc", dest="/etc"),
        Source(src=certificates, dest="/etc/ssl/certs/ca-certificates.crt"),
        Source(src=zones, dest="/usr/share/zoneinfo"),
        Source(src=None, dest="/tmp", mode=0o1777),
        Source(src=None, dest="/root", mode=0o700),
        Source(src=None, dest="/home/nonroot", mode=0o700, uid=_NONROOT, gid=_NONROOT),
    ]
    key = f"{platform}/{_key(certificates, zones)}"
    known = None if steps.tracing else steps.store.hint(STATIC, key)
    if known is not None and steps.store.complete(descriptor := steps.store.describe(known)):
        return Base(descriptor=descriptor, layers=manifest_of(steps.store, descriptor).layers)
    layer = steps.layer(sources, mtime=0, exclude=_NOT_DATA)
    execution = Execution(user=f"{_NONROOT}:{_NONROOT}", workdir="/")
    config = steps.config(platform, [layer], base=None, execution=execution, created=0, created_by="krust static")
    manifest = steps.manifest(config, [layer], base=None, annotations={})
    steps.store.leave_hint(STATIC, key, manifest.digest)
    return Base(descriptor=manifest, layers=(layer.descriptor,))


def fetched(
    steps: Steps, reference: Reference, platform: Platform, network: Network, *, offline: bool, jobs: int
) -> Base:
    """The image `reference`, from the store if it was fetched before, else from its registry.

    offline  ask no registry
    raises   NotFound where it lacks `platform`, listing what it has, or is not there and `offline`; RegistryError
    """
    manifest = _stored(steps.store, reference, platform)
    if manifest is None:
        if offline:
            raise NotFound(
                f"cannot find base '{reference}' for '{platform}' in '{steps.store.path}', and '--offline' was given; "
                f"'krust fetch {reference} --platform {platform}' gets it"
            )
        network.voice.say(f"fetching base '{reference}' for '{platform}'")
        manifest = fetch(network, steps.store, reference, platform=platform, jobs=jobs)
    steps.fetched(reference.at(manifest.digest))
    return Base(
        descriptor=manifest,
        layers=manifest_of(steps.store, manifest).layers,
        annotations={BASE_NAME: ref_name(reference), BASE_DIGEST: str(manifest.digest)},
    )


def _stored(store: Store, reference: Reference, platform: Platform) -> Descriptor | None:
    """What was fetched of `reference` for `platform`, if it is all there. Raises NotFound where it lacks `platform`."""
    if not Store.is_layout(store.path):
        return None  # the first blob makes it
    for name in (ref_name(reference, platform), ref_name(reference)):
        root = store.refs.get(name)
        if root is not None and store.complete(root):
            return choose_manifest(store, root, platform)
    return None


def _key(certificates: Path, zones: Path) -> str:
    """What tells one version of the base from another: the contents, by the files that name their version."""
    hasher = hashlib.sha256(codec_id("gzip").encode())
    for path in (certificates, zones / "tzdata.zi", zones.parent / "__init__.py", *sorted((_FILES / "etc").iterdir())):
        hasher.update(path.read_bytes())
    return hasher.hexdigest()[:12]


def _package(name: str) -> Path:
    """Where the data of an installed package is; it is not imported, which would cost more than all the rest."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SettingError(f"cannot find the package '{name}' beside krust; install krust again")
    return Path(spec.submodule_search_locations[0])
