"""The rules that the schema cannot express: which names exist, what an address looks like, which
keys contradict each other.

Every check takes the merged table as it was read and skips what has the wrong type, which `check`
reports already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.config import schema
from gateway.config.check import Flaw, did_you_mean, shown
from gateway.config.cluster import cluster_flaws
from gateway.config.ledger import ledger_flaws
from gateway.config.names import alias_flaws, name_flaws
from gateway.config.pools import pool_flaws
from gateway.failures import Kind
from gateway.limits.periods import zone_of
from gateway.providers import CREDENTIAL_TYPES, PROVIDERS
from gateway.text.limits import Kind as LimitKind
from gateway.text.limits import Limit, LimitError, listed, parse, parse_all
from gateway.types import Provider
from gateway.urls import ANY, parse_origin, target

_CREDENTIAL: Final = re.compile(r"\w[\w.-]*(:\w[\w.-]*)?", re.ASCII)
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OUR_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "transfer-encoding", "connection"}
)
_OUR_FIELDS: Final = frozenset({"model", "messages", "contents", "input", "requests", "stream"})
_FULL_PATHS: Final = ("/chat/completions", "/messages", "/responses", "/completions", "/embeddings")
_SPACE: Final = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")
_PROXY: Final = re.compile(r"(https?|socks5h?)://\S+")

Path = tuple[str, ...]


def meaning(table: Mapping[str, Any]) -> Iterator[Flaw]:
    """Everything that is wrong although each value is of the right type."""
    models, agents = _tables(table, "models"), _tables(table, "agents")
    is_shared = bool(_table(table, "cluster").get("redis"))
    for name, model in models.items():
        path = ("models", name)
        yield from name_flaws(path, name)
        yield from _provider(path, model)
        yield from _addresses(path, model)
        yield from _credentials(path, model)
        yield from pool_flaws(path, model, models)
        yield from _extras(path, model)
    for name, agent in agents.items():
        yield from name_flaws(("agents", name), name)
        yield from _chain(
            ("agents", name, "models"), agent.get("models"), tuple(table.get("models") or ())
        )
        yield from _limits(("agents", name), agent, is_shared=is_shared)
        yield from _when_spent(("agents", name), agent, tuple(table.get("models") or ()))
    yield from alias_flaws(agents, tuple(models))
    yield from _limits(("limits",), _table(table, "limits"), is_shared=is_shared)
    yield from _time_zone(_table(table, "limits"))
    yield from _server(_table(table, "server"))
    yield from _fallback(_table(table, "fallback"))
    yield from _traces(_table(table, "traces"))
    yield from ledger_flaws(_table(table, "ledger"))
    yield from cluster_flaws(_table(table, "cluster"), models)
    fallback, breaker = schema.Fallback(), schema.Breaker()
    yield from _in_order(
        table, "fallback", "backoffSeconds", "backoffMaxSeconds", fallback.backoff_max_seconds
    )
    yield from _in_order(
        table, "breaker", "cooldownSeconds", "cooldownMaxSeconds", breaker.cooldown_max_seconds
    )


def _table(table: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = table.get(key)
    return inner if isinstance(inner, Mapping) else {}


def _tables(table: Mapping[str, Any], key: str) -> dict[str, Mapping[str, Any]]:
    return {name: inner for name, inner in _table(table, key).items() if isinstance(inner, Mapping)}


def _row(model: Mapping[str, Any]) -> Provider | None:
    provider = model.get("provider")
    return PROVIDERS.get(provider) if isinstance(provider, str) else None


def _provider(path: Path, model: Mapping[str, Any]) -> Iterator[Flaw]:
    provider, row = model.get("provider"), _row(model)
    if isinstance(provider, str) and row is None:
        cure = did_you_mean(provider, tuple(PROVIDERS))
        yield Flaw((*path, "provider"), f"{shown((), provider)} is not a provider.", cure)
    if model.get("authType") == "oauth_token" and row is not None and not row.bearer_beta:
        yield Flaw(
            (*path, "authType"), f'"{provider}" takes no OAuth token.', 'Use authType = "api_key".'
        )
    if model.get("model") == "":
        yield Flaw((*path, "model"), "is empty.", "Write the vendor's id of the model.")
    space = model.get("space")
    if isinstance(space, str) and not _SPACE.fullmatch(space):
        cure = 'Write up to 128 printable ASCII characters, or remove it. Example: "bge-m3@1024".'
        yield Flaw((*path, "space"), f"{shown((), space)} cannot name a vector space.", cure)


def _addresses(path: Path, model: Mapping[str, Any]) -> Iterator[Flaw]:
    url, proxy, row = model.get("baseUrl"), model.get("proxy"), _row(model)
    if isinstance(url, str):
        yield from base_url((*path, "baseUrl"), url, row)
    if isinstance(proxy, str) and not _PROXY.fullmatch(proxy):
        yield Flaw(
            (*path, "proxy"),
            f"{shown((), proxy)} is not an address of a proxy.",
            "Write http://host:port.",
        )


def base_url(path: Path, url: str, row: Provider | None) -> Iterator[Flaw]:
    """The flaws of an address, wherever it is stated."""
    try:
        target(url)
        wrong = "it must not have a query or a fragment" if set(url) & set("?# ") else ""
    except (ValueError, UnicodeError) as error:
        wrong = str(error) if "://" in url else "it does not begin with http:// or https://"
    if wrong:
        yield Flaw(
            path, f"{shown((), url)} cannot be used: {wrong}.", "Write it as http://host:port/path."
        )
        return
    bare = url.rstrip("/")
    end = next((end for end in _FULL_PATHS if bare.endswith(end)), None)
    if end:
        message = (
            f"{shown((), url)} is a whole address; write only the "
            f"part before the provider's own path."
        )
        yield Flaw(path, message, f'Write "{shown((), bare.removesuffix(end))[1:-1]}".')
    elif row is not None and bare.endswith("/v1") and row.models_path.startswith("/v1/"):
        message = f"{shown((), url)} ends in /v1, and this provider's own path begins with it."
        yield Flaw(path, message, "Most likely the /v1 should go.", "warning")


def _credentials(path: Path, model: Mapping[str, Any]) -> Iterator[Flaw]:
    """The flaws of each credential, whether there is one or a pool of them."""
    stated = model.get("credential")
    credentials = stated if isinstance(stated, list) else [stated]
    for credential in credentials:
        if isinstance(credential, str):
            yield from _credential((*path, "credential"), credential)


def _credential(path: Path, credential: str) -> Iterator[Flaw]:
    type_ = credential.partition(":")[0]
    if not _CREDENTIAL.fullmatch(credential) or shown((), credential) != f'"{credential}"':
        message = f"{shown(('token',), credential)} names no credential."
        yield Flaw(
            path,
            message,
            "Write `type` or `type:instance`; the key itself goes to `gateway credentials set`.",
        )
    elif type_ not in CREDENTIAL_TYPES and (
        near := did_you_mean(type_, tuple(CREDENTIAL_TYPES), list_all=False)
    ):
        yield Flaw(path, f'"{type_}" is not a provider\'s usual credential.', near, "warning")


def _extras(path: Path, model: Mapping[str, Any]) -> Iterator[Flaw]:
    row = _row(model)
    for name, value in _table(model, "headers").items():
        where = (*path, "headers", name)
        if not _is_header(name, value):
            yield Flaw(where, "is not a header: names and values are printable ASCII.")
        elif name.lower() in _OUR_HEADERS:
            yield Flaw(where, "is set by the gateway itself.", "Remove it.")
        elif (
            row is not None
            and name.lower() in ("authorization", row.key_header)
            and not row.key_optional
        ):
            yield Flaw(
                where,
                "carries the key.",
                "Store the key with `gateway credentials set`, and remove this.",
            )
    for name in _table(model, "options"):
        if name in _OUR_FIELDS:
            yield Flaw((*path, "options", name), "is set by the gateway itself.", "Remove it.")


def _chain(path: Path, chain: Any, models: Sequence[str]) -> Iterator[Flaw]:
    if chain == []:
        yield Flaw(path, "the chain is empty.", "Name at least one of [models.*].")
    seen = set()
    for name in chain if isinstance(chain, list) else ():
        if isinstance(name, str) and name not in models:
            yield Flaw(
                path, f"there is no [models.{shown((), name)[1:-1]}].", did_you_mean(name, models)
            )
        elif isinstance(name, str) and name in seen:
            yield Flaw(
                path,
                f"{shown((), name)} is here twice; the first counts.",
                "Remove one.",
                "warning",
            )
        seen.add(str(name))


def _when_spent(path: Path, agent: Mapping[str, Any], models: Sequence[str]) -> Iterator[Flaw]:
    chain = agent.get("whenSpent")
    if not isinstance(chain, list) or not chain:
        return
    path = (*path, "whenSpent")
    yield from _chain(path, chain, models)
    if not agent.get("budget"):
        yield Flaw(
            path,
            "is never used: the agent has no budget of its own.",
            'Add budget = "20 USD/day".',
            "warning",
        )
    elif chain == agent.get("models"):
        yield Flaw(
            path, "is the chain itself, so the budget refuses nothing.", "Name cheaper models."
        )


def _limits(path: Path, table: Mapping[str, Any], *, is_shared: bool) -> Iterator[Flaw]:
    """Each limit alone; then those of one owner together, if each is well. `is_shared` says whether
    there is a cluster."""
    kinds: tuple[LimitKind, ...] = ("budget", "rate")
    stated = {kind: _texts(table.get(kind)) for kind in kinds}
    found = [flaw for kind in kinds for flaw in _each_limit((*path, kind), stated[kind], kind)]
    yield from found
    if not found:
        try:
            limits = parse_all(stated["budget"], stated["rate"], "gateway")
        except LimitError as error:
            yield Flaw((*path, "budget" if stated["budget"] else "rate"), error.message, error.cure)
        else:
            yield from () if is_shared else _never_away(path, limits)


def _never_away(path: Path, limits: Iterable[Limit]) -> Iterator[Flaw]:
    """Limits of a gateway that shares them with no other one."""
    for limit in limits:
        if limit.when_down is not None:
            key = "rate" if limit.is_rate else "budget"
            message = f'"{limit.text}": its whenDown is never used, as there is no cluster.'
            cure = "Add [cluster] redis, or remove whenDown."
            yield Flaw((*path, key), message, cure, "warning")


def _each_limit(path: Path, texts: list[str], kind: LimitKind) -> Iterator[Flaw]:
    for text in texts:
        try:
            parse(text, kind)
        except LimitError as error:
            yield Flaw(path, error.message.replace(f'"{text}"', shown((), text)), error.cure)


def _texts(value: Any) -> list[str]:
    """One limit or a list of them; what has the wrong type is reported elsewhere."""
    return (
        [text for text in listed(value) if isinstance(text, str)]
        if isinstance(value, str | list)
        else []
    )


def _time_zone(limits: Mapping[str, Any]) -> Iterator[Flaw]:
    name = limits.get("timeZone", "UTC")
    try:
        zone_of(name if isinstance(name, str) else "UTC")
    except LimitError as error:
        yield Flaw(
            ("limits", "timeZone"), error.message.replace(f'"{name}"', shown((), name)), error.cure
        )


def _server(server: Mapping[str, Any]) -> Iterator[Flaw]:
    host, hosts = server.get("host"), server.get("allowedHosts")
    if isinstance(host, str) and not _is_host(host):
        cure = "Write an address or a name alone; the port is server.port."
        yield Flaw(("server", "host"), f"{shown((), host)} is not a host.", cure)
    for name in hosts if isinstance(hosts, list) else ():
        if isinstance(name, str) and name != "*" and not _is_host(name):
            message = f"{shown((), name)} is not a host name."
            yield Flaw(
                ("server", "allowedHosts"),
                message,
                "Write names alone, without scheme, port or path.",
            )
    origins = server.get("allowedOrigins")
    for origin in origins if isinstance(origins, list) else ():
        if isinstance(origin, str) and origin != ANY and parse_origin(origin) is None:
            message = f"{shown((), origin)} is not an origin of a web page."
            yield Flaw(("server", "allowedOrigins"), message, _origin_cure(origin))


def _origin_cure(wrong: str) -> str:
    """The origin that is meant, where it can be guessed: `http://a` of `http://a/b` and of `a`."""
    meant = (
        parse_origin(wrong.lower())
        or parse_origin("/".join(wrong.split("/", 3)[:3]))
        or parse_origin(f"http://{wrong}")
    )
    if meant is not None and meant != "file://":
        return f'Write "{meant}".'
    return 'Write scheme://host or scheme://host:port for each, "null", or "*" for all.'


def _is_host(host: str) -> bool:
    if ":" in host:
        return (
            re.fullmatch(r"\[?[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.%\w]*\]?", host) is not None
        )
    return re.fullmatch(r"[\w.-]+", host, re.ASCII) is not None


def _fallback(fallback: Mapping[str, Any]) -> Iterator[Flaw]:
    lists = {key: fallback.get(key) for key in ("always", "never")}
    stated = {
        key: [str(kind) for kind in kinds]
        for key, kinds in lists.items()
        if isinstance(kinds, list)
    }
    for key, kinds in stated.items():
        for kind in kinds:
            if kind not in set(Kind):
                cure = did_you_mean(kind, [known.value for known in Kind])
                yield Flaw(("fallback", key), f"{shown((), kind)} is not a kind of failure.", cure)
    for kind in sorted(set(stated.get("always", ())) & set(stated.get("never", ()))):
        yield Flaw(
            ("fallback", "never"), f"{shown((), kind)} is in `always` too.", "Keep one of them."
        )


def _traces(traces: Mapping[str, Any]) -> Iterator[Flaw]:
    endpoint = traces.get("endpoint")
    if isinstance(endpoint, str) and endpoint:
        try:
            target(endpoint)
        except (ValueError, UnicodeError):
            message = "is not an http or https address without user name and password."
            yield Flaw(("traces", "endpoint"), message, "Write it as http://host:4318.")
    for name, value in _table(traces, "headers").items():
        where = ("traces", "headers", name)
        if not _is_header(name, value):
            yield Flaw(where, "is not a header: names and values are printable ASCII.")
        elif name.lower() in _OUR_HEADERS:
            yield Flaw(where, "is set by the gateway itself.", "Remove it.")


def _is_header(name: str, value: Any) -> bool:
    is_value = not isinstance(value, str) or re.fullmatch(r"[ -~]*", value)
    return bool(_HEADER.fullmatch(name) and is_value)


def _in_order(
    table: Mapping[str, Any], name: str, less: str, more: str, default: float
) -> Iterator[Flaw]:
    """A first value must not exceed its own maximum."""
    inner = _table(table, name)
    low, high = inner.get(less), inner.get(more, default)
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Flaw(
            (name, less),
            f"{low:g} is more than {more} = {high:g}.",
            f"Raise {more}, or lower this.",
        )
