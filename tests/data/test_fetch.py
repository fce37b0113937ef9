"""Fetching from a server on loopback that misbehaves in every way a mirror can."""

import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import os
import re
import socket
import stat
import threading
import time
from contextlib import contextmanager

import pytest
from cifar10_fixtures import CONTENTS as BATCHES
from cifar10_fixtures import TINY, tar
from idx_fixtures import idx_bytes, tiny_files, tiny_mnist

from glorotlab.data import cifar10, download, fetch
from glorotlab.data import files as data_files
from glorotlab.data.cifar10 import load_cifar10
from glorotlab.data.fetch import fetch_cifar10, fetch_mnist
from glorotlab.data.files import VerifiedFile
from glorotlab.data.mnist import load_mnist
from glorotlab.errors import DataError, FetchError

CONTENTS = [idx_bytes(array) for array in tiny_mnist()]
FILES = tiny_files(CONTENTS)
GOOD = {f"{file.name}.gz": gzip.compress(content) for file, content in zip(FILES, CONTENTS, strict=True)}
FIRST = f"{FILES[0].name}.gz"
PACKED = tar(*((f"{cifar10.FOLDER}/{file.name}", content) for file, content in zip(TINY, BATCHES, strict=True)))
OTHER = tar(*((f"{cifar10.FOLDER}/{file.name}", BATCHES[0]) for file in TINY))


class Mirror:
    """What one mirror serves, by file name, and what it was asked for.

    ``answer``, where there is one, writes the whole answer itself: it gets the handler and the body.
    """

    def __init__(self, bodies, announced_extra=0, hang=False, answer=None):
        self.bodies, self.announced_extra, self.hang, self.answer = bodies, announced_extra, hang, answer
        self.requests = []
        self.released = threading.Event()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@contextmanager
def serving(mirror):
    """Serve ``mirror`` on 127.0.0.1 and yield its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.rpartition("/")[2]
            mirror.requests.append(name)
            body = mirror.bodies.get(name)
            if mirror.hang:
                mirror.released.wait(10)
            if body is None or mirror.hang:
                self.send_error(404)
                return
            if mirror.answer:
                with contextlib.suppress(OSError):  # the client has heard enough
                    mirror.answer(self, body)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) + mirror.announced_extra))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mnist/"
    finally:
        mirror.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def fetch_from(folder, *addresses):
    return fetch_mnist(folder, mirrors=addresses, progress=False, files=FILES)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_good_mirror(tmp_path):
    with serving(Mirror(GOOD)) as address:
        folder = fetch_from(tmp_path / "new" / "mnist", address)
    assert folder == tmp_path / "new" / "mnist"
    assert names(folder) == sorted(GOOD)
    assert load_mnist(folder, FILES, validation=4).train.length == 8


def test_the_whole_file_is_synced(tmp_path, monkeypatch):
    """Python's own buffer is empty by then: what fsync sees is as long as what was served."""
    synced, fsync = [], os.fsync

    def record(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(os.fstat(descriptor).st_size)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record)
    with serving(Mirror(GOOD)) as address:
        fetch_from(tmp_path, address)
    assert sorted(synced) == sorted(map(len, GOOD.values()))


def test_verified_files_are_not_fetched_again(tmp_path):
    mirror = Mirror(GOOD)
    with serving(mirror) as address:
        fetch_from(tmp_path, address)
        assert sorted(mirror.requests) == sorted(GOOD)
        fetch_from(tmp_path, address)
        assert len(mirror.requests) == 4
        (tmp_path / FIRST).write_bytes(b"damaged since")
        fetch_from(tmp_path, address)
    assert mirror.requests[4:] == [FIRST]
    assert (tmp_path / FIRST).read_bytes() == GOOD[FIRST]


def test_unpacked_verified_files_count(tmp_path):
    (tmp_path / FILES[0].name).write_bytes(CONTENTS[0])
    mirror = Mirror(GOOD)
    with serving(mirror) as address:
        fetch_from(tmp_path, address)
    assert FIRST not in mirror.requests


def test_same_content_compressed_otherwise_is_accepted(tmp_path):
    other = GOOD | {FIRST: gzip.compress(CONTENTS[0], compresslevel=1, mtime=1)}
    assert other[FIRST] != GOOD[FIRST]
    with serving(Mirror(other)) as address:
        fetch_from(tmp_path, address)
    assert (tmp_path / FIRST).read_bytes() == other[FIRST]


def flipped(content):
    changed = bytearray(content)
    changed[-1] ^= 1
    return bytes(changed)


