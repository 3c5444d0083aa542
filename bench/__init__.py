"""bench: krust beside others that do the same, measured in the same run. `python -m bench --help`; docs/performance.md.

case        what a case is, and what it found
timing      what a program takes, and how several take turns
peers       other people's programs: finding and installing them
cargo       cargo alone, called exactly as krust calls it
inputs      files, images and projects to work on
results     what was found, as JSON, and as RESULTS.md
plots       the same, drawn
cases/      the cases, one a file
"""
