"""``make chaos``: the storm, then a smaller one for each planted defect. Exit status 0 only when all is well.

Print ``SEED`` first: the same seed makes the same plan of payments, notices and faults. Each small storm is
run once without a defect too, where nothing may be found.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos import faults
from tests.chaos.defects import DEFECTS
from tests.chaos.run import CLERK_SHARE, Ground, Plan, Report

NOTICES, FAULTS, PAUSE = 10_000, 200, 1.4
SMALL_NOTICES, SMALL_PAUSE = 200, 1.2
SMALL_BACK, SMALL_LATE = 0.15, 2
SILENT = ("relay",)
"""Where nothing may come after the storm: the next notice would wake a relay that only listens."""
PATIENCE = 120.0
SHORTEST_PATIENCE, TIMES = 10.0, 3
"""A defect that loses money is waited for three times as long as the same storm took without it."""
SHOWN = 6


def main() -> int:
    """Run the storm and every planted defect; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument(
        "--only", default="", help="storm, planted, calm, or names of defects separated by commas"
    )
    parser.add_argument("--notices", type=int, default=NOTICES)
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--keep", type=Path, help="a folder in which logs and books stay")
    asked = parser.parse_args()
    os.environ.setdefault("ENVIRONMENT", "test")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    print(f"SEED {asked.seed}", flush=True)
    begun = time.monotonic()
    with _folder(asked.keep) as folder:
        is_well = _run(folder, asked)
    print(f"{time.monotonic() - begun:.0f} s together", flush=True)
    return 0 if is_well else 1


def _run(folder: Path, asked: argparse.Namespace) -> bool:
    ground = Ground(folder)
    names = asked.only.split(",") if asked.only else ["storm", "planted"]
    verdicts = []
    if "storm" in names:
        plan = Plan(
            asked.notices, faults.plan(asked.faults, PAUSE, asked.seed), PATIENCE, rests=True
        )
        verdicts.append(_tell(ground.run("storm", plan, asked.seed)))
    chosen = [name for name in DEFECTS if "planted" in names or name in names]
    aims = faults.AIMS if "calm" in names else {DEFECTS[name].aim for name in chosen}
    patience = {}
    for aim in sorted(aims):
        calm = ground.run(f"no defect, aim {aim}", _small(aim, PATIENCE), asked.seed)
        verdicts.append(_tell(calm))
        took = calm.figures["converged_seconds"] or PATIENCE
        patience[aim] = max(SHORTEST_PATIENCE, TIMES * took)
    for name in chosen:
        aim, shows = DEFECTS[name].aim, DEFECTS[name].shows
        plan = _small(aim, patience[aim])
        verdicts.append(_tell(ground.run(f"planted {name}", plan, asked.seed, name), shows))
    return all(verdicts)


def _small(aim: str, patience: float) -> Plan:
    asks = 0.0 if aim in SILENT else CLERK_SHARE
    blows = faults.aimed(aim, SMALL_PAUSE)
    return Plan(SMALL_NOTICES, blows, patience, SMALL_BACK, SMALL_LATE, asks=asks)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        yield Path(scratch)


def _tell(report: Report, shows: str = "") -> bool:
    """Print how a run ended; a planted one is well when what was found is what its defect does."""
    seen = [finding for finding in report.findings if shows and finding.startswith(shows)]
    is_well = bool(seen) if shows else not report.findings
    word = "ok  " if is_well else "FAIL"
    print(f"{word} {report.name}: {json.dumps(report.figures)}", flush=True)
    for finding in seen[:1] if is_well else report.findings[:SHOWN]:
        print(f"       {finding[:200]}", flush=True)
    if not is_well and len(report.findings) > SHOWN:
        print(f"       and {len(report.findings) - SHOWN} more", flush=True)
    return is_well


if __name__ == "__main__":
    sys.exit(main())
