"""The registry of the tests: plumbing/server with the faults of other people's registries. registries.md, 4.4.

    with registry(relative_location=True, reset_mid_patch=100_000) as r:
        push(…, f"{r.host}/app")

`SWITCHES` has them all. Each module adds its own, in the order in which a request meets them: the first imports are in
that order, and not sorted.
"""

from tests.registry.faults import answers  # isort: skip
from tests.registry.faults import locations  # isort: skip
from tests.registry.faults import auth  # isort: skip
from tests.registry.faults import uploads  # isort: skip
from tests.registry.faults import blobs  # isort: skip
from tests.registry.faults import manifests  # isort: skip
from tests.registry.faults.exchange import SWITCHES
from tests.registry.faults.server import IDENTITY, PASSWORD, USER, Recorded, Registry, registry, trusting

__all__ = [
    "IDENTITY",
    "PASSWORD",
    "SWITCHES",
    "USER",
    "Recorded",
    "Registry",
    "answers",
    "auth",
    "blobs",
    "locations",
    "manifests",
    "registry",
    "trusting",
    "uploads",
]
