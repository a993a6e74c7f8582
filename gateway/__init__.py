"""Local Agent Gateway: an agent name in, the first healthy model's answer out.

The heart (no I/O, no clock, no globals)      The edges (the only I/O)
    types      the nouns                          app        builds everything, swaps it on reload
    failures   what went wrong, and the verdict   relay      one call through its chain
    chain      which model to try next            inbound/   what clients talk to
    breaker    which models are worth trying      upstream/  what we talk to
    backoff    the waits between rounds           config/    files -> Gateway
    sse        bytes <-> server-sent events       observe/   metrics, ledger, prices, log
    providers  the eight rows                     lab/       a provider that fails on demand
    dialects/  wire formats <-> the hub           cli/       one file per command
"""

from __future__ import annotations

__version__ = "0.1.0"
