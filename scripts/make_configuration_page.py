"""Write docs/configuration.md from the table of settings and its neighbours in krust/config/."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from string import Template
from textwrap import fill
from typing import Any

from krust.config import identity, placeholders
from krust.config.keys import TABLE, Key
from krust.config.origin import Rank
from krust.config.values import FIELDS

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

_BEGIN = """\
# Configuration

<!-- Generated from krust/config/ by `make docs`; change it there. -->

Most projects need none. What a project wants to be different stands in its Cargo.toml:

```toml
[package.metadata.krust]
repo = "ghcr.io/me"
ports = [8080]
env = { RUST_LOG = "info" }
```

`krust config` prints every setting, its value, and where it came from:

```sh
krust config examples/hello-krust
```

```text
name  ...  hello-krust  ...  default
...
base  ...  static  ...  default
...
```

## Where settings stand

From the weakest place to the strongest; each wins over those before it.

| place | for |
|---|---|
| the default | |
| `~/.config/krust/config.toml`, or below `XDG_CONFIG_HOME` | you: `repo`, `base` and `platforms`, in no table |
| `[workspace.metadata.krust]` | all packages of a workspace |
| `[package.metadata.krust]` | all images of a package |
| `[package.metadata.krust.bins.NAME]` | the image of the binary NAME, in a package of several |
| `KRUST_…` in the environment | a shell, a job of CI; commas part the texts of a list; an empty one says nothing |
| flags | one command |

A **text**, a **list** and `files` are replaced as a whole by a stronger place. A **table** (`env`, `labels`,
`annotations`, `target-cpu`) is merged by name: each name has the text of the strongest place that has the name. In a
table `false` takes one name away, `labels = { "com.example.team" = false }`, and `labels = false` takes away all that
weaker places say, defaults too.

An unknown key, and a value of another type, is an error wherever it stands. A relative path is relative to the
directory of the Cargo.toml that has it.

An example (`--example`) takes no `name`, `image`, `args` and `entrypoint` from Cargo.toml: they are about the binaries.

## Placeholders

In each text, flags and variables too:

$placeholders

Nothing is run by a shell. A brace that is meant is written twice: `{{` and `}}`. A placeholder that is unknown, or
that cannot be filled in, is an error; so a tag of `{git.tag}` cannot name what is not that release.

## All settings

$table
"""

_BINS = """\
## Several binaries

A package with several binaries has an image for each. What differs stands in a table of the binary's name:

```toml
[package.metadata.krust]
bin = "server"
env = { RUST_LOG = "info" }

[package.metadata.krust.bins.server]
ports = [8080]

[package.metadata.krust.bins.worker]
name = "hello-worker"
args = ["--queue", "default"]
```
"""

_FILES = """\
## Files and krustdata

`files` is a list of tables:

$fields

```toml
[[package.metadata.krust.files]]
src = "config/app.toml"
dest = "/etc/hello/app.toml"
mode = "0640"
user = "65532:65532"

[[package.metadata.krust.files]]
dest = "/var/lib/hello"
mode = "0750"
user = "65532"
```

A directory `krustdata` next to Cargo.toml becomes `/krustdata`, and `KRUST_DATA_PATH=/krustdata` is set, so that a
program finds its data in its image and, with `KRUST_DATA_PATH=krustdata cargo run`, at home.

* All of them are one layer, below the binary's, and the same for all platforms. Without any there is no such layer.
* A symbolic link is replaced by what it leads to. It may lead anywhere in the repository, which is git's, or else the
  workspace; one that leads out of it, nowhere or in a circle is an error.
* Empty directories are left out, because git has none: two checkouts have to give one image. `.git` and `.krust` are
  left out too.
* Who may execute a file may do so in the image; other permissions, owners and times of your disk do not count.

A file `.krustignore`, next to Cargo.toml or in any directory that is taken, says what is left out, by the patterns of
`.gitignore`:

```text
*.psd
/krustdata/drafts/
!logo.psd
```
"""

_LABELS = """\
## Labels and annotations

An image says what it is, in its config (labels) and in its manifest (annotations), by the names of OCI:

| name | from |
|---|---|
$identity

What is not known is left out. What a base says of itself by these names is not inherited.

* A name of this table that `labels` has counts for `annotations` too, unless that has it itself.
* To leave one out: `labels = { "org.opencontainers.image.revision" = false }`. To leave all out: `labels = false`.
* The revision is the only one that changes with each commit, and the digest of the image with it; layers stay the same.
  Without it, or outside of a git repository, an unchanged program has an unchanged digest.
  [Decision 0007](decisions/0007-labels.md) says why it is there.

```toml
[workspace.metadata.krust.labels]
"com.example.team" = "payments"
"org.opencontainers.image.revision" = false
```
"""

_PLACES = {
    Rank.PERSON: "your config.toml",
    Rank.WORKSPACE: "workspace",
    Rank.PACKAGE: "package",
    Rank.BINARY: "binary",
}


def page() -> str:
    begin = Template(_BEGIN).substitute(
        placeholders="\n".join(f"* `{{{name}}}`: {meaning}" for name, meaning in placeholders.KNOWN.items()),
        table="\n".join(_rows()),
    )
    fields = "\n".join(f"* `{name}`: {meaning}" for name, meaning in FIELDS.items())
    texts = "\n".join(f"| `{identity.PREFIX}{name}` | {source} |" for name, source in identity.FROM.items())
    sections = [
        begin,
        *map(_section, TABLE),
        _BINS,
        Template(_FILES).substitute(fields=fields),
        Template(_LABELS).substitute(identity=texts),
    ]
    return "\n".join(sections)


def _rows() -> Iterator[str]:
    yield "| key | what | variable | flag of `krust build` | where in files |"
    yield "|---|---|---|---|---|"
    flags = _flags()
    for key in TABLE:
        variable = f"`{key.variable}`" if key.variable else ""
        flag = f"`{key.flag}`" if key.flag in flags else ""
        places = ", ".join(name for rank, name in _PLACES.items() if rank in key.places)
        yield f"| [`{key.name}`](#{key.name}) | {_form(key)} | {variable} | {flag} | {places} |"


def _section(key: Key[Any]) -> str:
    older = f" `{key.older}` is an older name of it." if key.older else ""
    meaning = fill(f"{key.meaning}{older}", width=120, break_long_words=False, break_on_hyphens=False)
    return f"### {key.name}\n\n{meaning}\n\nDefault: {key.default}.\n\n```toml\n{key.example}\n```\n"


def _form(key: Key[Any]) -> str:
    match key.form:
        case "map":
            return "table of texts"
        case "files":
            return "list of tables"
        case "list":
            return "list of texts, or one text" if key.one else "list of texts"
        case "text":
            return "text"


def _flags() -> frozenset[str]:
    """What `krust build` takes."""
    from krust.commands.build import command

    return frozenset(name for parameter in command.params for name in parameter.opts)


def main() -> None:
    PAGE.write_text(page())


if __name__ == "__main__":
    main()
