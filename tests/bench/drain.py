"""A worker's share of draining, without the queue: at each line read it settles what waits and says how much."""

import sys
from datetime import timedelta

import config
from fundraising.app import create_app
from fundraising.giving import settlement


def main() -> None:
    """Drain whenever asked."""
    with create_app(config.load()).app_context():
        for _ in sys.stdin:
            sys.stdout.write(f"{settlement.drain(timedelta(seconds=90))}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
