"""ls-tree: what an image is made of, to the last blob."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click

from plumbing.commands.options import store_option, zero_option
from plumbing.errors import Malformed
from plumbing.oci import document
from plumbing.oci.descriptor import Descriptor
from plumbing.oci.index import is_node
from plumbing.store import Store
from plumbing.store.images import kind
from plumbing.store.names import find
from plumbing.store.walk import DEEPEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A blob in an image: how deep below the root, what it is there for, and whether it is stored."""

    depth: int
    kind: str
    descriptor: Descriptor
    present: bool


def ls_tree(store: Store, root: Descriptor, *, depth: int = 0) -> Iterator[Node]:
    """`root` and all below it, nodes before children, in the documents' order. Raises NotFound, DigestMismatch."""
    if depth > DEEPEST:
        raise Malformed("index", root.digest, expected=f"at most {DEEPEST} indexes within each other")
    yield Node(depth=depth, kind=kind(root), descriptor=root, present=store.has(root))
    if is_node(root.media_type) and store.has(root):
        for child in store.manifest(root).children:
            yield from ls_tree(store, child, depth=depth + 1)


@click.command("ls-tree")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object a line: depth, kind, present, descriptor.")
@zero_option
@store_option
def command(name: str, as_json: bool, zero: bool, store: Store) -> None:
    """List what the image NAME is made of: kind, digest, size in bytes, platform; two spaces a level."""
    found = find(name, store)
    end = "\0" if zero else "\n"
    for node in ls_tree(found.store, found.descriptor):
        click.echo(f"{_json(node) if as_json else _line(node)}{end}", nl=False)


def _line(node: Node) -> str:
    descriptor = node.descriptor
    platform = f" {descriptor.platform}" if descriptor.platform else ""
    missing = "" if node.present else " missing"
    return f"{'  ' * node.depth}{node.kind} {descriptor.digest} {descriptor.size}{platform}{missing}"


def _json(node: Node) -> str:
    value = {"depth": node.depth, "kind": node.kind, "present": node.present, "descriptor": node.descriptor.to_json()}
    return document.dump(value).decode()
