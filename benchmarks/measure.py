"""One measurement: a workload, against a target that is running."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import Cores, cpu_between, cpu_s, family, pinned, rss_mb
from benchmarks.native import built
from benchmarks.process import Running
from benchmarks.targets import Address, Target
from benchmarks.workloads import PACED_S, Workload, body

Result = dict[str, Any]
"""A line of the output; README.md lists the keys."""

PATIENCE_S = 20.0
HOLD_PER_S = 2_000
SETTLE_S = 1.0
_SAID = (b"Benchmark answer", b"measured", b"@@")


@dataclass(frozen=True, slots=True)
class Subject:
    """A target as it is measured."""

    target: Target
    running: Running
    mock: Running
    cores: Cores
    folder: Path

    def address(self, workload: Workload) -> Address:
        return self.target.address(workload, self.mock.port)


@dataclass(frozen=True, slots=True)
class Order:
    """What the load generator is told."""

    request: Path
    """A file with the whole request."""
    expects_done: bool
    """Whether each stream has to end with `[DONE]`."""


class Unfit(Exception):
    """The target does not answer this workload's request as it should; the message says how it
    did."""


def prepare(subject: Subject, workload: Workload) -> Order:
    """Asks once, looks at the answer, and writes the request down. Raises `Unfit`."""
    address, sent = subject.address(workload), body(workload)
    probed = _probe(subject, workload, address, sent)
    lines = [
        f"POST {address.path} HTTP/1.1",
        f"host: 127.0.0.1:{subject.running.port}",
        "content-type: application/json",
        "accept: */*",
        "user-agent: bench",
        f"content-length: {len(sent)}",
        *(f"{name}: {value}" for name, value in address.headers.items()),
    ]
    file = subject.folder / f"{workload.name.replace('@', '-')}.request"
    file.write_bytes("\r\n".join([*lines, "", ""]).encode() + sent)
    return Order(file, b"[DONE]" in probed)


def measure(subject: Subject, workload: Workload, order: Order, seconds: float) -> Result:
    """Requests for `seconds`, and what they cost."""
    target_pids, mock_pids = family(subject.running.pid), [subject.mock.pid]
    target_before, mock_before = cpu_s(target_pids), cpu_s(mock_pids)
    loaded = _load(subject, workload, order, ["--seconds", str(seconds)])
    target_pids = family(subject.running.pid)
    cpu, mock_cpu = (
        cpu_between(target_before, cpu_s(target_pids)),
        cpu_between(mock_before, cpu_s(mock_pids)),
    )
    answers, took = loaded["answers"] - loaded["not_200"], loaded["seconds"]
    per_answer_us = cpu / answers * 1e6 if answers and subject.target.name != "direct" else None
    return {
        **_named(subject, workload),
        "seconds": took,
        "answers": answers,
        "errors": _errors(loaded, workload, order),
        "first_bad_status": loaded["first_bad_status"] or None,
        "requests_per_s": answers / took,
        "cpu_us_per_request": per_answer_us,
        "cpu_us_per_piece": per_answer_us / workload.pieces
        if per_answer_us and workload.pieces
        else None,
        "target_busy": cpu / took,
        "helpers_busy": (mock_cpu + loaded["load_cpu_s"]) / took,
        "rss_mb": rss_mb(target_pids),
        "connects": loaded["connects"],
        **{key: loaded[key] for key in loaded if key.endswith("_us")},
    }


def warm_up(subject: Subject, workload: Workload, order: Order, seconds: float) -> None:
    """Opens connections and fills caches; nothing is kept of it."""
    _load(subject, workload, order, ["--seconds", str(seconds)])


def measure_idle(subject: Subject, workload: Workload, order: Order, window_s: float) -> Result:
    """Opens streams that stay silent; the memory they take, and the processor time for
    `window_s`."""
    before_mb = rss_mb(family(subject.running.pid))
    ramp_s = workload.concurrency / HOLD_PER_S
    command = [*_command(subject, workload, order), "--hold", "--ramp", str(ramp_s)]
    with pinned(subject.cores.helpers):
        load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert load.stdin is not None
    assert load.stdout is not None
    load.stdout.readline()  # "holding"
    time.sleep(SETTLE_S)
    pids = family(subject.running.pid)
    before_s = cpu_s(pids)
    time.sleep(window_s)
    cpu, held_mb = cpu_between(before_s, cpu_s(pids)), rss_mb(pids)
    loaded = json.loads(load.communicate()[0])
    return {
        **_named(subject, workload),
        "seconds": window_s,
        "held": loaded["held"],
        "errors": loaded["broken"] + loaded["not_200"] + loaded["unfinished"],
        "first_bad_status": loaded["first_bad_status"] or None,
        "rss_before_mb": before_mb,
        "rss_mb": held_mb,
        "kb_per_stream": (held_mb - before_mb) * 1000 / loaded["held"] if loaded["held"] else None,
        "cpu_percent": cpu / window_s * 100,
        **{key: loaded[key] for key in ("first_byte_us", "first_event_us") if key in loaded},
    }


def measure_start(subject: Subject) -> Result:
    """A target that was just started, and has rested for a moment."""
    time.sleep(SETTLE_S / 2)
    return {
        "workload": "start",
        "target": subject.target.name,
        "errors": 0,
        "ready_s": subject.running.ready_s,
        "rss_mb": rss_mb(family(subject.running.pid)),
    }


def _named(subject: Subject, workload: Workload) -> Result:
    return {
        "workload": workload.name,
        "target": subject.target.name,
        "concurrency": workload.concurrency,
    }


def _errors(loaded: Result, workload: Workload, order: Order) -> int:
    """Everything that did not go as it should have, so that a fast wrong answer does not look
    good."""
    answers: int = loaded["answers"] - loaded["not_200"]
    undone = answers - loaded["dones"] if order.expects_done else 0
    lost = max(0, workload.pieces * answers - loaded["events"])
    return int(loaded["not_200"] + loaded["broken"] + loaded["unfinished"] + undone + lost)


def _load(subject: Subject, workload: Workload, order: Order, more: Sequence[str]) -> Result:
    command = [*_command(subject, workload, order), *more]
    if workload.shape == "paced":
        command += ["--ramp", str(PACED_S)]
    with pinned(subject.cores.helpers):
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True
        )
    loaded: Result = json.loads(run.stdout)
    return loaded


def _command(subject: Subject, workload: Workload, order: Order) -> list[str]:
    return [
        str(built("load")),
        *("--port", str(subject.running.port)),
        *("--request", str(order.request)),
        *("--connections", str(workload.concurrency)),
        *("--patience", str(PATIENCE_S)),
    ]


def _probe(subject: Subject, workload: Workload, address: Address, sent: bytes) -> bytes:
    """The beginning of one answer, or all of it. Raises `Unfit`."""
    connection = http.client.HTTPConnection("127.0.0.1", subject.running.port, timeout=PATIENCE_S)
    try:
        headers = {"content-type": "application/json", **address.headers}
        connection.request("POST", address.path, sent, headers)
        response = connection.getresponse()
        answer = b""
        while part := _part(response, workload):
            answer += part
            if workload.shape == "hold" and any(said in answer for said in _SAID):
                break
    except (OSError, http.client.HTTPException) as error:
        raise Unfit(f"{type(error).__name__}: {error}") from error
    finally:
        connection.close()
    if response.status != 200 or not any(said in answer for said in _SAID):
        raise Unfit(f"it answered {response.status}: {answer[:300].decode(errors='replace')}")
    return answer


def _part(response: http.client.HTTPResponse, workload: Workload) -> bytes:
    return response.read1(65536) if workload.is_stream else response.read()
