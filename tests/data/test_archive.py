"""Archives: files known by their sums leave them, all or none; hostile and damaged ones are refused."""

import tarfile

import pytest
from cifar10_fixtures import CONTENTS, TINY, link, tar

from glorotlab.data.archive import extract
from glorotlab.errors import DataError, RunError

INSIDE = "batches"
MEMBERS = [(f"{INSIDE}/{file.name}", content) for file, content in zip(TINY, CONTENTS, strict=True)]
SECOND = MEMBERS[1][0]


def without(name):
    return [member for member in MEMBERS if member[0] != name]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def extract_from(archive, folder):
    with archive.open("rb") as file:
        extract(file, str(archive), INSIDE, TINY, folder)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "deep" / "out"
    folder.mkdir(parents=True)
    return folder


def test_only_verified_files_leave_an_archive(tmp_path, out):
    others = [(f"{INSIDE}/readme.html", b"text"), ("data_batch_1.bin", b"elsewhere"), link("readme", "/etc/passwd")]
    (tmp_path / "a.tar.gz").write_bytes(tar(*others, *MEMBERS))
    extract_from(tmp_path / "a.tar.gz", out)
    assert contents(out) == {file.name: content for file, content in zip(TINY, CONTENTS, strict=True)}
    assert not any(path.is_symlink() for path in out.iterdir())


BAD = {
    "parent": (tar(*MEMBERS, ("../outside", b"x")), "'../outside' lies outside the archive's own folder"),
    "inner parent": (tar((f"{INSIDE}/../../outside", b"x"), *MEMBERS), "outside the archive's own folder"),
    "absolute": (tar(*MEMBERS, ("/tmp/x", b"x")), "'/tmp/x' lies outside"),  # noqa: S108
    "other bytes": (tar(*without(SECOND), (SECOND, CONTENTS[0])), "data_batch_2.bin' is not the published file"),
    "shorter": (tar(*without(SECOND), (SECOND, CONTENTS[1][:-1])), "data_batch_2.bin' is not the published file"),
    "longer": (tar(*without(SECOND), (SECOND, CONTENTS[1] + b"x")), "data_batch_2.bin' is not the published file"),
    "missing": (tar(*without(SECOND)), f"missing {SECOND}"),
    "twice": (tar(*MEMBERS, MEMBERS[1]), "data_batch_2.bin' is in it twice"),
    "symbolic link": (tar(*without(SECOND), link(SECOND, MEMBERS[0][0])), "data_batch_2.bin' is not a regular file"),
    "link outside": (tar(*without(SECOND), link(SECOND, "/etc/passwd")), "data_batch_2.bin' is not a regular file"),
    "hard link": (tar(*without(SECOND), link(SECOND, MEMBERS[0][0], tarfile.LNKTYPE)), "is not a regular file"),
    "device": (tar(*without(SECOND), link(SECOND, "", tarfile.CHRTYPE)), "is not a regular file"),
    "fifo": (tar(*without(SECOND), link(SECOND, "", tarfile.FIFOTYPE)), "is not a regular file"),
    "folder": (tar(*without(SECOND), link(SECOND, "", tarfile.DIRTYPE)), "is not a regular file"),
    "truncated": (tar(*MEMBERS)[:2000], "not a whole tar archive"),
    "without its end": (tar(*MEMBERS)[:-20], "not a whole tar archive"),
    "a page": (b"<html>not found</html>", "not a whole tar archive"),
    "damaged": (
        tar(*MEMBERS)[:3000] + bytes(1000) + tar(*MEMBERS)[4000:],
        "not a whole tar archive|not the published file",
    ),
    "empty": (b"", "not a whole tar archive"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_archive_is_refused_in_one_line_and_leaves_nothing(tmp_path, out, kind):
    content, message = BAD[kind]
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        extract_from(path, out)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert contents(out) == {}
    assert {path.name for path in tmp_path.rglob("*")} == {"a.tar.gz", "deep", "out"}


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path, out):
    outside = tmp_path / "outside"
    outside.write_bytes(b"mine")
    (out / TINY[0].name).symlink_to(outside)
    (tmp_path / "a.tar.gz").write_bytes(tar(*MEMBERS))
    extract_from(tmp_path / "a.tar.gz", out)
    assert outside.read_bytes() == b"mine"
    assert (out / TINY[0].name).read_bytes() == CONTENTS[0]
    assert not (out / TINY[0].name).is_symlink()


def test_a_folder_that_is_not_there(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(tar(*MEMBERS))
    with pytest.raises(RunError, match="cannot write"):
        extract_from(tmp_path / "a.tar.gz", tmp_path / "none")
