"""`gateway doctor`: everything that can be wrong before the first call, as one report without secrets."""

from __future__ import annotations

import os
import platform
import re
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import click

from gateway import __version__
from gateway.cli.console import (
    CONFIGURATION,
    CREDENTIALS,
    FOUND_PROBLEMS,
    config_option,
    find,
    json_option,
    print_json,
    room,
    styled,
    wrapped,
)
from gateway.config.audit import Finding, examine, form, is_loopback, shared_keys
from gateway.config.check import Problem
from gateway.config.files import discover, places
from gateway.config.load import Config, ConfigError
from gateway.credentials.store import CredentialError, CredentialExpired, Credentials, Stored, short, split
from gateway.inbound import keys
from gateway.providers import CREDENTIAL_TYPES
from gateway.reports.running import NotRunning, address
from gateway.types import Model

SECTIONS: Final = ("files", "configuration", "models", "keys", "agents", "server", "live")
_COLOURS: Final = {"ok": "green", "info": "bright_black", "warning": "yellow", "error": "red"}
_CODES: Final = {"files": CONFIGURATION, "configuration": CONFIGURATION, "keys": CREDENTIALS}
_COMMAND: Final = re.compile(r"`((?:gateway|chmod) [^`]+)`")
_SUBJECT_CHARS: Final = 12
_ROOM_MIN: Final = 60
"""On a narrower terminal every message stands below its subject."""
_KNOCK_S: Final = 1.0
_LOOSE_MAX: Final = 2
"""More files that are open to others are one mistake, not many."""


def collect(config_path: str | None, *, live: bool = False) -> dict[str, Any]:
    """`{version, python, platform, findings: [{section, severity, subject, message, cure}], errors, warnings, next,
    exit_code}`"""
    credentials = Credentials(os.environ, Path.home())
    config, problems = _configuration(config_path)
    findings = [*_files(config_path, config), *map(_of_problem, problems)]
    models = list(config.models.values()) if config else []
    if config is not None:
        findings += examine(config, datetime.now(UTC).date())
    findings += chain(_keys(models, credentials), _stored(models, credentials), _server(config))
    if live:
        from gateway.cli.probe import probe

        findings += probe(models, credentials)
    findings.sort(key=lambda finding: SECTIONS.index(finding.section))
    return _report(findings, config, problems, live=live)


def _report(
    findings: Sequence[Finding], config: Config | None, problems: Sequence[Problem], *, live: bool
) -> dict[str, Any]:
    rows = [
        {
            "section": finding.section,
            "severity": finding.severity,
            "subject": _homely(finding.subject),
            "message": _homely(finding.message),
            "cure": _homely(finding.cure),
        }
        for finding in findings
    ]
    return {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.system(),
        "findings": rows,
        "errors": sum(finding.severity == "error" for finding in findings),
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "next": _homely(_next(findings, config, problems, live=live)),
        "exit_code": _exit_code(findings),
    }


def _homely(text: str) -> str:
    """Without the name of the user: the report is made to be pasted."""
    home = str(Path.home())
    return text.replace(f"{home}/", "~/") if home != "/" else text  # a container's, and every // is no home


def _exit_code(findings: Iterable[Finding]) -> int:
    """13 before 10 before 1: the one to be mended first."""
    wrong = [finding for finding in findings if finding.severity == "error"]
    return max((_CODES.get(finding.section, _live_code(finding)) for finding in wrong), default=0)


def _live_code(finding: Finding) -> int:
    return CREDENTIALS if finding.section == "live" and "refuses the key" in finding.message else FOUND_PROBLEMS


# --- files and configuration -----------------------------------------------------------------------------------------


def _configuration(config_path: str | None) -> tuple[Config | None, list[Problem]]:
    try:
        config = find(config_path)
    except ConfigError as error:
        return None, error.problems
    return config, list(config.warnings) if config else []


def _files(config_path: str | None, config: Config | None) -> Iterator[Finding]:
    path = discover(config_path, os.environ, Path.cwd(), Path.home())
    if path is None:
        yield Finding(
            "files", "info", "", f"no configuration in {', '.join(map(str, places(Path.cwd(), Path.home())))}"
        )
        if config is not None:
            yield Finding("files", "info", "", "the provider keys in the environment make up one")
        return
    for file in config.files if config else [path]:
        if os.access(file, os.R_OK) and file.is_file():
            yield Finding("files", "ok", "", f"read {file}")
            if _mode(file) & 0o022:
                message = f"{file} can be changed by others, and it decides where your keys are sent."
                yield Finding("files", "warning", "", message, f"`chmod go-w {file}`")


