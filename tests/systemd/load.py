"""Calls without pause, until a file appears: `load.py STOP KEY`. Prints how many were answered, and
fails if any was not answered whole."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

CLIENTS = 4
URL = "http://127.0.0.1:8484/v1/chat/completions"
SAID = "served"


def calls(stop: Path, key: str) -> tuple[int, list[str]]:
    """(Calls that were answered whole, what was wrong with the others.)"""
    answered, wrong = 0, list[str]()
    headers = {"authorization": f"Bearer {key}"}
    while not stop.exists():
        for is_stream in (False, True):
            messages = [{"role": "user", "content": f"say: {SAID}"}]
            body = {"model": "dev", "stream": is_stream, "messages": messages}
            try:
                answer = httpx.post(URL, json=body, headers=headers, timeout=60)
            except httpx.HTTPError as error:
                wrong.append(repr(error))
                continue
            is_whole = answer.status_code == 200 and SAID in answer.text
            if is_whole and (not is_stream or answer.text.rstrip().endswith("data: [DONE]")):
                answered += 1
            else:
                wrong.append(f"{answer.status_code} {answer.text[:200]}")
    return answered, wrong


def main() -> int:
    stop, key = Path(sys.argv[1]), sys.argv[2]
    with ThreadPoolExecutor(CLIENTS) as pool:
        found = list(pool.map(lambda _: calls(stop, key), range(CLIENTS)))
    wrong = [each for _, faults in found for each in faults]
    print(f"{sum(answered for answered, _ in found)} calls answered whole, {len(wrong)} not")  # noqa: T201
    for each in wrong[:5]:
        print(f"  {each}")  # noqa: T201
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
