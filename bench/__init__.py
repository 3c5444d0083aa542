"""bench: krust beside others that do the same, measured in the same run. `python -m bench --help`; docs/performance.md.

cases/       the cases, one a file
case         what a case is, and what it found
timing       what a program takes, and how several take turns; spawn is the process between
environment  what is measured in; machine says on what
peers        other people's programs: finding and installing them; go/ has our own in Go
cargo        cargo alone, called exactly as krust calls it
nowhere      a layer by krust's library, with nothing written
inputs       files, images and projects to work on; also services and documents
transfer     what push and fetch are both asked
requests     how often a registry was asked
results      what was found, as JSON, and as RESULTS.md
plots        the same, drawn
"""
