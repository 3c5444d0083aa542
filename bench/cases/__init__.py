"""The cases, in the order in which they are run and told of."""

from bench.cases import fetch, layer, noop, program, push, rebuild, resolve, startup, store, workspace

_MODULES = (noop, layer, program, push, fetch, rebuild, workspace, resolve, startup, store)
CASES = {module.CASE.name: module.CASE for module in _MODULES}
