"""make real: build each of PROJECTS, run it in its image, and write down in README.md what it printed.

python -m tests.real [FOLDER [NAME...]]    the folder keeps sources and what is compiled; build/real by default
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.real.projects import PROJECTS, Built, Project, Run, build, fetch, run
from tests.tools import KRUST, ROOT, require_tool

README = Path(__file__).with_name("README.md")
_SHOWN = 14
"""Lines of what a program printed that are written down."""

_HEAD = """\
# Real projects

Programs that nobody here wrote, fetched by cargo as their authors have published them, built unchanged by
`krust build --no-push PROJECT -- --locked`, unpacked by umoci and run by runc, with their own source at `/source`.
`make real` writes this page; [projects.py](projects.py) is the list. The two that are marked are built in each run of
the tests, too. The size is that of the compressed layers that are not the base's.

| project | what is in it | images | size |
|---|---|---|---|
"""


def _row(project: Project, built: Built) -> str:
    name = f"{project.name} {project.version}{' (in the tests)' if project.small else ''}"
    words = f"; `{' '.join(project.words)}`" if project.words else ""
    size = f"{built.size / 1e6:.1f} MB"
    return f"| {name} | {project.has}{words} | {len(built.references)} | {size} |\n"


def _section(each: Run, printed: str) -> str:
    lines = re.sub(r"\x1b\[[0-9;]*m", "", printed).rstrip().splitlines()
    more = [f"[{len(lines) - _SHOWN} more lines]"] if len(lines) > _SHOWN else []
    shown = "\n".join(line[:118] for line in [*lines[:_SHOWN], *more])
    given = f"printf '{each.stdin.encode('unicode_escape').decode()}' | " if each.stdin else ""
    return f"\n`{given}{each.image} {' '.join(each.words)}`\n\n```\n{shown}\n```\n"


def main() -> None:
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "real").absolute()
    names = sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    umoci, runc = require_tool("umoci"), require_tool("runc")
    rows, sections, wrong = "", "", []
    for project in PROJECTS:
        if names and project.name not in names:
            continue
        sys.stderr.write(f"real: {project}\n")
        source, layout = fetch(project, folder), folder / "store"
        # Without the ceiling, build scripts that ask git for a commit are told the one of this repository.
        env = {"CARGO_TARGET_DIR": str(folder / "target"), "GIT_CEILING_DIRECTORIES": str(folder)}
        built = build(KRUST, project, source, layout, env=env)
        rows += _row(project, built)
        sections += f"\n## {project.name}\n"
        if len(built.references) != project.images:
            wrong.append(f"{project}: {len(built.references)} images, and not {project.images}")
        for each in project.runs:
            printed = run(each, layout, source, folder, umoci=umoci, runc=runc)
            sections += _section(each, printed)
            if not re.match(each.prints, printed):
                wrong.append(f"{project}: '{each.image}' printed\n{printed}")
    if wrong:
        raise SystemExit("\n".join(wrong))
    if not names:
        README.write_text(f"{_HEAD}{rows}{sections}")
    sys.stdout.write(f"{rows}{sections}")


if __name__ == "__main__":
    main()
