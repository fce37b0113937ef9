"""Small stand-ins for CIFAR-10's batch files, written independently of the reader."""

import hashlib
import io
import tarfile

import numpy as np

from glorotlab.data.cifar10 import FILES
from glorotlab.data.files import VerifiedFile

RNG = np.random.default_rng(3)
IMAGES = RNG.integers(0, 256, (6, 4, 3, 32, 32), dtype=np.uint8)  # six files of four pictures
LABELS = RNG.integers(0, 10, (6, 4), dtype=np.uint8)


def batch(images, labels):
    """The file of some pictures, (n, 3, 32, 32), record by record."""
    return b"".join(bytes([label]) + image.tobytes() for image, label in zip(images, labels, strict=True))


CONTENTS = [batch(images, labels) for images, labels in zip(IMAGES, LABELS, strict=True)]
TINY = tuple(
    VerifiedFile(file.name, len(content), hashlib.sha256(content).hexdigest())
    for file, content in zip(FILES, CONTENTS, strict=True)
)


def write(folder):
    """The stand-ins in a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in zip(TINY, CONTENTS, strict=True):
        (folder / file.name).write_bytes(content)
    return folder


def tar(*members):
    """The bytes of a .tar.gz of (name, content) or TarInfo, in that order, names as often as they are given."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
                continue
            name, content = member
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    return buffer.getvalue()


def link(name, target, kind=tarfile.SYMTYPE):
    """A member of a tar archive that is a link."""
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, target
    return header
