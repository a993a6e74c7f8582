"""The shape of the code: who may import whom, where a vendor may be named, and how long a file may
grow.

Read from the sources, lazy imports inside functions included. A violation is a reason to move code;
the tables are widened only together with the reason, and a permission that is not used any more
fails too.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent
LINES_MAX: Final = 420

MAY_IMPORT: Final[Mapping[str, frozenset[str]]] = {
    area: frozenset(others.split())
    for area, others in {
        # the ground floor
        "failures": "text",
        "rows": "",
        "types": "failures rows sse text",
        "sse": "",
        "text": "",
        "redact": "providers",
        "urls": "",
        "private_files": "",
        "share": "",
        "providers": "hub types",
        # the core: no I/O, no clock, no globals
        "hub": "failures sse types",
        "dialects": "failures hub sse text types",
        "operations": "dialects hub types",
        # redact, text: what a message to other gateways may say; the address of their engine
        "shared": "failures redact text types",
        "chain": "failures shared types",
        # the edges
        "credentials": "private_files providers types",
        "upstream": (
            "credentials dialects failures hub operations redact shared sse text types urls"
        ),
        "relay": "chain failures shared types",
        "limits": "hub observe shared text types",
        "config": "failures limits providers redact text types urls",
        # reports: `/status` returns one; observe: what may be asked of the ledger
        "inbound": (
            "config failures hub limits observe operations page private_files redact "
            "relay reports shared text types urls"
        ),
        "observe": "__version__ failures providers redact shared text types urls",
        # credentials: where a key comes from; dialects: what a model would be sent, how a provider
        # refuses; observe: the ledger and its prices; shared: the circuits of a running gateway;
        # redact: their reasons
        "reports": (
            "operations __version__ config credentials dialects failures limits observe "
            "providers redact shared text types"
        ),
        # shares no code with the translators, so that it cannot share their mistakes; a provider's
        # row is data
        "lab": "providers types",
        "page": "reports",
        # what puts them together
        "app": (
            "__version__ chain config credentials dialects failures inbound limits "
            "observe relay shared text types upstream"
        ),
        "process": "__version__ app config credentials inbound observe shared text",
        "drill": "app config failures lab process providers sse types",
        # dialects: `explain` shows what a model would be sent
        "cli": (
            "__version__ app config credentials dialects drill failures hub inbound lab "
            "limits observe page process operations providers reports share text types"
        ),
        "__main__": "cli",
        "__init__": "",
    }.items()
}
"""File or folder → what of ours it may import."""

FILES_MAX: Final = 12
"""Modules at package level, besides `__init__` and `__main__`."""

CORE: Final = (
    "failures",
    "types",
    "chain",
    "sse",
    "providers",
    "text",
    "hub",
    "dialects",
    "operations",
    "urls",
    "redact",
)
IMPURE: Final = frozenset(
    {
        "shared/redis/cluster.py",
        "shared/redis/membership.py",
        "shared/redis/session.py",
        "shared/waiting_room.py",
        "shared/workers.py",
    }
)
"""The files of `shared/` that wait or send."""
SANS_IO: Final = frozenset({"upstream/http1/parser.py"})
"""Files outside the core that turn bytes into facts and do no I/O either."""
WORLD: Final = frozenset(
    {"asyncio", "time", "random", "socket", "os", "threading", "subprocess", "httpx", "anyio"}
)
"""What the core does not touch."""

VENDOR: Final = re.compile(
    (
        r"anthropic|openai|groq|gemini|google|(?<![a-z])xai(?![a-z])|mistral|openrouter|claude"
        r"|(?<![a-z])gpt"
    ),
    re.I,
)
NAMES_VENDORS: Final[Mapping[str, str]] = {
    "providers.py": "the rows",
    "dialects/": "each its own vendor's, and a hub spoken with eight accents",
    "lab/": "plays all of them",
    "cli/demo.py": "two providers that the lab plays",
    "reports/clients.py": "the clients that call the gateway, and their settings",
}
"""File or folder → why a vendor is named there in code (prose may name them anywhere)."""

FILES: Final = sorted((ROOT / "gateway").rglob("*.py"))
IDS: Final = [str(file.relative_to(ROOT)) for file in FILES]
each_file = pytest.mark.parametrize("file", FILES, ids=IDS)


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


def area(file: Path) -> str:
    """The part of the tree that a file belongs to: its folder, or itself."""
    return file.relative_to(ROOT / "gateway").with_suffix("").parts[0]


def imports(file: Path) -> Iterator[str]:
    """Dotted names of everything a file imports, wherever in it."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(file: Path) -> Iterator[tuple[str, str]]:
    """(area, dotted name) of what a file imports of ours."""
    for name in imports(file):
        if name.startswith("gateway."):
            yield name.split(".")[1], name


