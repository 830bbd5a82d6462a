"""Papers and pictures of the demonstration: contracts, invoices, handover notes, photos; all marked 演示."""

import io
import random

from PIL import Image, ImageDraw, ImageFont

from fundraising.demo.places import Place
from fundraising.typesetting import font_file, pdf

PAPER = """
#let data = json(bytes(sys.inputs.data))
#set document(title: data.title, date: none)
#set page(paper: "a5", margin: 18mm, background: rotate(-28deg, text(64pt, fill: rgb("#b4231814"))[演示 DEMO]))
#set text(font: "Noto Sans CJK SC", size: 9.5pt, lang: "zh")
#align(center, text(15pt, weight: "bold", data.title))
#align(center, text(8pt, fill: rgb("#57534e"), data.number))
#v(4mm)
#table(columns: (30%, 70%), stroke: 0.4pt + rgb("#a8a29e"), inset: 6pt,
  ..data.rows.map(row => (text(weight: "bold", row.at(0)), row.at(1))).flatten())
#v(5mm)
#text(8pt, data.note)
#v(8mm)
#grid(columns: (1fr, 1fr), ..data.signatures.map(s => [#s：\\_\\_\\_\\_\\_\\_\\_\\_\\_\\_]))
"""
WALLS = ("#e7e5e4", "#e2e8f0", "#ecfccb", "#fef3c7", "#fae8ff", "#dbeafe")
PHOTO_SIZE = (960, 720)


def paper(
    title: str,
    number: str,
    rows: list[tuple[str, str]],
    signatures: tuple[str, ...],
    note: str = "",
) -> bytes:
    """Return a one-page PDF with a table of facts; the same bytes every time."""
    data = {
        "title": title,
        "number": number,
        "rows": [list(row) for row in rows],
        "note": note or "本文件为演示数据，并非真实合同、发票或交接凭证。",
        "signatures": list(signatures),
    }
    return pdf(PAPER, data)


def handover_note(place: Place, device_no: str, serial: str, day: str) -> bytes:
    """Return the note (移交单) by which a receiving unit takes charge of a device."""
    rows = [
        ("设备编号", device_no),
        ("序列号", serial),
        ("安装地点", f"{place.county} {place.zh}（{place.floor_zh}）"),
        ("开放时间", place.hours),
        ("接收单位", place.keeper),
        ("移交日期", day),
    ]
    return paper("自动体外除颤器移交单", f"移交-{device_no}", rows, ("移交人", "接收人"))


def installation_photo(place: Place, device_no: str) -> bytes:
    """Return a drawn stand-in for the photo of an installed device, marked as a demonstration."""
    rng = random.Random(device_no)  # noqa: S311  invented picture, the same every time
    picture = Image.new("RGB", PHOTO_SIZE, rng.choice(WALLS))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, 610, 960, 720), fill="#a8a29e")
    draw.rectangle((0, 600, 960, 612), fill="#78716c")
    left = rng.randrange(300, 420)
    draw.rounded_rectangle(
        (left, 150, left + 260, 500), 22, fill="#ffffff", outline="#991b1b", width=10
    )
    draw.rounded_rectangle((left + 34, 250, left + 226, 452), 16, fill="#166534")
    _heart(draw, left + 130, 340)
    font = ImageFont.truetype(str(font_file()), 44)
    small = ImageFont.truetype(str(font_file()), 26)
    draw.text((left + 130, 205), "AED", font=font, fill="#991b1b", anchor="mm")
    draw.text((480, 655), f"{place.zh} · {device_no}", font=small, fill="#1c1917", anchor="mm")
    draw.text((930, 40), "演示图片 DEMO", font=small, fill="#b42318", anchor="rm")
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=82)
    return data.getvalue()


def campaign_picture() -> bytes:
    """Return a drawn picture for the top of the open demonstration campaign."""
    picture = Image.new("RGB", (1280, 640), "#fdf2ef")
    draw = ImageDraw.Draw(picture)
    draw.polygon(
        [
            (0, 520),
            (220, 330),
            (400, 480),
            (640, 260),
            (900, 500),
            (1080, 380),
            (1280, 520),
            (1280, 640),
            (0, 640),
        ],
        fill="#e9c9bf",
    )
    draw.polygon(
        [(0, 580), (300, 450), (560, 560), (860, 430), (1280, 580), (1280, 640), (0, 640)],
        fill="#d9a394",
    )
    draw.ellipse((950, 90, 1090, 230), fill="#f7b267")
    draw.rounded_rectangle((500, 150, 780, 520), 30, fill="#ffffff", outline="#b42318", width=12)
    draw.rounded_rectangle((540, 260, 740, 470), 20, fill="#166534")
    _heart(draw, 640, 355)
    draw.text(
        (640, 210),
        "AED",
        font=ImageFont.truetype(str(font_file()), 54),
        fill="#b42318",
        anchor="mm",
    )
    data = io.BytesIO()
    picture.save(data, "PNG")
    return data.getvalue()


def _heart(draw: ImageDraw.ImageDraw, x: int, y: int) -> None:
    draw.ellipse((x - 56, y - 52, x + 2, y + 6), fill="#ffffff")
    draw.ellipse((x - 2, y - 52, x + 56, y + 6), fill="#ffffff")
    draw.polygon([(x - 52, y - 8), (x + 52, y - 8), (x, y + 62)], fill="#ffffff")
    draw.line(
        [(x - 40, y), (x - 14, y), (x - 4, y - 26), (x + 10, y + 26), (x + 18, y), (x + 40, y)],
        fill="#166534",
        width=8,
    )
