"""`python -m benchmarks.census`: how many function calls each file makes for one request.

`--write` records the counts that are lower than the ceilings. A ceiling is never raised here.
"""

from __future__ import annotations

import sys

from tests.census.cases import CASES
from tests.census.ceilings import lowered, read, write
from tests.census.report import table


def main() -> None:
    """Counts, and prints a table for each case."""
    recorded = read()
    counts = {case: count() for case, count in CASES.items()}
    for case, census in counts.items():
        print(f"{table(case, census, recorded.get(case, {}))}\n")
    if "--write" in sys.argv[1:]:
        write(lowered(recorded, {case: each.by_file() for case, each in counts.items()}))


if __name__ == "__main__":
    main()
