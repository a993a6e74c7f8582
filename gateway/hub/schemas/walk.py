"""The walker: one schema and one table in, a schema that the provider takes out.

Every schema is walked once, every definition too: a reference stays a reference (`#/$defs/name`),
so a definition that refers to itself, or one that is referred to a thousand times, costs nothing
more. The input is never changed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import orjson

from gateway.hub.schemas.rewrites import (
    MODERN,
    is_plain_object,
    join,
    merge_all_of,
    modern_required,
    names_in,
    require,
)
from gateway.hub.schemas.rules import Action, Node, Rules
from gateway.hub.schemas.vocabulary import (
    ANNOTATIONS,
    DEFINITIONS,
    FLAGS,
    IDENTITY,
    LISTED,
    NAMED,
    ONE,
    SHAPES,
)

EMPTY: Final[Node] = {"type": "object", "properties": {}}
"""The parameters of a function that takes nothing."""
CLOSED: Final[Node] = {**EMPTY, "required": [], "additionalProperties": False}
"""The same in words that every strict mode compiles."""
NODES_MAX: Final = 10_000
"""Schemas inside one schema; what is beyond is cut off."""
_REMEMBERED_MAX: Final = 65_536
"""Bytes of a schema that is remembered: tools are the same in every turn."""
_PATHS_MAX: Final = 40
"""Paths that are named one by one; `x-gateway-dropped` is a header, and headers are short."""
_STEPS_MAX: Final = 16
"""References that may follow one another."""
_UNNAMED: Final = IDENTITY | DEFINITIONS


class Fitted(NamedTuple):
    """A schema as one provider takes it. It is shared between calls and must not be changed."""

    schema: Node
    lost: tuple[str, ...] = ()
    """Keywords that say which values are valid and are not sent as such; `""` where a part is
    cut off."""
    note: str = ""
    """The rules that the top level of a tool's parameters cannot express, for the tool's
    description."""


def fit_parameters(parameters: Any, rules: Rules) -> Fitted:
    """The parameters of a function: an object, whatever the client sent."""
    return (
        _fit(parameters, rules, top=True)
        if isinstance(parameters, dict) and parameters
        else Fitted(EMPTY)
    )


def fit_answer(schema: Node, rules: Rules) -> Fitted:
    """The schema of an answer."""
    return _fit(schema, rules, top=False)


def paths(place: str, lost: Iterable[str]) -> list[str]:
    """The lost keywords as paths: `tools.0.parameters.not`."""
    return [f"{place}.{keyword}" if keyword else place for keyword in lost]


def shortened(losses: list[str]) -> list[str]:
    """Many paths as few: without the keyword, then without the tool's number."""
    if len(losses) > _PATHS_MAX:
        losses = list(dict.fromkeys(".".join(path.split(".")[:3]) for path in losses))
    if len(losses) > _PATHS_MAX:
        losses = list(dict.fromkeys(".".join(path.split(".")[::2]) for path in losses))
    return losses


def _fit(schema: Node, rules: Rules, *, top: bool) -> Fitted:
    try:
        text = orjson.dumps(schema)
    except TypeError:  # a number beyond 64 bits
        return _Walk(schema, rules).fitted(top=top)
    return (
        _remembered(text, rules, top)
        if len(text) <= _REMEMBERED_MAX
        else _Walk(schema, rules).fitted(top=top)
    )


@lru_cache(maxsize=512)
def _remembered(text: bytes, rules: Rules, top: bool) -> Fitted:
    return _Walk(orjson.loads(text), rules).fitted(top=top)


