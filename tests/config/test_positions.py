"""Lines are found in spite of everything that looks like a key and is none."""

from __future__ import annotations

import tomllib

import pytest

from gateway.config.positions import line_of

TEXT = '''\
# port = 1
title = "a = b"  # [server]
text = """
[server]
port = 2
"""
chain = [
  "x = 1",   # port = 3
  ["[models.a]"],
]

[ models . "my model" ]
provider = "custom"
  headers = { x-a = "1", x-b = "2" }
compat.names = true
"quoted.key" = 1

[server]
port = 4
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("title", 2),
        ("text", 3),
        ("chain", 7),
        ("models", 12),
        ("models/my model", 12),
        ("models/my model/provider", 13),
        ("models/my model/headers/x-b", 14),
        ("models/my model/compat/names", 15),
        ("models/my model/quoted.key", 16),
        ("models/my model/missing", 12),
        ("server/port", 19),
        ("missing", None),
    ],
)
def test_line_of(path: str, line: int | None) -> None:
    tomllib.loads(TEXT)
    assert line_of(TEXT, path.split("/")) == line
