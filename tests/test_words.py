"""Plain English: words that the comments, docstrings, messages, documents and identifiers do not
use.

Words of prose are found anywhere. Words of the gateway's identifiers are parts of a name:
`let_it_rest`, `ClientLeaves`. Of the tests, names, docstrings and comments are read; the strings
are data.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent.parent

WORDS: Final = {
    r"mend(s|ed|ing)?": "Write fix.",
    r"told": "Write reported, receives or distinguished, and name who reports to whom.",
    r"hears?|heard": "Write receives or knows.",
    (
        r"nobody|no one|whoever|somebody|someone"
        r"|anybody|everybody"
    ): "Name the client, process, user or caller.",
    r"stands?|stood": (
        "Code and text are somewhere: write is. For a placeholder write represents or replaces."
    ),
    r"lies": "Files and values are somewhere: write is.",
    r"shall": "Write must, or will.",
    r"for ever": "Write forever, or name the limit.",
    r"lest|whereby|upon|whence|wherein|thereby|hence": "Write so that, by which, on, where.",
    r"rests|rested|resting": "A model is cooling down; a rule is based on something.",
    (
        r"(models?|credential|they|it|to|a|no|the next"
        r"|the first|'s) rest(?! (of|api))"
    ): "Write cooldown.",
    r"(left|leaves?|leaving) early": "A model is skipped before its limit is reached.",
    r"headers say": "Rate-limit headers report no remaining quota.",
    r"(?<!there\s)(?<!where\s)is no (?!longer|such)\w+": "Write is not a, or say what it must be.",
    r"anew": "Write again.",
    r"dearer": "Write more expensive, or slower.",
    r"own affair": "Write that the gateway ignores it.",
    r"laid over": "Write merged into, or replaces.",
    r"learns? of": "Write counts, receives or reads.",
    r"pass(es|ed)? over": "Write skips.",
    r"(has|have) no place": "Write is not supported by.",
    r"leav(e|es|ing) (it|them|this|that|the \w+) to": "Name who does it.",
}
"""Expression, between word boundaries, in any case → what to write instead."""

ALLOWED: Final = {
    ("gateway/lab/answers.py", "nobody"): "A word of the filler text that the lab's models say.",
}
"""(File, the words as they are in it) → why they are right there."""

NAMES: Final = {
    "rest rests": "Write cooldown, or name what remains: others, remaining, text.",
    "told": "Write reported, received, or the thing itself.",
    "heard hears": "Write received.",
    "anybody everybody nobody somebody whoever": "Name the client, process or user.",
    "leave leaves": "Write skip, remove, end, or close.",
    "mend mended mends": "Write fix.",
    "lie lies stands stood": "Name the error, or the thing that is in force.",
    "spoke": "Write has_content.",
    "gone": "Write removed, or closed.",
    "deaf lest shall": "Write what the code does.",
}
"""Parts of an identifier → what to write instead."""
CONTRACTS: Final = {
    ("gateway/config/schema.py", "leave_early"): "The configuration key `breaker.leaveEarly`.",
    ("gateway/providers.py", "GONE"): "A day on which a model id was switched off.",
    ("gateway/relay.py", "leave"): "A method of the waiting room, which is in `shared/`.",
}
"""(File, identifier) → why it stays."""
IDENTIFIERS: Final = (
    "gateway/*.py",
    *(
        f"gateway/{folder}/**/*.py"
        for folder in (
            "cli",
            "config",
            "credentials",
            "dialects/anthropic",
            "dialects/google",
            "dialects/responses",
            "drill",
            "hub",
            "lab",
            "operations",
            "page",
            "reports",
            "text",
        )
    ),
)
"""The files whose identifiers are read."""

DOCUMENTS: Final = (
    "README.md",
    "CONTRIBUTING.md",
    "ARCHITECTURE.md",
    "gateway/share/**/*.example",
    "gateway/share/**/*.service",
    "docs/**/*.md",
    "docs/**/*.py",
    "docs/**/*.json",
    "docs/**/*.yaml",
    "gateway/**/*.py",
    "gateway/**/*.html",
    "gateway/**/*.js",
)
_BETWEEN: Final = r"[\s#]+"
"""Between two words of an expression a line may end, in a comment too."""
_FORBIDDEN: Final = re.compile(
    rf"\b(?:{'|'.join(WORDS)})\b".replace(" ", _BETWEEN),
    re.IGNORECASE,
)
_TEXT: Final = {
    tokenize.COMMENT,
    tokenize.STRING,
    getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING),
}


def prose(source: str) -> str:
    """The comments and strings of a module, on the lines on which they are."""
    lines = [""] * (source.count("\n") + 2)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in _TEXT:
            for line, text in enumerate(token.string.split("\n"), token.start[0]):
                lines[line] += " " + text
    return "\n".join(lines[1:])


def spaced(name: str) -> str:
    """The words of a name: `test_a_b`, `TestAB`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ")


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """(Line, text) of every string that is a statement."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text


def comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def said_by(source: str) -> str:
    """The names, docstrings and comments of a test module, on the lines on which they begin."""
    tree = ast.parse(source)
    lines = [""] * (source.count("\n") + 2)
    names = ((line, spaced(name)) for line, name in defined(source))
    for line, text in (*names, *docstrings(tree), *comments(source)):
        lines[line] += f" | {' '.join(text.split())}"
    return "\n".join(lines[1:])


def unreleased(changes: str) -> str:
    return re.split(r"^## (?!\[Unreleased\])", changes, flags=re.MULTILINE)[0]


def texts() -> Iterator[tuple[str, str]]:
    """(Path below the root, prose) of everything that a reader sees."""
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            text = path.read_text()
            yield path.relative_to(ROOT).as_posix(), prose(text) if path.suffix == ".py" else text
    yield "CHANGELOG.md", unreleased((ROOT / "CHANGELOG.md").read_text())


def of_tests() -> Iterator[tuple[str, str]]:
    """(Path below the root, names and prose) of every module of the tests, but of this one."""
    for path in sorted(ROOT.glob("tests/**/*.py")):
        if path != Path(__file__):
            yield path.relative_to(ROOT).as_posix(), said_by(path.read_text())


def found(name: str, text: str) -> list[str]:
    lines = text.split("\n")
    hits = ((_line(text, hit), hit.group()) for hit in _FORBIDDEN.finditer(text))
    return [
        f"{name}:{line}: {word!r} in {lines[line - 1].strip()!r}"
        for line, word in hits
        if (name, word) not in ALLOWED
    ]


def _line(text: str, hit: re.Match[str]) -> int:
    return text.count("\n", 0, hit.start()) + 1


def test_comments_messages_and_documents_use_plain_words() -> None:
    hits = [hit for name, text in texts() for hit in found(name, text)]
    assert not hits, "\n".join(hits)


def test_names_and_docstrings_of_tests_use_plain_words() -> None:
    hits = [hit for name, text in of_tests() for hit in found(name, text)]
    assert not hits, "\n".join(hits)


@pytest.mark.parametrize(("name", "word"), ALLOWED)
def test_an_exception_that_is_not_needed_is_removed(name: str, word: str) -> None:
    text = dict(texts())[name]
    assert word in {hit.group() for hit in _FORBIDDEN.finditer(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Mend it.",
        "the client is told",
        "it hears of that",
        "a model rests",
        "No rest is longer",
        "all models of the credential rest.",
        "it stands\n    here",
        "nobody reads it",
        "it lies in the store",
        "what it shall do",
        "this goes on for ever",
        "1 is no table.",
        "has no\n    place for",
        "leaves it to the client",
        "its headers say that",
    ],
)
def test_a_word_is_found_on_one_line_or_over_two(text: str) -> None:
    assert found("any", f"first line\n{text}")[0].startswith("any:2: ")


@pytest.mark.parametrize(
    "text",
    [
        "the rest of the body",
        "a REST API",
        "a restart",
        "interested, requests",
        "standard error",
        "there is no such key",
        "it is no longer there",
        "amended, commended",
        "families, replies",
        "forever",
        "the budget is spent",
    ],
)
def test_a_word_inside_another_or_in_another_sense_is_not_found(text: str) -> None:
    assert found("any", text) == []


def test_only_comments_and_strings_of_code_are_read() -> None:
    code = (
        'told = rest  # a comment\n"""A docstring\nof two lines."""\nraise E(f"a message {told}")\n'
    )
    assert "told = rest" not in prose(code)
    assert [line.split() for line in prose(code).split("\n")[:3]] == [
        ["#", "a", "comment"],
        ['"""A', "docstring"],
        ["of", "two", 'lines."""'],
    ]


