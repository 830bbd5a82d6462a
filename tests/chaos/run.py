"""One storm against a stack of its own, and what was found after it."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis
from flask import Flask

import config
from fundraising.app import create_app
from local.postgres import DATABASE, OWNER, Postgres
from local.processes import wait_for
from local.stack import ROOT, Stack
from tests.chaos import checker, defects
from tests.chaos.clerk import Clerk
from tests.chaos.faults import Fault, Nemesis
from tests.chaos.seed import sow
from tests.chaos.sides import Sides, Truth
from tests.chaos.storm import Storm

CONVERGE_SECONDS = 10.0
REST_SECONDS = 400.0
LISTENS_WITHIN = 60.0
PRISTINE = "pristine"
CLERK_SHARE = 0.02
ALONE = {"RATELIMIT_ENABLED": "false", "FISCAL_BASE_URL": "", "MAIL_URL": ""}
"""No limits, and nobody beside the providers: no letters, no finance department."""


@dataclass(frozen=True)
class Plan:
    """How large a run is. ``patience`` is for how long it may take to converge before we give up."""

    notices: int
    faults: Sequence[Fault]
    patience: float
    back: float = 0.02
    late: int = 0
    rests: bool = False
    asks: float = CLERK_SHARE
    """As a share of the gifts, how many refunds we ask for; their notices come whenever they are done."""


@dataclass
class Report:
    """How a run ended."""

    name: str
    findings: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)


class Ground:
    """What all runs share: one folder, one server, and a database as a migration leaves it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = 0
        (folder / "stack" / "map").mkdir(parents=True)
        (folder / "stack" / "map" / "chengde.json").write_text("{}")  # no map is looked at
        self.postgres = Postgres(folder / "postgres")
        self.postgres.start()
        told = {
            "DATABASE_URL": self.postgres.url(),
            "DATABASE_OWNER_URL": self.postgres.url(OWNER),
            "PUBLIC_URL": "http://localhost",
            "SECRET_KEY": "k" * 48,
        }
        subprocess.run(
            [sys.executable, "-m", "fundraising.cli", "db", "upgrade"],
            env={**os.environ, **told}, cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip
        self.postgres.clone(PRISTINE)
        self.postgres.stop()

    def fresh(self, defect: str) -> None:
        """Make the database anew, without what a defect takes away."""
        self.postgres.start()
        self.postgres.drop(DATABASE)
        self.postgres.clone(DATABASE, PRISTINE)
        if defect in defects.DROPS:
            with self.postgres.connect(database=DATABASE) as connection:
                connection.execute(defects.DROPS[defect])
        self.postgres.stop()

    def run(self, name: str, plan: Plan, seed: int, defect: str = "") -> Report:
        """Run one storm."""
        begun = time.monotonic()
        self.runs += 1
        self.fresh(defect)
        sides = Sides(self.folder / f"sides-{self.runs}")
        env = {**ALONE, **sides.settings(), **_planted(defect)}
        stack = Stack(self.folder / "stack", env=env, postgres=self.postgres)
        try:
            stack.start()
            started = time.monotonic()
            report = _storm(Report(name), plan, seed, stack, sides)
        finally:
            stack.stop()
            sides.stop()
        report.figures["start_seconds"] = round(started - begun, 1)
        report.figures["seconds"] = round(time.monotonic() - begun)
        return report


def _planted(defect: str) -> dict[str, str]:
    site = str(ROOT / "tests" / "chaos" / "site")
    return {"CHAOS_DEFECT": defect, "PYTHONPATH": site} if defect else {}


def _storm(report: Report, plan: Plan, seed: int, stack: Stack, sides: Sides) -> Report:
    app, nemesis = _tool(stack), Nemesis(stack, plan.faults)
    storm = Storm(sides, stack, seed, plan.back, plan.late)
    storm.pay_all(sow(app, plan.notices, seed))
    clerk = Clerk(app, int(plan.notices * plan.asks), nemesis.seconds, seed)
    assert wait_for(lambda: _is_listening(stack), LISTENS_WITHIN, pause=0.1), "no worker listens"
    storm.blow(nemesis.seconds)
    clerk.start()
    nemesis.start()
    nemesis.join()
    convergence = Convergence()
    convergence.wait(storm, clerk, plan.patience)
    took = convergence.seconds
    truth = sides.truth()
    if plan.rests:
        print(f"     {convergence}; waiting for receipts", flush=True)
        wait_for(lambda: checker.has_rested(stack), REST_SECONDS, pause=0.5)
    report.findings = _judge(stack, storm, truth)
    if plan.rests and (took is None or took > CONVERGE_SECONDS):
        report.findings.append(f"late: converged {took} s after the last fault")
        report.findings += [f"late: {what}" for what in convergence.late]
    report.figures = {
        "payments": len(truth.paid),
        "back": sum(truth.times.values()),
        "notices_sent": storm.answers.total(),
        "unanswered": storm.answers[0],
        "refused": storm.answers.total() - storm.answers[0] - storm.acked,
        "slowest_answer": round(storm.slowest, 1),
        "behind": convergence.behind,
        "notices_acked": storm.acked,
        "withheld": len(storm.withheld),
        "faults": nemesis.done.total(),
        "converged_seconds": took,
        "delivered_seconds": convergence.delivered,
        "came_last": convergence.last,
        **nemesis.done,
    }
    return report


@dataclass
class Convergence:
    """How long after the last fault all was delivered, and the books said what the journals say.

    The clock runs from the end of the last fault, whatever was refused until then. Who delivers tries again
    at least every second: WeChat Pay would take fifteen, and that time is not the product's.
    """

    seconds: float | None = None
    delivered: float | None = None
    behind: int = 0
    last: str = ""
    late: list[str] = field(default_factory=list, repr=False)

    def wait(self, storm: Storm, clerk: Clerk, patience: float) -> None:
        """Look five times a second, no longer than patience lasts; into the books only when all is said."""
        start, self.behind = time.monotonic(), storm.behind
        while (took := time.monotonic() - start) < patience:
            if storm.is_over and not clerk.is_alive():
                self.delivered = self.delivered or round(took, 1)
                waits = checker.waits_for(storm.stack, storm.sides.truth())
                if not waits:
                    self.seconds = round(time.monotonic() - start, 1)
                    return
                self.last = waits
                if took > CONVERGE_SECONDS and not self.late:
                    self.late = checker.stragglers(storm.stack, storm.sides.truth())
            time.sleep(0.2)


def _is_listening(stack: Stack) -> bool:
    """Whether a worker waits for rings: what comes before that is settled in one set, and few defects show."""
    queues = redis.Redis.from_url(stack.variables["REDIS_URL"])
    return any(client["cmd"] == "brpop" for client in queues.client_list())


def _judge(stack: Stack, storm: Storm, truth: Truth) -> list[str]:
    found = checker.findings(stack, truth)
    if storm.forged_accepted:
        found.append(f"forged: {storm.forged_accepted} notices were accepted")
    return found


def _tool(stack: Stack) -> Flask:
    """Return the product for tools of ours, in this process and without any defect."""
    told: dict[str, Any] = {name.lower(): value for name, value in stack.variables.items()}
    fields = config.Settings.model_fields
    return create_app(config.Settings(**{k: v for k, v in told.items() if k in fields}))
