"""Names that clients send as `model`: their form, and which aliases contradict each other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.config.check import Flaw, shown

NAME_CHARS_MAX: Final = 128
WILDCARDS: Final = "*?"
"""In an alias `*` is any text, `?` one character; every other character is itself."""

_NAME: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_NOT_IN_NAMES: Final = frozenset(',;"\\')
_OF_OTHER_PATTERNS: Final = re.compile(r"[][(){}|^$]")

Path = tuple[str, ...]
Known = Collection[str]


def is_pattern(alias: str) -> bool:
    """Whether an alias matches more than itself."""
    return any(wildcard in alias for wildcard in WILDCARDS)


def name_flaws(path: Path, name: str) -> Iterator[Flaw]:
    """Names travel in headers, where a comma or a semicolon ends them."""
    if not _NAME.fullmatch(name) or _NOT_IN_NAMES & set(name) or len(name) > NAME_CHARS_MAX:
        excluded = "a comma, a semicolon, a quote or a backslash"
        cure = f"Use up to {NAME_CHARS_MAX} ASCII characters, none of them {excluded}."
        yield Flaw(path, f"{shown((), name)} cannot be a name.", cure)


# --- aliases --------------------------------------------------------------------------------------


def alias_flaws(agents: Mapping[str, Mapping[str, Any]], models: Known) -> Iterator[Flaw]:
    """Everything that is wrong with the aliases of these agents; agents come before models."""
    owners: dict[str, str] = {}
    for agent, alias in _aliases(agents):
        path = ("agents", agent, "aliases")
        yield from name_flaws(path, alias)
        yield from _syntax(path, alias)
        if not is_pattern(alias):
            yield from _taken(path, alias, agents, models)
            yield from _shared(path, alias, owners.setdefault(alias, agent))
    yield from _repeated(_aliases(agents))


def _aliases(agents: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """(agent, alias), in the order of the files."""
    for agent, table in agents.items():
        listed = table.get("aliases")
        for alias in listed if isinstance(listed, list) else ():
            if isinstance(alias, str):
                yield agent, alias


def _syntax(path: Path, alias: str) -> Iterator[Flaw]:
    """A set of characters or a regular expression. Without a wildcard it may be an odd id."""
    found = _OF_OTHER_PATTERNS.search(alias)
    if found is not None:
        message = f"{shown((), alias)}: {found[0]} has no special meaning in an alias."
        cure = "Only * (any text) and ? (one character) do; write several aliases instead."
        yield Flaw(path, message, cure, "error" if is_pattern(alias) else "warning")


def _taken(path: Path, alias: str, agents: Known, models: Known) -> Iterator[Flaw]:
    """An agent comes before an alias of its name, and an alias before a model of its name."""
    text, own = shown((), alias), path[1]
    if alias == own:
        yield Flaw(path, f"{text} is the agent's own name.", "Remove it.", "warning")
    elif alias in agents:
        message = f"{text} is the name of another agent, which always comes first."
        yield Flaw(path, message, "Remove it, or rename that agent.")
    elif alias in models:
        message = f"{text} hides the model of that name, which clients can no longer ask for."
        yield Flaw(path, message, "Rename one of them if that is not meant.", "warning")


def _shared(path: Path, alias: str, owner: str) -> Iterator[Flaw]:
    agent = path[1]
    if agent != owner:
        both = f"{shown((), owner)} and {shown((), agent)}"
        message = f"{shown((), alias)} is an alias of two agents, {both}."
        yield Flaw(path, message, "Keep it in one of them.")


def _repeated(aliases: Iterable[tuple[str, str]]) -> Iterator[Flaw]:
    for (agent, alias), times in Counter(aliases).items():
        if times > 1:
            message = f"{shown((), alias)} is listed {times} times."
            yield Flaw(("agents", agent, "aliases"), message, "Keep one.", "warning")
