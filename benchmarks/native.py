"""Compiles the mock provider and the load generator: in Python, they would be slower than what they
measure."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build"


class Unable(Exception):
    """Something that the benchmark cannot do without is missing; the message has the cure."""


def built(name: str) -> Path:
    """The program made from `<name>.c`, compiled when it is missing or older. Raises `Unable`."""
    if sys.platform != "linux":
        raise Unable("the benchmark needs Linux: its mock and its load generator use epoll")
    source, program = HERE / f"{name}.c", BUILD / name
    if program.exists() and program.stat().st_mtime >= source.stat().st_mtime:
        return program
    BUILD.mkdir(exist_ok=True)
    run = subprocess.run(
        [_compiler(), "-O2", "-o", str(program), str(source)], capture_output=True, text=True
    )
    if run.returncode != 0:
        raise Unable(f"cannot compile {source.name}:\n{run.stderr}")
    return program


def _compiler() -> str:
    stated = os.environ.get("CC")
    for name in (stated,) if stated else ("cc", "gcc", "clang"):
        if shutil.which(name):
            return name
    raise Unable(
        "there is no C compiler: set $CC, or install one (on Debian: apt-get install gcc libc6-dev)"
    )
