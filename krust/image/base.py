"""Base images: `scratch`, nothing; `static`, made here of what a static binary looks for; an image in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from krust.errors import SettingError
from krust.image.steps import Steps
from plumbing.layer.codec import codec_id
from plumbing.layer.entries import Source
from plumbing.oci.config import Execution
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.platform import Platform

STATIC, SCRATCH = "static", "scratch"

_REF = "krust/static"
_NONROOT = 65532
_NOT_DATA = ("*.py", "__pycache__")
_FILES = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What an image is built on, for one platform.

    descriptor   a manifest in the store, or None for nothing
    present      directories that it has, which the layers on top need not bring
    annotations  what the manifest of an image on top says of it
    """

    descriptor: Descriptor | None
    present: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=dict)


NOTHING = Base(descriptor=None)


def static(steps: Steps, platform: Platform) -> Base:
    """users and groups, CA certificates, time zones, /tmp and a home: no shell, no package manager, no library.

    It depends on the certificates, the time zones and the codec alone, so it is made once and found by its ref after.
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
    name = f"{_REF}:{str(platform).replace('/', '-')}-{_key(certificates, zones)}"
    known = None if steps.tracing else steps.store.refs.get(name)
    if known is not None and steps.store.complete(known):
        return Base(descriptor=known)
    layer = steps.layer(sources, mtime=0, exclude=_NOT_DATA)
    execution = Execution(user=f"{_NONROOT}:{_NONROOT}", workdir="/")
    config = steps.config(platform, [layer], base=None, execution=execution, created=0, created_by="krust static")
    manifest = steps.manifest(config, [layer], base=None, annotations={})
    steps.refs([name], manifest)
    return Base(descriptor=manifest)


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
