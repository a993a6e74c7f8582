"""Content blocks → the hub's parts: text, images, documents, search results, and what server tools
left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from gateway.dialects.anthropic.inbound.notes import invalid, list_at, object_at, text_at
from gateway.hub.losses import ECHOES, MARKS, lost_path

Block = Mapping[str, Any]
Part = dict[str, Any]


def decode_parts(content: Any, path: str, dropped: list[str]) -> list[Part]:
    """The parts of `content`, a string or a list of blocks. Adds paths of unknown blocks to
    `dropped`."""
    return _decode_each(content, path, dropped, _BLOCKS)


def decode_block(block: Any, path: str, dropped: list[str]) -> list[Part]:
    """The parts of one block."""
    return _decode(block, path, dropped, _BLOCKS)


def blocks_of(content: Any, path: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The blocks of a turn's content, each with its path; a string is one block of text."""
    if isinstance(content, str):
        content = [text_part(content)]
    for number, block in enumerate(list_at(content, path)):
        place = f"{path}.{number}"
        yield object_at(block, place), place


def kind_of(block: Any, path: str) -> str:
    """The type of a block. Raises `Failed` where it has none."""
    return text_at(object_at(block, path).get("type"), f"{path}.type")


def text_part(text: str) -> Part:
    return {"type": "text", "text": text}


def content_of(parts: list[Part]) -> str | list[Part]:
    """Parts as the content of a message: plain text where one part is all."""
    if not parts:
        return ""
    alone = len(parts) == 1 and parts[0].keys() == {"type", "text"}
    return str(parts[0]["text"]) if alone else parts


def marked(parts: list[Part], block: Block) -> list[Part]:
    """`parts` with the cache mark of their block on the last one."""
    mark = block.get("cache_control")
    if not mark or not parts:
        return parts
    return [*parts[:-1], {**parts[-1], "cache_control": mark}]


# --- blocks ---------------------------------------------------------------------------------------

Decode = Callable[[Block, str, list[str]], Iterator[Part]]


def _decode_each(
    content: Any, path: str, dropped: list[str], table: Mapping[str, Decode]
) -> list[Part]:
    parts: list[Part] = []
    for block, place in blocks_of(content, path):
        parts += _decode(block, place, dropped, table)
    return parts


def _decode(block: Any, path: str, dropped: list[str], table: Mapping[str, Decode]) -> list[Part]:
    kind = kind_of(block, path)
    decode = table.get(kind)
    if decode is None:
        dropped.append(path)
        return []
    if kind in _KEYS:
        name_others(block, _KEYS[kind], path, dropped)
    return marked(list(decode(block, path, dropped)), block)


_OF_BLOCKS: Final = ECHOES | MARKS | {"caller"}
_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "text": _OF_BLOCKS | {"text"},
    "image": _OF_BLOCKS | {"source"},
    "document": _OF_BLOCKS | {"source", "title", "context", "citations"},
    "search_result": _OF_BLOCKS | {"source", "title", "content", "citations"},
    "tool_use": _OF_BLOCKS | {"id", "name", "input"},
    "tool_result": _OF_BLOCKS | {"tool_use_id", "content", "is_error"},
}
"""Type of a block → its keys of which nothing is lost, or what is lost is named elsewhere."""


def name_others(
    thing: Mapping[str, Any], known: frozenset[str], path: str, dropped: list[str]
) -> None:
    """Adds the paths of what `thing` says under keys that are not `known`."""
    if not thing.keys() <= known:
        others = [key for key in thing if key not in known and thing[key] is not None]
        dropped += [lost_path(path, key) for key in others]


def name_keys(block: Block, kind: str, path: str, dropped: list[str]) -> None:
    """As `name_others`, for a block that becomes a call or a message."""
    name_others(block, _KEYS[kind], path, dropped)


