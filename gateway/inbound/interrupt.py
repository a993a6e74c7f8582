"""Ends a call from outside: the client left, reads no more, or sends too slowly; or the gateway
stops."""

from __future__ import annotations

import asyncio
from types import TracebackType


class Interrupt:
    """A context around everything that is done for one call. `fire` ends it with an error of the
    caller's choice.

    One per call, whatever the reasons: two that cancel the same task could not tell whose
    cancellation they see.
    """

    def __init__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._task = task
        self.loop = task.get_loop()
        self._error: Exception | None = None
        self._is_over = False

    def fire(self, error: Exception) -> None:
        """Cancels what is under way; `error` is raised where the context ends. The first one
        counts, and none once the context has ended."""
        if self._error is None and not self._is_over:
            self._error = error
            self._task.cancel()

    def __enter__(self) -> Interrupt:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over = True
        if self._error is not None and kind is asyncio.CancelledError:
            self._task.uncancel()
            raise self._error
