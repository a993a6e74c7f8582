"""`python -m benchmarks`: starts everything, measures in pairs, prints lines of JSON and then a
table."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from benchmarks.machine import Cores, cores, facts, family, pinned, raise_file_limit
from benchmarks.measure import (
    Order,
    Result,
    Subject,
    Unfit,
    measure,
    measure_idle,
    measure_start,
    prepare,
    warm_up,
)
from benchmarks.native import Unable, built
from benchmarks.process import Running, mock
from benchmarks.table import render, warnings
from benchmarks.targets import Direct, Gateway, Given, Nginx, Peer, Place, Target, serving
from benchmarks.workloads import WORKLOADS, Workload

FILES_PER_STREAM = 2.2
"""A held stream costs the target two descriptors, and it needs a few for itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run, and for how long."""

    workloads: Sequence[Workload]
    repeats: int
    seconds: float
    """Each measurement."""
    idle_seconds: float
    with_start: bool
    mock_port: int
    """0 for any."""


class Bench:
    """One run. Results are written as they come, and kept for the table."""

    def __init__(self, plan: Plan, targets: Sequence[Target], out: TextIO, folder: Path) -> None:
        self.results: list[Result] = []
        self._plan = plan
        self._targets = targets
        self._out = out
        self._folder = folder
        # before this process is pinned itself
        self._cores = {workers: cores(workers) for workers in (1, 2)}
        self._starts = 0

    def run(self) -> None:
        """Everything of the plan. Raises `Unable`."""
        plain = [
            each for each in self._plan.workloads if each.shape != "hold" and each.workers == 1
        ]
        self._write({"run": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **facts()})
        if note := self._cores[1].note:
            say(note)
        with pinned(self._cores[1].helpers), mock(self._cores[1], self._plan.mock_port) as provider:
            if self._plan.with_start:
                self._measure_starts(provider)
            if plain:
                self._measure_plain(plain, provider)
            for workload in self._plan.workloads:
                if workload.shape == "hold":
                    self._measure_idle(workload, provider)
        for workload in self._plan.workloads:
            if workload.workers > 1:
                self._measure_workers(workload)

    def _measure_starts(self, provider: Running) -> None:
        for repeat in range(self._plan.repeats):
            for target in self._targets:
                if target.restarts:
                    with self._subject(target, provider, self._cores[1]) as subject:
                        self._keep(measure_start(subject), repeat)

    def _measure_plain(self, workloads: Sequence[Workload], provider: Running) -> None:
        with ExitStack() as stack:
            subjects = [
                stack.enter_context(self._subject(each, provider, self._cores[1]))
                for each in (*self._targets, Direct())
            ]
            for workload in workloads:
                shown = [
                    each
                    for each in subjects
                    if each.target.name != "direct" or _worth_comparing(workload)
                ]
                self._measure_pairs(workload, shown)

    def _measure_pairs(self, workload: Workload, subjects: Sequence[Subject]) -> None:
        """A, B, A, B, …"""
        say(f"  {workload.name}")
        ready = [(each, order) for each in subjects if (order := self._prepared(each, workload))]
        for subject, order in ready:
            warm_up(subject, workload, order, subject.target.warm_s)
        for repeat in range(self._plan.repeats):
            for subject, order in ready:
                self._keep(measure(subject, workload, order, self._plan.seconds), repeat)

    def _measure_idle(self, workload: Workload, provider: Running) -> None:
        """Each target is started anew: memory that an earlier workload left behind would hide what
        a stream takes."""
        if raise_file_limit() < workload.concurrency * FILES_PER_STREAM:
            say(f"  {workload.name}: skipped, the limit of open files is too low (ulimit -n)")
            return
        say(f"  {workload.name}")
        for target in self._targets:
            with self._subject(target, provider, self._cores[1]) as subject:
                order = self._prepared(subject, workload)
                if order is not None:
                    self._keep(measure_idle(subject, workload, order, self._plan.idle_seconds), 0)

    def _measure_workers(self, workload: Workload) -> None:
        """One worker and several, on the same cores."""
        shared = self._cores[workload.workers]
        with ExitStack() as stack:
            stack.enter_context(pinned(shared.helpers))
            provider = stack.enter_context(mock(shared))
            subjects = []
            for workers in (1, workload.workers):
                subjects.append(
                    stack.enter_context(self._subject(Gateway(workers), provider, shared))
                )
            if len(family(subjects[-1].running.pid)) <= workload.workers:
                say(
                    f"  {workload.name}: skipped, this gateway does not start {workload.workers} "
                    f"workers"
                )
                return
            if shared.note:
                say(
                    f"  {workload.name}: {shared.note}; compare the processor time, the "
                    f"throughput says little"
                )
            self._measure_pairs(workload, subjects)

    @contextmanager
    def _subject(self, target: Target, provider: Running, on: Cores) -> Iterator[Subject]:
        self._starts += 1
        folder = self._folder / f"{self._starts}-{target.name}"
        with serving(target, Place(provider, folder, on)) as running:
            yield Subject(target, running, provider, on, folder)

    def _prepared(self, subject: Subject, workload: Workload) -> Order | None:
        try:
            return prepare(subject, workload)
        except Unfit as unfit:
            result = {
                "workload": workload.name,
                "target": subject.target.name,
                "failed": str(unfit),
            }
            self._keep(result, 0)
            return None

    def _keep(self, result: Result, repeat: int) -> None:
        result["repeat"] = repeat
        self.results.append(result)
        self._write(result)

    def _write(self, line: Result) -> None:
        print(json.dumps(line, default=str), file=self._out, flush=True)


def say(text: str) -> None:
    """To standard error: standard output is for programs."""
    print(text, file=sys.stderr, flush=True)


def _worth_comparing(workload: Workload) -> bool:
    return (
        workload.concurrency == 1 or workload.shape == "paced" or workload.name == "small-chat@16"
    )


def _targets(options: argparse.Namespace) -> list[Target]:
    """Those that are here, with a word on those that are not."""
    targets: list[Target] = [Gateway()]
    try:
        targets.append(Nginx())
    except Unable as why:
        say(str(why))
    if options.litellm:
        targets.append(Peer("litellm", options.litellm, "/health/liveliness"))
    if options.portkey:
        targets.append(Peer("portkey", options.portkey, "/"))
    if options.base_url:
        targets.append(Given(options.base_url, options.pid, options.key))
    return targets


def _plan(options: argparse.Namespace) -> Plan:
    """Raises `Unable` when `--only` names nothing."""
    chosen = [each for each in WORKLOADS if options.full or each.in_short]
    if options.only:
        chosen = [each for each in WORKLOADS if any(_names(name, each) for name in options.only)]
    with_start = not options.only or "start" in options.only
    if not chosen and not with_start:
        names = ", ".join(each.name for each in WORKLOADS)
        raise Unable(f"--only {' '.join(options.only)} fits none of: start, {names}")
    repeats = options.repeats or (5 if options.full else 3)
    seconds = options.seconds or (2.0 if options.full else 0.6)
    return Plan(
        chosen, repeats, seconds, 20.0 if options.full else 4.0, with_start, options.mock_port
    )


def _names(name: str, workload: Workload) -> bool:
    """`burst` names all of a kind, `small-chat@1` that one and not `small-chat@16` as well."""
    return name == workload.name if "@" in name else name in workload.name


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="What the gateway costs, beside nginx."
    )
    parser.add_argument(
        "--short",
        action="store_true",
        help="the most telling workloads, about a minute (the default)",
    )
    parser.add_argument("--full", action="store_true", help="all workloads, for longer")
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        help="one workload, or a part of its name; repeatable",
    )
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds; 3, or 5 with --full")
    parser.add_argument(
        "--seconds", type=float, metavar="S", help="each measurement; 0.6, or 2 with --full"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="where the lines of JSON go, instead of standard output"
    )
    parser.add_argument(
        "--base-url",
        metavar="URL",
        help="also measure what runs here; see README.md for its models",
    )
    parser.add_argument(
        "--mock-port", type=int, default=0, metavar="N", help="where the mock listens; any"
    )
    parser.add_argument("--pid", type=int, help="its process, with --base-url")
    parser.add_argument("--key", default="bench", help="its client key, with --base-url")
    parser.add_argument(
        "--litellm",
        metavar="COMMAND",
        help="also measure LiteLLM: a command with {port} and {config}",
    )
    parser.add_argument(
        "--portkey", metavar="COMMAND", help="also measure Portkey: a command with {port}"
    )
    options = parser.parse_args(arguments)
    if options.base_url and not options.pid:
        parser.error("--base-url needs --pid: processor time is counted by process")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 fine, 1 when anything failed or the gateway made errors."""
    options = _options(arguments)
    raise_file_limit()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        out = stack.enter_context(Path(options.out).open("w")) if options.out else sys.stdout
        try:
            built("mock"), built("load")
            bench = Bench(_plan(options), _targets(options), out, folder)
            bench.run()
        except Unable as why:
            say(f"benchmark: {why}")
            return 1
        except KeyboardInterrupt:
            say("interrupted")
            return 130
    say("\n" + render(bench.results))
    return int(
        any(" gateway" in each for each in warnings(bench.results) if not each.startswith("bound"))
    )


if __name__ == "__main__":
    sys.exit(main())
