"""``make chaos``: the storm, then a smaller one for each planted defect. Exit status 0 only when all is well.

Print ``SEED`` first: the same seed makes the same plan of payments, notices and faults.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from local import stack as stacks
from local.postgres import OWNER, Postgres
from local.processes import wait_for
from local.stack import ROOT, Stack
from tests.chaos import checker, defects
from tests.chaos.faults import Nemesis
from tests.chaos.storm import Provider, Storm

CONVERGE_SECONDS = 10.0
GIVE_UP_SECONDS = 60.0
REST_SECONDS = 300.0


@dataclass(frozen=True)
class Size:
    """How large a run is."""

    notices: int
    faults: int
    pause: float

    @property
    def spread(self) -> float:
        """Seconds over which the notices are sent."""
        return self.faults * self.pause


STORM = Size(10_000, 200, 0.9)
PLANTED = Size(500, 12, 0.9)


@dataclass
class Report:
    """How a run ended."""

    name: str
    findings: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


def run(name: str, size: Size, seed: int, defect: str = "") -> Report:
    """Run one storm against a stack of its own."""
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        folder = Path(scratch)
        provider = Provider(folder / "provider")
        postgres = Postgres(folder / "stack" / "postgres")
        stack = Stack(folder / "stack", env=_env(provider.settings(), defect), postgres=postgres)
        try:
            stack.start()
            return _storm(Report(name), size, seed, stack, provider, defect)
        finally:
            stack.stop()
            provider.stop()


def _env(settings: Mapping[str, str], defect: str) -> dict[str, str]:
    planted = (
        {"CHAOS_DEFECT": defect, "PYTHONPATH": str(ROOT / "tests" / "chaos" / "site")}
        if defect
        else {}
    )
    return {"RATELIMIT_ENABLED": "false", **settings, **planted}


def _storm(
    report: Report, size: Size, seed: int, stack: Stack, provider: Provider, defect: str
) -> Report:
    orders = _seed(stack, size.notices, seed)
    if defect in defects.DROPS and stack.postgres is not None:
        owner = stack.postgres.url(OWNER).replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(owner, autocommit=True) as connection:
            connection.execute(defects.DROPS[defect])
    notify_url = f"{stack.base_url}/payments/wechatpay/notify"
    provider.know(orders, notify_url)
    storm = Storm(provider, stack.base_url, seed)
    storm.pay_all(orders)
    nemesis = Nemesis(stack, size.faults, size.pause, seed)
    nemesis.start()
    storm.blow(size.spread)
    nemesis.join(size.spread * 3 + 60)
    _ask_about(stack, storm.withheld)
    truth = provider.truth()
    took = checker.wait_until_converged(stack, truth, GIVE_UP_SECONDS)
    wait_for(lambda: checker.has_rested(stack), REST_SECONDS, pause=0.5)
    report.findings = checker.findings(stack, truth)
    if took > CONVERGE_SECONDS:
        report.findings.append(f"converged {took:.1f} s after the last fault")
    if storm.forged_accepted:
        report.findings.append(f"{storm.forged_accepted} forged notices were accepted")
    report.figures = {
        "payments": len(truth),
        "notices_sent": storm.sent,
        "notices_acked": storm.acked,
        "withheld": len(storm.withheld),
        "faults": sum(nemesis.done.values()),
        "converged_seconds": round(took, 1),
        **nemesis.done,
    }
    return report


def _seed(stack: Stack, count: int, seed: int) -> list[dict[str, Any]]:
    plain = {k: v for k, v in stack.variables.items() if k not in ("CHAOS_DEFECT", "PYTHONPATH")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos.seed", str(count), str(seed)],
        env=plain,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def _ask_about(stack: Stack, refs: list[str]) -> None:
    """Let withheld payments be due, as their time or their donor would."""
    assert stack.postgres is not None
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while time.monotonic() < deadline:
        try:
            with stack.postgres.connect(database="fundraising") as connection:
                connection.execute(
                    "UPDATE payment_attempt SET query_due_at = now() "
                    "WHERE merchant_ref = ANY(%s) AND query_due_at IS NOT NULL",
                    (refs,),
                )
                connection.commit()
            return
        except psycopg.Error:
            time.sleep(0.3)


def main() -> int:
    """Run the storm and every planted defect; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000)
    parser.add_argument("--only", default="", help="storm, or the name of one defect")
    parser.add_argument("--notices", type=int, default=STORM.notices)
    parser.add_argument("--faults", type=int, default=STORM.faults)
    asked = parser.parse_args()
    os.environ.setdefault("ENVIRONMENT", "test")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    stacks.LONGEST_PAUSE = 0.4
    print(f"SEED {asked.seed}", flush=True)
    is_well = True
    if asked.only in ("", "storm"):
        size = Size(asked.notices, asked.faults, STORM.pause)
        is_well = _tell(run("storm", size, asked.seed), wanted=False)
    for name in defects.DEFECTS:
        if asked.only in ("", name):
            planted = run(f"planted {name}", PLANTED, asked.seed, name)
            is_well = _tell(planted, wanted=True) and is_well
    return 0 if is_well else 1


def _tell(report: Report, *, wanted: bool) -> bool:
    is_well = bool(report.findings) is wanted
    print(
        f"{'ok  ' if is_well else 'FAIL'} {report.name}: {json.dumps(report.figures)}", flush=True
    )
    for finding in report.findings[: 3 if wanted else 20]:
        print(f"       {finding[:200]}", flush=True)
    return is_well


if __name__ == "__main__":
    sys.exit(main())
