"""opening: a workshop for a project. What is done there is imported while cargo reads that: both take as long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from krust.cargo import metadata, toolchain
from krust.settings import Settings

if TYPE_CHECKING:
    from krust.image.plan import Workshop


def open_workshop(
    settings: Settings,
    directory: Path,
    *,
    flags: Mapping[str, object],
    cargo_args: Sequence[str] = (),
    allow_dynamic: bool = False,
) -> Workshop:
    """For the project that `directory` is, or is in. Raises ProjectError, ToolchainError, CargoError."""
    metadata.find_manifest(directory)
    tools = toolchain.find(directory, env=settings.env, cache=settings.cache)
    project = metadata.load(tools, directory, env=settings.env, cargo_args=cargo_args, meanwhile=_ahead)

    from krust.config.resolve import with_default_binaries
    from krust.image.plan import Workshop

    return Workshop(
        settings=settings,
        toolchain=tools,
        project=with_default_binaries(project),
        directory=directory,
        flags=flags,
        cargo_args=tuple(cargo_args),
        allow_dynamic=allow_dynamic,
    )


def _ahead() -> None:
    import krust.image.plan  # noqa: F401  (it is kept by Python, for the import that names what is in it)
