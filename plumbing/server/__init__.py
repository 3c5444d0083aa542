"""A store as a registry on loopback: the pull and push API of the distribution specification, 1.1."""

from plumbing.server.app import application
from plumbing.server.serve import serve

__all__ = ["application", "serve"]
