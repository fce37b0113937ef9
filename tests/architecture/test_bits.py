"""Images, first weights, specs and trainings have the bits of an older version, and a run it left goes on.

``tests/references/hashes.py`` made the hashes, and says how to make them anew and what they rest on. They are of
x86-64: another architecture adds up in another order.
"""

import json
import platform
import shutil

import hashes
import pytest

import glorotlab as gl
from glorotlab.kernels import simd

EXPECTED = json.loads(hashes.FILE.read_text(encoding="utf-8"))
LEVELS = [level for level in EXPECTED["trainings"] if level in simd.LEVELS]

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the hashes are of x86-64")


def different(found, expected):
    """Return the names whose hash is not the expected one."""
    return [name for name in expected if found.get(name) != expected[name]]


@pytest.mark.parametrize("kind", ["images", "first_weights", "specs"])
def test_they_are_those_of_the_older_version(kind):
    assert different(getattr(hashes, kind)(), EXPECTED[kind.replace("_", " ")]) == []


@pytest.fixture
def level(request):
    """Set a SIMD level for one test."""
    before = simd.get_level()
    simd.set_level(request.param)
    yield request.param
    simd.set_level(before)


@pytest.mark.parametrize("level", LEVELS, indirect=True)
def test_trainings_end_with_the_bits_of_the_older_version(level):
    assert different(hashes.trainings(), EXPECTED["trainings"][level]) == []


@pytest.mark.parametrize("level", ["sse2"], indirect=True)
@pytest.mark.usefixtures("level")
def test_a_run_of_the_older_version_goes_on_to_the_bits_of_one_that_never_stopped(tmp_path):
    folder = shutil.copytree(hashes.INTERRUPTED_RUN, tmp_path / "run")
    spec, dataset = hashes.interrupted_run()
    run = gl.load_run(folder)
    assert (run.status, run.updates < spec.training.updates) == ("interrupted", True)
    resumed = gl.train(run.spec, folder, dataset=dataset)
    assert run.statistics.keys() == resumed.statistics.keys() == gl.load_run(folder).statistics.keys()
    assert not run.statistics.keys() & set(hashes.NEWER)
    assert [session["from_update"] for session in resumed.provenance] == [0, run.updates]
    assert hashes.run_digests(resumed) == hashes.run_digests(gl.train(spec, dataset=dataset))
