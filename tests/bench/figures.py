"""Figures: each with its reference of the same run, printed and kept in a file."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


class Figures:
    """What was measured so far."""

    def __init__(self, earlier: Path | None = None) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        if earlier is not None and earlier.exists():
            self.found = json.loads(earlier.read_text())["figures"]

    def say(
        self,
        name: str,
        value: float,
        reference: float,
        unit: str,
        *,
        against: str,
        aim: float | None = None,
    ) -> None:
        """Print and keep a figure with its ratio to the reference, and the aim where there is one."""
        ratio = value / reference if reference else 0.0
        self.found[name] = {
            "value": round(value, 3),
            "reference": round(reference, 3),
            "ratio": round(ratio, 3),
            "unit": unit,
            "against": against,
            "aim": aim,
            "load": round(os.getloadavg()[0], 1),
        }
        wanted = "" if aim is None else f" (aim {aim:g})"
        _print(f"{name:<52}{value:>11,.1f} {unit:<11}{ratio:>8.3f}{wanted:<11} of {against}")

    def write(self, file: Path) -> None:
        """Write all figures with what kind of machine they are from."""
        machine = {"cores": os.cpu_count(), "python": platform.python_version()}
        file.write_text(json.dumps({"machine": machine, "figures": self.found}, indent=1) + "\n")


def note(line: str) -> None:
    """Print what is going on, with the machine's load: other work on it halves any figure."""
    _print(f"-- {line} (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")


def side_by_side(rounds: int, *measures: Callable[[], float]) -> list[float]:
    """Measure several things in turn, round after round, and return the median of each.

    What else the machine does then falls on all of them alike.
    """
    taken: Sequence[list[float]] = [[] for _ in measures]
    for _ in range(rounds):
        for values, measure in zip(taken, measures, strict=True):
            values.append(measure())
    return [statistics.median(values) for values in taken]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
