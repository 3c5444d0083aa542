"""krust/cargo: what cargo, rustc and a linker left behind."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from krust.cargo import answers, cfg, elf, metadata, rustflags
from krust.cargo.messages import Artifact, is_message
from krust.cargo.targets import TARGETS
from krust.cargo.toolchain import Toolchain
from krust.errors import CargoError, SettingError
from plumbing.errors import PlumbingError
from tests.fuzz.target import folder, malformed, target, text, tried

_MESSAGE = '{"reason":"compiler-artifact","package_id":"a 0.1.0","target":{"name":"a","kind":["bin"]},"filenames":[],'


@target(_MESSAGE, '"executable":"/a"}', '"executable":null}', '"filenames":["/a"]', "null", "[]", "{}", "\\ud800")
def message(data: bytes) -> None:
    line = data.decode(errors="replace")
    is_message(line)
    found = tried(CargoError, Artifact.parse, line)
    if found is not None:
        said = json.loads(line)
        assert said["reason"] == "compiler-artifact"
        assert found.name == said["target"]["name"]
        assert (found.executable is None) == (said.get("executable") is None)


@target(b"\x7fELF\x02\x01\x01", b"\x7fELF\x01\x02\x01", b"\x38\x00\x01\x00", b"/lib/ld", usual=2048)
def executable(data: bytes) -> None:
    found = malformed(elf.parse, io.BytesIO(data))
    if found is not None:
        assert data[:4] == b"\x7fELF"
        assert found.bits == 32 * data[4]
        assert found.machine == int.from_bytes(data[18:20], found.order)
        assert len(found.interpreter or "") <= 4096
        assert len(found.needed) <= len(data)
        assert found.static == (not found.interpreter and not found.needed) or found.interpreter == ""


@target(b"\x7fELF\x02\x01\x01", b"\x40\x00\x03\x00\x02\x00", b".text\0", b".shstrtab\0", usual=2048)
def sections(data: bytes) -> None:
    for each in malformed(elf.sections, io.BytesIO(data)) or ():
        assert len(each.name) <= 512
        assert each.offset >= 0
        assert each.size >= 0


_FACTS = frozenset({"unix", 'target_os="linux"', 'target_feature="crt-static"', "true"})


@target("cfg(", "all(", "any(", "not(", ")", "true", "false", "unix", 'target_os = "linux"', ",", "r#", "=")
def cfg_expression(data: bytes) -> None:
    expression = text(data)
    value = malformed(cfg.holds, expression, _FACTS)
    if value is not None and expression.strip().startswith("cfg") and expression.count("(") < 16:
        inner = expression.strip()[len("cfg") :]
        assert cfg.holds(f"cfg(not{inner})", _FACTS) != value
        assert cfg.holds(f"cfg(any(all{inner}, all{inner}))", _FACTS) == value


_TOOLS = Toolchain(
    cargo=Path("/none/cargo"),
    rustc=Path("/none/rustc"),
    version="rustc 1.90.0",
    release="1.90.0",
    commit=None,
    host="x86_64-unknown-linux-gnu",
    sysroot=Path("/none"),
)


@target(
    '{"target":{"x86_64-unknown-linux-musl":{"rustflags":["-C","a"]}}}',
    '"build":{"rustflags":"-C a"}',
    '"cfg(unix)":',
    "null",
    "[]",
    "{}",
    "1",
)
def configuration(data: bytes) -> None:
    """What `cargo config get --format=json` says of .cargo/config.toml."""
    try:
        config = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(config, dict) or "cfg(" in str(config):  # for which rustc is asked
        return
    found = tried(PlumbingError, rustflags._of_target, _TOOLS, TARGETS[0], Path("/app"), {}, config)
    if found is not None:
        assert set(found.carried) <= set(found.flags)
        tried(SettingError, rustflags.argument, TARGETS[0], found, ["-Cx=y"])


@target(
    '{"packages":[{"id":"a","name":"a","version":"0.1.0","manifest_path":"/a/Cargo.toml","targets":[',
    '{"kind":["bin"],"crate_types":["bin"],"name":"a"}',
    '],"metadata":{"krust":{}}}],',
    '"workspace_members":["a"],"workspace_root":"/a","target_directory":"/a/target","metadata":null}',
    "null",
    "[]",
    "{}",
)
def project(data: bytes) -> None:
    found = tried(CargoError, metadata.parse, data, Path("/a"))
    if found is None:
        return
    said = json.loads(data)
    assert [each.name for each in found.packages] == [each["name"] for each in said.get("packages") or []]
    bins = {(each.name, one.name) for each in found.packages for one in each.executables}
    assert all(_has(said, *each) for each in bins)


def _has(said: dict[str, Any], package: str, executable: str) -> bool:
    return any(
        each["name"] == package and any(one.get("name") == executable for one in each["targets"])
        for each in said["packages"]
    )


@target('{"version":"rustc","sysroot":"/s","state":[]}', "[", "null", '"state":')
def kept_answers(data: bytes) -> None:
    with folder() as path:
        (path / "kept.json").write_bytes(data)
        assert answers.read(path / "kept.json") is None, "nobody has written such a state"
