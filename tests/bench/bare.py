"""The reference for pages: Flask answering with a constant, nothing else."""

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """Say hello."""
    return "<!doctype html><title>hello</title><p>hello</p>"
