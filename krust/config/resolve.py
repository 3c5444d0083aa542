"""Resolve: all settings of one image, each with where it came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from krust.cargo.git import Git
from krust.cargo.metadata import BinaryTarget, Project
from krust.config import keys, values
from krust.config.found import DEFAULT, Found, Shown, Value, placed
from krust.config.identity import PREFIX, default_name, identity
from krust.config.keys import Key
from krust.config.layers import default_binary, layers
from krust.config.merge import Named, by_name, last
from krust.config.origin import Origin, Rank
from krust.config.placeholders import Facts
from krust.config.values import File
from krust.errors import SettingError
from plumbing.errors import Malformed
from plumbing.oci.config import Execution
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference, check_repository

if TYPE_CHECKING:
    from plumbing.layer.codec import Codec

FOLDER = "/app"
"""Where binaries are in an image."""

DATA = "krustdata"
"""The directory beside Cargo.toml that becomes one of this name at the image's root."""

DATA_PATH = "KRUST_DATA_PATH"
"""The variable that tells a program where its data is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What one key came to, as texts; None where nothing is. `origin` of a table is that of each name."""

    key: str
    value: Shown
    origin: Origin | Mapping[str, Origin]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """All that is to be known of one image.

    name          what it is called in the store; and in the registry, after its prefix
    repository    where it is pushed, without a tag; None: nobody has said
    platforms     "all": those of the base
    execution     with the entrypoint, and the default labels
    annotations   of the manifest, and of the index
    files         what the layer of files has, beside `data`; krust.image.files makes sources of both
    data          the package's krustdata, where that has anything
    capabilities  the binary's attribute `security.capability`
    target_cpu    by platform
    settings      one for each key, in the order of the table
    notes         words for people: what could not be told, and is left out
    """

    target: BinaryTarget
    name: str
    repository: Reference | None
    tags: tuple[str, ...]
    base: str
    platforms: tuple[Platform, ...] | Literal["all"]
    features: tuple[str, ...]
    profile: str
    target_cpu: Mapping[Platform, str]
    execution: Execution
    annotations: Mapping[str, str]
    files: tuple[File, ...]
    data: Path | None
    capabilities: bytes | None
    compression: Codec
    settings: tuple[Setting, ...] = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def program(self) -> str:
        """Where the binary is in the image."""
        return _program(self.target)


def resolve(
    project: Project,
    target: BinaryTarget,
    *,
    flags: Mapping[str, object],
    env: Mapping[str, str],
    user_config: Path,
    git: Git,
) -> ImageSettings:
    """What flags, environment and files come to, for the image of `target`.

    flags   by the names of keys; see `layers.flagged`
    raises  SettingError, which names the place, for an unknown key, for a value that is not what it should be, and for
            a placeholder that cannot be filled in
    """
    found = Found(
        layers(project, target, flags=flags, env=env, user_config=user_config),
        Facts(version=target.package.version, git=git, env=env),
    )
    data = _data(target)
    notes: list[str] = []
    labels, annotations = _identity(found, target, git, notes)
    where = _where(found, target)
    platforms, base = found.texts(keys.PLATFORMS), found.text(keys.BASE)
    features, profile = found.texts(keys.FEATURES), found.text(keys.PROFILE)
    cpus = found.table(keys.TARGET_CPU, by_name(found.layers, keys.TARGET_CPU.name)[0])
    env_, args, entrypoint = _env(found, data), found.texts(keys.ARGS), _entrypoint(found, target)
    user, workdir = found.optional(keys.USER), found.optional(keys.WORKDIR)
    ports, volumes, stop_signal = (found.texts(keys.PORTS), found.texts(keys.VOLUMES), found.optional(keys.STOP_SIGNAL))
    files, capabilities = found.files(), found.texts(keys.CAPABILITIES)
    compression = found.text(keys.COMPRESSION)
    came_to: dict[Key[Any], Value[Any]] = {
        keys.NAME: where.name,
        keys.REPO: where.repo,
        keys.IMAGE: where.image,
        keys.TAGS: where.tags,
        keys.BASE: base,
        keys.PLATFORMS: platforms,
        keys.BIN: _bin(found, target),
        keys.FEATURES: features,
        keys.PROFILE: profile,
        keys.TARGET_CPU: cpus,
        keys.ENV: env_,
        keys.ARGS: args,
        keys.ENTRYPOINT: entrypoint,
        keys.USER: user,
        keys.WORKDIR: workdir,
        keys.PORTS: ports,
        keys.VOLUMES: volumes,
        keys.STOP_SIGNAL: stop_signal,
        keys.LABELS: labels,
        keys.ANNOTATIONS: annotations,
        keys.FILES: files,
        keys.CAPABILITIES: capabilities,
        keys.COMPRESSION: compression,
    }
    return ImageSettings(
        target=target,
        name=where.name.value,
        repository=where.image.value,
        tags=where.tags.value,
        base=base.value,
        platforms=_platforms(platforms),
        features=features.value,
        profile=profile.value,
        target_cpu={Platform.parse(name): cpu for name, cpu in cpus.value.items()},
        execution=Execution(
            user=user.value,
            workdir=workdir.value,
            entrypoint=entrypoint.value,
            args=args.value if args.rank > Rank.DEFAULT else None,
            env=env_.value,
            labels=labels.value,
            ports=ports.value,
            volumes=volumes.value,
            stop_signal=stop_signal.value,
        ),
        annotations=annotations.value,
        files=files.value,
        data=data,
        capabilities=_capabilities(capabilities),
        compression=compression.value,
        settings=tuple(
            Setting(key=key.name, value=one.shown, origin=one.origins or one.origin)
            for key, one in ((key, came_to[key]) for key in keys.TABLE)
        ),
        notes=tuple(notes),
    )


