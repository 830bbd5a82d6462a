"""The local mail catcher: a real SMTP conversation in, an inbox in the browser out.

``python -m local.mailbox --smtp-port P --web-port Q --dir DIR``. It keeps the latest letters only.
"""

import argparse
import email
import signal
import sys
from email.message import EmailMessage
from email.policy import default as default_policy
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import uuid4

from aiosmtpd.controller import Controller
from flask import Flask, Response, abort, render_template_string
from flask.typing import ResponseReturnValue
from werkzeug.serving import make_server

KEPT = 300
MAX_BYTES = 5 * 1024 * 1024
PAGE = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>本地邮箱 Local mailbox</title><link rel="stylesheet" href="/style.css"><main>
<h1><a href="/">本地邮箱 Local mailbox</a></h1>{% if letter %}<h2>{{ letter.subject }}</h2><p>{{ letter.to }} · {{ letter.date }}</p>
<pre>{{ letter.text }}</pre>{% for a in letter.attachments %}<p><a href="/letters/{{ letter.id }}/{{ loop.index0 }}">{{ a.name }}</a></p>{% endfor %}
{% else %}<ul>{% for l in letters %}<li><a href="/letters/{{ l.id }}">{{ l.subject }}</a><br>{{ l.to }} · {{ l.date }}</li>{% else %}<li>还没有信 No letters yet</li>{% endfor %}</ul>{% endif %}</main></html>"""
STYLE = """body{font:17px/1.6 system-ui,"Noto Sans CJK SC",sans-serif;margin:0;background:#faf7f5;color:#1c1917;overflow-wrap:anywhere}main{max-width:720px;margin:0 auto;padding:24px 16px}
ul{list-style:none;padding:0}li,pre{background:#fff;border:1px solid #e7e0db;border-radius:12px;padding:12px 16px;margin:0 0 12px}pre{white-space:pre-wrap;font:inherit}a{color:#b42318}"""


class Keeper:
    """Takes letters and keeps them as files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        """Keep one letter."""
        (self.folder / f"{uuid4()}.eml").write_bytes(envelope.content)
        for old in self.files()[KEPT:]:
            old.unlink(missing_ok=True)
        return "250 kept"

    def files(self) -> list[Path]:
        """Return the letters, the latest first."""
        return sorted(self.folder.glob("*.eml"), key=lambda f: f.stat().st_mtime_ns, reverse=True)


def read(file: Path) -> dict[str, Any]:
    """Return a letter as its page shows it."""
    message = email.message_from_bytes(file.read_bytes(), policy=default_policy)
    assert isinstance(message, EmailMessage)
    body = message.get_body(("plain",))
    return {
        "id": file.stem,
        "to": str(message["to"]),
        "subject": str(message["subject"]),
        "date": str(message["date"]),
        "text": body.get_content() if body is not None else "",
        "attachments": [
            {
                "name": part.get_filename() or "file",
                "mime": part.get_content_type(),
                "data": part.get_payload(decode=True),
            }
            for part in message.iter_attachments()
        ],
    }


def create(keeper: Keeper) -> Flask:
    """Build the inbox's pages; letters are shown as text, never as HTML."""
    app = Flask(__name__)

    @app.get("/")
    def inbox() -> ResponseReturnValue:
        return render_template_string(
            PAGE, letters=[read(f) for f in keeper.files()[:100]], letter=None
        )

    @app.get("/letters/<uuid:number>")
    def letter(number: Any) -> ResponseReturnValue:
        return render_template_string(PAGE, letter=read(_file(keeper, number)), letters=[])

    @app.get("/letters/<uuid:number>/<int:index>")
    def attachment(number: Any, index: int) -> ResponseReturnValue:
        found = read(_file(keeper, number))["attachments"]
        if index >= len(found):
            abort(404)
        response = Response(found[index]["data"], mimetype="application/octet-stream")
        response.headers["Content-Disposition"] = f'attachment; filename="attachment-{index}"'
        if found[index]["mime"] == "application/pdf":
            response.mimetype = "application/pdf"
        return response

    @app.get("/api/letters")
    def api() -> ResponseReturnValue:
        letters = [read(f) for f in keeper.files()[:100]]
        return [{k: v for k, v in one.items() if k != "attachments"} for one in letters]

    @app.get("/style.css")
    def style() -> ResponseReturnValue:
        return Response(STYLE, mimetype="text/css")

    @app.after_request
    def headers(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; base-uri 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    return app


def _file(keeper: Keeper, number: Any) -> Path:
    file = keeper.folder / f"{number}.eml"
    if not file.exists():
        abort(404)
    return file


def main() -> None:
    """Serve SMTP and the inbox until asked to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--web-port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    asked = parser.parse_args()
    keeper = Keeper(asked.dir)
    controller = Controller(
        keeper, hostname="127.0.0.1", port=asked.smtp_port, data_size_limit=MAX_BYTES
    )
    controller.start()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        controller.stop()
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    make_server("127.0.0.1", asked.web_port, create(keeper), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
