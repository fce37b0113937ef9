"""Fuzz target cifar10: batch files, and the archive they come in."""

import hashlib
import io
import random
import tarfile
from typing import Any

import numpy as np
from harness import Target, Wrong
from mutations import mutate_bytes

from glorotlab.data import cifar10
from glorotlab.data.archive import extract
from glorotlab.data.cifar10 import RECORD, load_cifar10
from glorotlab.data.files import VerifiedFile

PICTURES = 2
"""Pictures of a batch file, in place of 10,000."""

NAMES = ("../evil", "/tmp/evil", "a/../../evil", "data_batch_1.bin", "./x", "x" * 90, "", ".", "..", "\x00")  # noqa: S108
KINDS = (
    tarfile.REGTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
    b"S",
    b"x",
)


def _content(number: int) -> bytes:
    generator = np.random.default_rng(number)
    table = generator.integers(0, 256, (PICTURES, RECORD), dtype=np.uint8)
    table[:, 0] = generator.integers(0, 10, PICTURES)
    return table.tobytes()


CONTENTS = [_content(number) for number in range(len(cifar10.FILES))]
FILES = tuple(
    VerifiedFile(file.name, len(content), hashlib.sha256(content).hexdigest())
    for file, content in zip(cifar10.FILES, CONTENTS, strict=True)
)


class Cifar10(Target):
    """Six batch files in a folder are loaded, or an archive of them is taken apart into a folder."""

    name = "cifar10"

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        self.batches, self.unpacked = self.folder / "batches", self.folder / "unpacked"
        self.batches.mkdir()
        self.unpacked.mkdir()

    def make(self, rng: random.Random) -> tuple[str, bytes]:
        """Return ``batch`` and the bytes of one file, or ``archive`` and the bytes of a .tar.gz."""
        if rng.random() < 0.5:
            content = bytearray(CONTENTS[0])
            if rng.random() < 0.3:
                content[rng.randrange(PICTURES) * RECORD] = rng.randrange(256)
            return "batch", mutate_bytes(rng, bytes(content)) if rng.random() < 0.6 else bytes(content)
        return "archive", _archive(rng)

    def run(self, made: tuple[str, bytes]) -> None:
        """Load the batches, or take the archive apart; all of its files are there then, and right, or none."""
        kind, content = made
        if kind == "batch":
            self._load(content)
            return
        for path in self.unpacked.iterdir():
            path.unlink()
        archive = self.folder / "archive.tar.gz"
        archive.write_bytes(content)
        try:
            with open(archive, "rb") as file:
                extract(file, archive.name, cifar10.FOLDER, FILES, self.unpacked)
        finally:
            files = {path.name: path.read_bytes() for path in self.unpacked.iterdir()}
            expected = {file.name: content for file, content in zip(FILES, CONTENTS, strict=True)}
            if files and files != expected:
                raise Wrong(f"it left {', '.join(sorted(files))}")

    def _load(self, content: bytes) -> None:
        for file, whole in zip(FILES, CONTENTS, strict=True):
            (self.batches / file.name).write_bytes(content if file is FILES[0] else whole)
        data = load_cifar10(self.batches, FILES, PICTURES)
        x, y = data.train.batch(0, int(data.train.length))
        table = np.frombuffer(content, np.uint8).reshape(PICTURES, RECORD)
        if (x[:PICTURES] * 255).round().astype(np.uint8).tobytes() != table[:, 1:].tobytes():
            raise Wrong("other pictures than the file's")
        if (y[:PICTURES] != table[:, 0]).any() or y.max() > 9:
            raise Wrong(f"labels {y[:PICTURES]}")


def _archive(rng: random.Random) -> bytes:
    """Return an archive with members too many, too few, damaged, of other kinds or with paths that lead elsewhere."""
    members = [_member(f"{cifar10.FOLDER}/{file.name}", content) for file, content in zip(FILES, CONTENTS, strict=True)]
    if rng.random() < 0.7:
        place = rng.randrange(len(members))
        match rng.randrange(4):
            case 0:
                del members[place]
            case 1:
                members.insert(place, _member(rng.choice(NAMES), b"evil", rng.choice(KINDS)))
            case 2:
                members[place] = _member(members[place][0].name, members[place][1], rng.choice(KINDS))
            case _:
                members[place] = (members[place][0], mutate_bytes(rng, members[place][1]))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1, format=rng.choice((0, 1, 2))) as archive:
        for header, content in members:
            header.size = len(content) if header.isreg() or rng.random() < 0.5 else 0
            archive.addfile(header, io.BytesIO(content.ljust(header.size, b"\0")))
    return mutate_bytes(rng, buffer.getvalue()) if rng.random() < 0.4 else buffer.getvalue()


def _member(name: str, content: bytes, kind: bytes = tarfile.REGTYPE) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.type, header.linkname = kind, "../../evil" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    return header, content
