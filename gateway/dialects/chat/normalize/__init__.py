"""Turns a client's request into a normalized chat: the first half of the inbound face.

Clients are many and sloppy, and they mix the words of several APIs. Where the meaning is plain it
is taken; what is refused is a 400 that names the field. `schema.py` states the guarantees.

`request` has the order of the steps, `values` the fields, `sister_forms` what other APIs call the
same things, `messages` the conversation, `tools` the tools, `pairing` calls and their results.
"""

from __future__ import annotations

from gateway.dialects.chat.normalize.pairing import NO_RESULT, pair
from gateway.dialects.chat.normalize.refusals import invalid
from gateway.dialects.chat.normalize.request import normalize, speaks_functions

__all__ = ["NO_RESULT", "invalid", "normalize", "pair", "speaks_functions"]
