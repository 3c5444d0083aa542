"""krust replace: what `krust resolve` prints, to kubectl replace."""

from __future__ import annotations

from krust.commands.apply import to_kubectl

command = to_kubectl("replace", "Build what YAML refers to as krust://PACKAGE, push it, and replace the objects.")
