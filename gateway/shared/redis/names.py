"""Names in the engine: short hashes, so that it knows no address, model or key. Pure.

A circuit's name keeps its parts apart, as the engine needs to know which models belong to a
credential.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

from gateway.shared.circuits import CircuitId
from gateway.shared.redis.seal import Seal
from gateway.shared.slots import Ticket

_CHARS: Final = 12


def short(text: str) -> str:
    """The name of an agent or a limit."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_CHARS]


class Names:
    """The names that one member uses. Those of circuits can be read back. `seal` names what clients
    drop, where members share it."""

    def __init__(self, member: str, seal: Seal | None = None) -> None:
        self.member = member
        self.seal = seal
        self._of: dict[CircuitId, str] = {}
        self._back: dict[str, CircuitId] = {}
        self._short: dict[str, str] = {}

    def circuit(self, circuit_id: CircuitId) -> str:
        found = self._of.get(circuit_id)
        if found is None:
            found = self._of[circuit_id] = "/".join(map(short, circuit_id))
            self._back[found] = circuit_id
        return found

    def circuit_id(self, name: str) -> CircuitId | None:
        """None for a circuit that this member does not know: another one has other models."""
        return self._back.get(name)

    def text(self, text: str) -> str:
        """The name of an agent or a limit, kept: they are few."""
        found = self._short.get(text)
        if found is None:
            found = self._short[text] = short(text)
        return found

    def ticket(self, ticket: Ticket) -> str:
        return f"{self.member}:{ticket}"
