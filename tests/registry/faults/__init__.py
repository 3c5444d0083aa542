"""The registry of the tests: plumbing/server with the faults of other people's registries. registries.md, 4.4.

    with registry(relative_location=True, reset_mid_patch=100_000) as r:
        push(…, f"{r.host}/app")

`SWITCHES` has them all, by name; importing the modules fills it, in the order in which a request meets the faults.
"""

from tests.registry.faults import answers, auth, uploads
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
    "registry",
    "trusting",
    "uploads",
]
