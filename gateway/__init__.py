"""Local Agent Gateway: an agent name in, the first healthy model's answer out.

The core (no I/O, no clock, no globals)        The edges (the only I/O)
    types       the nouns                          relay        one call through its chain
    rows        what a provider's row has          inbound/     the clients' side
    failures    what went wrong, and the verdict   upstream/    the providers' side
    providers   the eight rows                     limits/      budgets and rates
    chain       which model is next                credentials/ secrets, signing, sign-ins
    sse         bytes <-> server-sent events       config/      files -> Config
    text/       readers of headers and prose       observe/     metrics, log, ledger, traces
    hub/        the common format                  reports/     plain data for people
    dialects/   wire formats <-> the hub           cli/, page/  which render it
    operations/ generate, embed                    process/     server, workers, systemd, reload
    shared/     state of calls and processes       app          builds everything, swaps it
                                                   lab/, drill/ a provider that fails on demand
"""

from __future__ import annotations

__version__ = "0.2.0"
