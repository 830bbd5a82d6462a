"""Every numbered case has a test, and every test named in docs/cases.md exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| (case|atk) ([0-9]+) \| [^|]+ \| ([^|]+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([a-z_/0-9]+\.py)::(test_[a-z0-9_]+)`")
PAYMENTS = (
    "1 2 3 5 7 8 9 11 13 15 16 17 18 19 20 21 23 24 26 27 28 30 31 32 34 35 36 38 40 41 42 43 45 47 48 49 50 51 "
    "54 55 56 58 60 61 63 64 65 66 68 69 72 73 74 75 76 77 79 80 81 83 84 86 87 89 90 91 93 94 96 97 98 99 100"
)
ATTACKS = (
    "1 2 4 5 6 7 9 10 11 12 13 14 15 17 18 20 21 22 23 24 25 27 28 29 30 31 32 33 35 36 37 39 40 42 43 44 45 46 47 "
    "48 50 52 53 54 65 66 67 69 70 71 72 73 75 76"
)


def cases() -> list[tuple[str, str, str]]:
    return ROW.findall((ROOT / "docs" / "cases.md").read_text(encoding="utf-8"))


@pytest.mark.parametrize(("kind", "numbers"), [("case", PAYMENTS), ("atk", ATTACKS)])
def test_every_number_has_a_row_of_its_own(kind: str, numbers: str) -> None:
    assert [number for found, number, _ in cases() if found == kind] == numbers.split()


def test_every_row_names_tests_that_exist() -> None:
    wrong = []
    for kind, number, named in cases():
        tests = NAMED.findall(named)
        if not tests or len(tests) != named.count("`") // 2:
            wrong.append(f"{kind} {number}: {named}")
        for file, name in tests:
            path = ROOT / "tests" / file
            if not path.is_file() or f"def {name}(" not in path.read_text(encoding="utf-8"):
                wrong.append(f"{kind} {number}: {file}::{name}")

    assert wrong == []
