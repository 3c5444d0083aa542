"""The Rust side: what to build, with which compiler and linker, and what came out of it.

    toolchain   cargo, rustc and their sysroot            std      the standard library of a target
    metadata    what a project has, and what was meant    zig      the linker and C compiler, as an environment
    rustflags   the user's own, and krust's after them    process  a child that ends when krust ends
    compile     one cargo call: binaries out              elf      what a binary is, from its first bytes
    answers     what rustc says of itself, kept           messages what cargo says that it made
    targets     platform to target triple                 remap    this machine's paths, out of programs
    linked      whose shared library a program needs      processors  names that rustc knows

`compile.build` is what a command calls, with what `toolchain.find`, `metadata.load` and `metadata.choose` gave it. No
module here reads the environment: it comes in as a mapping. This is the one room of krust where subprocess is used
freely.
"""