class _Walk:
    """One schema on its way to one provider."""

    def __init__(self, root: Node, rules: Rules) -> None:
        self._root = root
        self._rules = rules
        self._lost: dict[str, None] = {}
        self._names: dict[str, str | None] = {}
        """Pointer → the name of its definition; None for one that leads nowhere."""
        self._taken: set[str] = set()
        self._waiting: deque[str] = deque()
        self._left = NODES_MAX

    def fitted(self, *, top: bool) -> Fitted:
        root, note = self._object(self._root) if top else (self._inlined(self._root), "")
        schema = self._node(root, 1)
        definitions: Node = {}
        while self._waiting:
            pointer = self._waiting.popleft()
            definitions[self._names[pointer] or ""] = self._node(self._target(pointer), 1)
        if definitions:
            schema["$defs"] = definitions
        if top and self._rules.needs_properties:
            schema.setdefault("properties", {})
        return Fitted(schema, tuple(self._lost), note)

    def _lose(self, keyword: str) -> None:
        if keyword not in ANNOTATIONS:
            self._lost[keyword] = None

    # --- one schema ---

    def _node(self, schema: Any, depth: int) -> Node:
        if not isinstance(schema, dict):
            return self._never() if schema is False else {}
        self._left -= 1
        if depth > self._rules.depth_max or self._left < 0:
            self._lose("")
            kind = schema.get("type")
            return self._finished({"type": kind} if kind in ("object", "array", "string") else {})
        node = self._repaired(schema)
        if self._rules.merges_all_of and "allOf" in node:
            merge_all_of(node)
            node = self._repaired(node)
        for rewrite in (*MODERN, *self._rules.rewrites, modern_required):
            for keyword in rewrite(node):
                self._lose(keyword)
        result = self._reference(node)
        said: Node = {}
        for key, value in node.items():
            self._keyword(key, value, result, said, depth)
        return self._finished(_described(result, said))

    def _never(self) -> Node:
        """A schema that no value fits."""
        if self._rules.fate("not").action is Action.KEEP:
            return {"not": {}}
        self._lose("not")
        return {}

    def _repaired(self, schema: Node) -> Node:
        """A copy with the keywords that have the form they must have; what is inside them is the
        client's own."""
        node: Node = {}
        for key, value in schema.items():
            fits = SHAPES.get(key)
            if fits is None or fits(value):
                node[key] = value
            elif value is not None:
                self._lose(key)
        return node

    def _keyword(self, key: str, value: Any, result: Node, said: Node, depth: int) -> None:
        action = Action.SILENT if key in _UNNAMED else self._rules.fate(key).action
        takes = self._rules.values.get(key)
        if action is Action.WORDS or (takes is not None and not takes(value)):
            said[key] = value
            self._lose(key)
        elif action is Action.KEEP:
            self._keep(key, value, result, depth)

    def _keep(self, key: str, value: Any, result: Node, depth: int) -> None:
        if key == "properties":
            result[key] = self._properties(value, depth)
        elif key == "required":
            result[key] = value
        elif key in NAMED:
            result[key] = {name: self._node(inner, depth + 1) for name, inner in value.items()}
        elif key in LISTED:
            branches = (
                value if key == "prefixItems" else [inner for inner in value if inner is not False]
            )
            result[key] = [self._node(inner, depth + 1) for inner in branches or [False]]
        elif key in ONE and not (key in FLAGS and isinstance(value, bool)):
            result[key] = self._node(value, depth + 1)
        else:
            result[key] = value

    def _properties(self, properties: Node, depth: int) -> Node:
        kept: Node = {}
        pattern = self._rules.names if depth == 1 or not self._rules.names_on_top_only else None
        for name, inner in properties.items():
            if pattern is not None and not pattern.fullmatch(name):
                self._lose("properties")
            elif inner is not False:
                kept[name] = self._node(inner, depth + 1)
        return kept

    def _finished(self, node: Node) -> Node:
        """`node` with what this provider wants stated."""
        kind = node.get("type")
        kinds = kind if isinstance(kind, list) else [kind]
        if "object" in kinds and self._rules.needs_properties:
            node.setdefault("properties", {})
        if self._rules.refuses_empty_properties and not node.get("properties", True):
            del node["properties"]
        if "array" in kinds and self._rules.needs_items:
            node.setdefault("items", {})
        if self._rules.closed and ("object" in kinds or "properties" in node):
            node["additionalProperties"] = False
        if "required" in node:
            _keep_known(node)
        if self._rules.needs_properties and _takes_nothing(node):
            node["required"] = []  # strict mode wants it stated
        if self._rules.lone_refs and "$ref" in node and len(node) > 1:
            return self._alone(node)
        return node

    def _alone(self, node: Node) -> Node:
        """`node` with its reference in a schema of its own, where nothing is beside it."""
        reference = {"$ref": node.pop("$ref")}
        if "anyOf" not in node:
            return {"anyOf": [reference], **node}
        for key in node:
            self._lose(key)
        return reference

    # --- references ---

    def _reference(self, node: Node) -> Node:
        """Takes `$ref` out of `node`; returns it as a reference to a definition, or nothing if
        it leads nowhere."""
        stated = node.pop("$ref", None)
        if stated is None:
            return {}
        name = self._definition(self._pointer(stated))
        if name is None:
            self._lose("$ref")
            return {}
        return {"$ref": f"#/$defs/{name}"}

    def _pointer(self, ref: str) -> str:
        """`ref` without the schema's own address; what is elsewhere is never fetched."""
        address = self._root.get("$id")
        own = ref.removeprefix(address.rstrip("#")) if isinstance(address, str) and address else ref
        return own.rstrip("/") if own == "#/" else own

    def _definition(self, pointer: str) -> str | None:
        if pointer not in self._names:
            known = isinstance(self._target(pointer), dict | bool) and not self._circles(pointer)
            self._names[pointer] = self._unused(pointer) if known else None
            if known:
                self._waiting.append(pointer)
        return self._names[pointer]

    def _unused(self, pointer: str) -> str:
        last = unquote(pointer).rpartition("/")[2]
        base = "".join(
            letter for letter in last if letter.isascii() and (letter.isalnum() or letter in "_-")
        )[:48]
        name = base or "root"
        if name in self._taken:
            name = f"{name}_{len(self._taken)}"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name

    def _circles(self, pointer: str) -> bool:
        """Whether `pointer` leads from reference to reference and back: then it says nothing."""
        return any(step is None for step in self._steps(pointer))

    def _steps(self, pointer: str) -> Iterator[Any]:
        """The schemas that `pointer` leads to, reference by reference; None at last where that
        has no end."""
        for _ in range(_STEPS_MAX):
            target = self._target(pointer)
            yield target if target is not None else {}
            ref = target.get("$ref") if isinstance(target, dict) else None
            if not isinstance(ref, str):
                return
            pointer = self._pointer(ref)
        yield None

    def _target(self, pointer: str) -> Any:
        """The target of a JSON Pointer in a fragment (`#/$defs/a~1b`); None where there is none."""
        if not (pointer == "#" or pointer.startswith("#/")):
            return None
        found: Any = self._root
        for step in unquote(pointer).split("/")[1:]:
            found = _step(found, step.replace("~1", "/").replace("~0", "~"))
        return found

    # --- the top level ---

    def _inlined(self, schema: Any) -> Node:
        """`schema` with what its reference points to in place of the reference."""
        if not isinstance(schema, dict) or not isinstance(schema.get("$ref"), str):
            return schema if isinstance(schema, dict) else {}
        result: Node = {key: value for key, value in schema.items() if key != "$ref"}
        for target in self._steps(self._pointer(schema["$ref"])):
            if not isinstance(target, dict):
                self._lose("$ref")
                break
            result = {**{key: value for key, value in target.items() if key != "$ref"}, **result}
        return result

    def _object(self, schema: Node) -> tuple[Node, str]:
        """(the top level of a tool's parameters as one object, what it cannot say)."""
        root = self._repaired(self._inlined(schema))
        said: Node = {}
        for key in sorted(self._rules.refused_on_top & root.keys()):
            value = root.pop(key)
            if key not in LISTED or not self._merged(root, key, value):
                said[key] = value
        for key in said:
            self._lose(key)
        kind = root.get("type", "object")
        if kind != "object" and "object" not in str(kind).lower() and "properties" not in root:
            self._lose("type")
        root["type"] = "object"
        root.pop("nullable", None)
        return root, "The input must also satisfy: " + _json(said) if said else ""

    def _merged(self, root: Node, key: str, stated: list[Any]) -> bool:
        """Joins the objects of `anyOf`, `oneOf` or `allOf` with `root`; returns whether that
        says the same."""
        branches = [self._inlined(branch) for branch in stated if isinstance(branch, dict)]
        objects = [
            branch for branch in branches if str(branch.get("type", "object")).lower() == "object"
        ]
        every = key == "allOf" or len(objects) == 1
        join(root, objects, "allOf" if every else "anyOf")
        wanted = [set(names_in(branch.get("required"))) for branch in objects]
        if wanted:
            require(root, sorted(set.union(*wanted) if every else set.intersection(*wanted)))
        return every and all(is_plain_object(branch) for branch in objects)


def _step(found: Any, step: str) -> Any:
    if isinstance(found, dict):
        return found.get(step)
    if isinstance(found, list) and step.isascii() and step.isdigit() and len(step) < 6:
        return found[int(step)] if int(step) < len(found) else None
    return None


def _keep_known(node: Node) -> None:
    """Takes names out of `required` whose property has been left out."""
    properties = node.get("properties", {})
    node["required"] = [name for name in node["required"] if name in properties]
    if not node["required"]:
        del node["required"]


def _takes_nothing(node: Node) -> bool:
    return node.get("properties") == {} and node.get("additionalProperties") is False


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # a number beyond 64 bits
        return str(value)


def _described(node: Node, said: Node) -> Node:
    if said:
        words = ", ".join(f"{key}: {_json(value)}" for key, value in said.items())
        described = node.get("description")
        node["description"] = f"{described} ({words})" if described else words
    return node
