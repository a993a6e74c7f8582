"""Everything that can be wrong before the first call, as one report without secrets."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from gateway import __version__
from gateway.config.audit import Finding, examine, form, is_loopback, shared_keys
from gateway.config.check import Problem
from gateway.config.files import discover, places
from gateway.config.load import Config, ConfigError
from gateway.credentials.secret import CredentialError, CredentialExpired, Found
from gateway.credentials.store import OTHERS, Credentials, Stored, short, split
from gateway.providers import CREDENTIAL_TYPES
from gateway.reports import ledger_file, shared_ledger
from gateway.reports.cluster import examine_cluster
from gateway.reports.config import find
from gateway.reports.probe import probe
from gateway.reports.running import NotRunning, address
from gateway.types import Model

SECTIONS: Final = (
    "files",
    "configuration",
    "models",
    "keys",
    "agents",
    "server",
    "ledger",
    "cluster",
    "live",
)
_COMMAND: Final = re.compile(r"`((?:gateway|chmod) [^`]+)`")
_KNOCK_S: Final = 1.0
_OPEN: Final = "no client key is needed"
_LOOSE_MAX: Final = 2
"""More files than this that are open to others are reported as one mistake."""


class ClientKeys(NamedTuple):
    """The facts about client keys for the report."""

    path: Path | None
    """Their file; None if it cannot be used."""
    needed: bool
    """Whether a client must present one."""
    problem: str = ""
    """Why the file cannot be used."""


@dataclass(frozen=True, slots=True)
class Report:
    """The findings, in the order of `SECTIONS`."""

    version: str
    python: str
    platform: str
    findings: list[Finding]
    errors: int
    warnings: int
    next: str
    """The next command to type."""
    exit_code: int


def examine_all(
    config_path: str | None,
    credentials: Credentials,
    client_keys: Callable[[], ClientKeys],
    codes: Mapping[str, int],
    *,
    live: bool = False,
) -> Report:
    """The report. `codes` maps sections to exit codes; `live` asks the providers too.

    An error in another section has the exit code `codes[""]`. A key that a provider refuses has
    the exit code of `keys`.
    """
    config, problems = _configuration(config_path)
    findings = [*_files(config_path, config), *map(_of_problem, problems)]
    models = list(config.models.values()) if config else []
    if config is not None:
        findings += examine(config, datetime.now(UTC).date())
    findings += chain(_keys(models, credentials), _stored(models, credentials))
    findings += _server(config, client_keys())
    findings += examine_cluster(config, credentials)
    if config is not None:
        findings += ledger_file.examine(config.ledger_path) if config.ledger.enabled else ()
        findings += shared_ledger.examine(config, credentials)
    if live:
        findings += probe(models, credentials)
    findings.sort(key=lambda finding: SECTIONS.index(finding.section))
    return Report(
        version=__version__,
        python=platform.python_version(),
        platform=platform.system(),
        findings=[_without_home(finding) for finding in findings],
        errors=sum(finding.severity == "error" for finding in findings),
        warnings=sum(finding.severity == "warning" for finding in findings),
        next=_short_home(_next(findings, config, problems, live=live)),
        exit_code=_exit_code(findings, codes),
    )


def _without_home(finding: Finding) -> Finding:
    """Without the user's name, because the report is made to be pasted."""
    subject, message, cure = map(_short_home, (finding.subject, finding.message, finding.cure))
    return replace(finding, subject=subject, message=message, cure=cure)


def _short_home(text: str) -> str:
    home = str(Path.home())
    if home == "/":  # in a container every path begins with it
        return text
    return text.replace(f"{home}/", "~/")


def _exit_code(findings: Iterable[Finding], codes: Mapping[str, int]) -> int:
    """The code of the most urgent error: 13 configuration, 10 credentials, 1 other."""
    wrong = (finding for finding in findings if finding.severity == "error")
    return max((codes.get(_blamed(finding), codes[""]) for finding in wrong), default=0)


def _blamed(finding: Finding) -> str:
    is_refused = finding.section == "live" and "refuses the key" in finding.message
    return "keys" if is_refused else finding.section


# --- files and configuration ----------------------------------------------------------------------


def _configuration(config_path: str | None) -> tuple[Config | None, list[Problem]]:
    try:
        config = find(config_path)
    except ConfigError as error:
        return None, error.problems
    return config, list(config.warnings) if config else []


