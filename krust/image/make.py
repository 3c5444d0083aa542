"""make: from executables to images, in the store and in their repositories, while cargo still works on the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Self

from krust.cargo.metadata import BinaryTarget
from krust.errors import SettingError
from krust.image import base as bases
from krust.image.assemble import Image, assemble, combine
from krust.image.plan import Plan
from krust.image.steps import Steps
from plumbing.commands.network import Network
from plumbing.commands.push import base_mounts, point, send
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.platform import Platform

if TYPE_CHECKING:
    from krust.cargo.compile import Binary
    from plumbing.registry import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """An image that is in the store: its root, and what each platform's is made of, in the order asked."""

    plan: Plan
    root: Descriptor
    images: tuple[Image, ...]

    @property
    def refs(self) -> list[str]:
        """What it is called in the store."""
        return [f"{self.plan.settings.name}:{name}" for name in self.plan.settings.tags]


Compile = Callable[[Sequence[Plan], Callable[["Binary"], None]], None]
"""Compiles what plans of the same platforms and cargo settings are of; tells of each executable when it is there."""


def make(
    steps: Steps,
    plans: Sequence[Plan],
    compile: Compile,
    network: Network,
    *,
    created: int,
    push: bool,
    tags: bool = True,
    offline: bool = False,
    jobs: int = 4,
) -> list[Made]:
    """Compile all of `plans`, write their images, push them; refs move when all are written, tags when all are pushed.

    created  seconds since 1970-01-01 UTC, for every time in the images
    push     to the repositories of the plans; without it the store is all that changes
    tags     move tags in the registries, too
    raises   what compiling, writing and pushing raise, the first of it; no ref has moved if that was before all were
             written, and no tag if it was before all were pushed
    """
    _distinct(plans)
    with _Works(steps, plans, network, created=created, push=push, offline=offline, jobs=jobs) as works:
        # before anything is compiled: what cannot be had, or reached, is nothing to wait for
        works.reach_registries()
        works.fetch_bases()
        for group in groups(plans):
            works.settle()  # or cargo may put another program of the same name in the place of one that is still read
            compile(group, works.take)
        made = [works.written(plan) for plan in plans]
        steps.refs({name: one.root for one in made for name in one.refs})  # also if it cannot be pushed: it was built
        for one in made:
            works.sent(one)
        if tags:
            for one in made:
                works.tag(one)
    return made


def _distinct(plans: Iterable[Plan]) -> None:
    """Two images of one name would be one image, and which one is chance."""
    names = Counter(plan.settings.name for plan in plans)
    for name, count in names.items():
        if count > 1:
            ones = " and ".join(str(plan.executable) for plan in plans if plan.settings.name == name)
            raise SettingError(f"cannot call {count} images '{name}': {ones}; give them a 'name' in their Cargo.toml")


def groups(plans: Sequence[Plan]) -> list[list[Plan]]:
    """The plans that one cargo invocation can serve, together."""
    groups: dict[object, list[Plan]] = {}
    for plan in plans:
        settings = plan.settings
        cpus = tuple(settings.target_cpu.items())
        key = (plan.workspace, plan.platforms, settings.profile, settings.features, cpus)
        groups.setdefault(key, []).append(plan)
    return list(groups.values())


@dataclass(slots=True)
class _Work:
    """What is under way for one plan."""

    plan: Plan
    images: dict[Platform, Image] = field(default_factory=dict)
    root: Descriptor | None = None
    sent: Future[Repository] | None = None


class _Works:
    """Two threads beside cargo's: one writes, since the steps of an image are a sequence, and one sends."""

    def __init__(
        self,
        steps: Steps,
        plans: Sequence[Plan],
        network: Network,
        *,
        created: int,
        push: bool,
        offline: bool,
        jobs: int,
    ) -> None:
        self._steps = steps
        self._network = network
        self._created = created
        self._push = push
        self._offline = offline
        self._jobs = jobs
        self._bases: dict[tuple[str, Platform], bases.Base] = {}
        self._work = {plan.executable: _Work(plan) for plan in plans}
        self._compiled = False
        self._writing: list[Future[None]] = []
        self._writer = ThreadPoolExecutor(1, "write")
        self._sender = ThreadPoolExecutor(1, "send")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._writer.shutdown(cancel_futures=True)  # waits: a blob that is half written is cleared away by its writer
        self._sender.shutdown(wait=kind is None, cancel_futures=True)

    def reach_registries(self) -> None:
        """Make sure that there is a way to each registry that an image is to be sent to, and that it knows us."""
        targets = [work.plan.settings.repository for work in self._work.values() if self._push]
        for target in {target.registry: target for target in targets if target is not None}.values():
            self._network.repository(target, push=True).sign_in()

    def fetch_bases(self) -> None:
        """Make the bases that registries have be in the store. What is made here is made when it is needed."""
        for work in self._work.values():
            if work.plan.settings.base not in (bases.STATIC, bases.SCRATCH):
                for platform in work.plan.platforms:
                    self._base(work.plan, platform)

    def _base(self, plan: Plan, platform: Platform) -> bases.Base:
        key = (plan.settings.base, platform)
        if key not in self._bases:
            self._bases[key] = bases.choose(
                self._steps, plan.settings.base, platform, self._network, offline=self._offline, jobs=self._jobs
            )
        return self._bases[key]

    def take(self, binary: Binary) -> None:
        """An executable is there: write its image. Raises what went wrong with an earlier one, to stop the compiler."""
        for future in self._writing:
            if future.done():
                future.result()
        self._writing.append(self._writer.submit(self._write, binary))

    def settle(self) -> None:
        """Wait until the image of each executable that was taken is written."""
        for future in self._writing:
            future.result()

    def written(self, plan: Plan) -> Made:
        """Wait until the image of `plan` is in the store."""
        self._compiled = True
        self.settle()
        work = self._work[plan.executable]
        if work.root is None:
            raise SettingError(f"cannot find what was built of '{plan.executable}'")
        return Made(plan=plan, root=work.root, images=tuple(work.images[platform] for platform in plan.platforms))

    def sent(self, made: Made) -> None:
        """Wait until the image is in its repository, if it is to be there."""
        sent = self._work[made.plan.executable].sent
        if sent is not None:
            sent.result()

    def tag(self, made: Made) -> None:
        sent = self._work[made.plan.executable].sent
        if sent is not None:
            point(sent.result(), self._steps.store, made.root, made.plan.settings.tags)

    def _write(self, binary: Binary) -> None:
        key = BinaryTarget(package=binary.package, kind=binary.kind, name=binary.name)
        work = self._work[key]
        settings = work.plan.settings
        base = self._base(work.plan, binary.platform)
        work.images[binary.platform] = assemble(
            self._steps, binary, base, settings, work.plan.files, created=self._created
        )
        if len(work.images) < len(work.plan.platforms):
            return
        work.root = combine(self._steps, [work.images[platform] for platform in work.plan.platforms], settings)
        if self._push:
            work.sent = self._sender.submit(self._send, work.plan, work.root)

    def _send(self, plan: Plan, root: Descriptor) -> Repository:
        target = plan.settings.repository
        if target is None:
            raise SettingError(f"cannot tell where to push '{plan.settings.name}'")
        # a bar would fight with cargo's own for the screen
        progress = self._network.voice.progress() if self._compiled else None
        store = self._steps.store
        mounts = base_mounts(store, root, target)
        return send(self._network, store, root, target, jobs=self._jobs, mounts=mounts, progress=progress)
