"""assemble: a binary and a base become an image in the store. design, section 6."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from krust.cargo.compile import Binary
from krust.errors import SettingError
from krust.image.base import Base
from krust.image.steps import Steps
from plumbing.commands.write_layer import WrittenLayer
from plumbing.errors import Malformed
from plumbing.layer.codec import Codec
from plumbing.layer.entries import Source
from plumbing.oci.config import Execution
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.reference import check_repository

FOLDER = "/app"
"""Where binaries are in an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of one platform: its manifest and config, and the layers that are not the base's."""

    manifest: Descriptor
    config: Descriptor
    layers: tuple[WrittenLayer, ...]
    binary: Binary


def assemble(
    steps: Steps,
    binary: Binary,
    base: Base,
    *,
    created: int,
    compression: Codec = "gzip",
) -> Image:
    """Write layer, config and manifest of `binary` on `base`. The same binary, base and settings give the same bytes.

    created  seconds since 1970-01-01 UTC: of the config, its history, and every file
    raises   StoreError, SourceError; what was written by then is garbage for gc, and no ref names it
    """
    program = f"{FOLDER}/{binary.name}"
    layer = steps.layer(
        [Source(src=binary.path, dest=program, mode=0o755)],
        mtime=created,
        compression=compression,
        present=base.present,
    )
    config = steps.config(
        binary.platform,
        [layer],
        base=base.descriptor,
        execution=Execution(entrypoint=(program,)),
        created=created,
        created_by=f"krust build {binary.package.name}",
    )
    manifest = steps.manifest(config, [layer], base=base.descriptor, annotations=base.annotations)
    return Image(manifest=manifest, config=config, layers=(layer,), binary=binary)


def combine(steps: Steps, images: Sequence[Image]) -> Descriptor:
    """What stands for all of `images`: the manifest of the only one, else an index in their order."""
    if len(images) == 1:
        return images[0].manifest
    return steps.index([image.manifest for image in images])


def image_name(binary: Binary) -> str:
    """What the image of `binary` is called: as the package if that has one executable of its kind, else as the binary.

    Raises SettingError where that is no repository's name.
    """
    siblings = [other for other in binary.package.executables if other.kind == binary.kind]
    own = binary.kind == "example" or len(siblings) > 1
    name = binary.name if own else binary.package.name
    try:
        return check_repository(re.sub("[_-]+$", "", name.lower()))
    except Malformed:
        raise SettingError(f"cannot name an image '{name}' in a registry; choose another name with '--name'") from None
