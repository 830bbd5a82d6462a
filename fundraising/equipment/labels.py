"""Labels for cabinets: number, place, and a QR code that leads to the device's page. Set with Typst."""

from collections.abc import Sequence
from dataclasses import dataclass

from fundraising import qr, typesetting
from fundraising.database import Text2

LABEL = """
#let qrcode(rows, size) = {
  let n = rows.len()
  let cell = size / (n + 8)
  box(fill: white, width: size, height: size, {
    for (y, row) in rows.enumerate() {
      let start = none
      for (x, bit) in (row + "0").clusters().enumerate() {
        if bit == "1" and start == none { start = x }
        if bit == "0" and start != none {
          place(dx: (start + 4) * cell, dy: (y + 4) * cell,
            rect(width: (x - start) * cell + 0.02pt, height: cell + 0.02pt, fill: black))
          start = none
        }
      }
    }
  })
}
#let label(d, organisation) = box(width: 100%, height: 100%, stroke: 0.6pt + rgb("#a8a29e"), radius: 3mm, clip: true, {
  place(top + left, rect(width: 100%, height: 11mm, fill: rgb("#b42318"), inset: (x: 4mm, y: 0mm),
    align(horizon, text(white, 12pt, weight: "bold")[AED 自动体外除颤器])))
  place(top + right, box(height: 11mm, inset: (x: 4mm),
    align(horizon, text(white, 13pt, weight: "bold")[急救请拨 120])))
  place(top + left, dx: 2mm, dy: 12.5mm, qrcode(d.rows, 42mm))
  place(top + left, dx: 46mm, dy: 15mm, box(width: 46mm, {
    set par(leading: 0.5em)
    stack(dir: ttb, spacing: 3mm,
      text(16pt, weight: "bold", d.no),
      text(9pt, d.place),
      line(length: 46mm, stroke: 0.5pt + rgb("#d6d3d1")),
      text(8pt, fill: rgb("#57534e"))[扫码查看位置、状态、使用方法，以及由谁捐赠],
      text(6.8pt, fill: rgb("#57534e"))[Scan for place, status, how to use it, and whose gifts paid for it])
  }))
  place(bottom + left, dx: 4mm, dy: -1.8mm, text(6.5pt, fill: rgb("#57534e"), organisation))
  place(bottom + right, dx: -4mm, dy: -1.8mm, text(6.5pt, fill: rgb("#57534e"), d.address))
  if d.demo {
    place(bottom + right, dx: -3mm, dy: -7mm, rect(stroke: 0.8pt + rgb("#b42318"), radius: 1mm, inset: 1.2mm,
      text(8pt, fill: rgb("#b42318"), weight: "bold")[演示 DEMO]))
  }
})
"""
SHEET = (
    """
#let data = json(bytes(sys.inputs.data))
#set document(title: "AED labels", date: none)
#set page(paper: "a4", margin: (x: 8mm, y: 10mm))
#set text(font: "Noto Sans CJK SC", lang: "zh")
"""
    + LABEL
    + """
#for (at, page) in data.labels.chunks(8).enumerate() {
  if at > 0 { pagebreak() }
  grid(columns: (95mm, 95mm), rows: (64mm,) * 4, column-gutter: 4mm, row-gutter: 4mm,
    ..page.map(d => label(d, data.organisation)))
}
"""
)
SINGLE = (
    """
#let data = json(bytes(sys.inputs.data))
#set document(title: "AED label", date: none)
#set page(width: 99mm, height: 68mm, margin: 2mm)
#set text(font: "Noto Sans CJK SC", lang: "zh")
"""
    + LABEL
    + """
#box(width: 95mm, height: 64mm, label(data.labels.at(0), data.organisation))
"""
)


@dataclass(frozen=True)
class Label:
    """What stands on one label. ``address`` is what its QR code says."""

    no: str
    place: Text2 | None
    address: str
    is_demo: bool


def sheet(labels: Sequence[Label], organisation: str) -> bytes:
    """Return a PDF of A4 pages with eight labels each, to print and cut."""
    return typesetting.pdf(SHEET, _data(labels, organisation))


def single(label: Label, organisation: str) -> bytes:
    """Return a PDF of one label of 95 by 64 millimetres."""
    return typesetting.pdf(SINGLE, _data([label], organisation))


def picture(label: Label, organisation: str, ppi: float = 200.0) -> bytes:
    """Return one label as a PNG picture."""
    return typesetting.png(SINGLE, _data([label], organisation), ppi=ppi)


def _data(labels: Sequence[Label], organisation: str) -> dict[str, object]:
    return {
        "organisation": organisation,
        "labels": [
            {
                "no": label.no,
                "place": (label.place or {}).get("zh", ""),
                "address": label.address.partition("://")[2],
                "demo": label.is_demo,
                "rows": qr.rows(label.address, is_for_print=True),
            }
            for label in labels
        ],
    }
