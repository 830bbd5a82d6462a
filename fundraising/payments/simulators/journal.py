"""The simulator's own books: what was ordered, paid and told, in SQLite on disk as the ground truth."""

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (out_trade_no TEXT PRIMARY KEY, body TEXT NOT NULL, product TEXT NOT NULL,
    code TEXT NOT NULL UNIQUE, state TEXT NOT NULL, total INTEGER NOT NULL, transaction_id TEXT UNIQUE,
    openid TEXT, success_time TEXT, created REAL NOT NULL);
CREATE TABLE IF NOT EXISTS notices (id TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL, url TEXT NOT NULL,
    body TEXT NOT NULL, tries INTEGER NOT NULL, due REAL, answers TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refunds (out_refund_no TEXT PRIMARY KEY, out_trade_no TEXT NOT NULL,
    refund_id TEXT NOT NULL UNIQUE, amount INTEGER NOT NULL, status TEXT NOT NULL, body TEXT NOT NULL,
    created REAL NOT NULL, success_time TEXT);
CREATE TABLE IF NOT EXISTS payouts (id TEXT PRIMARY KEY, amount INTEGER NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS notices_due ON notices (due) WHERE due IS NOT NULL;
"""


class Journal:
    """Orders and notices, safe to use from several threads, kept across a kill."""

    schema = SCHEMA

    def __init__(self, file: Path) -> None:
        self.connection = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.executescript(self.schema)
        self.lock = threading.RLock()

    def run(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        """Run one statement and return its rows."""
        with self.lock:
            return list(self.connection.execute(statement, values))

    def order(self, out_trade_no: str) -> sqlite3.Row | None:
        """Return an order by the merchant's number."""
        rows = self.run("SELECT * FROM orders WHERE out_trade_no = ?", out_trade_no)
        return rows[0] if rows else None

    def refund(self, out_refund_no: str) -> sqlite3.Row | None:
        """Return a refund by the merchant's number."""
        rows = self.run("SELECT * FROM refunds WHERE out_refund_no = ?", out_refund_no)
        return rows[0] if rows else None

    def by_code(self, code: str) -> sqlite3.Row | None:
        """Return an order by the code it was opened with, or by the merchant's number."""
        rows = self.run("SELECT * FROM orders WHERE code = ? OR out_trade_no = ?", code, code)
        return rows[0] if rows else None

    def dump(self) -> dict[str, Any]:
        """Return everything, for comparing with the product's books."""
        return {
            "orders": [
                {**dict(row), "body": json.loads(row["body"])}
                for row in self.run("SELECT * FROM orders ORDER BY created, out_trade_no")
            ],
            "refunds": [
                dict(row)
                for row in self.run("SELECT * FROM refunds ORDER BY created, out_refund_no")
            ],
            "payouts": [dict(row) for row in self.run("SELECT * FROM payouts ORDER BY at, id")],
            "notices": [
                {**dict(row), "answers": json.loads(row["answers"])}
                for row in self.run(
                    "SELECT id, out_trade_no, tries, due, answers FROM notices ORDER BY id"
                )
            ],
        }
