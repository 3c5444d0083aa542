"""Target: what rustc calls a platform, and what its executables look like. All of them Linux with musl."""

from __future__ import annotations

import platform as machine
from dataclasses import dataclass
from typing import Literal

from krust.errors import SettingError
from plumbing.oci.platform import Platform


@dataclass(frozen=True, slots=True, kw_only=True)
class Abi:
    """`value` is what e_flags are under `mask`. Code of another ABI starts, and then calls with the wrong registers."""

    name: str
    mask: int
    value: int

    def is_of(self, flags: int) -> bool:
        return flags & self.mask == self.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`machine` is e_machine, `bits` EI_CLASS, `order` EI_DATA of the ELF files of `triple`.

    abi  what the bits of e_flags that tell of the ABI have to be, where there are any
    """

    platform: Platform
    triple: str
    machine: int
    bits: Literal[32, 64] = 64
    order: Literal["little", "big"] = "little"
    abi: Abi | None = None

    @property
    def variable(self) -> str:
        """The triple as cargo's variables have it: CARGO_TARGET_<variable>_RUSTFLAGS."""
        return self.triple.upper().replace("-", "_")

    def __str__(self) -> str:
        return self.triple


# e_machine: the generic ABI's registry, "ELF Header"; names as in elf.h.
_386, _PPC64, _S390, _ARM, _X86_64, _AARCH64, _RISCV = 3, 21, 22, 40, 62, 183, 243

# e_flags, as elf.h has them: EF_ARM_ABI_FLOAT_HARD of HARD and SOFT, EF_RISCV_FLOAT_ABI_DOUBLE, EF_PPC64_ABI.
_HARD = Abi(name="hard-float", mask=0x600, value=0x400)
_DOUBLE = Abi(name="double-float", mask=0x6, value=0x4)
_V2 = Abi(name="ELFv2", mask=0x3, value=0x2)

TARGETS = (
    Target(platform=Platform.parse("linux/amd64"), triple="x86_64-unknown-linux-musl", machine=_X86_64),
    Target(platform=Platform.parse("linux/arm64"), triple="aarch64-unknown-linux-musl", machine=_AARCH64),
    Target(
        platform=Platform.parse("linux/arm/v7"),
        triple="armv7-unknown-linux-musleabihf",
        machine=_ARM,
        bits=32,
        abi=_HARD,
    ),
    Target(
        platform=Platform.parse("linux/arm/v6"),
        triple="arm-unknown-linux-musleabihf",
        machine=_ARM,
        bits=32,
        abi=_HARD,
    ),
    Target(platform=Platform.parse("linux/386"), triple="i686-unknown-linux-musl", machine=_386, bits=32),
    Target(platform=Platform.parse("linux/ppc64le"), triple="powerpc64le-unknown-linux-musl", machine=_PPC64, abi=_V2),
    Target(platform=Platform.parse("linux/s390x"), triple="s390x-unknown-linux-musl", machine=_S390, order="big"),
    Target(
        platform=Platform.parse("linux/riscv64"), triple="riscv64gc-unknown-linux-musl", machine=_RISCV, abi=_DOUBLE
    ),
)

# What uname calls the machines above.
_HOSTS = {
    "x86_64": "linux/amd64",
    "amd64": "linux/amd64",
    "aarch64": "linux/arm64",
    "arm64": "linux/arm64",
    "armv7l": "linux/arm/v7",
    "armv8l": "linux/arm/v7",
    "armv6l": "linux/arm/v6",
    "i386": "linux/386",
    "i686": "linux/386",
    "ppc64le": "linux/ppc64le",
    "s390x": "linux/s390x",
    "riscv64": "linux/riscv64",
}


def target_of(platform: Platform) -> Target:
    """The target that runs on `platform`, or SettingError with the platforms that have one."""
    for target in TARGETS:
        if platform.runs(target.platform):
            return target
    known = ", ".join(str(target.platform) for target in TARGETS)
    raise SettingError(f"cannot build for platform '{platform}': krust builds for {known}")


def host_platform(name: str | None = None) -> Platform:
    """Linux on this machine's architecture, or on the one that uname calls `name`; SettingError for one unknown."""
    name = name or machine.machine()
    if known := _HOSTS.get(name.lower()):
        return Platform.parse(known)
    raise SettingError(f"cannot tell the platform of machine '{name}': name one with --platform")
