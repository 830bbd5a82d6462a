"""Setting pages with Typst: receipts, labels, papers. Data goes in as JSON, never as markup."""

import json
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typst

FONT = "Noto Sans CJK SC"


@lru_cache(maxsize=1)
def font_file() -> Path:
    """Return the file of the Chinese font (Noto Sans CJK, OFL)."""
    spec = find_spec("manimgx_fonts_cjk")
    if spec is None or spec.origin is None:
        raise RuntimeError("The package manimgx-fonts-cjk is not installed.")
    return next(iter(sorted(Path(spec.origin).parent.glob("*.tt*"))))


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """Read the fonts once in a process: that is most of the work of a page."""
    return typst.Fonts(font_paths=[str(font_file().parent)], include_system_fonts=False)


def pdf(template: str, data: dict[str, Any], *, standards: Sequence[Any] = ()) -> bytes:
    """Return a page set from a Typst template that reads ``json(bytes(sys.inputs.data))``.

    The same template and data give the same bytes as long as the template sets
    ``#set document(date: none)``. ``standards`` are those Typst knows, such as ``ua-1``.
    """
    made: bytes = typst.compile(
        template.encode(),
        font_paths=_fonts(),
        sys_inputs=_inputs(data),
        pdf_standards=list(standards) or None,
    )
    return made


def png(template: str, data: dict[str, Any], *, ppi: float = 144.0) -> bytes:
    """Return the single page of a template as a PNG picture."""
    made: bytes = typst.compile(
        template.encode(), format="png", ppi=ppi, font_paths=_fonts(), sys_inputs=_inputs(data)
    )
    return made


def _inputs(data: dict[str, Any]) -> dict[str, str]:
    return {"data": json.dumps(data, ensure_ascii=False)}
