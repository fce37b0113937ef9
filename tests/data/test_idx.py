"""The idx reader against an independent writer, and every way a file can be damaged."""

import contextlib
import gzip
import io
import re
import struct

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from idx_fixtures import CODES, idx_bytes

from glorotlab.data.idx import parse_idx, read_idx
from glorotlab.errors import DataError

ARRAYS = st.sampled_from(sorted(CODES)).flatmap(
    lambda name: hnp.arrays(name, hnp.array_shapes(min_dims=1, max_dims=4, max_side=5))
)
SAMPLE = idx_bytes(np.arange(12, dtype=np.int16).reshape(3, 4))


@given(ARRAYS)
def test_round_trip(array):
    read = parse_idx(io.BytesIO(idx_bytes(array)), "file")
    assert read.dtype == array.dtype
    assert read.dtype.isnative
    assert read.shape == array.shape
    assert read.tobytes() == array.tobytes()  # bits, so that NaN payloads count


@given(ARRAYS)
def test_truncated_at_every_length(array):
    content = idx_bytes(array)
    for length in range(len(content)):
        with pytest.raises(DataError, match="truncated"):
            parse_idx(io.BytesIO(content[:length]), "file")


@given(ARRAYS, st.binary(min_size=1, max_size=9))
def test_trailing_bytes(array, extra):
    with pytest.raises(DataError, match="left over"):
        parse_idx(io.BytesIO(idx_bytes(array) + extra), "file")


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b"\0\0\x08\x01\0\0\0\x09" + tail))
def test_any_bytes_give_an_array_or_a_data_error(content):
    with contextlib.suppress(DataError):
        assert idx_bytes(parse_idx(io.BytesIO(content), "file")) == content


@pytest.mark.parametrize("name", ["plain", "misleading.gz"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_compression_is_told_by_content(tmp_path, name, pack):
    path = tmp_path / name
    path.write_bytes(pack(SAMPLE))
    np.testing.assert_array_equal(read_idx(path), np.arange(12).reshape(3, 4))


def test_truncated_gzip_at_every_length(tmp_path):
    path, packed = tmp_path / "file", gzip.compress(SAMPLE)
    for length in range(len(packed)):
        path.write_bytes(packed[:length])
        with pytest.raises(DataError, match=re.escape(str(path))):
            read_idx(path)


def test_flipped_bit_in_gzip_content(tmp_path):
    packed = bytearray(gzip.compress(SAMPLE, compresslevel=0))
    packed[-12] ^= 1  # within the last value, before the 8 bytes of checksum and length
    path = tmp_path / "file"
    path.write_bytes(packed)
    with pytest.raises(DataError, match="CRC"):
        read_idx(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x01\x00\x08\x01" + SAMPLE[4:], "wrong magic number 0x01000801"),
        (b"\x00\x00\x0a\x01" + SAMPLE[4:], "unknown idx type 0x0a"),
        (b"\x00\x00\x08\x00" + SAMPLE[4:], "0 dimensions"),
        (b"\x00\x00\x08\x21" + bytes(200), "33 dimensions"),
        (b"\x00\x00\x08\x02" + struct.pack(">II", 0, 2**32 - 1), "at least 1"),
        (b"<html>not found</html>", "wrong magic number"),
    ],
)
def test_wrong_headers(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


class CountingFile(io.BytesIO):
    """Remembers the largest read that was asked for."""

    largest = 0

    def read(self, size=-1):
        assert size >= 0, "unbounded read"
        self.largest = max(self.largest, size)
        return super().read(size)


@pytest.mark.parametrize("dimensions", [1, 3, 32])
def test_huge_dimensions_do_not_allocate(dimensions):
    header = b"\x00\x00\x0e" + bytes([dimensions]) + struct.pack(">I", 2**32 - 1) * dimensions
    file = CountingFile(header + bytes(100))
    with pytest.raises(DataError, match="truncated: 100 bytes"):
        parse_idx(file, "file")
    assert file.largest <= 2**20


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(DataError, match=r"absent: No such file"):
        read_idx(tmp_path / "absent")
    with pytest.raises(DataError, match=re.escape(str(tmp_path))):
        read_idx(tmp_path)