def _files(config_path: str | None, config: Config | None) -> Iterator[Finding]:
    path = discover(config_path, os.environ, Path.cwd(), Path.home())
    if path is None:
        looked = ", ".join(map(str, places(Path.cwd(), Path.home())))
        yield Finding("files", "info", "", f"no configuration in {looked}")
        if config is not None:
            message = "no config file; using a default one built from the keys in the environment"
            yield Finding("files", "info", "", message)
        return
    for file in config.files if config else [path]:
        if os.access(file, os.R_OK) and file.is_file():
            yield Finding("files", "ok", "", f"read {file}")
            if _is_open(file):
                message = f"{file} can be changed by others, and decides where your keys are sent."
                yield Finding("files", "warning", "", message, f"`chmod go-w {file}`")


def _of_problem(problem: Problem) -> Finding:
    place = problem.file + (f":{problem.line}" if problem.line else "")
    subject = "  ".join(part for part in (place, problem.key) if part)
    return Finding("configuration", problem.severity, subject, problem.message, problem.cure)


# --- keys -----------------------------------------------------------------------------------------


def _keys(models: Iterable[Model], credentials: Credentials) -> Iterator[Finding]:
    with_key = []
    for model in models:
        try:
            found = credentials.find(model)
        except CredentialExpired:
            message = "pi's sign-in has expired; the next call renews it"
            yield Finding("keys", "info", model.name, message)
        except CredentialError as error:
            yield Finding("keys", "error", model.name, str(error))
        else:
            yield from _key(model, found)
            with_key += [model] if found is not None else []
    yield from shared_keys(with_key)


def _key(model: Model, found: Found | None) -> Iterator[Finding]:
    if found is None:
        yield Finding("keys", "ok", model.name, "none needed")
        return
    yield Finding("keys", "ok", model.name, found.source)
    yield from form(model, found.secret.reveal())
    if found.bearer:
        message = "signs in with an OAuth token: providers restrict where such tokens may be used."
        yield Finding("keys", "warning", model.name, message, "Read your provider's terms.")


def _stored(models: Iterable[Model], credentials: Credentials) -> Iterator[Finding]:
    """The problems of files that hold secrets, also of keys that no model uses."""
    used = {model.credential for model in models} | {f"{type_}:default" for type_ in OTHERS}
    try:
        types = {split(credential)[0] for credential in used}
        listed = credentials.stored(CREDENTIAL_TYPES | types)
    except CredentialError as error:
        yield Finding("keys", "error", "store", str(error))
        return
    for key in listed:
        if f"{key.type}:{key.instance}" not in used:  # a used one is an error of its model
            yield from _unused(key)
    secret = _secret_files(listed)
    loose = {path: _mode(path) for path in secret if _mode(path) & 0o077}
    if len(loose) > _LOOSE_MAX:
        message = f"{len(loose)} files and folders in {credentials.store} are open to others."
        yield Finding("keys", "error", "store", message, f"`chmod -R go= {credentials.store}`")
        loose = {}
    pi_file = credentials.pi_file
    if _uses_pi(used) and _mode(pi_file) & 0o077:
        secret[pi_file] = ("pi_auth", 0o600)
        loose[pi_file] = _mode(pi_file)
    for path, now in loose.items():
        name, mode = secret[path]
        message = f"{path} is open to others (mode {now:04o})."
        yield Finding("keys", "error", name, message, f"`chmod {mode:o} {path}`")


def _uses_pi(used: Iterable[str]) -> bool:
    return any(credential.startswith("pi_auth:") for credential in used)


def _unused(key: Stored) -> Iterator[Finding]:
    name = short(key.type, key.instance)
    if key.problem == "empty":
        cure = f"`gateway credentials rm {name}`"
        yield Finding("keys", "warning", name, f"{key.place} is empty.", cure)
    elif _is_malformed(key):
        yield Finding("keys", "error", name, f"{key.place}: {key.problem}.")


def _secret_files(listed: Iterable[Stored]) -> dict[Path, tuple[str, int]]:
    """Path in the store → (the name of its key, the mode it should have)."""
    secret: dict[Path, tuple[str, int]] = {}
    for key in listed:
        if key.source == "store":
            name, path = short(key.type, key.instance), Path(key.place)
            secret |= {path.parents[2]: ("store", 0o700), path.parents[1]: (key.type, 0o700)}
            secret |= {path.parent: (name, 0o700), path: (name, 0o600)}
    return secret