BAD_BODIES = {
    "other content": (gzip.compress(flipped(CONTENTS[0])), 0, "SHA-256 of the decompressed bytes"),
    "too long": (gzip.compress(CONTENTS[0] + b"more"), 0, "longer than"),
    "broken gzip": (flipped(GOOD[FIRST]), 0, "Incorrect length"),
    "cut short": (GOOD[FIRST][:-100], 0, "ended before"),
    "connection closed early": (GOOD[FIRST][:-100], 100, "IncompleteRead|SHA-256|ended before"),
    "a page instead": (b"<html>sign in</html>", 0, "SHA-256"),
    "empty": (b"", 0, "SHA-256"),
    "404": (None, 0, "404"),
}


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_bad_file_is_fetched_from_the_next_mirror(tmp_path, kind):
    body, extra, _ = BAD_BODIES[kind]
    bad, good = Mirror({FIRST: body}, extra), Mirror(GOOD)
    with serving(bad) as one, serving(good) as two:
        fetch_from(tmp_path, one, two)
    assert bad.requests == [FIRST, *(name for name in GOOD if name != FIRST)]
    assert (tmp_path / FIRST).read_bytes() == GOOD[FIRST]
    assert names(tmp_path) == sorted(GOOD)


@pytest.mark.parametrize("kind", BAD_BODIES)
def test_every_mirror_bad_leaves_nothing(tmp_path, kind):
    body, extra, reason = BAD_BODIES[kind]
    bad, empty = Mirror({FIRST: body}, extra), Mirror({})
    with serving(bad) as one, serving(empty) as two, pytest.raises(DataError) as caught:
        fetch_from(tmp_path, one, two)
    message = str(caught.value)
    assert re.search(rf"{re.escape(one)}: .*({reason}).*; {re.escape(two)}: .*404", message)
    assert "\n" not in message
    assert ".part" not in message
    assert names(tmp_path) == []


def test_files_before_the_failure_are_kept(tmp_path):
    some = {name: body for name, body in GOOD.items() if "t10k-labels" not in name}
    with serving(Mirror(some)) as address, pytest.raises(DataError, match="t10k-labels"):
        fetch_from(tmp_path, address)
    assert names(tmp_path) == sorted(some)
    mirror = Mirror(GOOD)
    with serving(mirror) as address:
        fetch_from(tmp_path, address)
    assert len(mirror.requests) == 1


# answers that no server of good will gives


def raw(*lines, body=b""):
    """Return an answer of these lines, which need not be HTTP."""
    return lambda handler, whole: handler.wfile.write("\r\n".join([*lines, "", ""]).encode() + body)


def endless(handler, body):
    """Announce nothing and never end."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        handler.wfile.write(bytes(1000))


def drip(handler, body):
    """Send a byte now and then: never silent for long, and never done."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    while True:
        handler.wfile.write(b"x")
        time.sleep(0.02)


def endless_redirection(handler, body):
    """Send on to the same place, with a body that does not end."""
    handler.wfile.write(f"HTTP/1.0 302 Found\r\nLocation: {handler.path}\r\n\r\n".encode())
    while True:
        handler.wfile.write(bytes(1000))


