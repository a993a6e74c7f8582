"""A worker's connection to the other workers, through the supervisor: circuit news and metrics."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable
from itertools import count
from typing import Any, Final

import orjson

log = logging.getLogger("gateway.workers")

MESSAGE_BYTES_MAX: Final = 1024 * 1024
ANSWER_S: Final = 0.5
"""Seconds to wait for the metrics of the other workers."""


def send(sock: socket.socket, message: bytes) -> None:
    """Without waiting: news that finds no room is lost, and costs one more 429."""
    try:
        sock.send(message)
    except (BlockingIOError, ConnectionError, OSError) as error:
        log.debug("a message to another worker was lost: %s", error)


class Siblings:
    """A worker's side: what it tells the others, and what it hears from them."""

    def __init__(self, sock: socket.socket, orphaned: int) -> None:
        self._sock = sock
        self._orphaned = orphaned
        self._questions = count(1)
        self._answers: dict[str, tuple[list[str], asyncio.Event]] = {}
        self._hear: Callable[[dict[str, Any]], None] = lambda news: None
        self._metrics: Callable[[], str] = lambda: ""

    def join(self, hear: Callable[[dict[str, Any]], None], metrics: Callable[[], str]) -> None:
        """Begins to listen, on the running loop. `hear` gets news; `metrics` gives this worker's own."""
        self._hear, self._metrics = hear, metrics
        loop = asyncio.get_running_loop()
        loop.add_reader(self._sock, self._read)
        loop.add_reader(self._orphaned, self._end)

    def ready(self) -> None:
        send(self._sock, b"ready")

    def tell(self, news: dict[str, Any]) -> None:
        """Hands `news` (plain JSON) to all others."""
        send(self._sock, orjson.dumps({"news": news}))

    async def pages(self) -> list[str]:
        """The metrics of all workers, one page each; without those that do not answer within `ANSWER_S`."""
        question = f"{os.getpid()}.{next(self._questions)}"
        answers, done = self._answers[question] = ([], asyncio.Event())
        send(self._sock, orjson.dumps({"question": question}))
        try:
            await asyncio.wait_for(done.wait(), ANSWER_S)
        except TimeoutError:
            pass
        finally:
            del self._answers[question]
        return [self._metrics(), *answers]

    def _end(self) -> None:
        """The parent is gone, and with it whoever could stop us."""
        asyncio.get_running_loop().remove_reader(self._orphaned)
        os.kill(os.getpid(), signal.SIGTERM)

    def _read(self) -> None:
        try:
            message = orjson.loads(self._sock.recv(MESSAGE_BYTES_MAX))
        except (BlockingIOError, ConnectionError):
            return
        if "news" in message:
            self._hear(message["news"])
        elif "question" in message:
            answer = {"answer": message["question"], "text": self._metrics()}
            send(self._sock, orjson.dumps(answer))
        elif message.get("answer") in self._answers:
            self._answers[message["answer"]][0].append(message["text"])
