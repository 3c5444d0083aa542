"""YAML for `krust resolve`: a Deployment as people write them, any number of times; and PyYAML, to compare with."""

from __future__ import annotations

import sys
from pathlib import Path

_COMPOSE = """\
import sys, yaml
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        for _ in yaml.compose_all(file.read(), Loader=yaml.CLoader):
            pass
"""

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: "app-{number}"  # one of many
  labels: {{app: app-{number}, tier: 'back'}}
spec:
  replicas: 2
  selector:
    matchLabels:
      app: app-{number}
  template:
    metadata:
      labels:
        app: app-{number}
    spec:
      containers:
        - name: main
          image: {image}
          args: ["--verbose", '--level=3']
          env:
{variables}
          command:
            - /bin/sh
            - -c
            - |
{script}
"""
_VARIABLES = "\n".join(f'            - name: VARIABLE_{place}\n              value: "{place}"' for place in range(24))
_SCRIPT = "\n".join(f"              echo this is line {place} of a script" for place in range(25))


def deployment(number: int, image: str) -> str:
    """3 kB."""
    return _DEPLOYMENT.format(number=number, image=image, variables=_VARIABLES, script=_SCRIPT)


def composing(place: Path) -> list[str | Path]:
    """The program by which PyYAML, in C, composes the nodes of a file, or of all files of a folder."""
    return [sys.executable, "-c", _COMPOSE, *(sorted(place.iterdir()) if place.is_dir() else [place])]