OK = "HTTP/1.0 200 OK"
HOSTILE = {
    "a length that is no number": (raw(OK, "Content-Length: abc", body=b"x"), "SHA-256"),
    "a negative length": (raw(OK, "Content-Length: -5", body=b"x"), "SHA-256"),
    "a huge length": (raw(OK, "Content-Length: 99999999999999999"), "99,999,999,999,999,999 bytes or more: allowed"),
    "a length of 5000 digits": (raw(OK, f"Content-Length: {'9' * 5000}"), "SHA-256|ended|Incomplete"),
    "an endless body": (endless, r"[\d,]+ bytes or more: allowed are 10,457"),
    "a body that drips": (drip, r"took more than 0\.2 s"),
    "redirections in a circle": (endless_redirection, "redirects more than 5 times"),
    "a redirection to a file": (raw("HTTP/1.0 302 Found", "Location: file:///etc/passwd"), "No connection adapters"),
    "a redirection to nowhere": (raw("HTTP/1.0 302 Found", "Location: http://"), "more than 5 times"),
    "no HTTP at all": (raw("220 ready"), "220 ready|BadStatus|Connection"),
    "an endless header": (raw(OK, f"X: {'x' * 70000}"), "line"),
    "thousands of headers": (raw(OK, *["X: y"] * 2000), "headers"),
    "a broken encoding": (raw(OK, "Content-Encoding: gzip", body=b"no gzip"), "decod|gzip|SHA-256"),
    "chunks of no length": (raw("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", body=b"zz\r\n"), ""),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_whatever_a_mirror_answers_the_next_is_asked(tmp_path, monkeypatch, kind):
    answer, reason = HOSTILE[kind]
    monkeypatch.setattr(download, "LONGEST", 0.2 if answer is drip else 60.0)
    asked = dict.fromkeys(GOOD, b"")
    with serving(Mirror(asked, answer=answer)) as bad, serving(Mirror(GOOD)) as good:
        with pytest.raises(FetchError) as caught:
            fetch_mnist(tmp_path, mirrors=[bad], progress=False, files=FILES[:1])
        assert re.search(rf"{re.escape(bad)}: .*({reason})", str(caught.value))
        assert "\n" not in str(caught.value)
        assert names(tmp_path) == []
        fetch_mnist(tmp_path, mirrors=[bad, good], progress=False, files=FILES[:1])
    assert (tmp_path / FIRST).read_bytes() == GOOD[FIRST]
    assert names(tmp_path) == [FIRST]


def test_a_redirection_is_followed(tmp_path):
    with serving(Mirror(GOOD)) as good:
        moved = raw("HTTP/1.0 301 Moved", f"Location: {good}{FIRST}")
        with serving(Mirror(dict.fromkeys(GOOD, b""), answer=moved)) as old:
            fetch_mnist(tmp_path, mirrors=[old], progress=False, files=FILES[:1])
    assert (tmp_path / FIRST).read_bytes() == GOOD[FIRST]


def test_an_address_of_https_sends_on_to_no_other(tmp_path):
    class Session:
        def get(self, url, **options):
            return self

        def get_redirect_target(self, answer):
            return "http://elsewhere/file"

        def close(self):
            pass

    fetching = download.Download("https://mirror/file", 100, bar=None)
    with pytest.raises(DataError, match=r"redirects to 'http://elsewhere/file': allowed is https"):
        fetching._open(Session())


# where the files are


def test_links_in_the_place_of_files_are_replaced_not_followed(tmp_path):
    """Also one with the name that downloads had: that of the file and of the process."""
    victim, folder = tmp_path / "victim", tmp_path / "mnist"
    victim.write_text("mine")
    folder.mkdir()
    for name in (FIRST, f".{FIRST}.{os.getpid()}.part"):
        (folder / name).symlink_to(victim)
    with serving(Mirror(GOOD)) as address:
        fetch_from(folder, address)
    assert victim.read_text() == "mine"
    assert (folder / FIRST).read_bytes() == GOOD[FIRST]
    assert not (folder / FIRST).is_symlink()


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Folder of GLOROTLAB_DATA and the cache, both still empty."""
    monkeypatch.setenv("GLOROTLAB_DATA", str(tmp_path / "local"))
    for module in (data_files, fetch):
        monkeypatch.setattr(module, "cache_folder", lambda dataset: tmp_path / "cache" / dataset)
    return tmp_path / "local", tmp_path / "cache"


def test_what_glorotlab_data_holds_is_not_fetched(places):
    local, cache = places
    with serving(Mirror(GOOD)) as address:
        fetch_from(local / "mnist", address)
    assert fetch_from(None) == local / "mnist"
    assert not cache.exists()
    (local / "mnist" / FIRST).write_bytes(b"damaged")
    with pytest.raises(DataError, match=f"{FIRST}: SHA-256 .*: repair the file, or unset GLOROTLAB_DATA"):
        fetch_from(None)


def test_the_cache_is_mended(places):
    _, cache = places
    with serving(Mirror(GOOD)) as address:
        assert fetch_from(None, address) == cache / "mnist"
        (cache / "mnist" / FIRST).write_bytes(b"damaged")
        assert fetch_from(None, address) == cache / "mnist"
    assert (cache / "mnist" / FIRST).read_bytes() == GOOD[FIRST]


def closed_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_connection_refused(tmp_path):
    nobody = f"http://127.0.0.1:{closed_port()}/"
    with pytest.raises(DataError, match=f"{nobody}: .*refused") as caught:
        fetch_from(tmp_path, nobody)
    assert "Max retries" not in str(caught.value), "the wrapping of requests is taken off"
    assert names(tmp_path) == []
    with serving(Mirror(GOOD)) as address:
        fetch_from(tmp_path, nobody, address)
    assert names(tmp_path) == sorted(GOOD)


def test_silent_mirror_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", (0.2, 0.2))
    with serving(Mirror(GOOD, hang=True)) as silent, pytest.raises(DataError, match="timed out"):
        fetch_from(tmp_path, silent)
    assert names(tmp_path) == []


def test_interruption_leaves_nothing(tmp_path, monkeypatch):
    """Ctrl-C between two pieces of a download: the file that was there stays, and no other appears."""
    monkeypatch.setattr(download, "CHUNK", 100)
    (tmp_path / FIRST).write_bytes(b"damaged before")
    pieces = []

    def interrupt(self, size):
        pieces.append([path.name for path in tmp_path.iterdir()])
        if len(pieces) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(fetch._ProgressBar, "update", interrupt)
    with serving(Mirror(GOOD)) as address, pytest.raises(KeyboardInterrupt):
        fetch_from(tmp_path, address)
    assert len(pieces[-1]) == 2, "the download was under way in the folder"
    assert pieces[-1] == pieces[0], "under one name that nobody can guess"
    assert names(tmp_path) == [FIRST]
    assert (tmp_path / FIRST).read_bytes() == b"damaged before"


def test_no_mirror_and_no_address(tmp_path):
    with pytest.raises(DataError, match="from any mirror"):
        fetch_from(tmp_path)
    with pytest.raises(DataError, match="oops"):
        fetch_from(tmp_path, "oops/")
    assert names(tmp_path) == []


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=f"cannot write to {re.escape(str(tmp_path / 'file'))}"):
        fetch_from(tmp_path / "file", "http://127.0.0.1:1/")


def test_progress_bar_follows_the_download():
    """A server need not announce a length."""
    with fetch._progress_bars(False) as bars:
        for announced in (300, None):
            bar = fetch._ProgressBar(bars, "file")
            bar.begin(announced)
            for size in (200, 100):
                bar.update(size)
        assert [(task.completed, task.total) for task in bars.tasks] == [(300, 300), (300, None)]


# CIFAR-10: one archive


ARCHIVE = VerifiedFile(cifar10.ARCHIVE.name, len(PACKED), hashlib.sha256(PACKED).hexdigest())


def fetch_archive(folder, *addresses, archive=ARCHIVE):
    return fetch_cifar10(folder, mirrors=addresses, progress=False, archive=archive, files=TINY)


def test_the_archive_is_unpacked_and_removed(tmp_path):
    mirror = Mirror({ARCHIVE.name: PACKED})
    with serving(mirror) as address:
        folder = fetch_archive(tmp_path / "new" / "cifar10", address)
        assert names(folder) == sorted(file.name for file in TINY)
        assert load_cifar10(folder, TINY, validation=3).published
        fetch_archive(folder, address)
        assert mirror.requests == [ARCHIVE.name]
        (folder / TINY[3].name).write_bytes(b"damaged since")
        fetch_archive(folder, address)
    assert mirror.requests == [ARCHIVE.name] * 2
    assert load_cifar10(folder, TINY, validation=3).published


BAD_ARCHIVES = {
    "other content": (PACKED[:-1] + b"x", ARCHIVE, "SHA-256 is [0-9a-f]{64}, expected is"),
    "cut short": (PACKED[:-100], ARCHIVE, f"{len(PACKED) - 100} bytes, expected are the {len(PACKED)}"),
    "longer": (PACKED + b"x", ARCHIVE, f"{len(PACKED) + 1:,} bytes or more: allowed are {len(PACKED):,}"),
    "a page instead": (b"<html>sign in</html>", ARCHIVE, "20 bytes, expected are"),
    "404": (None, ARCHIVE, "404"),
    "not the files": (OTHER, dataclasses.replace(ARCHIVE, size=len(OTHER), sha256=hashlib.sha256(OTHER).hexdigest()),
                      "is not the published file"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ARCHIVES)
def test_a_bad_archive_is_fetched_from_the_next_mirror_or_leaves_nothing(tmp_path, kind):
    body, archive, reason = BAD_ARCHIVES[kind]
    with serving(Mirror({archive.name: body})) as bad, serving(Mirror({archive.name: PACKED})) as good:
        with pytest.raises(DataError) as caught:
            fetch_archive(tmp_path / "cifar10", bad, archive=archive)
        assert re.search(rf"{re.escape(bad)}: .*{reason}", str(caught.value))
        assert "\n" not in str(caught.value)
        assert ".part" not in str(caught.value)
        assert names(tmp_path / "cifar10") == []
        if archive is ARCHIVE:
            fetch_archive(tmp_path / "cifar10", bad, good)
            assert names(tmp_path / "cifar10") == sorted(file.name for file in TINY)


def test_an_interrupted_archive_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "CHUNK", 1000)

    def interrupt(self, size):
        raise KeyboardInterrupt

    monkeypatch.setattr(fetch._ProgressBar, "update", interrupt)
    with serving(Mirror({ARCHIVE.name: PACKED})) as address, pytest.raises(KeyboardInterrupt):
        fetch_archive(tmp_path, address)
    assert names(tmp_path) == []


def test_a_folder_for_the_archive_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot write to"):
        fetch_archive(tmp_path / "file", "http://127.0.0.1:1/")


def test_an_archive_that_glorotlab_data_holds_unpacked_is_not_fetched(places):
    local, cache = places
    folder = local / "cifar10" / cifar10.FOLDER
    folder.mkdir(parents=True)
    for file, content in zip(TINY, BATCHES, strict=True):
        (folder / file.name).write_bytes(content)
    assert fetch_archive(None) == folder
    (folder / TINY[0].name).write_bytes(BATCHES[1])
    with pytest.raises(DataError, match="unset GLOROTLAB_DATA"):
        fetch_archive(None)
    assert not cache.exists()
