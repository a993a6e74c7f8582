"""Running a gateway: what the process asks of the system."""

from __future__ import annotations

import subprocess
import sys

SHOW = """
import resource
from gateway.process.run import allow_descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_descriptors()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def descriptors(soft: int, hard: int) -> int:
    """The soft limit of open files, after a process with these limits has asked for more."""
    command = [sys.executable, "-c", SHOW.format(soft=soft, hard=hard)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_as_many_files_may_be_open_as_the_system_allows() -> None:
    assert descriptors(256, 900) == 900
    assert descriptors(900, 900) == 900
