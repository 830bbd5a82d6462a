"""QR codes for pages and labels."""

import base64
import io

import qrcode
from qrcode.constants import ERROR_CORRECT_H, ERROR_CORRECT_M


def data_uri(address: str) -> str:
    """Return a QR code (level M) as a picture to put into a page."""
    return "data:image/png;base64," + base64.b64encode(png(address)).decode()


def png(address: str, *, is_for_print: bool = False) -> bytes:
    """Return a QR code as PNG; printed ones carry the strongest correction."""
    level = ERROR_CORRECT_H if is_for_print else ERROR_CORRECT_M
    code = qrcode.QRCode(error_correction=level, border=4, box_size=8)
    code.add_data(address)
    data = io.BytesIO()
    code.make_image().save(data)
    return data.getvalue()


def rows(address: str, *, is_for_print: bool = False) -> list[str]:
    """Return a QR code as rows of 0 and 1 without a border, for typesetting."""
    level = ERROR_CORRECT_H if is_for_print else ERROR_CORRECT_M
    code = qrcode.QRCode(error_correction=level, border=0)
    code.add_data(address)
    return ["".join("1" if dark else "0" for dark in row) for row in code.get_matrix()]
