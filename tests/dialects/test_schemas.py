"""Any JSON Schema of a tool or an answer becomes one that the provider takes, and what is lost is
named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import DIALECTS, Encoded, choose
from gateway.dialects.chat import decode_request
from gateway.hub.schemas import Rules, fit_parameters, shortened
from tests.dialects import strict_schemas
from tests.dialects.strict import STRICT
from tests.dialects.strict_schemas import check_functions, functions, nodes
from tests.dialects.test_properties import target

MANY = settings(max_examples=20, deadline=None, derandomize=True)
EVERYONE = pytest.mark.parametrize("name", STRICT)


def encoded(name: str, **fields: Any) -> Encoded:
    """The request with `fields` for a provider; what it was given is unchanged."""
    chat = decode_request(
        {"model": "dev", "messages": [{"role": "user", "content": "Hi"}], **fields}
    )
    before = json.dumps(chat)
    chosen = target(name)
    result = DIALECTS[choose(chat, chosen)].encode_request(chat, chosen)
    assert json.dumps(chat) == before
    return result._replace(body=json.loads(json.dumps(result.body)))


def tool(parameters: Any, **more: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": parameters, **more}}


def sent(name: str, parameters: Any) -> tuple[Any, tuple[str, ...]]:
    """(the parameters as sent, what is named as dropped)."""
    result = encoded(name, tools=[tool(parameters)])
    check_functions(name, result.body)
    return functions(result.body)[0][0], result.dropped


def properties(**schemas: Any) -> dict[str, Any]:
    return {"type": "object", "properties": schemas}


TREE = {"type": "object", "properties": {"left": {"$ref": "#/$defs/Tree"}, "all": {"$ref": "#"}}}
DEEP: dict[str, Any] = {"type": "string"}
for _ in range(120):
    DEEP = properties(a=DEEP)
DOUBLING = {
    f"D{n}": properties(l={"$ref": f"#/$defs/D{n + 1}"}, r={"$ref": f"#/$defs/D{n + 1}"})
    for n in range(60)
}

ODD: dict[str, Any] = {
    "null": None,
    "empty": {},
    "a list": [],
    "an object without properties": {"type": "object"},
    "a closed object without properties": {"type": "object", "additionalProperties": False},
    "required without properties": {"type": "object", "required": ["a"]},
    "no type": {"properties": {"a": {"type": "string"}}},
    "a nested object without properties": properties(a={"type": "object"}),
    "an object in an array": properties(a={"type": "array", "items": {"type": "object"}}),
    "an array without items": properties(a={"type": "array"}),
    "a nullable array without items": properties(a={"type": ["array", "null"]}),
    "addresses of drafts": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "x",
        **properties(a={}),
    },
    "definitions": {
        **properties(a={"$ref": "#/definitions/A"}),
        "definitions": {"A": {"type": "string"}},
    },
    "a recursive definition": {**properties(t={"$ref": "#/$defs/Tree"}), "$defs": {"Tree": TREE}},
    "a reference on top": {"$ref": "#/$defs/Tree", "$defs": {"Tree": TREE}},
    "a reference beside words": {
        **properties(a={"$ref": "#/$defs/A", "description": "x"}),
        "$defs": {"A": {}},
    },
    "a reference into a property": properties(a={"type": "string"}, b={"$ref": "#/properties/a"}),
    "a reference to nothing": properties(a={"$ref": "#/$defs/Gone"}),
    "a reference elsewhere": properties(a={"$ref": "https://example.com/a.json"}),
    "a reference to itself": {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
    "references that double": {
        **properties(a={"$ref": "#/$defs/D0"}),
        "$defs": {**DOUBLING, "D60": {}},
    },
    "a map": properties(a={"type": "object", "additionalProperties": {"type": "integer"}}),
    "several types": properties(
        a={"type": ["string", "null"]}, b={"type": ["string", "array"], "minLength": 1}
    ),
    "types of programs": properties(
        a={"type": "STRING"}, b={"type": "int"}, c={"type": "any"}, d={"type": "Date"}
    ),
    "no types at all": properties(a={"type": []}, b={"type": None}, c={"type": [7]}),
    "enum with null": properties(a={"type": ["string", "null"], "enum": ["x", None]}),
    "enum of several types": properties(a={"enum": ["x", 1, None, True, {"b": 1}]}),
    "enum without type": properties(a={"enum": ["x", "y"]}),
    "enum of nothing": properties(a={"enum": []}, b={"enum": "x"}),
    "const": properties(a={"const": "x"}, b={"const": None}, c={"const": {"type": "object"}}),
    "oneOf on top": {"oneOf": [properties(a={"type": "string"}), properties(b={"type": "string"})]},
    "anyOf on top": {**properties(a={}), "anyOf": [{"required": ["a"]}, {"required": ["b"]}]},
    "allOf on top": {
        "allOf": [properties(a={}), {"$ref": "#/$defs/B"}],
        "$defs": {"B": properties(b={})},
    },
    "not, enum and if on top": {
        **properties(a={}),
        "not": {},
        "enum": [{}],
        "if": {},
        "then": {"required": ["a"]},
    },
    "an empty anyOf": properties(a={"anyOf": []}, b={"anyOf": None}, c={"allOf": {}}),
    "formats": properties(
        a={"type": "string", "format": "uri"},
        b={"type": "integer", "format": "uint8"},
        c={"format": 7},
    ),
    "an exclusive minimum of draft 4": properties(
        a={"type": "number", "minimum": 1, "exclusiveMinimum": True}
    ),
    "an exclusive minimum": properties(
        a={"type": "integer", "exclusiveMinimum": 0}, b={"exclusiveMaximum": 1.5}
    ),
    "bounds in words": properties(
        a={"minimum": "1", "maxLength": -1, "pattern": 7, "minItems": None}
    ),
    "nullable": properties(
        a={"type": "string", "nullable": True}, b={"$ref": "#/$defs/B", "nullable": True}
    )
    | {"$defs": {"B": {"enum": ["x"]}}},
    "required names nothing": {**properties(a={}), "required": ["a", "ghost", 7, "a"]},
    "required names nothing in a closed object": {
        **properties(a={}),
        "required": ["b"],
        "additionalProperties": False,
    },
    "required is not a list": {
        **properties(a={"type": "string", "required": True}),
        "required": "a",
    },
    "defaults and examples": properties(a={"type": "string", "default": None, "examples": ["x"]}),
    "true and false": properties(
        a=True, b=False, c={"items": True}, d={"type": "array", "items": False}
    ),
    "false among others": properties(
        a={"anyOf": [False, {"type": "string"}]}, b={"anyOf": [False]}, c={"not": True}
    ),
    "no schemas": {"type": "object", "properties": {"a": None, "b": "string", "c": []}},
    "properties is not a table": {"type": "object", "properties": ["a"]},
    "pattern properties": properties(
        a={"type": "object", "patternProperties": {"^x": {"type": "string"}}}
    ),
    "property names": properties(a={"type": "object", "propertyNames": {"pattern": "^x"}}),
    "conditions": properties(
        a={"if": {"minimum": 1}, "then": {"maximum": 2}, "else": {}, "not": {"const": 3}}
    ),
    "tuples of draft 7": properties(
        a={"type": "array", "items": [{"type": "string"}, {}], "additionalItems": False}
    ),
    "tuples": properties(
        a={"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "number"}}
    ),
    "an empty tuple": properties(a={"type": "array", "items": []}),
    "names that are refused": properties(
        **{"$filter": {}, "a b": {}, "é": {}, "": {}, "x" * 80: {}, "ok": {}}
    )
    | {"required": ["$filter", "ok"]},
    "too deep": DEEP,
    "not an object": {"type": "string", "enum": ["x"]},
    "allOf inside": properties(
        a={"allOf": [properties(b={}), {"required": ["b"]}]}, c={"allOf": [{"minLength": 1}]}
    ),
    "unknown keywords": properties(a={"type": "string", "x-order": 1, "optional": True, "id": "a"}),
    "numbers of any size": properties(
        a={"type": "integer", "maximum": 2**63 - 1, "default": 1e300}
    ),
}


@EVERYONE
@pytest.mark.parametrize("case", ODD)
def test_every_provider_takes_any_parameters(name: str, case: str) -> None:
    sent(name, ODD[case])


@EVERYONE
def test_a_function_without_parameters(name: str) -> None:
    check_functions(
        name, encoded(name, tools=[{"type": "function", "function": {"name": "f"}}]).body
    )


TEXTS = "x a string object array integer # #/$defs/A #/$defs/B #/properties/a date [a-z"
VALUES: list[Any] = [
    0,
    1,
    2.5,
    -1,
    True,
    False,
    None,
    [],
    {},
    ["a"],
    ["a", "a"],
    ["string", "null"],
    [1, "a", None],
]
KEYWORDS = (
    "type enum const required minimum exclusiveMinimum exclusiveMaximum minItems nullable "
    "default format pattern $ref"
    " $id $schema items properties anyOf additionalItems uniqueItems description title "
    "dependencies x-mine multipleOf"
    " additionalProperties"
)
PAIRS = st.dictionaries(
    st.sampled_from(KEYWORDS.split()), st.sampled_from([*TEXTS.split(), *VALUES]), max_size=4
)
NAMES = st.sampled_from(["a", "b", "$c", "a b", "type", "properties", "$ref", "required", "enum"])


def grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    named, listed = st.dictionaries(NAMES, inner, max_size=3), st.lists(inner, max_size=3)
    one = st.sampled_from(
        ["items", "additionalProperties", "not", "if", "then", "contains", "propertyNames"]
    )
    parts: tuple[st.SearchStrategy[Any], ...] = (
        st.dictionaries(
            st.sampled_from(["properties", "patternProperties", "dependentSchemas"]),
            named,
            max_size=2,
        ),
        st.dictionaries(
            st.sampled_from(["anyOf", "oneOf", "allOf", "prefixItems", "items"]), listed, max_size=2
        ),
        st.dictionaries(one, inner, max_size=2),
        PAIRS,
        st.fixed_dictionaries({"$defs": st.dictionaries(st.sampled_from(["A", "B"]), inner)})
        | st.just({}),
    )
    return st.tuples(*parts).map(
        lambda dicts: {key: value for part in dicts for key, value in part.items()}
    )


SCHEMAS = st.recursive(st.booleans() | PAIRS, grown, max_leaves=8)


@pytest.mark.parametrize(
    "name", ["anthropic", "google", "openai", "openai-responses", "openrouter"]
)
@given(schema=SCHEMAS, strict=st.booleans())
@MANY
def test_every_provider_takes_generated_parameters(name: str, schema: Any, strict: bool) -> None:
    check_functions(name, encoded(name, tools=[tool(schema, strict=strict)]).body)


@pytest.mark.parametrize(
    "name", ["anthropic", "google", "openai", "openai-responses", "xai", "custom"]
)
@given(schema=SCHEMAS, strict=st.booleans())
@MANY
def test_every_provider_takes_generated_answers(name: str, schema: Any, strict: bool) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "out", "schema": schema, "strict": strict},
    }
    body = encoded(name, response_format=wanted).body
    config = body.get("generationConfig") or {}
    if "responseJsonSchema" in config:
        strict_schemas.google(config["responseJsonSchema"])
    if "output_config" in body:
        strict_schemas.compiled(body["output_config"]["format"]["schema"])
    stated = (body.get("response_format") or {}).get("json_schema") or (body.get("text") or {}).get(
        "format"
    )
    if stated and "schema" in stated:
        strict_schemas.valid(stated["schema"])
        assert name in ("custom", "xai") or stated["schema"]["type"] == "object"
        if stated.get("strict") and name not in ("custom", "xai"):
            strict_schemas.strict(stated["schema"])


CLOSED = {
    **properties(city={"type": "string"}),
    "required": ["city"],
    "additionalProperties": False,
}
OPEN = properties(city={"type": "string"})


@pytest.mark.parametrize(
    ("name", "schema", "is_sent"),
    [
        ("openai", CLOSED, True),
        ("openai-responses", CLOSED, True),
        ("openrouter", CLOSED, True),
        ("anthropic", CLOSED, True),
        ("groq", CLOSED, False),
        ("xai", CLOSED, False),
        ("mistral", CLOSED, False),
        ("google", CLOSED, False),
        ("custom", CLOSED, False),
        ("openai", OPEN, False),
        ("openai-responses", OPEN, False),
        ("openrouter", OPEN, False),
        ("anthropic", OPEN, False),
        ("openai", None, True),
        ("openai-responses", None, True),
        ("anthropic", None, True),
    ],
)
def test_strict_is_sent_or_named(name: str, schema: Any, is_sent: bool) -> None:
    second = tool(schema, strict=True)
    second["function"]["name"] = "g"
    result = encoded(name, tools=[tool(OPEN), second])
    assert (functions(result.body)[1][1] is True) == is_sent
    assert ("tools.1.strict" in result.dropped) == (not is_sent)
    check_functions(name, result.body)


NULLABLE = {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}]}


@pytest.mark.parametrize(
    ("name", "before", "after", "lost"),
    [
        ("openai", {"type": "object"}, {"type": "object", "properties": {}}, ""),
        ("openai", {"type": "array"}, {"type": "array", "items": {}}, ""),
        ("openai", {"type": "string", "nullable": True}, {"type": ["string", "null"]}, ""),
        ("openai", {"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}, ""),
        ("openai", {"enum": [{"type": "object"}]}, {"enum": [{"type": "object"}]}, ""),
        ("openai", {"const": {"type": "array"}}, {"const": {"type": "array"}}, ""),
        (
            "openai",
            {"default": {"$ref": "#/x"}, "x-mine": 1},
            {"default": {"$ref": "#/x"}, "x-mine": 1},
            "",
        ),
        ("openai", {"$ref": "#/$defs/Gone"}, {}, "$ref"),
        ("openai", {"minLength": "3"}, {}, "minLength"),
        ("openai", {"type": "Date"}, {}, "type"),
        ("openai", {"description": 7, "title": None}, {}, ""),
        (
            "openai",
            {"required": ["b"], "properties": {"a": True}},
            {"type": "object", "required": ["b"]},
            "",
        ),
        (
            "anthropic",
            {"type": "array", "items": [{}, {}]},
            {"type": "array", "prefixItems": [{}, {}]},
            "",
        ),
        ("anthropic", {"anyOf": [True, {"not": {}}]}, {"anyOf": [{}, {"not": {}}]}, ""),
        ("google", {"const": "x"}, {"type": "string", "enum": ["x"]}, ""),
        ("google", {"type": ["string", "null"], "enum": ["x", None]}, NULLABLE, ""),
        ("google", {"enum": [1, 2]}, {"type": "integer", "enum": [1, 2]}, ""),
        (
            "google",
            {"type": "integer", "exclusiveMinimum": 0},
            {"type": "integer", "minimum": 1},
            "",
        ),
        (
            "google",
            {"type": "string", "format": "uri"},
            {"type": "string", "description": 'format: "uri"'},
            "",
        ),
        (
            "google",
            {"type": "string", "pattern": "^a"},
            {"type": "string", "description": 'pattern: "^a"'},
            "pattern",
        ),
        ("google", {"not": {"type": "null"}}, {"description": 'not: {"type":"null"}'}, "not"),
        ("google", {"type": "object", "properties": {}}, {"type": "object"}, ""),
        ("google", {"oneOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}]}, ""),
        ("google", {"x-mine": 1, "type": "string"}, {"type": "string"}, ""),
    ],
)
def test_what_becomes_of_a_schema(name: str, before: Any, after: dict[str, Any], lost: str) -> None:
    parameters, dropped = sent(name, properties(a=before))
    found = parameters["properties"]["a"]
    assert {key: found[key] for key in found if key in after or "required" not in before} == after
    assert dropped == ((f"tools.0.parameters.{lost}",) if lost else ())


@EVERYONE
def test_objects_on_top_are_joined(name: str) -> None:
    parts = [
        properties(a={"type": "string"}),
        {**properties(b={"type": "string"}), "required": ["b"]},
    ]
    parameters, dropped = sent(name, {"allOf": parts})
    assert list(parameters["properties"]) == ["a", "b"]
    assert (parameters["required"], dropped) == (["b"], ())
    parameters, dropped = sent(name, {"oneOf": parts})
    assert list(parameters["properties"]) == ["a", "b"]
    assert dropped == ("tools.0.parameters.oneOf",)


@EVERYONE
def test_a_recursive_schema_stays_recursive(name: str) -> None:
    parameters, dropped = sent(name, ODD["a recursive definition"])
    definition = next(
        node for node in parameters["$defs"].values() if "left" in node.get("properties", {})
    )
    assert definition["properties"]["left"] == parameters["properties"]["t"]
    assert dropped == ()


@EVERYONE
def test_references_are_not_multiplied(name: str) -> None:
    """Sixty definitions that each refer twice to the next: written out, they would be 2**60."""
    parameters, _ = sent(name, ODD["references that double"])
    assert sum(1 for _ in nodes(parameters)) < 400


@EVERYONE
def test_what_is_too_deep_is_cut_and_named(name: str) -> None:
    _, dropped = sent(name, DEEP)
    assert dropped == ("tools.0.parameters",)


def test_a_schema_without_end_is_cut() -> None:
    fitted = fit_parameters(
        properties(**{f"p{n}": {"type": "string"} for n in range(11_000)}), Rules()
    )
    assert fitted.lost == ("",)
    assert fitted.schema["properties"]["p1"] == {"type": "string"}


def test_a_number_beyond_64_bits_is_kept() -> None:
    fitted = fit_parameters(properties(a={"maximum": 2**70}), Rules())
    assert fitted.schema["properties"]["a"] == {"maximum": 2**70}


def test_many_losses_are_named_in_few_words() -> None:
    odd = {"not": {}, "if": {}, "pattern": "a"}
    tools = [tool(properties(a=odd)) for _ in range(20)]
    for place, item in enumerate(tools):
        item["function"]["name"] = f"f{place}"
    assert encoded("google", tools=tools).dropped == tuple(
        f"tools.{place}.parameters" for place in range(20)
    )
    assert shortened([f"tools.{place}.strict" for place in range(50)]) == ["tools.strict"]


@pytest.mark.parametrize(
    ("name", "schema", "strict", "is_strict", "dropped"),
    [
        ("openai", CLOSED, True, True, ()),
        ("openai", OPEN, True, False, ("response_format.json_schema.strict",)),
        ("openai", OPEN, False, False, ()),
        ("groq", OPEN, True, False, ("response_format.json_schema.strict",)),
        ("mistral", CLOSED, True, True, ()),
        ("custom", OPEN, True, True, ()),
        ("xai", OPEN, True, True, ()),
    ],
)
def test_strict_answers(
    name: str, schema: Any, strict: bool, is_strict: bool, dropped: tuple[str, ...]
) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "out", "schema": schema, "strict": strict},
    }
    result = encoded(name, response_format=wanted)
    assert result.body["response_format"]["json_schema"]["strict"] == is_strict
    assert result.dropped == dropped


@pytest.mark.parametrize("name", ["openai", "openai-responses", "groq", "mistral", "openrouter"])
def test_an_answer_that_is_not_an_object_is_asked_for_in_words(name: str) -> None:
    wanted = {
        "type": "json_schema",
        "json_schema": {"name": "out", "schema": {"type": "array", "items": {}}},
    }
    result = encoded(name, response_format=wanted)
    assert result.unfence
    assert result.dropped == ("response_format",)
    assert "matches this JSON Schema" in json.dumps(result.body)
    assert "json_schema" not in result.body.get("text", result.body)


@EVERYONE
@pytest.mark.parametrize(
    "stated", [None, {}, [], "x", {"schema": None}, {"schema": []}, {"name": "a b", "schema": {}}]
)
def test_a_format_without_a_schema(name: str, stated: Any) -> None:
    body = encoded(name, response_format={"type": "json_schema", "json_schema": stated}).body
    found = (body.get("response_format") or {}).get("json_schema") or (body.get("text") or {}).get(
        "format"
    )
    assert not found or (found["schema"]["type"] == "object" and " " not in found["name"])


def test_no_more_strict_tools_than_one_grammar_holds() -> None:
    tools = [tool(CLOSED, strict=True) for _ in range(25)]
    for place, item in enumerate(tools):
        item["function"]["name"] = f"f{place}"
    result = encoded("anthropic", tools=tools)
    assert sum("strict" in item for item in result.body["tools"]) == 20
    assert result.dropped == tuple(f"tools.{place}.strict" for place in range(20, 25))
