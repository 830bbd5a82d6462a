"""What every simulator shares: its web application, its controls under ``/_ctl``, and how it is served."""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from types import FrameType
from typing import Any

from flask import Flask, Response, abort, request
from flask.typing import ResponseReturnValue
from werkzeug.serving import make_server

from fundraising.i18n import fen
from fundraising.payments.simulators import safety
from fundraising.payments.simulators.courier import Courier
from fundraising.payments.simulators.journal import Journal


class Simulator:
    """One provider: a place on loopback, a journal, a courier, and a clock that tests can move."""

    journal: Journal
    courier: Courier[Any]

    def __init__(self, folder: Path, base_url: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.base_url, self.offset = folder, base_url, 0.0

    def now(self) -> float:
        """Return the simulator's time in seconds, which ``/_ctl/clock`` moves."""
        return time.time() + self.offset


def application(simulator: Simulator) -> Flask:
    """Return a web application with the pages' dress and the controls; the provider adds its protocol."""
    safety.refuse_in_production()
    app = Flask(__name__, template_folder="templates")
    app.jinja_env.filters["fen"] = fen
    _control(app, simulator)

    @app.get("/style.css")
    def style() -> ResponseReturnValue:
        return app.send_static_file("cashier.css")

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app


def _control(app: Flask, simulator: Simulator) -> None:
    policy = simulator.courier.policy
    names = [field.name for field in fields(policy)]

    @app.post("/_ctl/policy")
    def change_policy() -> ResponseReturnValue:
        for name, value in request.get_json().items():
            if name not in names:
                abort(400)
            setattr(policy, name, value)
        return {name: getattr(policy, name) for name in names}

    @app.post("/_ctl/release")
    def release() -> ResponseReturnValue:
        simulator.courier.release()
        return {"released": True}

    @app.get("/_ctl/journal")
    def journal() -> ResponseReturnValue:
        return simulator.journal.dump()


def let_the_clock_move(app: Flask, simulator: Simulator) -> None:
    """Add ``/_ctl/clock``, for a provider that asks its own clock for the time of everything."""

    @app.post("/_ctl/clock")
    def move_clock() -> ResponseReturnValue:
        simulator.offset += float(request.get_json()["seconds"])
        return {"offset": simulator.offset}


def arguments(about: str | None) -> argparse.ArgumentParser:
    """Return the arguments that every simulator takes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--speed", type=float, default=1.0)
    return parser


def run(create: Callable[[Path, str], tuple[Flask, Simulator]], asked: argparse.Namespace) -> None:
    """Make a provider's simulator and serve it, with its courier, until asked to stop."""
    app, simulator = create(asked.state_dir, f"http://{asked.host}:{asked.port}")
    simulator.courier.policy.speed = asked.speed
    simulator.courier.start()
    serve(app, asked)


def serve(app: Flask, asked: argparse.Namespace) -> None:
    """Serve until asked to stop."""
    server = make_server(asked.host, asked.port, app, threaded=True)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever()
