from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.hub import exact_json

INTEGERS = {
    "the largest of 18 digits": 10**18 - 1,
    "the smallest of 19 digits": 10**18,
    "the largest signed one of 64 bits": 2**63 - 1,
    "the largest unsigned one of 64 bits": 2**64 - 1,
    "one more": 2**64,
    "the smallest of 64 bits": -(2**63),
    "one less": -(2**63) - 1,
    "256 bits": 2**256 - 1,
    "the longest one": 10 ** (exact_json.DIGITS_MAX - 1),
}


@pytest.mark.parametrize("number", INTEGERS.values(), ids=INTEGERS)
@pytest.mark.parametrize("kind", [bytes, str])
def test_an_integer_of_any_size_stays_as_it_is(number: int, kind: type) -> None:
    text = json.dumps({"n": [number], "near": f"{number}"}, separators=(",", ":"))
    value = exact_json.loads(text if kind is str else text.encode())
    assert value == {"n": [number], "near": f"{number}"}
    assert type(value["n"][0]) is int
    assert exact_json.dumps(value) == text.encode()


FRACTIONS = [
    "0.0008123456127941608",
    "-1.5000000000000000001",
    "0." + "1" * 60,
    "1234567890123456789.25",
    "1e-19",
]


@pytest.mark.parametrize("digits", range(17, 30))
def test_a_long_integer_is_found_wherever_it_is(digits: int) -> None:
    number = int("9" * digits)
    for place in range(9):
        text = b'{"%s":%d,"b":[1]}' % (b"a" * place, number)
        assert exact_json.loads(text) == {"a" * place: number, "b": [1]}
        assert exact_json.loads(text.decode()) == {"a" * place: number, "b": [1]}


@pytest.mark.parametrize("fraction", FRACTIONS)
@pytest.mark.parametrize("number", [1, 2**64, 2**256])
def test_long_fractions_beside_integers_of_any_size(fraction: str, number: int) -> None:
    value = exact_json.loads(f"[{fraction},{number},{fraction}]")
    assert value == [float(fraction), number, float(fraction)]
    assert type(value[1]) is int


@pytest.mark.parametrize("digits", [19, 40, 77])
@pytest.mark.parametrize("before", ["", "id_", "@", "-", "call 1, ", "1.", "\\n"])
def test_digits_in_a_string_stay_as_they_are_beside_a_long_integer(
    digits: int, before: str
) -> None:
    number = int("8" * digits)
    stated = json.dumps({"id": before + "1" * digits, "n": number, "m": -number})
    assert exact_json.loads(stated) == {"id": before + "1" * digits, "n": number, "m": -number}
    assert exact_json.loads(f'[{{"id":"{digits}"}},\n\t-{number}]')[1] == -number
    assert exact_json.loads(f"{number}") == number
    assert exact_json.loads(f"-{number}") == -number


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_any_value_survives_a_round_trip(value: Any) -> None:
    assert exact_json.loads(exact_json.dumps(value)) == value
    assert exact_json.loads(exact_json.dumps(value).decode()) == value


BIG = str(10**30)
BROKEN = {
    "an integer that takes long to convert": "1" * (exact_json.DIGITS_MAX + 1),
    "a long number and a constant": f"[{BIG}, NaN]",
    "a long number and another constant": f"[{BIG}, -Infinity]",
    "a number beyond a double": "1e999",
    "a long number and one beyond a double": f"[{BIG}, 1e999]",
    "a trailing comma after a long number": f"[{BIG},]",
    "a leading zero before a long number": f"0{BIG}",
    "two values": f"{BIG} {BIG}",
    "nothing": "",
    "an escape cut in half": '"\\ud8',
    "a control character beside a long number": f'["\t", {BIG}]',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
@pytest.mark.parametrize("kind", [bytes, str])
def test_what_is_not_json_is_refused(text: str, kind: type) -> None:
    with pytest.raises(ValueError):
        exact_json.loads(text if kind is str else text.encode())


@pytest.mark.parametrize("data", [b'"\xff"', b'["\xff", ' + BIG.encode() + b"]"])
def test_bytes_that_are_not_utf8_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        exact_json.loads(data)


@pytest.mark.parametrize("number", ["1", BIG])
def test_too_many_levels_are_a_value_error(number: str) -> None:
    depth = 200_000
    with pytest.raises(ValueError):
        exact_json.loads("[" * depth + number + "]" * depth)
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    with pytest.raises(ValueError):
        exact_json.dumps(value)


def test_more_levels_than_orjson_writes_are_written() -> None:
    value: list[Any] = []
    for _ in range(400):
        value = [value]
    assert exact_json.loads(exact_json.dumps(value)) == value


@pytest.mark.parametrize("number", ["1", BIG])
def test_a_lone_surrogate_stays_or_is_replaced(number: str) -> None:
    text = f'{{"\\ud83d": "a\\ude00", "n": {number}}}'
    kept = exact_json.loads(text)
    assert kept == {"\ud83d": "a\ude00", "n": int(number)}
    assert exact_json.loads(exact_json.dumps(kept)) == kept
    replaced = exact_json.loads(text, replace_surrogates=True)
    assert replaced == {"\ufffd": "a\ufffd", "n": int(number)}
    orjson.dumps({**replaced, "n": 0})


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert exact_json.loads(f'["\\ud83d\\ude00", {BIG}]') == ["😀", int(BIG)]
