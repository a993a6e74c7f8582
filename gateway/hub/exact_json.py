"""JSON whose integers stay exact, whatever their size.

A fraction is a double, as in most readers of JSON: what a double cannot hold is rounded.

orjson reads an integer beyond 64 bits as a float and refuses to write one; it also refuses lone
surrogates, which chat histories hold (an emoji that a model cut in half). Most documents have
neither, so orjson reads and writes them. The standard library does the others.

RFC 8259 section 6 leaves the range of numbers to implementations.
"""

from __future__ import annotations

import json
import re
from math import isfinite
from typing import Any, Final

import orjson

from gateway.failures import Failed, Failure, Kind

DIGITS_MAX: Final = 4300
"""The longest integer that is read, in digits: the cost of conversion grows with their square."""

_EXACT_DIGITS: Final = 18
"""Every integer of so many digits fits into 64 bits."""
_LONG: Final = b"0" * (_EXACT_DIGITS + 1)
_FRACTION: Final = b"."
_STEP: Final = 4
_SAMPLED: Final = b"0" * (len(_LONG) // _STEP)
"""So many digits in a row are in each long number, of which only every fourth byte is looked at."""
_BEFORE: Final = frozenset(b"[:, \t\r\n")
"""What a number of a document follows."""
_MINUS: Final = ord("-")
_AS_ZERO: Final = bytes.maketrans(b"123456789", b"000000000")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def loads(data: bytes | str, *, replace_surrogates: bool = False) -> Any:
    """The value of a JSON text.

    Integers are exact. A lone surrogate stays, or becomes U+FFFD with `replace_surrogates`.
    Raises `ValueError` for anything else than JSON (`NaN`, a number beyond a double, too many
    levels) and for an integer of more than `DIGITS_MAX` digits.
    """
    text = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    if _SAMPLED in text[::_STEP].translate(_AS_ZERO) and _has_long_number(text):
        return _loads_slowly(data, replace_surrogates)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if not _may_hold_surrogates(data):
            raise
        try:
            return _loads_slowly(data, replace_surrogates)
        except ValueError:
            raise error from None


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object of a request's body, its integers exact. Raises `Failed` for anything else.

    Chat histories hold lone surrogates (an emoji that a model cut in half); they become U+FFFD.
    """
    try:
        value = loads(body, replace_surrogates=True)
    except ValueError as error:
        message = f"We could not parse the JSON body of your request: {error}"
        raise Failed(Failure(Kind.INVALID_REQUEST, message, status=400)) from None
    if not isinstance(value, dict):
        message = "The request body must be a JSON object."
        raise Failed(Failure(Kind.INVALID_REQUEST, message, status=400))
    return value


def dumps(value: Any) -> bytes:
    """`value` as compact JSON; integers of any size are exact, lone surrogates are escaped.

    Raises `TypeError` for a value that JSON cannot hold and `ValueError` for too many levels.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return _dumps_slowly(value)


def redact(value: Any) -> Any:
    """`value` with every lone surrogate replaced by U+FFFD."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [redact(item) for item in value]
    if isinstance(value, dict):
        return {redact(key): redact(item) for key, item in value.items()}
    return value


def _has_long_number(text: bytes) -> bool:
    """Whether `text` has an integer that 64 bits may not hold; an id of many digits in a string is
    none, unless it looks like one.

    A few passes in C: much faster than a regular expression, and linear for any input. The digits
    of fractions go first: vectors are full of long ones.
    """
    digits = text.translate(_AS_ZERO).replace(_FRACTION + _LONG, _FRACTION)
    at = digits.find(_LONG)
    while at >= 0:
        begin = at - 1 if at and digits[at - 1] == _MINUS else at
        if begin == 0 or digits[begin - 1] in _BEFORE:
            return True
        at = digits.find(_LONG, at + len(_LONG))
    return False


def _may_hold_surrogates(data: bytes | str) -> bool:
    return isinstance(data, str) or b"\\u" in data


def _loads_slowly(data: bytes | str, replace_surrogates: bool) -> Any:
    try:
        text = data if isinstance(data, str) else data.decode()
        value = json.loads(
            text, parse_int=_integer, parse_float=_float, parse_constant=_no_constant
        )
        return redact(value) if replace_surrogates else value
    except UnicodeDecodeError:
        raise ValueError("it is not valid UTF-8") from None
    except RecursionError:
        raise ValueError("the document has too many levels") from None


def _integer(digits: str) -> int:
    if len(digits) > DIGITS_MAX:
        raise ValueError(f"an integer has more than {DIGITS_MAX} digits")
    return int(digits)


def _float(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError("a number is too large")
    return value


def _no_constant(name: str) -> None:
    """`NaN` and `Infinity`, which the standard library reads and JSON does not have."""
    raise ValueError(f"{name} is not JSON")


def _dumps_slowly(value: Any) -> bytes:
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    except RecursionError:
        raise ValueError("the value has too many levels") from None
    return _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", text).encode()
