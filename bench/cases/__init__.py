"""The cases, in the order in which they are run and told of."""

from bench.cases import fetch, layer, noop, program, push

CASES = {case.name: case for case in (noop.CASE, layer.CASE, program.CASE, push.CASE, fetch.CASE)}