def user_config_path(env: Mapping[str, str]) -> Path:
    """The file of the person who builds. XDG Base Directory Specification: a relative directory counts for nothing."""
    named = Path(env.get("XDG_CONFIG_HOME") or "")
    home = Path(env["HOME"]) if env.get("HOME") else Path.home()
    return (named if named.is_absolute() else home / ".config") / "krust" / "config.toml"


def with_default_binaries(project: Project) -> Project:
    """`project`, with each package's `bin` in the place of cargo's default-run."""
    packages = [
        replace(package, default_run=name) if (name := default_binary(package)) else package
        for package in project.packages
    ]
    return replace(project, packages=tuple(packages))


# --------------------------------------------------------------------------------------------------- where it is pushed


class _Where(NamedTuple):
    """What the image is called. `image` is the repository that all of it comes to."""

    name: Value[str]
    repo: Value[str | None]
    image: Value[Reference | None]
    tags: Value[tuple[str, ...]]


def _where(found: Found, target: BinaryTarget) -> _Where:
    """By `image`, unless `repo` or `name` stands in a place that wins over its own."""
    image, repo, name = found.optional(keys.IMAGE), found.optional(keys.REPO), found.optional(keys.NAME)
    tags = found.texts(keys.TAGS)
    if image.value is not None and image.rank >= max(repo.rank, name.rank):
        return _Where(
            name=Value(value=(own := image.value.repository.rpartition("/")[2]), shown=own, origin=image.origin),
            repo=Value(value=None, shown=None),
            image=replace(image, value=replace(image.value, tag=None)),
            tags=_distinct(_with_tag(tags, image.value.tag, image)),
        )
    called = cast(Value[str], name) if name.value is not None else _default_name(target)
    pushed: Value[Reference | None] = Value(value=None, shown=None)
    if repo.value is not None:
        reference = placed(Reference.parse, f"{repo.value}/{called.value}", repo.origin)
        stronger = max(repo.origin, called.origin, key=lambda origin: origin.rank)
        pushed = Value(value=reference, shown=str(reference), origin=stronger)
    return _Where(name=called, repo=repo, image=pushed, tags=_distinct(tags))


def _with_tag(tags: Value[tuple[str, ...]], tag: str | None, image: Value[Any]) -> Value[tuple[str, ...]]:
    """`tags` and the one that `image` has, which is said where `image` is."""
    if tag is None or tags.rank > image.rank:
        return tags
    together = (tag, *tags.value) if tags.rank == image.rank else (tag,)
    return Value(value=together, shown=together, origin=image.origin)


