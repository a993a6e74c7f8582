"""The function library as one text, from its parts."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

NAME: Final = "gateway1"
"""Also the version of the contract: libraries of two releases live side by side."""
PREFIX: Final = "gw1_"
RIGHTS: Final = (
    "+fcall +function|load +auth +select +subscribe +time +publish +pexpire +exists +get +set +del "
    "+hget +hset +hsetnx +hdel +hlen +hkeys +hgetall +hincrby "
    "+zadd +zrem +zcard +zrange +zrangebyscore +zscore"
)
"""What a user of the server needs, as `ACL SETUSER` takes it: a function runs with the rights of
its caller."""
_PARTS: Final = ("base", "circuits", "slots", "limits", "members", "replay", "main")


@cache
def source(more: str = "") -> str:
    """What `FUNCTION LOAD` takes. `more` follows the base: tests put a clock of their own there."""
    folder = files("gateway.shared.redis")
    texts = [folder.joinpath(f"{part}.lua").read_text("utf-8") for part in _PARTS]
    return "\n".join([f"#!lua name={NAME}", texts[0], more, *texts[1:]])
