"""What the operating system knows: cores, processor time, memory, processes."""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Cores:
    """Which cores the target has, and which the mock and the load generator. Empty sets where
    pinning is no use."""

    target: frozenset[int]
    helpers: frozenset[int]
    note: str = ""
    """What is less than ideal about them."""


def cores(workers: int = 1) -> Cores:
    """The first `workers` cores for the target, the next one for the helpers; all for all where
    there are too few."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores(frozenset(), frozenset(), "this system cannot pin processes to cores")
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) > workers:
        return Cores(frozenset(usable[:workers]), frozenset(usable[workers : workers + 1]))
    note = (
        f"{len(usable)} cores are too few for {workers} workers "
        f"and a load generator: all share them"
    )
    return Cores(frozenset(usable), frozenset(usable), note)


@contextmanager
def pinned(to: frozenset[int]) -> Iterator[None]:
    """Processes started inside run on the cores `to`; an empty set changes nothing."""
    if not to:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, to)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def raise_file_limit() -> int:
    """Lifts the limit of open files as far as it goes, for this process and those it starts;
    returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                children.setdefault(int(_stat(entry.name)[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found


def cpu_s(pids: Sequence[int]) -> dict[int, float]:
    """The processor time each process has used so far, in seconds; those that are gone are left
    out."""
    used = {}
    for pid in pids:
        with suppress(OSError):
            used[pid] = _cpu_s(pid)
    return used


def cpu_between(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """The processor time used between two readings of `cpu_s`, in seconds; a new process counts
    from its start."""
    return sum(used - before.get(pid, 0.0) for pid, used in after.items())


def rss_mb(pids: Sequence[int]) -> float:
    """Resident memory of all the processes; what they share counts for each."""
    pages = 0
    for pid in pids:
        with suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * _PAGE_BYTES / 1e6


def facts() -> dict[str, Any]:
    """What a reader needs to know about this machine."""
    models = [line for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return {
        "processor": models[0].partition(":")[2].strip() if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def _cpu_s(pid: int) -> float:
    """From the process's own clock, which counts nanoseconds and threads that have ended; else from
    /proc, in ticks."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # clock_getcpuclockid(3) makes the id in this way
    except OSError:
        fields = _stat(pid)
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def _stat(pid: int | str) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may hold spaces: state, parent, …, utime
    [11], stime [12]."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