def _distinct(tags: Value[tuple[str, ...]]) -> Value[tuple[str, ...]]:
    if not tags.value:
        raise tags.origin.wrong("tags", "[]", "one tag at least")
    once = tuple(dict.fromkeys(tags.value))
    return replace(tags, value=once, shown=once)


def _default_name(target: BinaryTarget) -> Value[str]:
    name = default_name(target)
    try:
        known = check_repository(name.lower().rstrip("_-"))
    except Malformed:
        fault = f"cannot name an image '{name}' in a registry; choose another name with '--name' or the key 'name'"
        raise SettingError(fault) from None
    return Value(value=known, shown=known)


# ------------------------------------------------------------------------------------------------------ what is in it


def _program(target: BinaryTarget) -> str:
    return f"{FOLDER}/{target.name}"


def _platforms(asked: Value[tuple[str, ...]]) -> tuple[Platform, ...] | Literal["all"]:
    if values.ALL in asked.value:
        if len(asked.value) > 1:
            raise asked.origin.wrong("platforms", ", ".join(asked.value), "'all' alone, or each platform by its name")
        return "all"
    from krust.cargo.targets import host_platform

    texts = asked.value or (values.LOCAL,)
    each = (host_platform() if text == values.LOCAL else Platform.parse(text) for text in texts)
    return tuple(dict.fromkeys(each))


def _bin(found: Found, target: BinaryTarget) -> Value[str]:
    """The one that is built, with who chose it if that was the key `bin`."""
    said = last(found.layers, keys.BIN.name)
    chose = said is not None and said.raw == target.name
    return Value(value=target.name, shown=target.name, origin=said.origin if said and chose else DEFAULT)


def _entrypoint(found: Found, target: BinaryTarget) -> Value[tuple[str, ...]]:
    said = found.texts(keys.ENTRYPOINT)
    if said.rank is Rank.DEFAULT:
        own = (_program(target),)
        return Value(value=own, shown=own)
    if not said.value or not said.value[0]:
        raise said.origin.wrong("entrypoint", str([*said.value]), "at least the program")
    return said


def _env(found: Found, data: Path | None) -> Value[Mapping[str, str]]:
    said, cleared = by_name(found.layers, keys.ENV.name)
    origin = Origin(rank=Rank.DEFAULT, name=f"{DATA}/", literal=True)
    own: Named = {DATA_PATH: (f"/{DATA}", origin)} if data is not None and cleared is None else {}
    return found.table(keys.ENV, own | said)


def _identity(
    found: Found, target: BinaryTarget, git: Git, notes: list[str]
) -> tuple[Value[Mapping[str, str]], Value[Mapping[str, str]]]:
    """labels and annotations. What `labels` says of one of identity's names is said of both."""

    def revision() -> str | None:
        try:
            return git.revision(target.package.manifest_path)
        except SettingError as error:
            notes.append(f"{error}; so no label says which commit this is")
            return None

    said, cleared = by_name(found.layers, keys.LABELS.name)
    labels = said if cleared else identity(target, revision, without=said) | said
    said, cleared = by_name(found.layers, keys.ANNOTATIONS.name)
    shared = {} if cleared else {name: text for name, text in labels.items() if name.startswith(PREFIX)}
    return found.table(keys.LABELS, labels), found.table(keys.ANNOTATIONS, shared | said)


def _capabilities(asked: Value[tuple[str, ...]]) -> bytes | None:
    if not asked.value:
        return None
    from plumbing.layer.capability import parse_capabilities

    return placed(parse_capabilities, " ".join(asked.value), asked.origin)


def _data(target: BinaryTarget) -> Path | None:
    """The package's krustdata; None where there is none, or nothing in it: git knows of no empty directory."""
    path = target.package.directory / DATA
    if not os.path.lexists(path):
        return None
    try:
        return path if any(path.iterdir()) else None
    except OSError:
        return path  # no directory, or one that cannot be read: krust.image.files says so
