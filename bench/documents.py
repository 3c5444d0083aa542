"""YAML for `krust resolve`: a Deployment as people write them, any number of times."""

from __future__ import annotations

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
