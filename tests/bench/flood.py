"""``python -m tests.bench.flood [attempts [one|many|house …]]``: card-testers against the real door, donors among them.

20,000 checkouts are tried from one address, from 10,000, and from one house of IPv6, with Valkey running and
stopped; meanwhile 500 donors behind one address (where there is one attacker or house, theirs) and 200
elsewhere give, and somebody looks at the campaign's page. Told are the orders that reached the provider by
its own journal, donors refused and donors asked for a puzzle, and how long the page took against before.
"""

import http.client
import ipaddress
import json
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fundraising.campaigns.models import Campaign
from fundraising.database import db, transaction
from fundraising.floods.service import FREE_ADDRESS, FREE_CAMPAIGN
from local import processes
from tests.bench import crowd, load
from tests.bench.figures import Figures, note
from tests.bench.site import ROOT, Site
from tests.factories import Make

ATTEMPTS, UNIT, SPREAD = 20_000, 500, 200
CONNECTIONS = 8
BEFORE_SECONDS = 3.0
HOUSE = ipaddress.ip_network("2001:db8:0:7::/64")
CHECKOUT = "/api/v1/checkout"


@dataclass(frozen=True)
class Flood:
    """Where attempts come from, the address of the work unit, and how many orders may be opened."""

    word: str
    name: str
    address: Callable[[int], str]
    unit: str
    most: int


FLOODS = (
    Flood("one", "one address", lambda _: "198.51.100.1", "198.51.100.1", FREE_ADDRESS),
    Flood(
        "many", "10,000 addresses", lambda n: f"10.{n % 40}.{n % 10_000 // 40}.9", "198.51.100.1", FREE_CAMPAIGN
    ),
    Flood("house", "one house of IPv6", lambda n: str(HOUSE[n + 1]), str(HOUSE[0]), FREE_ADDRESS),
)  # fmt: skip


class FloodedSite(Site):
    """A site with limits on, behind one proxy that names the visitor, with WeChat Pay's simulator."""

    def __init__(self, folder: Path) -> None:
        self.simulator_port = processes.free_port()
        state = folder / "simulator"
        module = "fundraising.payments.simulators.wechatpay"
        words = ["--port", str(self.simulator_port), "--state-dir", str(state)]
        env = {"ENVIRONMENT": "test", "PATH": "/usr/bin:/bin"}
        self.simulator = processes.spawn([sys.executable, "-m", module, *words], cwd=ROOT, env=env)
        settings = state / "settings.env"
        assert processes.wait_for(lambda: processes.answers("127.0.0.1", self.simulator_port), 60)
        lines = (line.partition("=") for line in settings.read_text().splitlines())
        self.settings = {name: value for name, _, value in lines}
        super().__init__(folder)

    def variables(self) -> dict[str, str]:
        """The environment of every process."""
        more = {"RATELIMIT_ENABLED": "true", "PROXY_HOPS": "1"}
        return super().variables() | self.settings | more

    def stop(self) -> None:
        """End everything."""
        super().stop()
        processes.end(self.simulator)

    def orders(self) -> int:
        """Return how many orders the provider knows."""
        connection = http.client.HTTPConnection("127.0.0.1", self.simulator_port, timeout=60)
        connection.request("GET", "/_ctl/journal")
        return len(json.load(connection.getresponse())["orders"])


def main(words: list[str]) -> None:
    """Run the floods asked for, or all, with Valkey running and stopped."""
    attempts = int(words[0]) if words else ATTEMPTS
    asked = [flood for flood in FLOODS if flood.word in words[1:] or not words[1:]]
    figures = Figures()
    with tempfile.TemporaryDirectory() as folder:
        site = FloodedSite(Path(folder))
        try:
            with site.app.app_context():
                flooding(site, figures, attempts, asked)
                db.session.remove()
                db.engine.dispose()
        finally:
            site.stop()


def flooding(
    site: FloodedSite, figures: Figures, attempts: int, floods: Sequence[Flood] = FLOODS
) -> None:
    """Flood a campaign of its own each time; refusing a donor, or opening more than stated, is an error."""
    port, share = site.web(), attempts / ATTEMPTS
    for valkey in ("running", "stopped"):
        if valkey == "stopped":
            site.valkey.stop()
        for flood in floods:
            with transaction():
                campaign = Make(db.session()).campaign()
            note(f"{attempts} attempts from {flood.name}, Valkey {valkey}")
            _flood(site, figures, port, (flood, campaign, attempts, share))
            site.watching.execute("TRUNCATE flood_checkout")


def _flood(
    site: FloodedSite, figures: Figures, port: int, scene: tuple[Flood, Campaign, int, float]
) -> None:
    flood, campaign, attempts, share = scene
    page = f"/c/{campaign.slug}"
    requests = [_attempt(port, campaign, flood.address(n)) for n in range(attempts)]
    units, spread = round(UNIT * share), round(SPREAD * share)
    donors = [flood.unit] * units + [f"172.16.{n // 250}.{n % 250}" for n in range(spread)]
    with crowd.Looks(port, page) as before:
        time.sleep(BEFORE_SECONDS)
    known = site.orders()
    with crowd.Looks(port, page) as during:
        bot = load.start(load.Job(port, requests, CONNECTIONS, 600, 201, repeat=False))
        giving = crowd.give(port, f"{page}/donate", donors)
        came = load.end(bot, 700)
        met = not giving.is_going_on()
        gave = giving.wait()
    reached = site.orders() - known - gave.gave
    assert not gave.refused, f"donors were refused: {dict(gave.refused)}"
    assert reached == came.good <= flood.most, f"{reached} orders reached the provider"
    note(
        f"opened by the bot {came.good} of {came.good + came.others} in {came.seconds:.0f} s, at the provider "
        f"{reached}; donors {gave.gave} gave, {gave.asked} solved a puzzle, refused {dict(gave.refused)}"
        f"{'' if met else '; the bot ended before them'}; page missed {during.missed}"
    )
    for share_of, said in ((0.5, "median"), (0.95, "95 %")):
        figures.say(
            f"campaign page under a flood from {flood.name}, {said}",
            during.at(share_of) * 1000,
            before.at(share_of) * 1000,
            "ms",
            against="the same before",
        )


def _attempt(port: int, campaign: Campaign, address: str) -> bytes:
    body = {
        "campaign": campaign.slug,
        "amount_fen": 100,
        "channel": "wechatpay.native",
        "idempotency_key": uuid.uuid4().hex,
    }
    headers = {"Content-Type": "application/json", "X-Forwarded-For": address}
    return load.post(CHECKOUT, port, headers, json.dumps(body).encode())


if __name__ == "__main__":
    main(sys.argv[1:])
