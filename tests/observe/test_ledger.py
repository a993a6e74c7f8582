"""The record of calls: whole, bounded, durable, and never in the way."""

from __future__ import annotations

import logging
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.failures import Failure, Kind
from gateway.observe import ledger as module
from gateway.observe import ledger_schema
from gateway.observe.ledger import Ledger
from gateway.observe.ledger_read import Filters, Unreadable, call, calls, usage
from gateway.types import Attempt, Call, Usage
from tests.makers import call as make_call
from tests.makers import model

WALL = 1_800_000_000.0
SONNET, LOCAL = model(name="sonnet"), model("custom", name="local")
LIMITED = Failure(
    Kind.RATE_LIMIT, "slow down, sk-ant-api03-secretsecret", status=429, request_id="req_up"
)


def answered(id_: str = "req_1", agent: str = "dev", content: str = "Hi") -> Call:
    """A call that fell back from sonnet to local."""
    made = make_call(
        SONNET, LOCAL, received_at=100.0, messages=[{"role": "user", "content": content}]
    )
    first = Attempt(SONNET, 1, started_at=100.0, ended_at=100.5, failure=LIMITED, cooldown_s=7.0)
    second = Attempt(
        LOCAL, 2, started_at=100.5, committed_at=101.0, ended_at=102.0, finish_reason="stop"
    )
    second.usage = Usage(input=100, output=20, cache_read=40)
    second.dropped = ("seed",)
    made.attempts += [first, second]
    return replace(made, id=id_, agent=replace(made.agent, name=agent))


def written(path: Path, *made: Call, retention_days: int = 90, wall: float = WALL) -> Path:
    ledger = Ledger(path, retention_days, lambda: wall)
    ledger.start()
    for each in made:
        ledger.record(each, 200, 2.0)
    ledger.close()
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.db"


def test_a_call_and_its_attempts(path: Path) -> None:
    found = call(written(path, answered()), "req_")
    assert found is not None
    assert (found["at"], found["agent"], found["client"], found["model"]) == (
        WALL - 2,
        "dev",
        "tests",
        "local",
    )
    assert (found["input"], found["output"], found["cache_read"], found["finish"]) == (
        100,
        20,
        40,
        "stop",
    )
    assert (found["first_token_s"], found["seconds"], found["dropped"]) == (1.0, 2.0, "seed")
    first, second = found["attempts"]
    assert (first["outcome"], first["status"], first["cooldown_s"], first["ended_s"]) == (
        "rate_limit",
        429,
        7.0,
        0.5,
    )
    assert (second["outcome"], second["began_s"], second["first_token_s"]) == ("ok", 0.5, 1.0)


def test_the_list_can_be_narrowed(path: Path) -> None:
    written(path, answered("req_1"), answered("req_2", agent="other"))
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["req_2", "req_1"]
    assert [each["id"] for each in calls(path, Filters(agent="dev"), 10)] == ["req_1"]
    assert calls(path, Filters(failed=True), 10) == []
    assert calls(path, Filters(since=WALL), 10) == []
    assert calls(path, Filters(), 1)[0]["tried"] == "sonnet rate_limit, local ok"


def test_usage_by_agent(path: Path) -> None:
    written(path, answered("req_1"), answered("req_2"), answered("req_3", agent="other"))
    found = usage(path, "agent", Filters())
    assert [(each["group"], each["calls"], each["input"], each["output"]) for each in found] == [
        ("dev", 2, 200, 40),
        ("other", 1, 100, 20),
    ]


def test_neither_prompts_nor_keys_are_in_it(path: Path) -> None:
    written(path, answered(content="canary-of-a-prompt"))
    everything = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert b"slow down" in everything
    assert b"canary-of-a-prompt" not in everything
    assert b"secretsecret" not in everything


def test_no_other_user_may_read_it(path: Path) -> None:
    written(path, answered())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_what_is_old_is_removed(path: Path) -> None:
    written(path, answered("old"))
    written(path, answered("new"), retention_days=30, wall=WALL + 31 * 86_400)
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["new"]
    assert call(path, "old") is None


def test_a_queue_that_is_full_loses_calls_and_not_time(path: Path) -> None:
    ledger = Ledger(path, 90)
    for _ in range(3):
        ledger.record(answered(), 200, 2.0)
    assert ledger.lost == 3  # the writer has not started


