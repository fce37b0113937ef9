"""Files taken out of a downloaded tar archive, by name and checksum; nothing else in it touches the disk."""

import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from glorotlab.data.files import VerifiedFile
from glorotlab.errors import DataError, reason
from glorotlab.files import write_whole


def extract(archive: IO[bytes], name: str, inside: str, files: Iterable[VerifiedFile], folder: Path) -> None:
    """Write verified files of a ``.tar.gz`` into a folder, all of them or none.

    Parameters
    ----------
    archive : binary file
    name : str
        Name of the archive, for messages.
    inside : str
        Folder within the archive that holds the files.
    files : iterable of VerifiedFile
        They fit into memory together.
    folder : Path

    Raises
    ------
    DataError
        Where the archive is damaged, has a path outside its own folder, lacks a file, holds it twice, as a link or with
        other bytes than expected. Nothing is then written.
    RunError
        Where the folder cannot be written.
    """
    expected = {f"{inside}/{file.name}": file for file in files}
    try:
        with tarfile.open(fileobj=archive, mode="r:gz") as content:
            contents = _read(content, name, expected)
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{name}: not a whole tar archive: {reason(error)}") from None
    for place, data in contents.items():
        write_whole(folder / place, data)


def _read(content: tarfile.TarFile, archive: str, expected: Mapping[str, VerifiedFile]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for member in content:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts:
            raise DataError(f"{archive}: {member.name!r} lies outside the archive's own folder")
        file = expected.get(str(path))
        if file is None:
            continue
        if file.name in contents:
            raise DataError(f"{archive}: {member.name!r} is in it twice")
        if not member.isreg():
            raise DataError(f"{archive}: {member.name!r} is not a regular file")
        stream = content.extractfile(member)
        data = b"" if stream is None else stream.read(file.size + 1)
        if not file.matches(data):
            raise DataError(f"{archive}: {member.name!r} is not the published file")
        contents[file.name] = data
    missing = [name for name, file in expected.items() if file.name not in contents]
    if missing:
        raise DataError(f"{archive}: missing {', '.join(missing)}")
    return contents