@each_file
def test_who_imports_whom(file: Path) -> None:
    here = area(file)
    allowed = MAY_IMPORT[here] | {here}
    assert {name for other, name in own(file) if other not in allowed} == set()


def test_no_permission_is_left_over() -> None:
    used = {(area(file), other) for file in FILES for other, _ in own(file)}
    given = {(here, other) for here, others in MAY_IMPORT.items() for other in others}
    assert {pair for pair in given if pair not in used} == set()
    assert set(MAY_IMPORT) == {area(file) for file in FILES}


def reachable(start: str) -> set[str]:
    """Every area that `start` imports, directly or through others."""
    found: set[str] = set()
    left = [start]
    while left:
        for other in MAY_IMPORT[left.pop()] - found:
            found.add(other)
            if other in MAY_IMPORT:
                left.append(other)
    return found


@pytest.mark.parametrize("here", sorted(MAY_IMPORT))
def test_no_area_imports_itself_through_others(here: str) -> None:
    assert here not in reachable(here)


def test_the_package_level_stays_small() -> None:
    files = {file.stem for file in FILES if file.parent == ROOT / "gateway"} - {
        "__init__",
        "__main__",
    }
    assert len(files) <= FILES_MAX


@pytest.mark.parametrize(
    "folder", sorted({file.parent for file in FILES} - {ROOT / "gateway"}), ids=str
)
def test_a_folder_says_what_belongs_there(folder: Path) -> None:
    assert ast.get_docstring(parsed(folder / "__init__.py"))


@each_file
def test_the_core_touches_nothing(file: Path) -> None:
    here = file.relative_to(ROOT / "gateway").as_posix()
    is_pure = here in SANS_IO or (area(file) in (*CORE, "shared") and here not in IMPURE)
    if not is_pure:
        return
    assert {name for name in imports(file) if name.split(".")[0] in WORLD} == set()


@pytest.mark.parametrize("place", sorted(IMPURE | SANS_IO))
def test_each_file_that_the_tables_of_purity_name_is_there(place: str) -> None:
    assert (ROOT / "gateway" / place).is_file()


@each_file
def test_a_file_says_what_it_is_and_stays_readable(file: Path) -> None:
    assert ast.get_docstring(parsed(file)), "it has no docstring"
    assert len(file.read_text().splitlines()) <= LINES_MAX


def words(tree: ast.Module) -> Iterator[str]:
    """The identifiers and the text constants of a module, without its docstrings."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if id(node) not in prose:
                yield text
            case ast.Constant(value=bytes(data)):
                yield data.decode("latin-1")
            case (
                ast.Name(id=name)
                | ast.Attribute(attr=name)
                | ast.arg(arg=name)
                | ast.alias(name=name)
            ):
                yield name
            case (
                ast.FunctionDef(name=name)
                | ast.AsyncFunctionDef(name=name)
                | ast.ClassDef(name=name)
            ):
                yield name
            case _:
                pass


def named_in(file: Path) -> set[str]:
    return {word for word in words(parsed(file)) if VENDOR.search(word)}


@each_file
def test_vendors_are_named_where_they_belong(file: Path) -> None:
    here = file.relative_to(ROOT / "gateway").as_posix()
    if not any(
        here == place or (place.endswith("/") and here.startswith(place)) for place in NAMES_VENDORS
    ):
        assert named_in(file) == set()


@pytest.mark.parametrize("place", [place for place in NAMES_VENDORS if not place.endswith("/")])
def test_no_vendor_is_excused_for_nothing(place: str) -> None:
    assert named_in(ROOT / "gateway" / place)


def test_the_lab_shares_nothing_with_the_translators() -> None:
    assert MAY_IMPORT["lab"] == {"providers", "types"}, (
        "rows say where a provider is: data, and no translation"
    )


def test_no_test_patches_anything() -> None:
    """Fakes are a function, a clock, bytes, or a real server."""
    wrong = re.compile(r"mock\.patch|monkeypatch\.|time\.sleep\(")
    found = {
        f"{file.relative_to(ROOT)}: {line.strip()}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        if file != Path(__file__)
        for line in file.read_text().splitlines()
        if wrong.search(line)
    }
    assert found == set()