def test_calls_are_written_in_batches(path: Path) -> None:
    """The clock is read once per call, and once per batch."""
    readings: list[float] = []

    def wall() -> float:
        readings.append(WALL)
        return WALL

    ledger = Ledger(path, 90, wall)
    ledger.start()
    for number in range(500):
        ledger.record(answered(f"req_{number}"), 200, 2.0)
    ledger.close()
    assert len(calls(path, Filters(), 1000)) == 500
    assert len(readings) - 500 < 50


def test_processes_that_start_together_share_one_file(path: Path) -> None:
    ledgers = [Ledger(path, 90) for _ in range(8)]
    for ledger in ledgers:
        ledger.start()
    for number, ledger in enumerate(ledgers):
        ledger.record(answered(f"req_{number}"), 200, 2.0)
    for ledger in ledgers:
        ledger.close()
    assert {each["id"] for each in calls(path, Filters(), 100)} == {
        f"req_{number}" for number in range(8)
    }


def test_a_count_that_no_column_holds_costs_its_batch_alone(path: Path, warned: list[str]) -> None:
    odd = answered("req_odd")
    odd.attempts[-1].usage = Usage(input=2**70)
    ledger = Ledger(path, 90)
    ledger.start()
    ledger.record(odd, 200, 2.0)
    while not warned:
        pass
    ledger.record(answered("req_2"), 200, 2.0)
    ledger.close()
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["req_2"]
    assert ledger.lost == 1
    assert len(warned) == 1


def test_a_call_that_no_row_holds_costs_no_other(path: Path) -> None:
    odd = answered("req_odd")
    odd.attempts[-1].upstream_request_id = "half \ud83d"
    ledger = Ledger(path, 90)
    ledger.start()
    ledger.record(odd, 200, 2.0)
    ledger.record(answered("req_2"), 200, 2.0)
    ledger.close()
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["req_2"]
    assert ledger.lost == 1


def test_what_could_not_be_written_is_written_later(path: Path, warned: list[str]) -> None:
    path.parent.write_text("in the way")
    ledger = Ledger(path, 90)
    ledger.start()
    ledger.record(answered("req_1"), 200, 2.0)
    while not warned:
        pass
    path.parent.unlink()
    ledger.close()
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["req_1"]


def test_a_reader_sees_what_is_written_while_it_is_written(path: Path) -> None:
    written(path, answered("req_1"))
    ledger = Ledger(path, 90, lambda: WALL)
    ledger.start()
    assert len(calls(path, Filters(), 10)) == 1
    ledger.record(answered("req_2"), 200, 2.0)
    ledger.close()
    assert len(calls(path, Filters(), 10)) == 2


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """What the ledger has logged."""
    lines: list[str] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Lines()
    module.log.addHandler(handler)
    yield lines
    module.log.removeHandler(handler)


