"""plan: what is to be built, from cargo's words and all settings, before anything is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from krust.cargo import compile
from krust.cargo.compile import Request
from krust.cargo.git import Git
from krust.cargo.metadata import BinaryTarget, Project
from krust.cargo.selection import Selection, select
from krust.cargo.targets import TARGETS
from krust.cargo.toolchain import Toolchain
from krust.config.resolve import ImageSettings, resolve, user_config_path
from krust.image import base as bases
from krust.settings import Settings
from plumbing.commands.network import Network
from plumbing.layer.entries import Source
from plumbing.oci.platform import Platform
from plumbing.store import Store

if TYPE_CHECKING:
    from krust.cargo.compile import Binary
    from krust.cargo.reproduce import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An image that is wanted: its settings, the platforms it is for, and the files beside its binary.

    workspace  the root of the project whose cargo builds it; None where cargo builds nothing
    """

    settings: ImageSettings
    platforms: tuple[Platform, ...]
    files: tuple[Source, ...]
    workspace: Path | None = None

    @property
    def executable(self) -> BinaryTarget:
        return self.settings.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A cargo project, the compiler that counts there, and what is said to both; see `opening`.

    flags   of the command line, by the names of settings
    """

    settings: Settings
    toolchain: Toolchain
    project: Project
    directory: Path
    flags: Mapping[str, object]
    cargo_args: tuple[str, ...]
    allow_dynamic: bool = False

    @property
    def git(self) -> Git:
        return Git(self.project.root, self.settings.env)

    def plans(self, selection: Selection, network: Network, store: Store, *, offline: bool) -> list[Plan]:
        """One for each executable that `selection` means. Raises ProjectError, SettingError, RegistryError."""
        git = self.git
        return [
            self._plan(target, git, network, store, offline=offline)
            for target in select(self.project, self.directory, selection)
        ]

    def compile(self, plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        """Compile what `plans` are of, which cargo can do together; `finished` takes each executable once made."""
        executables = [plan.executable for plan in plans]
        compile.build(
            self.toolchain,
            self.project,
            executables,
            plans[0].platforms,
            self._request(plans),
            env=self._env,
            cache=self.settings.cache,
            say=self.settings.console.say,
            finished=finished,
        )

    def differences(self, plans: Sequence[Plan]) -> list[Difference]:
        """Compile `plans`, which cargo can do together, and again, elsewhere and cold; where the executables differ."""
        from krust.cargo.reproduce import differences

        binaries: list[Binary] = []
        self.compile(plans, binaries.append)
        return differences(
            self.toolchain,
            self.project,
            binaries,
            self._request(plans),
            env=self._env,
            cache=self.settings.cache,
            say=self.settings.console.say,
        )

    def _request(self, plans: Sequence[Plan]) -> Request:
        """The same for each build of `plans`, or a comparison shows nothing."""
        return Request(
            profile=plans[0].settings.profile,
            cargo_args=self._words(plans),
            target_cpu=plans[0].settings.target_cpu,
            allow_dynamic=self.allow_dynamic,
        )

    def _words(self, plans: Sequence[Plan]) -> list[str]:
        features = plans[0].settings.features
        return [*([f"--features={','.join(features)}"] if features else []), *self.cargo_args]

    @property
    def _env(self) -> Mapping[str, str]:
        """The environment of each cargo that compiles, be it a standard library."""
        quiet = {"CARGO_TERM_QUIET": "true"} if self.settings.console.quiet else {}
        return {**self.settings.env, **quiet}

    def _plan(self, target: BinaryTarget, git: Git, network: Network, store: Store, *, offline: bool) -> Plan:
        image = resolve(
            self.project,
            target,
            flags=self.flags,
            env=self.settings.env,
            user_config=user_config_path(self.settings.env),
            git=git,
        )
        for note in image.notes:
            self.settings.console.say(note)
        files = self._files(image)  # before anyone is asked for platforms
        if image.platforms == "all":
            platforms = self._all(image.base, network, store, offline=offline)
        else:
            platforms = image.platforms
        return Plan(settings=image, platforms=platforms, files=files, workspace=self.project.root)

    def _files(self, image: ImageSettings) -> tuple[Source, ...]:
        if not image.files and not image.data:
            return ()
        from krust.image.files import sources  # here: few images have any

        return sources(self.project, image)

    def _all(self, base: str, network: Network, store: Store, *, offline: bool) -> tuple[Platform, ...]:
        """The platforms of a base, without those that krust cannot build for, of which it says so."""
        there = bases.platforms(base, network, store, offline=offline)
        if there is None:
            return tuple(target.platform for target in TARGETS)
        known = [platform for platform in there if any(platform.runs(target.platform) for target in TARGETS)]
        for platform in there:
            if platform not in known:
                self.settings.console.say(f"leaving out platform '{platform}' of '{base}': krust has no target for it")
        return tuple(known)
