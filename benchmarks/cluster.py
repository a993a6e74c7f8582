"""`python -m benchmarks.cluster`: what `[cluster]` costs a call, and how it scales.

Real gateways, the mock provider, the load generator, and a real `redis-server` on a unix socket.
The variants are measured by turns, so that what else happens on the machine concerns all of them:
without and with a cluster, each for ordinary calls and for calls with a budget and a rate. Then
one, two and four gateways of one group take calls with limits at the same time.

Prints a line of JSON for each row: the gateway's processor time for a call, and the engine's.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from benchmarks.machine import cores, cpu_between, cpu_s
from benchmarks.measure import Subject, measure, prepare, warm_up
from benchmarks.process import Running, mock
from benchmarks.targets import Gateway, Place, serving
from benchmarks.workloads import WORKLOADS, Workload

LIMITS: Final = """
[limits]
budget = "1000000000 tokens/day"
rate = "100000000 calls/minute"
"""
GATEWAYS: Final = (1, 2, 4)
READY_S: Final = 10.0


@contextmanager
def engine(folder: Path) -> Iterator[tuple[int, str]]:
    """A server as a context: (its process id, the table of the configuration)."""
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("redis-server is not installed")
    path = folder / "redis.sock"
    process = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + READY_S
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        yield process.pid, f'\n[cluster]\nredis = "unix://{path}"\n'
    finally:
        process.kill()
        process.wait()


class Bench:
    """One run."""

    def __init__(self, folder: Path, provider: Running, seconds: float, engine_pid: int) -> None:
        self._folder = folder
        self._provider = provider
        self._seconds = seconds
        self._engine_pid = engine_pid
        self._starts = 0

    @contextmanager
    def gateways(self, variants: Sequence[tuple[str, str]]) -> Iterator[list[Subject]]:
        """One running gateway for each (name, more of its configuration)."""
        on = cores()
        with ExitStack() as stack:
            found = []
            for name, more in variants:
                self._starts += 1
                target, folder = Gateway(name=name, more=more), self._folder / f"{self._starts}"
                place = Place(self._provider, folder, on)
                running = stack.enter_context(serving(target, place))
                found.append(Subject(target, running, self._provider, on, folder))
            yield found

    def pairs(self, variants: dict[str, str], workload: Workload, repeats: int) -> None:
        """The variants by turns."""
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in variants}
        with self.gateways(list(variants.items())) as subjects:
            orders = [prepare(subject, workload) for subject in subjects]
            for subject, order in zip(subjects, orders, strict=True):
                warm_up(subject, workload, order, 1.0)
            for _ in range(repeats):
                for subject, order in zip(subjects, orders, strict=True):
                    before = cpu_s([self._engine_pid])
                    found = measure(subject, workload, order, self._seconds)
                    used = cpu_between(before, cpu_s([self._engine_pid])) * 1e6
                    assert not found["errors"], found
                    took[subject.target.name].append(
                        (found["cpu_us_per_request"], used / found["answers"])
                    )
        first = [ours for ours, _ in next(iter(took.values()))]
        for name, rows in took.items():
            more = [ours - base for (ours, _), base in zip(rows, first, strict=True)]
            say(
                variant=name,
                workload=workload.name,
                gateway_us=statistics.median(ours for ours, _ in rows),
                more_us=statistics.median(more),
                engine_us=statistics.median(theirs for _, theirs in rows),
            )

    def scale(self, count: int, more: str, workload: Workload) -> None:
        """So many gateways of one group at the same time."""
        with self.gateways([(f"gateway {number}", more) for number in range(count)]) as subjects:
            orders = [prepare(subject, workload) for subject in subjects]
            both = list(zip(subjects, orders, strict=True))
            with ThreadPoolExecutor(count) as pool:
                list(pool.map(lambda each: warm_up(each[0], workload, each[1], 1.0), both))
                before = cpu_s([self._engine_pid])
                found = list(
                    pool.map(
                        lambda each: measure(each[0], workload, each[1], 2 * self._seconds), both
                    )
                )
            used = cpu_between(before, cpu_s([self._engine_pid])) * 1e6
        calls = sum(each["answers"] for each in found)
        assert not any(each["errors"] for each in found), found
        say(
            gateways=count,
            workload=workload.name,
            requests_per_s=sum(each["requests_per_s"] for each in found),
            gateway_us=statistics.median(each["cpu_us_per_request"] for each in found),
            engine_us=used / calls,
        )


def say(**row: float | str) -> None:
    """A line of the output."""
    rounded = {
        key: round(value, 1) if isinstance(value, float) else value for key, value in row.items()
    }
    print(json.dumps(rounded), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="each measurement")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    workloads = [each for each in WORKLOADS if each.name in ("small-chat@1", "small-chat@16")]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        pid, cluster = stack.enter_context(engine(folder))
        provider = stack.enter_context(mock(cores()))
        bench = Bench(folder, provider, options.seconds, pid)
        variants = {
            "alone": "",
            "cluster": cluster,
            "alone, limits": LIMITS,
            "cluster, limits": cluster + LIMITS,
        }
        for workload in workloads:
            bench.pairs(variants, workload, options.repeats)
        for count in GATEWAYS:
            bench.scale(count, cluster + LIMITS, workloads[-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