def _of_problem(problem: Problem) -> Finding:
    place = problem.file + (f":{problem.line}" if problem.line else "")
    subject = "  ".join(part for part in (place, problem.key) if part)
    return Finding("configuration", problem.severity, subject, problem.message, problem.cure)


# --- keys ------------------------------------------------------------------------------------------------------------


def _keys(models: Iterable[Model], credentials: Credentials) -> Iterator[Finding]:
    with_key = []
    for model in models:
        try:
            found = credentials.find(model)
        except CredentialExpired:
            yield Finding("keys", "info", model.name, "pi's sign-in has expired; the next call renews it")
            continue
        except CredentialError as error:
            yield Finding("keys", "error", model.name, str(error))
            continue
        if found is None:
            yield Finding("keys", "ok", model.name, "none needed")
            continue
        with_key.append(model)
        yield Finding("keys", "ok", model.name, found.source)
        yield from form(model, found.secret.reveal())
        if found.bearer:
            message = "signs in with an OAuth token: providers restrict where such tokens may be used."
            yield Finding("keys", "warning", model.name, message, "Read your provider's terms.")
    yield from shared_keys(with_key)


def _stored(models: Iterable[Model], credentials: Credentials) -> Iterator[Finding]:
    """What is wrong with files that hold secrets, also of keys that no model uses."""
    used = {model.credential for model in models}
    try:
        listed = credentials.stored(CREDENTIAL_TYPES | {split(credential)[0] for credential in used})
    except CredentialError as error:
        yield Finding("keys", "error", "store", str(error))
        return
    secret: dict[Path, tuple[str, int]] = {}
    for key in listed:
        name = short(key.type, key.instance)
        if key.problem == "empty" and f"{key.type}:{key.instance}" not in used:
            yield Finding("keys", "warning", name, f"{key.place} is empty.", f"`gateway credentials rm {name}`")
        elif _is_malformed(key) and f"{key.type}:{key.instance}" not in used:  # a used one is an error of its model
            yield Finding("keys", "error", name, f"{key.place}: {key.problem}.")
        if key.source == "store":
            path = Path(key.place)
            secret |= {path.parents[2]: ("store", 0o700), path.parents[1]: (key.type, 0o700)}
            secret |= {path.parent: (name, 0o700), path: (name, 0o600)}
    loose = {path: _mode(path) for path in secret if _mode(path) & 0o077}
    if len(loose) > _LOOSE_MAX:
        message = f"{len(loose)} files and folders in {credentials.store} are open to others."
        yield Finding("keys", "error", "store", message, f"`chmod -R go= {credentials.store}`")
        loose = {}
    if any(credential.startswith("pi_auth:") for credential in used) and _mode(credentials.pi_file) & 0o077:
        secret[credentials.pi_file] = ("pi_auth", 0o600)
        loose[credentials.pi_file] = _mode(credentials.pi_file)
    for path, now in loose.items():
        name, mode = secret[path]
        yield Finding("keys", "error", name, f"{path} is open to others (mode {now:04o}).", f"`chmod {mode:o} {path}`")


def _is_malformed(key: Stored) -> bool:
    return key.used and bool(key.problem) and key.problem != "empty" and "chmod" not in key.problem


