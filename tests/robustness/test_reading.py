"""What the fuzz targets have found of readers, each with its own input."""

import io
import tracemalloc
import zipfile

import numpy as np

from glorotlab import archives, files


def test_a_small_file_takes_little_memory_whatever_the_limit(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"few")
    tracemalloc.start()
    try:
        assert files.read_bytes(path, 1 << 30) == b"few"
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_a_header_that_python_2_wrote_is_read_without_a_warning():
    """Warnings are errors here; NumPy warns of the long integers of Python 2."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.arange(3.0), version=(1, 0))
    content = buffer.getvalue().replace(b"(3,), } ", b"(3L,), }")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as members:
        members.writestr("x.npy", content)
    assert archives.read_arrays(archive, 1 << 20)["x"].tolist() == [0, 1, 2]
