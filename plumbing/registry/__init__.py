"""Registries, by the distribution specification 1.1: who we are, requests and their failures, uploads and downloads."""

from plumbing.registry.credential import Credential
from plumbing.registry.registry import Registry
from plumbing.registry.repository import Repository
from plumbing.registry.settings import Clock, Settings

__all__ = ["Clock", "Credential", "Registry", "Repository", "Settings"]
