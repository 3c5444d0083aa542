"""Config: what an image runs, and the layers that it is made of. image-spec 1.1, config.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from plumbing.errors import Malformed
from plumbing.oci import document, mediatype
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.document import Fields
from plumbing.oci.platform import Platform

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""What programs are looked for in, where no base says otherwise: docker's default."""

_IDENTITY = "org.opencontainers.image."
_PLATFORM = ("architecture", "os", "os.version", "os.features", "variant")
_ORDER = ("created", "author", *_PLATFORM, "config", "rootfs", "history")
_EXECUTION = ("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal")
LAST_SECOND = 253402300799  # 9999-12-31T23:59:59Z: RFC 3339 has four digits for the year


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """How to run: the fields of a config's `config`. None, or empty, keeps what the base has.

    env, labels   added to those of the base, replacing the ones of the same name
    ports         such as "8080/tcp"
    entrypoint    replaces the base's, and clears its Cmd
    args          Cmd
    """

    user: str | None = None
    workdir: str | None = None
    entrypoint: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: Mapping[str, str] | None = None
    labels: Mapping[str, str] | None = None
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A view of `raw`, whose bytes are its identity."""

    raw: bytes
    platform: Platform
    diff_ids: tuple[Digest, ...]
    value: Mapping[str, Any]

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Raises Malformed. `null` counts as absent, as everywhere."""
        fields = Fields(document.load(raw, "config"), "config")
        rootfs = fields.object("rootfs")
        if rootfs.text("type") != "layers":
            rootfs.wrong("type", "'layers'")
        for name in ("manifests", "layers"):
            if fields.has(name):
                fields.wrong(name, "no such field in a config")
        if fields.has("config"):
            execution = fields.object("config")
            execution.texts("Env")
            execution.text_map("Labels")
            for name in ("ExposedPorts", "Volumes"):
                if execution.has(name):
                    execution.object(name)
        for _ in fields.objects("history"):
            pass  # each is an object
        return cls(
            raw=raw,
            platform=Platform.from_json(Fields({k: fields.value[k] for k in _PLATFORM if fields.has(k)}, "config")),
            diff_ids=rootfs.digests("diff_ids"),
            value=fields.value,
        )

    @classmethod
    def of(
        cls,
        platform: Platform,
        diff_ids: Sequence[Digest],
        *,
        base: Config | None = None,
        execution: Execution | None = None,
        created: int = 0,
        created_by: str = "krust",
    ) -> Self:
        """A new config: `base`, its unknown fields too, with `diff_ids` on top. The same arguments give the same bytes.

        created     seconds since 1970-01-01 UTC, also of the history that is appended, an entry for each diff ID
        raises      Malformed for a `created` that RFC 3339 cannot write
        """
        if not 0 <= created <= LAST_SECOND:
            raise Malformed("time of creation", created, expected=f"seconds from 0 to {LAST_SECOND}")
        moment = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        value = {key: item for key, item in (base.value if base else {}).items() if item is not None}
        if base is None or str(base.platform) != str(platform):
            for key in _PLATFORM:
                value.pop(key, None)
            value.update(platform.to_json())
        value["created"] = moment
        value["config"] = _execution(value.get("config") or {}, execution or Execution())
        base_ids = base.diff_ids if base else ()
        value["rootfs"] = {
            **value.get("rootfs", {}),
            "type": "layers",
            "diff_ids": [str(diff_id) for diff_id in (*base_ids, *diff_ids)],
        }
        value["history"] = [
            *_history(value.get("history") or [], len(base_ids)),
            *({"created": moment, "created_by": created_by} for _ in diff_ids),
        ]
        return cls.parse(document.dump(_ordered(value, _ORDER)))

    @property
    def descriptor(self) -> Descriptor:
        return Descriptor.of(self.raw, mediatype.CONFIG)


def _history(entries: Sequence[Mapping[str, Any]], layers: int) -> list[Mapping[str, Any]]:
    """`entries`, with one for each of `layers` that has none: readers match the entries with layers by their order."""
    told = sum(not entry.get("empty_layer") for entry in entries)
    return [*entries, *({"comment": "not told by the base"} for _ in range(layers - told))]


def _execution(base: Mapping[str, Any], new: Execution) -> dict[str, Any]:
    value = {key: item for key, item in base.items() if item is not None}
    if new.user is not None:
        value["User"] = new.user
    if new.ports:
        value["ExposedPorts"] = _names(value.get("ExposedPorts"), new.ports)
    value["Env"] = _environment(value.get("Env") or (), new.env or {})
    if new.entrypoint is not None:
        value["Entrypoint"] = list(new.entrypoint)
        value.pop("Cmd", None)  # the base's arguments are for the base's program
        value.pop("ArgsEscaped", None)
    if new.args is not None:
        value["Cmd"] = list(new.args)
    if new.volumes:
        value["Volumes"] = _names(value.get("Volumes"), new.volumes)
    if new.workdir is not None:
        value["WorkingDir"] = new.workdir
    # what says which image this is was said of the base
    labels = {key: text for key, text in (value.pop("Labels", None) or {}).items() if not key.startswith(_IDENTITY)}
    labels.update(new.labels or {})
    if labels:
        value["Labels"] = dict(sorted(labels.items()))
    if new.stop_signal is not None:
        value["StopSignal"] = new.stop_signal
    return _ordered(value, _EXECUTION)


def _ordered(value: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """`value` with the keys of the specification first, in its order, and then all others."""
    return {**{key: value[key] for key in order if key in value}, **value}


def _names(base: Mapping[str, Any] | None, new: Sequence[str]) -> dict[str, Any]:
    """A set, as Go writes it: names to empty objects."""
    return {name: {} for name in sorted({*(base or {}), *new})}


def _environment(base: Sequence[str], new: Mapping[str, str]) -> list[str]:
    """NAME=value, each name once where it first stood; PATH is there in any case."""
    variables = dict(item.partition("=")[::2] for item in base)
    variables.setdefault("PATH", PATH)
    variables.update(new)
    return [f"{name}={text}" for name, text in variables.items()]