def test_of_tests_the_names_docstrings_and_comments_are_read() -> None:
    code = (
        "class OldTale:\n"
        '    """Is told\n    here."""\n'
        "    def test_it_rests(self, told=1):  # so it stands\n"
        '        nobody = "somebody"\n'
    )
    hits = [hit.split(" in ")[0] for hit in found("any", said_by(code))]
    assert hits == [
        "any:2: 'told'",
        "any:4: 'rests'",
        "any:4: 'told'",
        "any:4: 'stands'",
        "any:5: 'nobody'",
    ]


def test_only_the_unreleased_changes_are_read() -> None:
    assert unreleased("# Changes\n\n## [Unreleased]\n- new\n\n## [1.0.0]\n- old\n").endswith(
        "- new\n\n"
    )


_FORBIDDEN_PARTS: Final = frozenset(word for words in NAMES for word in words.split())


def parts(name: str) -> frozenset[str]:
    """The words of an identifier in lower case: `_letItRest`, `LET_IT_REST`."""
    return frozenset(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name))


def defined(source: str) -> Iterator[tuple[int, str]]:
    """(Line, identifier) of what a module names: classes, functions, parameters, variables."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield node.lineno, name
            case ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case _:
                pass


def named(name: str, source: str) -> list[str]:
    return [
        f"{name}:{line}: {identifier}"
        for line, identifier in defined(source)
        if parts(identifier) & _FORBIDDEN_PARTS and (name, identifier) not in CONTRACTS
    ]


def sources() -> Iterator[tuple[str, str]]:
    for pattern in IDENTIFIERS:
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_identifiers_use_plain_words() -> None:
    hits = [hit for name, source in sources() for hit in named(name, source)]
    assert not hits, "\n".join(hits)


@pytest.mark.parametrize(("name", "identifier"), CONTRACTS)
def test_a_contract_that_no_code_names_is_removed(name: str, identifier: str) -> None:
    assert identifier in {each for _, each in defined((ROOT / name).read_text())}


@pytest.mark.parametrize(
    "code",
    [
        "def let_it_rest(): ...",
        "class ClientLeaves: ...",
        "async def f(*, told=1): ...",
        "_REST = 1",
        "self.spoke = True",
        "for rest in lines: ...",
    ],
)
def test_a_word_is_found_in_any_identifier(code: str) -> None:
    assert named("any.py", code)


@pytest.mark.parametrize("code", ["restart = leaving = 1", "x = rest", "def interest(): ..."])
def test_a_longer_word_and_a_use_are_no_hits(code: str) -> None:
    assert named("any.py", code) == []
