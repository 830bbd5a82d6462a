"""The references: Flask answering with a constant, and Flask committing one INSERT; nothing else."""

import os
import threading

import psycopg
from flask import Flask, request

app = Flask(__name__)
mine = threading.local()


@app.get("/")
def hello() -> str:
    """Say hello."""
    return "<!doctype html><title>hello</title><p>hello</p>"


@app.post("/insert")
def insert() -> tuple[str, int]:
    """Keep what was sent, durably, with one statement on a connection of this thread."""
    if not hasattr(mine, "connection"):
        url = os.environ["DATABASE_URL"].replace("postgresql+psycopg", "postgresql")
        mine.connection = psycopg.connect(url, autocommit=True)
    mine.connection.execute("INSERT INTO bench_note (body) VALUES (%s)", (request.get_data(),))
    return "", 204
