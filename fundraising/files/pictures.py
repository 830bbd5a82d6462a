"""Reading pictures from strangers: judged by the header, decoded in a confined child, stripped bare."""

import io
import resource
import subprocess
import sys

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 40_000_000
MAX_SIDE = 12_000
LARGE, SMALL = 1600, 480
MEMORY = 1024 * 1024 * 1024
CPU_SECONDS = 10
WALL_SECONDS = 20


class BadPicture(Exception):
    """Not a picture that can be shown."""


def recode(data: bytes, side: int) -> bytes:
    """Return the picture upright, at most ``side`` pixels wide or high, as WebP without any metadata.

    The decoder runs in a child process with bounded memory and time, so that a picture made to
    explode ends the child only.

    Raises:
        BadPicture: not JPEG, PNG or WebP, too large, or broken.
    """
    check_header(data)
    try:
        child = subprocess.run(  # noqa: S603  our own module, no shell
            [sys.executable, "-m", "fundraising.files.pictures", str(side)],
            input=data,
            capture_output=True,
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise BadPicture("too slow") from slow
    if child.returncode or not child.stdout:
        raise BadPicture("broken")
    return child.stdout


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


def _child(side: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    with Image.open(io.BytesIO(sys.stdin.buffer.read()), formats=FORMATS) as picture:
        picture.draft("RGB", (side, side))
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    upright.thumbnail((side, side))
    bare = Image.new("RGB", upright.size)
    bare.paste(upright)
    bare.save(sys.stdout.buffer, "WEBP", quality=80, method=4)


if __name__ == "__main__":
    _child(int(sys.argv[1]))
