"""Settings: what this run was told, by flags and by the environment. The only reader of `os.environ`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from krust.console import Console
from plumbing.store.store import FOLDER, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """`env` is for the programs that krust runs; `here` the working directory; `console` where words go."""

    env: Mapping[str, str] = field(repr=False)
    here: Path
    console: Console

    @classmethod
    def load(cls) -> Settings:
        """Of this process."""
        if not os.environ.get("HOME") and os.path.expanduser("~") == "~":  # noqa: PTH111  (Path's raises)
            os.environ["HOME"] = "/"  # as containers have it for users that nobody knows; a folder '~' is no home
        return cls(env=dict(os.environ), here=Path.cwd(), console=Console(color="NO_COLOR" not in os.environ))

    @property
    def cache(self) -> Path:
        """Where what can be made again is kept between runs: standard libraries, the linker's environment."""
        named = self.env.get("KRUST_CACHE")
        if named:
            return Path(named).absolute()
        from platformdirs import user_cache_path

        return user_cache_path("krust")

    @property
    def created(self) -> int:
        """Seconds since 1970-01-01 UTC, for all times in an image. reproducible-builds.org, SOURCE_DATE_EPOCH."""
        return self.epoch(self.env.get("SOURCE_DATE_EPOCH") or "0", "SOURCE_DATE_EPOCH")

    @staticmethod
    def epoch(text: str, name: str) -> int:
        """Seconds since 1970, before the year 10000, from `text`, to which `name` was set. Raises SettingError."""
        from plumbing.oci.config import LAST_SECOND  # felt, and few commands have a time

        if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) > LAST_SECOND:
            from krust.errors import SettingError
            from plumbing.errors import shown

            expected = "expected seconds since 1970, before the year 10000, such as 1700000000"
            raise SettingError(f"cannot use {name} '{shown(text)}': {expected}")
        return int(text)


def store_path(here: Path) -> str:
    """Where the store is by default: the nearest `.krust` upwards, else in the cargo workspace's root, else here."""
    path = nearest(here) or (_workspace(here) or here) / FOLDER
    return os.path.relpath(path, here)


def _workspace(here: Path) -> Path | None:
    """The directory of the Cargo.toml that says `[workspace]`, else of the nearest, as cargo looks for them."""
    manifests = [folder for folder in (here, *here.parents) if (folder / "Cargo.toml").is_file()]
    if not manifests:
        return None
    import tomllib

    for folder in manifests:
        try:
            with (folder / "Cargo.toml").open("rb") as file:
                manifest = tomllib.load(file)
        except (OSError, ValueError, RecursionError):  # ValueError: no TOML, or no UTF-8
            continue  # cargo will say what is wrong with it
        if "workspace" in manifest:
            return folder
    return manifests[0]
