"""The OCI image layout on disk. image-spec 1.1, image-layout.md."""

from plumbing.store.store import Store

__all__ = ["Store"]
