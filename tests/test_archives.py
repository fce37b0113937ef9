"""Arrays of ``.npz`` files: headers are believed only where the file has the bytes, and before memory is taken."""

import io
import zipfile

import numpy as np
import pytest

from glorotlab.archives import Archive, Form, read_arrays
from glorotlab.errors import InvalidValueError


def npy(shape, descr="<f8", values=b"", version=(1, 0)):
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY" + bytes(version) + len(header).to_bytes(2, "little") + header.encode() + values


def archive(*members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in members:
            made.writestr(name, content)
    file.seek(0)
    return file


def test_arrays_come_back():
    file, arrays = io.BytesIO(), {"x": np.arange(6.0).reshape(2, 3), "y": np.array(5), "name": np.array(["a", "bc"])}
    np.savez_compressed(file, **arrays)
    file.seek(0)
    with Archive(file, largest=100) as found:
        assert found.names == ("x", "y", "name")
        assert found.form("x") == Form(np.dtype("f8"), (2, 3))
    for name, array in read_arrays(file, largest=100).items():
        np.testing.assert_array_equal(array, arrays[name])


BAD = {
    "a huge shape": (npy((2**60,)), r"shape \(1152921504606846976,\) needs"),
    "a shape beyond integers": (npy((2**62, 2**62)), "needs"),
    "negative": (npy((-1, -8), values=bytes(64)), "allowed are arrays that have bytes"),
    "no bytes": (npy((10**9,), "V0"), "allowed are arrays that have bytes"),
    "values left over": (npy((1,), values=bytes(16)), r"shape \(1,\) needs 136 bytes, and 144 are there"),
    "objects": (npy((1,), "|O", values=bytes(8)), "pickled objects, which are never loaded"),
    "larger than is allowed": (npy((1000,), values=bytes(8000)), "it has 8,000 bytes, and 4,096 are allowed"),
    "another version": (npy((1,), values=bytes(8), version=(3, 0)), r"version \(3, 0\)"),
    "a nested header": (b"\x93NUMPY\x01\x00\xd0\x07" + b"(" * 2000, "cannot be read"),
    "a long header": (b"\x93NUMPY\x02\x00\xff\xff\xff\x7f" + b" " * 100, "cannot be read"),
    "nothing": (b"", "cannot be read"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_header_is_judged_before_memory_is_taken(case, monkeypatch):
    content, said = BAD[case]
    monkeypatch.setattr("glorotlab.archives.npy.read_array", None)  # which takes it
    with pytest.raises(InvalidValueError, match=said) as caught, Archive(archive(("x.npy", content)), 4096) as found:
        found.form("x")
    assert len(str(caught.value)) < 300


def test_a_small_file_that_unpacks_to_much_is_refused():
    """A megabyte of zeros for each kilobyte: 16 MB in a file of 16 kB, and 4 MB are allowed."""
    size = 2**24
    bomb = archive(("x.npy", npy((size // 8,), values=bytes(size))))
    assert len(bomb.getvalue()) < 2**15
    with pytest.raises(InvalidValueError, match="16,777,216 bytes, and 4,194,304 are allowed"):
        read_arrays(bomb, largest=2**22)


def test_other_compressions_and_names_that_are_there_twice():
    content = npy((1,), values=bytes(8))
    with pytest.raises(InvalidValueError, match="compressed in a way that NumPy does not write"):
        read_arrays(archive(("x.npy", content), method=zipfile.ZIP_BZIP2), 100)
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = archive(("x.npy", content), ("x.npy", content))
    with pytest.raises(InvalidValueError, match="two members have one name"):
        read_arrays(twice, 100)
    with pytest.raises(InvalidValueError, match="not a zip file"):
        read_arrays(io.BytesIO(b"text"), 100)
