"""Toolchain: the cargo and rustc that a person has chosen, and what rustc says of itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from krust.cargo import answers
from krust.cargo.answers import Answers
from krust.cargo.process import outputs
from krust.errors import CargoError, ToolchainError

_HOW = "install Rust (https://rustup.rs), or set CARGO and RUSTC"
_LINE = re.compile(r"^(release|commit-hash|host): (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolchain:
    """`cargo` and `rustc` are run as they were found: rustup's proxies stay proxies.

    version  the line that `rustc --version` prints, which tells compilers apart
    release  the number in it
    commit   of Rust's repository; None for a compiler that does not know
    """

    cargo: Path
    rustc: Path
    version: str
    release: str
    commit: str | None
    host: str
    sysroot: Path

    @property
    def source(self) -> Path:
        """Where the source of the standard library is, if it is installed."""
        return self.sysroot / "lib/rustlib/src/rust"

    def libraries(self, triple: str) -> Path:
        """The folder of the standard library of `triple`, if it is installed."""
        return self.sysroot / "lib/rustlib" / triple / "lib"

    def has(self, triple: str) -> bool:
        return any(self.libraries(triple).glob("libstd-*.rlib"))

    def anywhere(self) -> dict[str, str]:
        """Variables that make `cargo` and `rustc` these ones in any directory, also where they are rustup's proxies."""
        return {"CARGO": str(self.cargo), "RUSTC": str(self.rustc), "RUSTUP_TOOLCHAIN": str(self.sysroot)}

    def __str__(self) -> str:
        return f"rustc {self.release} in {self.sysroot}"


def find(directory: Path, *, env: Mapping[str, str], cache: Path | None = None) -> Toolchain:
    """The toolchain that counts in `directory`: CARGO and RUSTC of `env`, else those on its PATH.

    cache   krust's own, where the answers of rustup's rustc are kept; without it rustc is asked each time
    raises  ToolchainError where there is none, or none that works; rustc has said why on stderr then
    """
    if not directory.is_dir():
        raise ToolchainError(f"cannot run cargo in '{directory}': no such directory")
    cargo, rustc = _tool("cargo", env), _tool("rustc", env)
    kept = answers.place(rustc, directory, env, cache) if cache else None
    if not (kept and (told := answers.read(kept))):
        told = _ask(rustc, directory, env)
        if kept:
            answers.write(kept, told)
    facts = dict(_LINE.findall(told.version))
    if not (told.sysroot and "release" in facts and "host" in facts):
        raise ToolchainError(_failure(rustc))
    return Toolchain(
        cargo=cargo,
        rustc=rustc,
        version=told.version.partition("\n")[0],
        release=facts["release"],
        commit=facts.get("commit-hash") if facts.get("commit-hash") != "unknown" else None,
        host=facts["host"],
        sysroot=Path(told.sysroot),
    )


def _ask(rustc: Path, directory: Path, env: Mapping[str, str]) -> Answers:
    questions = [(rustc, "-vV"), (rustc, "--print=sysroot")]
    env = {**env, "RUST_BACKTRACE": "0"}  # a toolchain that is not installed is no fault of rustup's
    # Two of rustup's would both write its settings where there are none yet, and one read what is half written.
    rounds = [[each] for each in questions] if answers.is_rustups(rustc) else [questions]
    try:
        version, sysroot = (
            said for each in rounds for said in outputs(*each, cwd=directory, env=env, failure=_failure(rustc))
        )
    except CargoError as error:
        raise ToolchainError(str(error)) from error
    return Answers(version=version, sysroot=sysroot.strip())


def _failure(rustc: Path) -> str:
    fault = f"cannot use '{rustc}': it does not tell its version"
    if answers.is_rustups(rustc):
        return f"{fault}, and rustup has said why above; 'rustup toolchain install' gets the toolchain that is meant"
    return f"{fault}; {_HOW}"


def _tool(name: str, env: Mapping[str, str]) -> Path:
    variable = name.upper()
    chosen = env.get(variable)
    if found := shutil.which(chosen or name, path=env.get("PATH", "")):
        return Path(found).absolute()
    if chosen:
        raise ToolchainError(f"cannot find '{chosen}', which {variable} names; correct it or unset it")
    raise ToolchainError(f"cannot find '{name}' on PATH; {_HOW}")
