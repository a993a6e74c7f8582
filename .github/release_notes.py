"""Prints what the changelog says of a version: `release_notes.py v1.2.3`. Fails if the tag is not
the version of pyproject.toml, or if the changelog has no such section."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent


def notes(changelog: str, version: str) -> str | None:
    """The section of a version, without its heading."""
    heading = re.compile(rf"^## \[{re.escape(version)}\].*\n", re.MULTILINE)
    found = heading.search(changelog)
    if found is None:
        return None
    return re.split(r"^## |^\[[^\]]+\]: ", changelog[found.end() :], flags=re.MULTILINE)[0].strip()


def main(tag: str) -> int:
    """The exit code."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    if tag != f"v{version}":
        print(f"the tag is {tag}, and pyproject.toml says {version}", file=sys.stderr)
        return 1
    section = notes((ROOT / "CHANGELOG.md").read_text(), version)
    if not section:
        print(f"CHANGELOG.md has no section [{version}]", file=sys.stderr)
        return 1
    print(section)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