def _is_malformed(key: Stored) -> bool:
    return key.used and bool(key.problem) and "chmod" not in key.problem


def _mode(path: Path) -> int:
    """Permission bits; 0 if the file is missing or unreadable."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return 0


def _is_open(path: Path) -> bool:
    """Whether anyone but the owner may change a file; False if it is missing."""
    try:
        return others_may_write(path.stat())
    except OSError:
        return False


def others_may_write(status: os.stat_result) -> bool:
    """Whether the file's mode lets anyone but the owner write."""
    return bool(status.st_mode & 0o002 or (status.st_mode & 0o020 and not _is_own_group(status)))


def _is_own_group(status: os.stat_result) -> bool:
    """Whether the group is the owner's alone. Debian, Ubuntu and Fedora make such a group for each
    user, and then let the group write by default (umask 002)."""
    try:
        owner, group = pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return group.gr_name == owner and set(group.gr_mem) <= {owner}


# --- the server -----------------------------------------------------------------------------------


def _server(config: Config | None, clients: ClientKeys) -> Iterator[Finding]:
    if clients.path is None:
        yield Finding("configuration", "error", "client keys", clients.problem)
    elif _is_open(clients.path):
        message = f"{clients.path} can be changed by others, who could add a key of their own."
        yield Finding("keys", "error", "client keys", message, f"`chmod go-w {clients.path}`")
    if config is not None:
        yield from _open_to_all(config, locked=clients.needed)
    yield _knock(config)


def _open_to_all(config: Config, *, locked: bool) -> Iterator[Finding]:
    host = config.server.host
    if locked:
        yield Finding("server", "ok", "", f"{host}: clients need a key")
    elif not is_loopback(host):
        risk = "would let the whole network use your provider keys"
        message = f"server.host = {host} {risk}: `serve` refuses."
        yield Finding(
            "configuration",
            "error",
            "server.host",
            message,
            "Make a client key: `gateway keys add NAME`",
        )
    else:
        yield Finding("server", "ok", "", f"{host}: clients on this host need no key")
    if not locked:
        yield from _open_to_pages(config)


def _open_to_pages(config: Config) -> Iterator[Finding]:
    """Settings that let a web page use a gateway which needs no client key."""
    if "*" in config.server.allowed_hosts:
        setting = 'allowedHosts has "*"'
        message = f"{setting} and {_OPEN}: any web page you open can use the gateway."
        cure = "Name the hosts, or `gateway keys add NAME`."
        yield Finding("server", "warning", "", message, cure)
    open_origins = {"*", "null"} & set(config.server.allowed_origins)
    if open_origins:
        setting = f'allowedOrigins has "{min(open_origins)}"'
        message = f"{setting} and {_OPEN}: any web page can use the gateway."
        cure = "Name the origins, or `gateway keys add NAME`."
        yield Finding("server", "warning", "", message, cure)


def _knock(config: Config | None) -> Finding:
    """Whether a gateway runs at this configuration's address, or another program does."""
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
    message = f"{url} is taken by another program."
    return Finding("server", "error", "", message, "Choose another server.port.")


# --- the report -----------------------------------------------------------------------------------


def _next(
    findings: Sequence[Finding],
    config: Config | None,
    problems: Sequence[Problem],
    *,
    live: bool,
) -> str:
    """The next command to type."""
    wrong = next((problem for problem in problems if problem.severity == "error"), None)
    if wrong is not None:
        return f"edit {wrong.file}, then: gateway config check"
    stated = _stated(findings, "error", live=live) or _stated(findings, "warning", live=live)
    if stated is not None:
        return stated
    if config is None:
        return "gateway init        (or `gateway serve`, for the demo)"
    if any(finding.severity == "error" for finding in findings):
        return "edit the configuration, then: gateway doctor"
    if not live:
        return "gateway doctor --live        asks each provider whether it accepts the key"
    return "gateway status" if any(map(_is_running, findings)) else "gateway serve"


def _stated(findings: Sequence[Finding], severity: str, *, live: bool) -> str | None:
    """The first command that a finding of this severity names."""
    for finding in findings:
        command = _COMMAND.search(f"{finding.message} {finding.cure}")
        if finding.severity != severity or command is None:
            continue
        if not (live and command[1].endswith("--live")):
            return command[1]
    return None


def _is_running(finding: Finding) -> bool:
    return finding.section == "server" and " runs at " in finding.message
