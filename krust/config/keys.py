"""Keys: the one table of settings. docs/configuration.md is written from it, and `krust config` lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from krust.config import values
from krust.config.origin import Rank
from plumbing.oci.reference import check_repository, check_tag

T = TypeVar("T")

Form = Literal["text", "list", "map", "files"]

_ONE = frozenset({Rank.PACKAGE, Rank.BINARY})  # what differs from image to image
_SHARED = frozenset({Rank.WORKSPACE, *_ONE})
_CARGO = frozenset({Rank.WORKSPACE, Rank.PACKAGE})  # one cargo invocation has one of it
_VARIABLE = frozenset({Rank.ENVIRONMENT})
_EVERYWHERE = _SHARED | _VARIABLE | {Rank.PERSON}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Generic[T]):
    """One setting.

    form       how it is written: a text, a list of texts, a table of texts by name, or `files`
    parse      one text, after its placeholders, to its value; raises Malformed
    places     where it may stand, beside flags
    example    a line or more of TOML
    default    in words
    fallback   the default as a text, where it is one
    flag       what sets it on the command line
    older      a name that it had before, which still counts
    one        a list may be written as one text
    numbers    an integer is taken for its text
    check      of the names in a table; returns the name as it is known
    program    it is said of the package's own binaries, not of its examples
    """

    name: str
    form: Form
    parse: Callable[[str], T]
    places: frozenset[Rank]
    meaning: str
    example: str
    default: str
    fallback: str | None = None
    flag: str = ""
    older: str | None = None
    one: bool = False
    numbers: bool = False
    check: Callable[[str], str] = values.word
    program: bool = False

    @property
    def variable(self) -> str | None:
        """The environment variable that sets it."""
        return f"KRUST_{self.name.upper().replace('-', '_')}" if Rank.ENVIRONMENT in self.places else None


NAME = Key(
    name="name",
    form="text",
    parse=check_repository,
    places=_ONE,
    meaning="What the image is called: in the store, and in its registry after `repo`.",
    example='name = "hello"',
    default="the package's name; the binary's, where the package has several, and the example's",
    flag="--name",
    program=True,
)
REPO = Key(
    name="repo",
    form="text",
    parse=values.repo,
    places=_EVERYWHERE,
    meaning="The registry that images are pushed to, and what comes before their names there.",
    example='repo = "ghcr.io/me"',
    default="none: `krust build` says that it needs one, unless it pushes nothing",
    flag="--repo",
)
IMAGE = Key(
    name="image",
    form="text",
    parse=values.image,
    places=_ONE | _VARIABLE,
    meaning="All of where the image is pushed, in the place of `repo` and `name`. Its tag, if it has one, is one of "
    "`tags`. It counts unless `repo` or `name` stands in a place that wins over its own.",
    example='image = "ghcr.io/me/hello:{version}"',
    default="`repo` and `name`",
    flag="--image",
    program=True,
)
TAGS = Key(
    name="tags",
    form="list",
    parse=check_tag,
    places=_SHARED | _VARIABLE,
    meaning="What the image is tagged with, in the store and in its registry.",
    example='tags = ["{version}", "latest"]',
    default='`["latest"]`',
    fallback="latest",
    flag="--tag",
    one=True,
)
BASE = Key(
    name="base",
    form="text",
    parse=values.base,
    places=_EVERYWHERE,
    meaning="What the image is built on: `static`, `scratch`, or any image. See [base images](base-images.md).",
    example='base = "gcr.io/distroless/static-debian12:nonroot"',
    default="`static`",
    fallback="static",
    flag="--base",
    older="base-image",
)
PLATFORMS = Key(
    name="platforms",
    form="list",
    parse=values.platform,
    places=_EVERYWHERE,
    meaning="What it is built for. `all` alone: each platform of the base; `local`: this machine's architecture.",
    example='platforms = ["linux/amd64", "linux/arm64"]',
    default='`["local"]`',
    fallback=values.LOCAL,
    flag="--platform",
    one=True,
)
BIN = Key(
    name="bin",
    form="text",
    parse=values.word,
    places=frozenset({Rank.PACKAGE}),
    meaning="Which of the package's binaries is built where none is named. It wins over cargo's `default-run`.",
    example='bin = "server"',
    default="as `cargo run` chooses",
    flag="--bin",
)
FEATURES = Key(
    name="features",
    form="list",
    parse=values.feature,
    places=frozenset({Rank.PACKAGE}) | _VARIABLE,
    meaning="Features that cargo builds the package with, beside its default ones.",
    example='features = ["tls"]',
    default="`[]`",
    flag="--features",
    one=True,
)
PROFILE = Key(
    name="profile",
    form="text",
    parse=values.profile,
    places=_CARGO | _VARIABLE,
    meaning="The profile that cargo builds with.",
    example='profile = "dist"',
    default="`release`",
    fallback="release",
    flag="--profile",
)
ENV = Key(
    name="env",
    form="map",
    parse=values.text,
    places=_SHARED,
    meaning="The program's environment variables, added to those of the base.",
    example='env = { RUST_LOG = "info", APP_VERSION = "{version}" }',
    default="`KRUST_DATA_PATH`, where there is a `krustdata`",
    flag="--env",
    check=values.variable,
)
ARGS = Key(
    name="args",
    form="list",
    parse=values.text,
    places=_ONE,
    meaning="The program's arguments, where whoever runs the image gives none.",
    example='args = ["--listen", "0.0.0.0:8080"]',
    default="none",
    flag="--arg",
    program=True,
)
ENTRYPOINT = Key(
    name="entrypoint",
    form="list",
    parse=values.text,
    places=_ONE,
    meaning="What is run, instead of the binary alone.",
    example='entrypoint = ["/sbin/tini", "--", "/app/hello"]',
    default='`["/app/<binary>"]`',
    flag="--entrypoint",
    program=True,
)
USER = Key(
    name="user",
    form="text",
    parse=values.user,
    places=_SHARED,
    meaning="Who runs it: `user[:group]`, numbers or names of the image's `/etc/passwd`.",
    example='user = "1000:1000"',
    default="the base's; `65532:65532` for `static`",
    flag="--user",
    numbers=True,
)
WORKDIR = Key(
    name="workdir",
    form="text",
    parse=values.absolute,
    places=_SHARED,
    meaning="Where it starts.",
    example='workdir = "/var/lib/hello"',
    default="the base's; `/` for `static`",
    flag="--workdir",
)
PORTS = Key(
    name="ports",
    form="list",
    parse=values.port,
    places=_SHARED,
    meaning="Ports that it listens on: a number, with `/udp` or `/sctp` if it is not TCP. They only tell.",
    example='ports = [8080, "5353/udp"]',
    default="those of the base",
    flag="--port",
    one=True,
    numbers=True,
)
VOLUMES = Key(
    name="volumes",
    form="list",
    parse=values.absolute,
    places=_SHARED,
    meaning="Directories whose data should outlast a container.",
    example='volumes = ["/var/lib/hello"]',
    default="those of the base",
    flag="--volume",
    one=True,
)
STOP_SIGNAL = Key(
    name="stop-signal",
    form="text",
    parse=values.stop_signal,
    places=_SHARED,
    meaning="The signal that asks it to end.",
    example='stop-signal = "SIGINT"',
    default="the base's, else SIGTERM",
    flag="--stop-signal",
    numbers=True,
)
LABELS = Key(
    name="labels",
    form="map",
    parse=values.text,
    places=_SHARED,
    meaning="Labels of the image's config. The defaults are [below](#labels-and-annotations).",
    example='labels = { "com.example.team" = "payments", "org.opencontainers.image.revision" = false }',
    default="what Cargo.toml and git say",
    flag="--label",
)
ANNOTATIONS = Key(
    name="annotations",
    form="map",
    parse=values.text,
    places=_SHARED,
    meaning="Annotations of the image's manifest, and of its index.",
    example='annotations = { "org.opencontainers.image.vendor" = "Example" }',
    default="the labels whose names begin with `org.opencontainers.image.`",
    flag="--annotation",
)
FILES = Key(
    name="files",
    form="files",
    parse=values.text,
    places=_SHARED,
    meaning="Files and directories that the image has beside the binary. See [below](#files-and-krustdata).",
    example='files = [{ src = "config/app.toml", dest = "/etc/hello/", mode = "0644", user = "65532:65532" }]',
    default="none, beside `krustdata`",
)
CAPABILITIES = Key(
    name="capabilities",
    form="list",
    parse=values.capability,
    places=_ONE,
    meaning="Capabilities of the binary, as setcap(8) takes them. A name alone means `=ep`: permitted and effective.",
    example='capabilities = ["cap_net_bind_service"]',
    default="none",
    one=True,
)
COMPRESSION = Key(
    name="compression",
    form="text",
    parse=values.compression,
    places=_SHARED | _VARIABLE,
    meaning="How layers are compressed: `gzip`, `zstd` or `none`.",
    example='compression = "zstd"',
    default="`gzip`",
    fallback="gzip",
    flag="--compression",
)
TARGET_CPU = Key(
    name="target-cpu",
    form="map",
    parse=values.word,
    places=_CARGO,
    meaning="The oldest processor that it has to run on, by platform; a name of `rustc --print target-cpus`.",
    example='target-cpu = { "linux/amd64" = "x86-64-v3", "linux/arm64" = "neoverse-n1" }',
    default="any processor of the platform",
    check=lambda name: str(values.named_platform(name)),
)

TABLE: tuple[Key[Any], ...] = (
    NAME,
    REPO,
    IMAGE,
    TAGS,
    BASE,
    PLATFORMS,
    BIN,
    FEATURES,
    PROFILE,
    TARGET_CPU,
    ENV,
    ARGS,
    ENTRYPOINT,
    USER,
    WORKDIR,
    PORTS,
    VOLUMES,
    STOP_SIGNAL,
    LABELS,
    ANNOTATIONS,
    FILES,
    CAPABILITIES,
    COMPRESSION,
)
"""All of them, in the order in which they are listed."""

BINS = "bins"
"""The table of a package with a table for each of its binaries."""
