"""krust create: what `krust resolve` prints, to kubectl create."""

from __future__ import annotations

from krust.commands.apply import to_kubectl

command = to_kubectl("create", "Build what YAML refers to as krust://PACKAGE, push it, and create the objects.")
