"""Reading pictures from strangers: judged by the header, decoded in a confined child, stripped bare."""

import io
import resource
import subprocess
import sys
from collections.abc import Sequence

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 40_000_000
MAX_SIDE = 12_000
LARGE, SMALL = 1600, 480
MEMORY = 1024 * 1024 * 1024
CPU_SECONDS = 10
WALL_SECONDS = 20
LENGTH_BYTES = 4


class BadPicture(Exception):
    """Not a picture that can be shown."""


def recode(data: bytes, sides: Sequence[int]) -> list[bytes]:
    """Return the picture upright in several sizes (the longer side in pixels), as WebP without metadata.

    The decoder runs in a child process with bounded memory and time, so that a picture made to
    explode ends the child only. The child runs this file alone, without the rest of the product.

    Raises:
        BadPicture: not JPEG, PNG or WebP, too large, or broken.
    """
    check_header(data)
    try:
        child = subprocess.run(  # noqa: S603  our own file, no shell
            [sys.executable, "-I", __file__, *map(str, sides)],
            input=data,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise BadPicture("too slow") from slow
    made = _unpack(child.stdout)
    if child.returncode or len(made) != len(sides):
        raise BadPicture("broken")
    return made


def _unpack(stream: bytes) -> list[bytes]:
    made: list[bytes] = []
    while len(stream) > LENGTH_BYTES:
        size = int.from_bytes(stream[:LENGTH_BYTES], "big")
        made.append(stream[LENGTH_BYTES : LENGTH_BYTES + size])
        stream = stream[LENGTH_BYTES + size :]
    return made


def check_header(data: bytes) -> None:
    """Refuse by format and size before anything is decoded. Raises BadPicture."""
    Image.MAX_IMAGE_PIXELS = None
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            width, height = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as broken:
        raise BadPicture("unreadable") from broken
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE or min(width, height) < 1:
        raise BadPicture("too many pixels")


def _child(sides: Sequence[int]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=FORMATS) as picture:
        picture.draft("RGB", (max(sides), max(sides)))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    for side in sides:
        shown = upright.copy()
        shown.thumbnail((side, side))
        bare = Image.new("RGB", shown.size)
        bare.paste(shown)
        made = io.BytesIO()
        bare.save(made, "WEBP", quality=80, method=4)
        size = made.tell().to_bytes(LENGTH_BYTES, "big")
        sys.stdout.buffer.write(size + made.getvalue())


if __name__ == "__main__":
    _child([int(side) for side in sys.argv[1:]])
