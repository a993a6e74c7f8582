"""The thread that writes the log: whatever becomes of its reader, nothing waits and nothing
ends."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

from gateway.observe import log
from gateway.observe.batching import Batched
from gateway.observe.collectors import Reading
from gateway.observe.metrics import Metrics

LONG = "x" * 500


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """(the end to read, the file to write to); the reader closes it."""
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as file:
        yield reader, file


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("gateway.x", level, "", 0, message, (), None)


def emit(handler: Batched, *messages: str, level: int = logging.INFO) -> None:
    """As a call does it: on an event loop."""

    async def work() -> None:
        for message in messages:
            handler.handle(record(message, level))

    asyncio.run(work())


def drained(reader: int) -> tuple[threading.Thread, list[str]]:
    """A reader that begins to read, and what it finds."""
    lines: list[str] = []

    def read() -> None:
        with os.fdopen(reader) as file:
            lines.extend(line.rstrip("\n") for line in file)

    thread = threading.Thread(target=read)
    thread.start()
    return thread, lines


def test_a_reader_that_does_not_read_costs_lines_and_holds_up_nothing(
    pipe: tuple[int, TextIO],
) -> None:
    reader, file = pipe
    handler = Batched(file, records_max=300, wait_s=20.0)
    # several times what a pipe holds
    emit(handler, *(f"{number} {LONG}" for number in range(2000)))
    assert handler.lost >= 2000 - 300 - 300
    thread, lines = drained(reader)
    handler.flush()
    emit(handler, "again")
    handler.close()
    file.close()
    thread.join()
    written = [line for line in lines if LONG in line]
    notes = [line for line in lines if "log lines are lost" in line]
    assert len(written) + handler.lost == 2000
    assert sum(int(note.split()[0]) for note in notes) == handler.lost
    assert "again" in lines


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_a_reader_that_has_gone_ends_nothing(pipe: tuple[int, TextIO], level: int) -> None:
    reader, file = pipe
    os.close(reader)
    handler = Batched(file)
    emit(handler, "one", "two", level=level)
    handler.close()
    assert handler.lost == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
def test_a_full_disk_ends_nothing() -> None:
    with Path("/dev/full").open("w") as file:
        handler = Batched(file)
        handler.handle(record("before any event loop runs"))
        emit(handler, "one")
        handler.show("screen\n")
        handler.close()
        assert handler.lost == 3


def test_a_pipe_that_does_not_block_is_waited_for_all_the_same(pipe: tuple[int, TextIO]) -> None:
    reader, file = pipe
    os.set_blocking(file.fileno(), False)
    handler = Batched(file, wait_s=20.0)
    emit(handler, *([LONG] * 400))
    thread, lines = drained(reader)
    handler.close()
    file.close()
    thread.join()
    assert (lines, handler.lost) == ([LONG] * 400, 0)


def test_a_closed_handler_begins_again() -> None:
    out = io.StringIO()
    handler = Batched(out)
    for message in ("one", "two"):
        handler.handle(record(message))
        handler.close()
    assert out.getvalue() == "one\ntwo\n"


def test_a_child_process_writes_its_own_lines(pipe: tuple[int, TextIO]) -> None:
    reader, file = pipe
    handler = Batched(file)
    handler.handle(record("parent"))
    child = os.fork()
    if child == 0:
        handler.handle(record("child"))
        handler.close()
        os._exit(0)
    os.waitpid(child, 0)
    file.close()
    thread, lines = drained(reader)
    thread.join()
    assert lines == ["parent", "child"]


@pytest.mark.usefixtures("own_log")
def test_libraries_write_by_the_same_thread() -> None:
    out = io.StringIO()
    log.set_up("text", "info", out)
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    log.show("as it is\n")
    assert ["Invalid" in out.getvalue(), "never retrieved" in out.getvalue()] == [True, True]
    assert out.getvalue().endswith("as it is\n")


def test_lost_lines_are_counted_in_a_metric() -> None:
    [family] = Reading("gateway_log_lines_lost", "Lost.", lambda: 7, only_grows=True).collect()
    assert [(sample.name, sample.value) for sample in family.samples] == [
        ("gateway_log_lines_lost_total", 7)
    ]
    assert f"gateway_log_lines_lost_total {float(log.lost())}" in Metrics().text().decode()
