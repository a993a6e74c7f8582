"""The configuration files that the targets are started with: every route of the workloads, all to
the same mock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from benchmarks.workloads import MODEL, ROUTES, Dialect, Shape, Workload, agent, base_path

_PROVIDERS: Final[dict[Dialect, str]] = {
    "chat": "openai",
    "anthropic": "anthropic",
    "google": "google",
}
_MANY = 100_000
_LONG_S = 3_600


def gateway(mock_port: int, folder: Path, workers: int) -> str:
    """The gateway's `config.toml`: an agent for each route.

    What differs from the defaults are limits that a benchmark would run into: the calls at a time,
    and the silence of streams that are meant to be idle. `breaker.failures` keeps a model that
    answers 500 in its chain, so that every call falls back; a 529 would make it rest for a second
    at least, and the calls meanwhile would not fall back at all.
    """
    head = f"""\
[server]
maxCalls = {_MANY}
workers = {workers}
[breaker]
failures = 1000000000
[timeouts]
idleSeconds = {_LONG_S}
[log]
format = "json"
[ledger]
path = "{folder / "ledger.db"}"
"""
    return head + "".join(_agent(mock_port, *route) for route in ROUTES)


def _agent(mock_port: int, shape: Shape, dialect: Dialect) -> str:
    name = agent(shape, dialect)
    chain = [name, agent("json", "chat")] if shape == "fallback" else [name]
    return f"""
[models.{name}]
provider = "{_PROVIDERS[dialect]}"
model = "{MODEL}"
baseUrl = "{_base_url(mock_port, shape, dialect)}"
[agents.{name}]
models = {chain}
"""


def nginx(port: int, mock_port: int, folder: Path, *, as_root: bool) -> str:
    """nginx.conf: one worker, keep-alive on both sides, no buffering of answers, and a second try
    where one failed."""
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    folders = "\n".join(f"    {kind}_temp_path {folder}/{kind};" for kind in kinds)
    return f"""\
{"user root;" if as_root else ""}
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{
    worker_connections 32768;
}}
http {{
{folders}
    access_log off;
    keepalive_requests 1000000000;
    client_max_body_size 64m;
    client_body_buffer_size 1m;
    upstream mock {{
        server 127.0.0.1:{mock_port} max_fails=0;
        keepalive 1024;
        keepalive_requests 1000000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_buffering off;
        proxy_read_timeout {_LONG_S}s;
        location / {{
            proxy_pass http://mock;
        }}
        location /fail/ {{
            proxy_pass http://mock;
            proxy_intercept_errors on;
            error_page 500 = @second;
        }}
        location @second {{
            rewrite ^/fail/[0-9]+(/.*)$ $1 break;
            proxy_pass http://mock;
        }}
    }}
}}
"""


def litellm(mock_port: int, key: str) -> dict[str, Any]:
    """LiteLLM's `config.yaml`: a model for each route. Retries are off; a deployment that fails is
    not cooled down."""
    vendors: dict[Dialect, str] = {"chat": "openai", "anthropic": "anthropic", "google": "gemini"}
    models = [
        {
            "model_name": agent(shape, dialect),
            "litellm_params": {
                "model": f"{vendors[dialect]}/{MODEL}",
                "api_base": _base_url(mock_port, shape, dialect),
                "api_key": "bench",
            },
        }
        for shape, dialect in ROUTES
    ]
    fallbacks = [{agent("fallback", "chat"): [agent("json", "chat")]}]
    return {
        "model_list": models,
        "general_settings": {"master_key": key},
        "router_settings": {"num_retries": 0, "fallbacks": fallbacks, "disable_cooldowns": True},
    }


def portkey(workload: Workload, mock_port: int) -> dict[str, str]:
    """Portkey has no configuration file: each request says where it shall go, and where next."""
    shape, dialect = workload.route
    shapes: list[Shape] = ["fallback", "json"] if shape == "fallback" else [shape]
    targets = [
        {
            "provider": _PROVIDERS[dialect],
            "api_key": "bench",
            "custom_host": _base_url(mock_port, each, dialect)
            + ("/v1" if dialect == "anthropic" else ""),
        }
        for each in shapes
    ]
    config = {
        "strategy": {"mode": "fallback" if len(targets) > 1 else "single"},
        "targets": targets,
    }
    return {"x-portkey-config": json.dumps(config), "authorization": "Bearer bench"}


def _base_url(mock_port: int, shape: Shape, dialect: Dialect) -> str:
    return f"http://127.0.0.1:{mock_port}{base_path(shape, dialect)}"
