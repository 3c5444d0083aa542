"""workspaces: packages of several workspaces, each built once, those of one workspace together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from krust.cargo.git import Git
from krust.cargo.selection import Selection
from krust.commands.deliver import Order, fulfil, reference
from krust.commands.texts import Wanted
from krust.errors import Faults, KubeError
from krust.image.opening import open_workshop
from krust.settings import Settings
from plumbing.commands.network import Network
from plumbing.errors import PlumbingError
from plumbing.store import Store

if TYPE_CHECKING:
    from krust.cargo.compile import Binary
    from krust.image.make import Made
    from krust.image.plan import Plan, Workshop


@dataclass(kw_only=True)
class Workspaces:
    """The workspaces that references lead to. cargo runs in the root of each, wherever krust does.

    made  by `images`, and what it is wanted as
    """

    settings: Settings
    flags: Mapping[str, object]
    cargo_args: Sequence[str]
    order: Order
    store: Store
    network: Network
    made: dict[Wanted, Made] = field(default_factory=dict)
    _by_root: dict[Path, Workshop] = field(default_factory=dict)
    _packages: Mapping[str, Path] | None = None

    def packages(self) -> Mapping[str, Path]:
        """Those of the workspace that krust runs in, if it does."""
        if self._packages is None:
            self._packages = {}  # also if it cannot be read: that is said once
            here = self.settings.here
            if any((folder / "Cargo.toml").is_file() for folder in (here, *here.parents)):
                found = self._of(here).project.packages
                self._packages = {package.name: package.directory for package in found}
        return self._packages

    def is_package(self, directory: Path) -> bool:
        return (directory / "Cargo.toml").is_file()

    def images(self, wanted: Mapping[Wanted, str], faults: list[PlumbingError]) -> Mapping[Wanted, str]:
        plans: dict[Wanted, Plan] = {}
        for each, where in wanted.items():
            try:
                plans[each] = self._plan(each)
            except PlumbingError as error:
                fault = KubeError(f"cannot build {where}: {error}")
                fault.__cause__ = error
                faults.append(fault)
        Faults.check(faults)
        if plans:
            self._make(plans)
        return {each: reference(self.store, one) for each, one in self.made.items()}

    def _make(self, plans: Mapping[Wanted, Plan]) -> None:
        """Each executable once, however many references mean it."""
        once = {plan.executable: plan for plan in plans.values()}
        created = self.order.created(self.settings, Git(self.settings.here, self.settings.env))
        made = fulfil(self.order, self.store, list(once.values()), self._compile, self.network, created=created)
        by_executable = {one.plan.executable: one for one in made}
        self.made.update((each, by_executable[plan.executable]) for each, plan in plans.items())

    def _compile(self, plans: Sequence[Plan], finished: Callable[[Binary], None]) -> None:
        root = plans[0].workspace
        assert root is not None
        self._by_root[root].compile(plans, finished)

    def _plan(self, wanted: Wanted) -> Plan:
        selection = Selection(executables=(("bin", wanted.binary),) if wanted.binary is not None else ())
        workshop = self._of(wanted.directory)
        [plan] = workshop.plans(selection, self.network, self.store, offline=self.order.offline)
        return plan

    def _of(self, directory: Path) -> Workshop:
        """The workspace that `directory` is in, for the package that `directory` is."""
        for workshop in self._by_root.values():
            project = workshop.project
            if directory in (project.root.resolve(), *(package.directory.resolve() for package in project.packages)):
                return replace(workshop, directory=directory)
        workshop = self._open(directory)
        if workshop.project.root.resolve() != directory:
            workshop = self._open(workshop.project.root)
        self._by_root[workshop.project.root] = workshop
        return replace(workshop, directory=directory)

    def _open(self, directory: Path) -> Workshop:
        return open_workshop(self.settings, directory, flags=self.flags, cargo_args=self.cargo_args)
