"""`response_format` for servers that lack a part of it."""

from __future__ import annotations

from typing import Any

from gateway.dialects.chat.schemas import answer_rules, strict_rules
from gateway.hub.parts import text_of
from gateway.hub.schemas import EMPTY, fit_answer, fits, paths, shortened
from gateway.hub.structured_output import JSON_KINDS, Form, hint, read_form
from gateway.hub.tools import HUB_TOOL_NAME, fit_names
from gateway.types import Chat, Quirks


def encode_format(
    body: dict[str, Any], chat: Chat, quirks: Quirks, provider_name: str
) -> tuple[list[str], bool]:
    """Puts `response_format` into `body`, or its substitute; returns (what was lost, whether to
    expect a fence)."""
    wanted = chat.get("response_format")
    if not wanted or wanted.get("type") == "text":
        return [], False
    form = read_form(wanted)
    if form.kind not in JSON_KINDS:
        body["response_format"] = wanted  # a word of the server's own, which it will judge itself
        return [], False
    is_schema = form.kind == "json_schema"
    if is_schema and not quirks.json_schema:
        body["response_format"] = {"type": "json_object"}
        _instruct(body, hint(form))
        return ["response_format.json_schema"], True
    if not quirks.json_schema and not _speaks_of_json(body["messages"]):
        _instruct(body, hint(form))  # JSON mode is refused otherwise
    if "tools" in body and not quirks.json_schema_with_tools:
        _instruct(body, hint(form))
        return ["response_format"], True
    if not is_schema:
        body["response_format"] = wanted
        return [], False
    encoded, losses = fit_format(form, provider_name)
    if encoded is None:
        _instruct(body, hint(form))
        return ["response_format"], True
    body["response_format"] = {"type": "json_schema", "json_schema": encoded}
    return [*form.unread, *losses], False


def fit_format(form: Form, provider_name: str) -> tuple[dict[str, Any] | None, list[str]]:
    """(`json_schema` as the provider takes it, what it does not receive); None for a schema of no
    object.

    `strict` stays only with a schema that strict mode compiles: another costs a 400, and to close
    it or to require all its properties would change what the client asked for.
    """
    stated = {key: value for key, value in form.definition.items() if value is not None}
    fitted = fit_answer(form.schema or EMPTY, answer_rules(provider_name))
    rules = strict_rules(provider_name)
    if rules is not None and fitted.schema.get("type") != "object":
        return None, []
    losses = paths("response_format.json_schema.schema", fitted.lost)
    encoded = {**stated, "name": _name(stated.get("name")), "schema": fitted.schema}
    if stated.get("strict") and rules is not None and not fits(fitted.schema, rules):
        encoded["strict"] = False
        losses.append("response_format.json_schema.strict")
    return encoded, shortened(losses)


def _name(stated: Any) -> str:
    name = stated if isinstance(stated, str) and stated else "output"
    return fit_names([name], HUB_TOOL_NAME, length_max=64)[name]


def _speaks_of_json(messages: list[dict[str, Any]]) -> bool:
    return any("json" in text_of(message.get("content")).lower() for message in messages)


def _instruct(body: dict[str, Any], text: str) -> None:
    messages = body["messages"]
    first = messages[0] if messages else None
    if first is not None and first["role"] == "system" and isinstance(first["content"], str):
        body["messages"] = [{**first, "content": f"{first['content']}\n\n{text}"}, *messages[1:]]
    else:
        body["messages"] = [{"role": "system", "content": text}, *messages]
