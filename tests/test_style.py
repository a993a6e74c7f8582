"""The style of the tests: they use what is public, and they await.

Read from the sources, so that a test that is skipped here is read too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
PUBLIC: Final = {"_replace", "_asdict", "_make", "_fields", "_exit"}
"""Public names of the standard library that begin with an underscore: of named tuples, and of
`os`."""


def trees() -> Iterator[tuple[str, ast.Module]]:
    """(Path below the folder, tree) of every module of the tests."""
    for path in sorted(FOLDER.rglob("*.py")):
        yield path.relative_to(FOLDER).as_posix(), ast.parse(path.read_text())


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name not in PUBLIC


def is_own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")


def private_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(Line, name) of every private attribute of another object, and of every private import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_own(node):
            yield node.lineno, node.attr
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, each.name) for each in node.names if is_private(each.name))


def run_coroutines(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(Line, name) of every coroutine function inside a test that the test gives to a `run`."""
    for test in tree.body:
        if not isinstance(test, ast.FunctionDef) or not test.name.startswith("test_"):
            continue
        inner = {each.name for each in test.body if isinstance(each, ast.AsyncFunctionDef)}
        for node in ast.walk(test):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).split(".")[-1] != "run":
                continue
            called = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
            yield from ((node.lineno, name) for name in sorted(inner & called))


def given_coroutines(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(Line, name) of every async test that hypothesis calls."""
    for test in ast.walk(tree):
        if isinstance(test, ast.AsyncFunctionDef):
            how = map(ast.unparse, test.decorator_list)
            if any(each.startswith(("given(", "hypothesis.given(")) for each in how):
                yield test.lineno, test.name


def hits(find: Callable[[ast.Module], Iterator[tuple[int, str]]]) -> list[str]:
    return [f"{file}:{line}: {name}" for file, tree in trees() for line, name in find(tree)]


def test_no_test_uses_a_private_attribute() -> None:
    assert not hits(private_names)


def test_a_test_that_awaits_is_an_async_test() -> None:
    assert not hits(run_coroutines), "write `@pytest.mark.anyio` and `async def`"


def test_hypothesis_calls_no_async_test() -> None:
    assert not hits(given_coroutines), "run it: anyio makes an event loop for each example"


def test_each_way_to_a_private_name_is_found() -> None:
    tree = ast.parse(
        "from gateway.x import _a, b\n"
        "c._d\n"
        "super()._e()\n"
        "self._f = cls._g = h.__init__\n"
        "row._replace(i=1)\n"
    )
    assert list(private_names(tree)) == [(1, "_a"), (2, "_d"), (3, "_e")]


def test_an_async_test_with_examples_is_found() -> None:
    tree = ast.parse("@given(x=1)\nasync def test_x(x): ...\n@given(x=1)\ndef test_y(x): ...\n")
    assert list(given_coroutines(tree)) == [(2, "test_x")]


def test_a_coroutine_that_a_test_runs_is_found() -> None:
    tree = ast.parse(
        "def test_x():\n"
        "    async def work(): ...\n"
        "    assert asyncio.run(wait_for(work(), 1)) == gateway.run(work())\n"
    )
    assert list(run_coroutines(tree)) == [(3, "work"), (3, "work")]
