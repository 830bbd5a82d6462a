"""The reference for pages: Flask with one template and nothing else."""

from flask import Flask, render_template_string

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """Say hello."""
    return render_template_string(
        "<!doctype html><title>{{ word }}</title><p>{{ word }}</p>", word="hello"
    )
