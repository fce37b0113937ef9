"""A folder of small photographs, each of one grey level, laid out as ImageNet's; and hostile picture files."""

import struct
import zlib

from PIL import Image

from glorotlab.data.imagenet_classes import CLASS_NAMES, CLASS_OF

WORDNET_IDS = [next(name for name, label in CLASS_OF.items() if label == own) for own in range(len(CLASS_NAMES))]
"""One category of each class."""

EACH = 22
"""Pictures of each class."""


def grey(label, number):
    """The level of a picture, which no other has."""
    return EACH * label + number


def write_photographs(root, each=EACH):
    """Write pictures of one grey level each, in ten categories, and a category of no class."""
    for label, category in enumerate(WORDNET_IDS):
        (root / category).mkdir(parents=True)
        for number in range(each):
            level = grey(label, number)
            Image.new("RGB", (50 + number, 90), (level, level, level)).save(root / category / f"{number}.png")
    (root / "n99999999").mkdir()
    Image.new("L", (40, 40)).save(root / "n99999999" / "0.png")


def png(width, height, chunks, data=b""):
    """A PNG of grey bytes that says it is width x height, with further chunks (kind, content)."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


BOMBS = {
    "bomb.png": png(60_000, 60_000, [], bytes(10**6)),  # 3.6 GB of pixels
    "long.png": png(2**31 - 1, 1, [], bytes(100)),
    "text.png": png(40, 40, [(b"zTXt", b"a\0\0" + zlib.compress(bytes(2 * 10**8)))], bytes(41 * 40)),  # 200 MB of text
    "nothing.png": png(0, 40, [], b""),
}
"""Files of kilobytes that claim gigabytes, or nothing."""
