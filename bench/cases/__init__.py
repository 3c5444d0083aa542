"""The cases, in the order in which they are run and told of."""

from bench.cases import layer, noop

CASES = {case.name: case for case in (noop.CASE, layer.CASE)}
