"""Joins the Chinese texts of all slices into the catalogue that the site reads: ``python -m local.translations``."""

import os
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parent.parent
PARTS = ROOT / "translations" / "parts"
CATALOGUE = ROOT / "translations" / "zh" / "LC_MESSAGES" / "messages.mo"
METHODS = [
    ("fundraising/**.py", "python"),
    ("templates/**.html", "jinja2"),
    ("fundraising/**.html", "jinja2"),
]
KEYWORDS = {
    "_": None,
    "gettext": None,
    "_l": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "_n": (1, 2),
}


def parts() -> Iterator[tuple[str, Message]]:
    """Yield each translated message with the name of the part it stands in."""
    for part in sorted(PARTS.glob("*.po")):
        with part.open("rb") as file:
            for message in read_po(file, locale="zh_CN"):
                if message.id and message.string:
                    yield part.name, message


def joined() -> Catalog:
    """Return one catalogue of all parts; where two differ the first stands, and a test fails."""
    whole = Catalog(locale="zh_CN", fuzzy=False)
    for _part, message in parts():
        if whole.get(message.id, message.context) is None:
            whole.add(message.id, message.string, context=message.context)
    return whole


def contradictions() -> list[str]:
    """Return the English texts that two slices translate differently."""
    whole = joined()
    return [
        f"{part}: {message.id!r}"
        for part, message in parts()
        if (known := whole.get(message.id, message.context)) and known.string != message.string
    ]


def used(root: Path = ROOT) -> Iterator[tuple[str, str]]:
    """Yield each English text used in code and templates with the file that uses it."""
    for folder in ("fundraising", "templates"):
        found = extract_from_dir(
            str(root / folder),
            method_map=[(pattern.split("/", 1)[1], method) for pattern, method in METHODS],
            keywords=KEYWORDS,
            options_map={"**.html": {"extensions": "jinja2.ext.i18n", "silent": "false"}},
        )
        for filename, _line, message, _comments, _context in found:
            text = message[0] if isinstance(message, tuple) else message
            if text:
                yield text, f"{folder}/{filename}"


def missing() -> dict[str, str]:
    """Return the texts that have no Chinese yet, each with a file that uses it."""
    known = {m.id[0] if isinstance(m.id, tuple) else m.id for m in joined() if m.id}
    return {text: where for text, where in used() if text not in known}


def compile_catalogue() -> None:
    """Write the catalogue, whole or not at all."""
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    scratch = CATALOGUE.with_suffix(f".{os.getpid()}")
    with scratch.open("wb") as file:
        write_mo(file, joined())
    scratch.replace(CATALOGUE)


if __name__ == "__main__":
    compile_catalogue()
