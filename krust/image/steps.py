"""Steps: the plumbing commands that make an image, carried out, and written down as a script if that is wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from shlex import quote

from plumbing.commands.update_ref import update_refs
from plumbing.commands.write_config import write_config
from plumbing.commands.write_index import write_index
from plumbing.commands.write_layer import WrittenLayer, write_layer
from plumbing.commands.write_manifest import write_manifest
from plumbing.layer.codec import Codec
from plumbing.layer.entries import Source
from plumbing.oci.config import Execution
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.digest import Digest
from plumbing.oci.platform import Platform
from plumbing.oci.reference import Reference
from plumbing.store import Store
from plumbing.store.names import Found
from plumbing.store.store import ANY

_HEADER = """\
#!/bin/sh
# The plumbing commands that make this image. On an empty store they give the same digest.
set -eu
"""


class Steps:
    """Each method does what the plumbing command of its name does, in `store`, and notes the line that would do it.

    tracing     the script is wanted: then every step is taken, also one whose result is known to be in the store
    """

    def __init__(self, store: Store, *, tracing: bool = False) -> None:
        self.store = store
        self.tracing = tracing
        self._lines: list[str] = []
        self._variables: dict[Digest, str] = {}

    def layer(
        self,
        sources: Sequence[Source],
        *,
        mtime: int,
        compression: Codec = "gzip",
        exclude: Sequence[str] = (),
        present: Sequence[str] = (),
    ) -> WrittenLayer:
        layer = write_layer(self.store, sources, mtime=mtime, compression=compression, exclude=exclude, present=present)
        words = ["write-layer", f"--mtime={mtime}", f"--compression={compression}"]
        words += [f"--exclude={pattern}" for pattern in exclude]
        words += [f"--present={path}" for path in present]
        self._note("layer", layer.descriptor.digest, [*words, "--batch=-"], "\n".join(map(_record, sources)))
        return layer

    def config(
        self,
        platform: Platform,
        layers: Sequence[WrittenLayer],
        *,
        base: Descriptor | None,
        execution: Execution,
        created: int,
        created_by: str,
    ) -> Descriptor:
        config = write_config(
            self.store,
            platform,
            [layer.descriptor.digest for layer in layers],
            base=self._found(base),
            execution=execution,
            created=created,
            created_by=created_by,
        )
        words = ["write-config", f"--platform={platform}", f"--created={created}", f"--created-by={created_by}"]
        words += [f"--base={self._name(base.digest)}"] if base else []
        words += [f"--layer={self._name(layer.descriptor.digest)}" for layer in layers]
        self._note("config", config.digest, [*words, *_execution(execution)])
        return config

    def manifest(
        self,
        config: Descriptor,
        layers: Sequence[WrittenLayer],
        *,
        base: Descriptor | None,
        annotations: Mapping[str, str],
    ) -> Descriptor:
        manifest = write_manifest(
            self.store,
            config,
            [layer.descriptor for layer in layers],
            base=self._found(base),
            annotations=annotations,
        )
        words = ["write-manifest", f"--config={self._name(config.digest)}"]
        words += [f"--base={self._name(base.digest)}"] if base else []
        words += [f"--layer={self._name(layer.descriptor.digest)}" for layer in layers]
        words += [f"--annotation={key}={text}" for key, text in annotations.items()]
        self._note("manifest", manifest.digest, words)
        return manifest

    def index(self, manifests: Sequence[Descriptor], *, annotations: Mapping[str, str]) -> Descriptor:
        index = write_index(self.store, manifests, annotations=annotations)
        words = ["write-index", *(f"--annotation={key}={text}" for key, text in annotations.items())]
        self._note("index", index.digest, [*words, *(self._name(manifest.digest) for manifest in manifests)])
        return index

    def fetched(self, reference: Reference) -> None:
        """Note that the image `reference`, by digest, is in the store: the script fetches it."""
        if reference.digest is not None:
            self._note("base", reference.digest, ["fetch", str(reference)])

    def refs(self, targets: Mapping[str, Descriptor]) -> None:
        """Point each name to its target, all or none."""
        update_refs(self.store, {name: (target, ANY) for name, target in targets.items()})
        for name, target in targets.items():
            self._lines.append(_command(["update-ref", name, self._name(target.digest)]))

    def script(self) -> str:
        """The whole as a shell script, which prints nothing but errors."""
        return _HEADER + "".join(f"{line}\n" for line in self._lines)

    def _found(self, descriptor: Descriptor | None) -> Found | None:
        return None if descriptor is None else Found(self.store, descriptor)

    def _note(self, kind: str, digest: Digest, words: Sequence[str], text: str | None = None) -> None:
        variable = self._variables.get(digest)
        if variable is None:
            taken = sum(name.startswith(f"${kind}") for name in self._variables.values())
            variable = self._variables[digest] = f"${kind}{taken + 1}"
        here = f" <<'END'\n{text}\nEND\n" if text is not None else ""
        self._lines.append(f"{variable[1:]}=$({_command(words)}{here})")

    def _name(self, digest: Digest) -> str:
        """The variable that holds `digest` in the script, else the digest itself: of a base that was there before."""
        return self._variables.get(digest, str(digest))


def _command(words: Sequence[str]) -> str:
    return " ".join(["krust", *(_word(word) for word in words)])


def _word(word: str) -> str:
    """Quoted for the shell, but for one of our variables at its end."""
    option, dollar, variable = word.rpartition("$")
    if dollar and variable.isalnum() and (not option or option.endswith("=")):
        return f'{quote(option) if option else ""}"${variable}"'
    return quote(word)


def _record(source: Source) -> str:
    mode = "-" if source.mode is None else f"{source.mode:o}"
    src = "" if source.src is None else f"\t{source.src!s}"
    return f"{mode} {source.uid}:{source.gid}\t{source.dest}{src}"


def _execution(execution: Execution) -> list[str]:
    words = [f"--entrypoint={word}" for word in execution.entrypoint or ()]
    words += [f"--arg={word}" for word in execution.args or ()]
    words += [f"--env={name}={text}" for name, text in (execution.env or {}).items()]
    words += [f"--user={execution.user}"] if execution.user is not None else []
    words += [f"--workdir={execution.workdir}"] if execution.workdir is not None else []
    words += [f"--label={key}={text}" for key, text in (execution.labels or {}).items()]
    words += [f"--port={port}" for port in execution.ports]
    words += [f"--volume={path}" for path in execution.volumes]
    words += [f"--stop-signal={execution.stop_signal}"] if execution.stop_signal is not None else []
    return words