def _text(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    text = text_at(block.get("text"), f"{path}.text")
    if text:
        yield text_part(text)


def _image(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    source = object_at(block.get("source"), f"{path}.source")
    kind = source.get("type")
    if kind == "file":
        yield _uploaded(source, path)
        return
    if kind not in ("base64", "url"):
        raise invalid(f"{path}.source.type", "Input should be 'base64', 'url' or 'file'")
    yield {"type": "image_url", "image_url": {"url": _address(source, f"{path}.source")}}


def _address(source: Block, path: str) -> str:
    """The address of a source; inline data as a `data:` URL."""
    if source["type"] == "url":
        return text_at(source.get("url"), f"{path}.url")
    type_ = text_at(source.get("media_type"), f"{path}.media_type")
    return f"data:{type_};base64,{text_at(source.get('data'), f'{path}.data')}"


def _uploaded(source: Block, path: str) -> Part:
    """An uploaded file: the provider that has it reads it, every other one refuses the request."""
    id_ = text_at(source.get("file_id"), f"{path}.source.file_id")
    return {"type": "file", "file": {"file_id": id_}}


def _document(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    source = object_at(block.get("source"), f"{path}.source")
    decode = _SOURCES.get(text_at(source.get("type"), f"{path}.source.type"))
    if decode is None:
        known = ", ".join(f"'{kind}'" for kind in _SOURCES)
        raise invalid(f"{path}.source.type", f"Input should be one of {known}")
    _name_citations(block, path, dropped)
    yield from decode(block, source, path, dropped)


def _name_citations(block: Block, path: str, dropped: list[str]) -> None:
    citations = block.get("citations")
    if isinstance(citations, Mapping) and citations.get("enabled"):
        dropped.append(f"{path}.citations")


def _file(block: Block, source: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    file = {"file_data": _address(source, f"{path}.source")}
    if isinstance(block.get("title"), str) and block["title"]:
        file["filename"] = block["title"]
    yield {"type": "file", "file": file} | _context(block)


def _context(block: Block) -> Part:
    """What the client says about a document: the hub has the same key of a part."""
    context = block.get("context")
    return {"context": context} if isinstance(context, str) and context else {}


def _plain(block: Block, source: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    yield text_part(_titled(block, text_at(source.get("data"), f"{path}.source.data")))


def _inner(block: Block, source: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    title = _titled(block, "")
    if title:
        yield text_part(title.rstrip("\n"))
    yield from _decode_each(source.get("content"), f"{path}.source.content", dropped, _INNER_BLOCKS)


def _upload(block: Block, source: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    yield _uploaded(source, path)


def _titled(block: Block, text: str) -> str:
    heads = [block[key] for key in ("title", "context") if isinstance(block.get(key), str)]
    return "\n".join([*filter(None, heads), text])


_SOURCES: Final[Mapping[Any, Callable[[Block, Block, str, list[str]], Iterator[Part]]]] = {
    "base64": _file,
    "url": _file,
    "text": _plain,
    "content": _inner,
    "file": _upload,
}


def _search_result(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    _name_citations(block, path, dropped)
    title, source = block.get("title") or "", block.get("source") or ""
    yield text_part(f"{title} ({source})" if title else str(source))
    yield from _decode_each(block.get("content") or [], f"{path}.content", dropped, _INNER_BLOCKS)


def _tool_reference(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    name = text_at(block.get("tool_name") or block.get("name"), f"{path}.tool_name")
    yield text_part(f"tool {name} is now available")


# --- what Anthropic's server tools left in the history --------------------------------------------


def _results(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    """The readable part of a server tool's result, as text; the encrypted part is lost."""
    lines = list(_readable(block.get("content")))
    if lines:
        yield text_part("\n".join(lines))
    else:
        dropped.append(path)


_READABLE: Final = ("title", "url", "text", "stdout", "stderr", "data")


def _readable(value: Any) -> Iterator[str]:
    """The texts of a result of any of the server tools, in order. Iterative: a client decides how
    deep it goes."""
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left.extend(reversed(item))
        elif isinstance(item, Mapping):
            inner = item.get("content")
            yield from (item[key] for key in _READABLE if _is_said(item, key))
            left.extend(item[key] for key in ("source",) if isinstance(item.get(key), Mapping))
            if isinstance(inner, list | Mapping):
                left.append(inner)


def _is_said(item: Mapping[str, Any], key: str) -> bool:
    text = item.get(key)
    return isinstance(text, str) and bool(text) and item.get("type") != "base64"


def _compaction(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    """A summary of the messages before it; null when there is none."""
    if isinstance(block.get("content"), str) and block["content"]:
        yield text_part(block["content"])


def _call(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    """A call of a server tool: its result says what it found, and what was asked is lost."""
    if block.get("input"):
        dropped.append(f"{path}.input")
    return iter(())


def _nothing(block: Block, path: str, dropped: list[str]) -> Iterator[Part]:
    """A mark of which model went on."""
    return iter(())


_RESULTS: Final = (
    "web_search_tool_result",
    "web_fetch_tool_result",
    "code_execution_tool_result",
    "bash_code_execution_tool_result",
    "text_editor_code_execution_tool_result",
    "mcp_tool_result",
    "advisor_tool_result",
    "tool_search_tool_result",
)
_INNER_BLOCKS: Final[Mapping[str, Decode]] = {"text": _text, "image": _image}
"""Blocks that may be inside another one. None of them holds blocks, so nesting ends here."""
_BLOCKS: Final[Mapping[str, Decode]] = {
    **_INNER_BLOCKS,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
    "compaction": _compaction,
    "server_tool_use": _call,
    "mcp_tool_use": _call,
    "fallback": _nothing,
    **dict.fromkeys(_RESULTS, _results),
}