@pytest.mark.parametrize(
    "content", [b"this is no database at all, only some text\n" * 30, b"\0" * 5000]
)
def test_a_broken_file_is_reported_once_and_calls_go_on(
    path: Path, content: bytes, warned: list[str]
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    written(path, answered(), answered())
    assert len(warned) == 1
    assert path.read_bytes() == content
    with pytest.raises(Unreadable):
        calls(path, Filters(), 1)


def test_a_newer_ledger_is_left_alone(path: Path, warned: list[str]) -> None:
    written(path, answered())
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {ledger_schema.VERSION + 1}")
    database.close()
    written(path, answered())
    assert "newer version" in warned[0]


def test_there_is_none_yet(path: Path) -> None:
    with pytest.raises(Unreadable, match="no ledger yet"):
        calls(path, Filters(), 1)


CRASH = """
import sys, threading
from pathlib import Path
from gateway.observe.ledger import Ledger
from gateway.observe.ledger_read import Filters, Unreadable, calls
from tests.observe.test_ledger import answered
path = Path(sys.argv[1])
ledger = Ledger(path, 90)
ledger.start()
ledger.record(answered(), 200, 2.0)
while True:
    try:
        if calls(path, Filters(), 1):
            break
    except Unreadable:
        pass
print("written", flush=True)
threading.Event().wait()
"""


def test_kill_9_loses_nothing_that_was_written(path: Path) -> None:
    folder = Path(__file__).parents[2]
    command = [sys.executable, "-W", "ignore", "-c", CRASH, str(path)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["req_1"]
    written(path, answered("req_2"))
    assert len(calls(path, Filters(), 10)) == 2


VERSION_1 = """
CREATE TABLE calls (
    id TEXT NOT NULL, at REAL NOT NULL, agent TEXT NOT NULL, client TEXT NOT NULL, model TEXT,
    provider TEXT, model_id TEXT, status INTEGER NOT NULL, stream INTEGER NOT NULL,
    seconds REAL NOT NULL, first_token_s REAL,
    input INTEGER, output INTEGER, cache_read INTEGER, cache_write INTEGER, reasoning INTEGER,
    finish TEXT, failure TEXT, dropped TEXT NOT NULL, attempts TEXT NOT NULL
);
INSERT INTO calls VALUES ('old', 1799999000.0, 'dev', 'tests', 'sonnet', 'anthropic',
    'claude-sonnet-5',
    200, 0, 1.0, 0.5, 100, 20, 0, 70, 0, 'stop', NULL, '', '[]');
PRAGMA user_version = 1;
"""


def version_1(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(VERSION_1)
    return path


def test_a_ledger_of_version_1_can_be_read_as_it_is(path: Path) -> None:
    version_1(path)
    [found] = usage(path, "agent", Filters())
    assert (found["calls"], found["cache_write"], found["cache_write_1h"], found["cost"]) == (
        1,
        70,
        0,
        None,
    )
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["old"]


def test_a_ledger_of_version_1_gains_what_is_new_and_loses_nothing(path: Path) -> None:
    new = answered("new")
    assert new.attempts[-1].usage is not None
    new.attempts[-1].usage = replace(
        new.attempts[-1].usage, cache_write=50, cache_write_1h=30, cost=0.25
    )
    written(version_1(path), new)
    old, stated = calls(path, Filters(), 10)[::-1]
    assert (old["id"], old["input"], old["cache_write"], old["cache_write_1h"], old["cost"]) == (
        "old",
        100,
        70,
        None,
        None,
    )
    assert (old["finish"], old["attempts"]) == ("stop", [])
    assert (stated["id"], stated["cache_write"], stated["cache_write_1h"], stated["cost"]) == (
        "new",
        50,
        30,
        0.25,
    )
    assert stated["finish"] == "stop"
    written(path, answered("third"))
    assert len(calls(path, Filters(), 10)) == 3


def test_costs_that_providers_state_are_added_up_beside_the_others(path: Path) -> None:
    priced = [answered("a"), answered("b")]
    for each in priced:
        each.attempts[-1].usage = Usage(input=100, output=20, cost=0.25)
    written(path, *priced, answered("c"))
    found = sorted(usage(path, "agent", Filters()), key=lambda each: each["calls"])
    assert [(each["calls"], each["cost"]) for each in found] == [(1, None), (2, 0.5)]


# --- a folder that is read-only -------------------------------------------------------------------


@pytest.fixture
def sealed() -> Iterator[Callable[..., Path]]:
    """`sealed(wal=b"", mode=0o444)` is a ledger with one call that may be read, in a folder that
    may not be written, with `link.db` beside it.

    The process is an ordinary user while the test runs, as root may write everywhere.
    """
    is_root = os.geteuid() == 0
    with TemporaryDirectory() as folder:

        def seal(wal: bytes = b"", mode: int = 0o444) -> Path:
            path = written(Path(folder) / "ledger.db", answered("req_1"))
            if wal:
                path.with_name("ledger.db-wal").write_bytes(wal)
            for file in path.parent.iterdir():
                file.chmod(mode)
            path.with_name("link.db").symlink_to(path)
            path.parent.chmod(0o555)
            if is_root:
                os.seteuid(65534)
            return path

        yield seal
        if is_root:
            os.seteuid(0)
        Path(folder).chmod(0o700)


def test_a_ledger_in_a_read_only_folder_can_be_read(sealed: Callable[..., Path]) -> None:
    path = sealed()
    assert [each["id"] for each in calls(path, Filters(), 10)] == ["req_1"]
    assert [each["calls"] for each in usage(path, "agent", Filters())] == [1]


def test_an_unmerged_ledger_in_a_read_only_folder_says_why_it_cannot_be_read(
    sealed: Callable[..., Path],
) -> None:
    with pytest.raises(Unreadable, match="its folder is read-only, and the latest calls are in"):
        calls(sealed(wal=b"the latest calls"), Filters(), 10)


def test_the_latest_calls_are_looked_for_where_a_link_leads(sealed: Callable[..., Path]) -> None:
    link = sealed(wal=b"the latest calls").with_name("link.db")
    with pytest.raises(Unreadable, match=r"the latest calls are in .*/ledger\.db-wal"):
        calls(link, Filters(), 10)


def test_a_ledger_without_permission_is_not_called_read_only(sealed: Callable[..., Path]) -> None:
    with pytest.raises(Unreadable, match=r"ledger\.db: cannot be read: permission"):
        calls(sealed(mode=0), Filters(), 10)
