"""assemble: a binary and a base become an image in the store. design, section 6."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from krust.config.resolve import ImageSettings
from krust.image.base import Base
from krust.image.below import directories
from krust.image.steps import Steps
from plumbing.commands.write_layer import WrittenLayer
from plumbing.layer.entries import Source, parents
from plumbing.oci.descriptor import Descriptor

if TYPE_CHECKING:
    from krust.cargo.compile import Binary


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image of one platform: its manifest and config, and the layers that are not the base's."""

    manifest: Descriptor
    config: Descriptor
    layers: tuple[WrittenLayer, ...]
    binary: Binary


def assemble(
    steps: Steps, binary: Binary, base: Base, settings: ImageSettings, files: Sequence[Source], *, created: int
) -> Image:
    """Write layers, config and manifest of `binary` on `base`. The same arguments give the same bytes.

    files    what the image has beside the binary: a layer below it, the same for all platforms; none for no files
    created  seconds since 1970-01-01 UTC: of the config, its history, and every file
    raises   StoreError, SourceError; what was written by then is garbage for gc, and no ref names it
    """
    program = Source(src=binary.path, dest=settings.program, mode=0o755, capability=settings.capabilities)
    layers: list[WrittenLayer] = []
    for sources in ([*files], [program]):
        if sources:
            written = [layer.descriptor for layer in layers]
            leading = {parent for source in sources for parent in parents(source.dest.strip("/"))}
            present = directories(steps.store, (*base.layers, *written), leading)
            layers.append(steps.layer(sources, mtime=created, compression=settings.compression, present=present))
    config = steps.config(
        binary.platform,
        layers,
        base=base.descriptor,
        execution=settings.execution,
        created=created,
        created_by=f"krust build {binary.package.name}",
    )
    annotations = {**settings.annotations, **base.annotations}
    manifest = steps.manifest(config, layers, base=base.descriptor, annotations=annotations)
    return Image(manifest=manifest, config=config, layers=tuple(layers), binary=binary)


def combine(steps: Steps, images: Sequence[Image], settings: ImageSettings) -> Descriptor:
    """What stands for all of `images`: the manifest of the only one, else an index in their order."""
    if len(images) == 1:
        return images[0].manifest
    return steps.index([image.manifest for image in images], annotations=settings.annotations)
