"""`python -m gateway`, and the `gateway` command."""

from __future__ import annotations

import os
import sys

from gateway.cli import gateway


def main() -> None:
    _open_what_is_closed()
    try:
        gateway(prog_name="gateway")
    # a folder that is gone or may not be written: no fault of the program's
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        sys.exit(f"error: {place}{error.strerror or error}")


def _open_what_is_closed() -> None:
    """`gateway … <&-` is no crash, and no socket of ours becomes somebody's standard output."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode))


if __name__ == "__main__":
    main()
