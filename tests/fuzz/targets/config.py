"""krust/config, and .krustignore: what is said of an image."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from krust.cargo.git import Git
from krust.cargo.metadata import BinaryTarget, Executable, Package, Project
from krust.config import keys, layers, values
from krust.config.placeholders import Facts, expand
from krust.config.resolve import ImageSettings, resolve
from krust.errors import SettingError
from krust.image import files
from plumbing.errors import PlumbingError
from plumbing.oci.reference import Reference
from tests.fuzz.target import check_message, folder, malformed, target, text, tried

_TABLE = tuple(key.example.partition("=")[2].strip() for key in keys.TABLE)
_KEYS = {key.name: key for key in keys.TABLE}
_NAMES = tuple(key.name for key in keys.TABLE)


@target(*_TABLE, "linux/amd64", "all", "SIGTERM", "8080/tcp", "1000:1000", "0644", "cap_net_raw", "gzip", "ghcr.io/me")
def value(data: bytes) -> None:
    """Each kind of value: what is taken is taken again as krust writes it."""
    said = text(data)
    for key in keys.TABLE:
        found = malformed(key.parse, said)
        if isinstance(found, str | Reference):
            assert key.parse(str(found)) == found, f"{key.name} is another the second time"
        malformed(key.check, said)
    for parse in (values.mode, values.owner, values.absolute):
        malformed(parse, said)


@target("{version}", "{git.commit}", "{env.NAME}", "{{", "}}", "{", "}", "{env.}")
def placeholder(data: bytes) -> None:
    said = text(data)
    facts = Facts(version="1.2.3", git=Git(Path("/none"), {"PATH": ""}), env={"NAME": "{version}"})
    if "{git." not in said:  # git is not run for each
        found = tried(SettingError, expand, said, facts, "in 'KRUST_TAGS'")
        assert found == _expanded(said), "one by one they are something else"


def _expanded(said: str) -> str | None:
    """From the left, a character at a time."""
    made, at = "", 0
    while at < len(said):
        if said[at : at + 2] in ("{{", "}}"):
            made, at = made + said[at], at + 2
        elif said[at] == "{":
            end = said.find("}", at)
            name = said[at + 1 : end]
            known = {"version": "1.2.3", "env.NAME": "{version}"}.get(name)
            if end < 0 or "{" in name or known is None:
                return None
            made, at = made + known, end + 1
        elif said[at] == "}":
            return None
        else:
            made, at = made + said[at], at + 1
    return made


@target(
    *(key.example for key in keys.TABLE),
    "[",
    "]",
    "'''",
    '"""',
    "\\u0000",
    "=",
    "{",
    "}",
    ".",
    "#",
    "\n",
    longest=1 << 13,
)
def person(data: bytes) -> None:
    """The TOML of the person who builds. What is longer is not theirs to read quickly: tomllib is quadratic in keys."""
    with folder() as place:
        path = place / "config.toml"
        path.write_bytes(data)
        layer = tried(SettingError, layers.person, path)
        assert layer is None or set(layer) <= set(_NAMES)


@target(
    *(f'"{name}":' for name in _NAMES),
    *_TABLE,
    '"bins":{"a":{',
    '"latest"',
    "null",
    "[]",
    "{}",
    "false",
    "{version}",
    "8080",
)
def settings(data: bytes) -> None:
    """[package.metadata.krust] and [workspace.metadata.krust], as cargo tells of them, and what they come to."""
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        return
    package = Package(
        id="a",
        name="a",
        version="1.2.3",
        manifest_path=Path("/none/a/Cargo.toml"),
        executables=(Executable(kind="bin", name="a"), Executable(kind="bin", name="b")),
        metadata={"krust": said},
    )
    for metadata in ({}, {"krust": said}):
        project = Project(
            directory=Path("/none"),
            root=Path("/none"),
            target_directory=Path("/none/target"),
            packages=(package,),
            default_members=("a",),
            metadata=metadata,
        )
        found = tried(SettingError, _resolve, project, BinaryTarget(package=package, kind="bin", name="a"), {}, {})
        if found is not None:
            _check(found)


@target(*_TABLE, "{version}", "{env.KRUST_TAGS}", ",", "\n", "linux/amd64", "all", "registry.example/app:v1")
def environment(data: bytes) -> None:
    """KRUST_… variables, in lines, in the order of the keys; and the same as flags."""
    given = {key.name: line for key, line in zip(keys.TABLE, text(data).split("\n"), strict=False)}
    variables = {key.variable: given[key.name] for key in keys.TABLE if key.variable and key.name in given}
    package = Package(id="a", name="a", version="1.2.3", manifest_path=Path("/none/a/Cargo.toml"))
    project = Project(
        directory=Path("/none"),
        root=Path("/none"),
        target_directory=Path("/none/target"),
        packages=(package,),
        default_members=("a",),
    )
    wanted = BinaryTarget(package=package, kind="bin", name="a")
    said = {name: line for name, line in given.items() if _KEYS[name].form == "text" or _KEYS[name].one}
    for flags, env in (({}, variables), (said, {})):
        found = tried(SettingError, _resolve, project, wanted, flags, env)
        if found is not None:
            _check(found)


def _resolve(
    project: Project, wanted: BinaryTarget, flags: Mapping[str, object], env: Mapping[str, str]
) -> ImageSettings:
    env = {"PATH": "", **env}
    layers.default_binary(wanted.package)
    return resolve(project, wanted, flags=flags, env=env, user_config=Path("/none/config"), git=Git(Path("/none"), env))


def _check(found: ImageSettings) -> None:
    assert re.fullmatch(r"[a-z0-9._/-]+", found.name)
    assert found.tags
    assert all("\0" not in each for each in (*(found.execution.args or ()), *(found.execution.env or {}).values()))
    assert all(each.dest.startswith("/") for each in found.files)
    assert [setting.key for setting in found.settings] == list(_NAMES)


@target("*", "**/", "!", "/", "\\", "[a-z]", "[!", "?", "#", "\n", " ", "src/", "*.rs")
def ignore(data: bytes) -> None:
    """.krustignore: what says nothing leaves nothing out, and each path is told on its own."""
    with folder() as place:
        (place / files.IGNORE).write_bytes(data)
        try:
            patterns = files._patterns(place)
        except PlumbingError as error:
            check_message(error)
            return
        for path in ("a", "src/main.rs", "b c/d/e.txt", "é/[x"):
            for is_dir in (False, True):
                assert patterns[0].verdict(place / PurePosixPath(path), is_dir=is_dir) in (True, False, None)