def _mode(path: Path) -> int:
    """None of its bits for what is not there or out of sight: others do not see it either."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


# --- the server ------------------------------------------------------------------------------------------------------


def _server(config: Config | None) -> Iterator[Finding]:
    try:
        clients = keys.at_home(os.environ, Path.home(), time.monotonic, time.time)
        locked = clients.any()
        if _mode(clients.path) & 0o022:
            message = f"{clients.path} can be changed by others, who could add a key of their own."
            yield Finding("keys", "error", "client keys", message, f"`chmod go-w {clients.path}`")
    except keys.KeysError as error:
        yield Finding("configuration", "error", "client keys", str(error))
        locked = True
    if config is not None:
        yield from _open_to_all(config, locked=locked)
    yield _knock(config)


def _open_to_all(config: Config, *, locked: bool) -> Iterator[Finding]:
    host = config.server.host
    if locked:
        yield Finding("server", "ok", "", f"{host}: clients need a key")
    elif not is_loopback(host):
        message = f"server.host = {host} would let the whole network use your provider keys: `serve` refuses."
        yield Finding("configuration", "error", "server.host", message, "Make a client key: `gateway keys add NAME`")
    else:
        yield Finding("server", "ok", "", f"{host}: clients on this host need no key")
    if "*" in config.server.allowed_hosts and not locked:
        message = 'allowedHosts has "*" and no client key is needed: any web page you open can use the gateway.'
        yield Finding("server", "warning", "", message, "Name the hosts, or `gateway keys add NAME`.")
    open_origins = [origin for origin in ("*", "null") if origin in config.server.allowed_origins]
    if open_origins and not locked:
        message = (
            f'allowedOrigins has "{open_origins[0]}" and no client key is needed: any web page can use the gateway.'
        )
        yield Finding("server", "warning", "", message, "Name the origins, or `gateway keys add NAME`.")


def _knock(config: Config | None) -> Finding:
    """Whether a gateway runs where this configuration says, or something else has taken its port."""
    import httpx

    try:
        url = address(config)
    except NotRunning as error:
        return Finding("server", "error", "", f"{error}.")
    try:
        body = httpx.get(f"{url}/health", timeout=_KNOCK_S, trust_env=False).json()
    except httpx.ConnectError:
        return Finding("server", "info", "", f"nothing listens on {url}; `gateway serve` starts it")
    except (httpx.HTTPError, ValueError):
        body = None
    if isinstance(body, dict) and isinstance(body.get("version"), str):
        return Finding("server", "ok", "", f"a gateway {body['version'][:20]} runs at {url}")
    return Finding("server", "error", "", f"{url} is taken by another program.", "Choose another server.port.")


# --- the report ------------------------------------------------------------------------------------------------------


def _next(findings: Sequence[Finding], config: Config | None, problems: Sequence[Problem], *, live: bool) -> str:
    """What to type next."""
    wrong = next((problem for problem in problems if problem.severity == "error"), None)
    if wrong is not None:
        return f"edit {wrong.file}, then: gateway config check"
    for severity in ("error", "warning"):
        for finding in findings:
            command = _COMMAND.search(f"{finding.message} {finding.cure}")
            if finding.severity == severity and command and not (live and command[1].endswith("--live")):
                return command[1]
    if config is None:
        return "gateway init        (or `gateway serve`, for the demo)"
    if any(finding.severity == "error" for finding in findings):
        return "edit the configuration, then: gateway doctor"
    if not live:
        return "gateway doctor --live        asks each provider whether it takes the key"
    running = any(finding.section == "server" and " runs at " in finding.message for finding in findings)
    return "gateway status" if running else "gateway serve"


def render(report: dict[str, Any]) -> None:
    click.echo(f"gateway {report['version']}, Python {report['python']}, {report['platform']}")
    for section in SECTIONS:
        rows = [row for row in report["findings"] if row["section"] == section]
        if rows:
            click.echo(f"\n{section.capitalize()}")
        for row in rows:
            _line(row)
    click.echo(f"\n{_count(report['errors'], 'error')}, {_count(report['warnings'], 'warning')}.")
    click.echo(f"Next: {report['next']}")


def _line(row: dict[str, str]) -> None:
    """`severity  subject  message`; what is wrong stands below it where the subject is long."""
    word = styled(f"{row['severity']:<7}", _COLOURS[row["severity"]])
    text = f"{row['message']} {row['cure']}".strip()
    subject = row["subject"]
    short_enough = len(subject) <= _SUBJECT_CHARS and room() >= _ROOM_MIN
    indent = 11 + (_SUBJECT_CHARS + 2 if subject and short_enough else 0)
    paragraph = wrapped(text, " " * indent)
    if subject and not short_enough:
        click.echo(f"  {word}  {subject}\n{paragraph}")
        return
    head = f"{subject:<{_SUBJECT_CHARS}}  " if subject else ""
    click.echo(f"  {word}  {head}{paragraph.lstrip()}")


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


@click.command()
@config_option
@click.option("--live", is_flag=True, help="Ask each provider's model list with each key.")
@json_option
def command(config_path: str | None, live: bool, as_json: bool) -> None:
    """Find everything that can be wrong before the first call.

    The report has no secrets in it and can be pasted as it is. Exits with 13 for
    the configuration, 10 for keys, 1 for other errors; warnings alone are none.

    \b
    Example:  gateway doctor --live
    """
    report = collect(config_path, live=live)
    print_json(report) if as_json else render(report)
    raise SystemExit(report["exit_code"])
