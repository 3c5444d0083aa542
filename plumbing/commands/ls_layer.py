"""ls-layer: the paths in a layer."""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from plumbing.commands.options import store_option, zero_option
from plumbing.errors import Malformed, printable
from plumbing.layer.capability import capabilities_text
from plumbing.layer.codec import codec_of, decompressed
from plumbing.layer.members import Member, read_tar
from plumbing.oci import document, mediatype
from plumbing.store import Store
from plumbing.store.images import kind
from plumbing.store.names import Found, find


def ls_layer(found: Found) -> Iterator[Member]:
    """What the layer's tar holds, in its order. Raises NotFound, DigestMismatch, or Malformed for what is no layer."""
    if found.descriptor.media_type not in mediatype.LAYERS:
        what = f"a layer, not a {kind(found.descriptor)}; 'krust ls-tree' lists the layers of an image"
        raise Malformed("layer", found.descriptor.digest, expected=what)
    found.store.blobs.verify(found.descriptor.digest)
    with (
        found.store.blobs.open(found.descriptor.digest, verify=False) as stream,
        decompressed(codec_of(found.descriptor.media_type), stream) as plain,
    ):
        yield from read_tar(plain)


@click.command("ls-layer")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line.")
@zero_option
@store_option
def command(name: str, as_json: bool, zero: bool, store: Store) -> None:
    """List the paths in the layer NAME: type and mode, uid:gid, size in bytes, path; as 'tar -tv' does."""
    end = "\0" if zero else "\n"
    for member in ls_layer(find(name, store)):
        line = _json(member) if as_json else _line(member, zero=zero)
        click.echo(os.fsencode(f"{line}{end}"), nl=False)


_LETTERS = {"file": "-", "directory": "d", "symlink": "l", "hardlink": "h", "character": "c", "block": "b", "fifo": "p"}


def _line(member: Member, *, zero: bool) -> str:
    path, target = (
        (member.path, member.target) if zero else (printable(member.path), member.target and printable(member.target))
    )
    mode = f"{_LETTERS[member.kind]}{member.mode:04o}"
    arrow = f" -> {target}" if target is not None else ""
    capability = f" {capabilities_text(member.capability)}" if member.capability is not None else ""
    return f"{mode} {member.uid}:{member.gid} {member.size}\t{path}{arrow}{capability}"


def _json(member: Member) -> str:
    value = {
        "path": _text(member.path),
        "kind": member.kind,
        "mode": f"{member.mode:04o}",
        "uid": member.uid,
        "gid": member.gid,
        "size": member.size,
        "mtime": member.mtime,
    }
    if member.target is not None:
        value["target"] = _text(member.target)
    if member.capability is not None:
        value["capability"] = capabilities_text(member.capability)
    return document.dump(value).decode()


def _text(path: str) -> str:
    """Fit for JSON, which holds any text: what is not UTF-8 escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")
