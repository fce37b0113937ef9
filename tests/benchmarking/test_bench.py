"""The benchmark: peers take the steps the network takes, nothing is timed where they disagree, work is counted right.

No test looks at a time: where times matter they are given.
"""

import contextlib
import dataclasses
import importlib
import importlib.util
import json
import math
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import threadpoolctl
from command_line import parsed

from glorotlab import threads
from glorotlab.benchmarking import bench, peers, roofline, step
from glorotlab.benchmarking.bench import Benchmark
from glorotlab.benchmarking.cases import GROUPS, Case, cases_of, groups_of, own_case
from glorotlab.benchmarking.cpus import cpus, limited_cpus
from glorotlab.benchmarking.figure import draw_costs
from glorotlab.benchmarking.levels import other_levels, simd_level
from glorotlab.benchmarking.peers.numpy_step import NumpyNetwork
from glorotlab.benchmarking.peers.peer import Peer
from glorotlab.benchmarking.roofline import Roofline, cache_levels, measure_roofline
from glorotlab.benchmarking.step import OWN, OWN_STEP, batch_of, build_sides, check_equal, limited, summary, time_case
from glorotlab.cli import progress
from glorotlab.cli.commands import bench as command
from glorotlab.cli.main import main
from glorotlab.errors import GlorotlabError, InvalidValueError, UnknownNameError
from glorotlab.kernels import roofline as loops
from glorotlab.kernels import simd
from glorotlab.network.mlp import Network
from glorotlab.spec.network import NetworkSpec

ROOT = Path(__file__).parents[2]
SMALL = Case("20,30,25,5", 4)
PAIRS = [("softmax", "log_likelihood"), ("softmax", "quadratic"), ("sigmoid", "cross_entropy"), ("linear", "quadratic")]
NUMPY = peers.all_peers()["numpy"]
ROOFLINE = Roofline(1, "float32", "sse2", 100e9, (1000, 100_000), (50e9, 10e9), (40e9, 5e9))


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Blocks of a few steps, small buffers, no lines of progress, and the number of threads as it was."""
    monkeypatch.setattr(progress, "PATIENCE", math.inf)
    monkeypatch.setattr(progress, "INTERVAL", math.inf)
    monkeypatch.setitem(threads._state, "threads", threads._state["threads"])
    monkeypatch.setattr(step, "BLOCK", 0.0)
    monkeypatch.setattr(step, "WARM_UP", 0.0)
    monkeypatch.setattr(time_case, "__kwdefaults__", time_case.__kwdefaults__ | {"warm_up": 0.0})
    quick = {"sizes": (1 << 14, 1 << 16), "repeats": 2, "seconds": 1e-5, "warm_up": 0.0}
    monkeypatch.setattr(measure_roofline, "__kwdefaults__", quick)


def spec(layers="20,30,25,5", **fields):
    return NetworkSpec.parse(layers, **fields)


# Peers


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softsign", "relu", "linear"])
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_numpy_takes_the_same_steps(activation, pair, dtype):
    """Five steps on five batches, which is further than rounding could hide: each moves every layer."""
    network = Network(spec(activation=activation, output=pair[0], cost=pair[1]), dtype=dtype)
    follow(network, NumpyNetwork(network, 7), dtype)


def follow(network, peer, dtype):
    tolerance = float(200 * np.finfo(dtype).eps)
    start = [array.copy() for array in network.weights]
    rng = np.random.default_rng(0)
    for _ in range(5):
        x, y = rng.normal(size=(7, 20)).astype(dtype), rng.integers(5, size=7)
        cost = float(peer.train_step(*peer.prepare(x, y), 0.1))
        assert network.train_step(x, y, 0.1) == pytest.approx(cost, rel=tolerance)
    pairs = zip([*network.weights, *network.biases], [*peer.weights, *peer.biases], strict=True)
    for ours, theirs in pairs:
        assert theirs.dtype == dtype
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance)
    assert all(np.abs(a - b).max() > 5 * tolerance for a, b in zip(network.weights, start, strict=True))


def peer_or_skip(name):
    """Return a peer that can run here. With GLOROTLAB_REQUIRE_TORCH=1, as in .ci/run, those of torch must."""
    peer = peers.all_peers()[name]
    if peer.package == "torch" and os.environ.get("GLOROTLAB_REQUIRE_TORCH") == "1":
        importlib.import_module("torch")
    elif not peer.available():
        pytest.skip(f"{name}: {peer.missing()}")
    return peer


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # its own, while torch.compile loads
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", peers.all_peers())
def test_every_peer_takes_the_same_steps(name, dtype, monkeypatch):
    peer, layers = peer_or_skip(name), "20,30,25,5"
    if name == "torch_compile":
        if dtype == "float64" or os.environ.get("GLOROTLAB_REQUIRE_TORCH") != "1":
            pytest.skip("torch.compile takes long: in float32 alone, with GLOROTLAB_REQUIRE_TORCH=1")
        layers = "20,30,5"  # what it compiles grows with the layers
        inductor = importlib.import_module("torch._inductor.config")
        monkeypatch.setattr(inductor, "compile_threads", 1)  # else it starts processes that import torch
    with limited(1, [peer]):
        network = Network(spec(layers), dtype=dtype)
        side = peer.build(network, 7)
        follow(network, side, dtype)
        before = [array.copy() for array in (*side.weights, *side.biases)]
        network.train_step(*batch_of(network.spec, 7, dtype), 0.5)
        after = [*side.weights, *side.biases]
        assert all((a == b).all() for a, b in zip(before, after, strict=True)), "its weights are its own"


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
@pytest.mark.parametrize("name", [OWN, OWN_STEP, *(name for name in peers.all_peers() if name != "torch_compile")])
def test_a_block_is_as_many_steps(name):
    """Five steps in one block, then two in another, against the same taken one by one."""
    own = name in (OWN, OWN_STEP)
    some = [] if own else [peer_or_skip(name)]
    with limited(1, some):
        network, side = Network(SMALL.spec), build_sides(SMALL, some)[name]
        x, labels = batch_of(SMALL.spec, SMALL.batch, "float32")
        batch = side.prepare(x, labels)
        for count in (5, 2):
            cost = [network.train_step(x, labels, 0.5) for _ in range(count)][-1]
            assert float(side.train_steps(*batch, 0.5, count)) == pytest.approx(cost, rel=1e-4)
        for ours, theirs in zip(network.weights, side.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["jax", "jax_scan"])
def test_jax_updates_its_weights_where_they_stand(name):
    """A donated buffer is gone after the step; one that anyone still looks at would be copied."""
    peer = peer_or_skip(name)
    with limited(1, [peer]):
        side = peer.build(Network(SMALL.spec), SMALL.batch)
        batch = side.prepare(*batch_of(SMALL.spec, SMALL.batch, "float32"))
        kept = side.weights
        old = side._parameters
        float(side.train_steps(*batch, 0.1, 2))
        assert all(array.is_deleted() for pair in old for array in pair)
        assert all(np.isfinite(weight).all() for weight in kept)


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    absent = Peer("absent", "no_such_package_here", NumpyNetwork, NUMPY.limited)
    broken = Peer("broken", "numpy", NumpyNetwork, NUMPY.limited, lambda: "no compiler")
    found = Benchmark([NUMPY, absent, broken])
    assert found.missing == {"absent": "no_such_package_here is not installed", "broken": "no compiler"}
    assert [peer.name for peer in found.runnable] == ["numpy"]
    assert (absent.version(), NUMPY.version()) == (None, np.__version__)


def test_peers_are_chosen_by_name():
    assert [peer.name for peer in peers.chosen_peers(["numpy", "numpy"])] == ["numpy"]
    assert peers.chosen_peers([]) == ()
    known = {"numpy", "torch", "torch_fused", "torch_compile", "jax", "jax_scan"}
    assert known <= {peer.name for peer in peers.chosen_peers()}
    with pytest.raises(UnknownNameError, match="unknown peer 'nunpy': allowed are jax, jax_scan, numpy, torch"):
        peers.chosen_peers(["nunpy"])


def test_torch_compile_without_a_compiler_is_no_peer(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None)
    module = importlib.import_module("glorotlab.benchmarking.peers.torch_step")
    assert module._no_compiler() == "torch.compile needs a C++ compiler, and none is installed"
    monkeypatch.setattr("shutil.which", lambda name: name if name == "clang++" else None)
    assert module._no_compiler() == ""


# Agreement before anything is timed


def still(self, x, labels, learning_rate):
    return 1.5


def twice(self, x, labels, learning_rate, inner=Network.train_step):
    return inner(self, x, labels, 2 * learning_rate)


def without_biases(self, x, labels, learning_rate, inner=Network.train_step):
    before = [bias.copy() for bias in self.biases]
    cost = inner(self, x, labels, learning_rate)
    for bias, old in zip(self.biases, before, strict=True):
        bias[...] = old
    return cost


def without_first_layer(self, x, labels, learning_rate, inner=Network.train_step):
    before = self.weights[0].copy()
    cost = inner(self, x, labels, learning_rate)
    self.weights[0][...] = before
    return cost


def other_cost(self, x, labels, learning_rate, inner=Network.train_step):
    return 1.01 * inner(self, x, labels, learning_rate)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", ["20,30,25,5", "1024,200x5,9"])
@pytest.mark.parametrize("wrong", [still, twice, without_biases, without_first_layer, other_cost])
def test_nothing_is_timed_where_the_two_disagree(monkeypatch, wrong, layers, dtype):
    """Steps in one call and one by one are wrong alike."""

    def wrong_steps(self, x, labels, learning_rate, *, batch_size, order):
        return [wrong(self, x, labels, learning_rate) for _ in range(len(order) // batch_size)]

    monkeypatch.setattr(Network, "train_step", wrong)
    monkeypatch.setattr(Network, "train_steps", wrong_steps)
    monkeypatch.setattr(step, "_seconds", None)
    threads.set_num_threads(3)
    with pytest.raises(GlorotlabError, match="glorotlab and numpy disagree on a training step: nothing to time"):
        time_case(Case(layers, 4, dtype), 1, [NUMPY])
    assert threads.num_threads() == 3


@pytest.mark.parametrize("side", [OWN, OWN_STEP, "numpy"])
def test_nothing_is_timed_where_a_block_is_a_step_short(monkeypatch, side):
    """The first block of one step is right, the second of five is not."""
    monkeypatch.setattr(step, "_seconds", None)
    owner = {OWN: step.OwnSteps, OWN_STEP: step.OwnStep, "numpy": NumpyNetwork}[side]
    inner = owner.train_steps
    monkeypatch.setattr(owner, "train_steps", lambda self, x, y, rate, count: inner(self, x, y, rate, (count + 1) // 2))
    other = OWN_STEP if side == OWN else side
    with pytest.raises(GlorotlabError, match=f"glorotlab and {other} disagree on a training step: nothing to time"):
        time_case(SMALL, 1, [NUMPY])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layers", ["1024,200x5,9", "784,30,30,10"])
@pytest.mark.parametrize("batch", [1, 10, 40])
def test_rounding_is_no_disagreement(layers, batch, dtype):
    case = Case(layers, batch, dtype)
    with limited(1, [NUMPY]):
        check_equal(build_sides(case, [NUMPY]), *batch_of(case.spec, batch, dtype))


# Timing


def test_sides_are_timed_in_turn_and_each_round_begins_with_another(monkeypatch):
    seen = []
    monkeypatch.setattr(step, "_seconds", lambda block, warm_up: seen.append(block(1)) or (len(seen), 0))
    times = step._rounds([lambda count, name=name: name for name in "abc"], 4, 0.0)
    assert "".join(seen) == "abcbcacababc"
    assert np.array(times)[..., 0].tolist() == [[1, 2, 3], [6, 4, 5], [8, 9, 7], [10, 11, 12]]


def test_cpu_time_is_of_all_threads():
    """A block is done by a thread that works for 0.01 s of its own CPU time, while the one that is timed waits."""

    def work():
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass

    def block(count):
        working = threading.Thread(target=work)
        working.start()
        working.join()
        return 0.0

    _, cpu = step._seconds(block, 0.0)
    assert cpu * step.MIN_STEPS >= 0.01


@pytest.mark.parametrize(
    ("costs", "warm_up", "expected", "blocks"),
    [
        (0.001, 0.0, 0.001, [3, 6, 12, 24, 48, 96, 96]),  # half of BLOCK is 0.05 s; one of each length is untimed
        (0.001, 0.5, 0.001, [3, 6, 12, 24, 48] + 6 * [96]),  # the last begins at 0.573 s
        (0.04, 0.3, 0.04, [3, 3, 3, 3]),
        (2.0, 0.3, 2.0, [3, 3]),
    ],
)
def test_a_block_is_timed_once_it_is_long_enough_and_the_side_warm(monkeypatch, costs, warm_up, expected, blocks):
    """A clock that only steps move, and one of CPU time that runs twice as fast, as of two threads."""
    now, taken = [0.0], []

    def block(count):
        taken.append(count)
        now[0] += costs * count
        return 0.0

    monkeypatch.setattr(step, "BLOCK", 0.1)
    monkeypatch.setattr(step.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(step.time, "process_time", lambda: 2 * now[0])
    assert step._seconds(block, warm_up) == pytest.approx((expected, 2 * expected))
    assert taken == blocks


def test_medians_and_paired_ratios():
    """Times of four rounds by hand: the ratio of medians would be 3 / 2.5, the median of ratios is 1.5."""
    found = summary(
        SMALL, 2, ["glorotlab", "numpy"], [[1, 2], [2, 3], [3, 3], [4, 6]], [[1, 5], [2, 4], [4, 8], [5, 5]]
    )
    own, peer = found.sides
    assert (found.case, found.threads, own.name, peer.name) == (SMALL, 2, "glorotlab", "numpy")
    assert (own.seconds, peer.seconds, own.fastest, peer.fastest) == (2.5, 3.0, 1.0, 2.0)
    assert (own.ratio, own.ratio_low, own.ratio_high) == (1, 1, 1)
    assert (peer.ratio_low, peer.ratio, peer.ratio_high) == (1.375, 1.5, 1.625)  # of 1, 1.5, 1.5, 2
    assert (own.cpu_seconds, own.cpu_ratio, peer.cpu_seconds, peer.cpu_ratio) == (3.0, 1.0, 5.0, 2.0)
    assert own.flops == pytest.approx(SMALL.flops / 2.5)
    assert peer.bandwidth == pytest.approx(SMALL.bytes / 3)


@pytest.mark.parametrize("count", [1, 2])
def test_every_side_gets_the_same_number_of_threads(monkeypatch, count):
    seen, inner = [], NumpyNetwork.train_step

    def observed(self, *arguments):
        blas = [pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
        seen.append((threads.num_threads(), *blas))
        return inner(self, *arguments)

    monkeypatch.setattr(NumpyNetwork, "train_step", observed)
    threads.set_num_threads(3)
    time_case(SMALL, count, [NUMPY], rounds=2)
    assert {number for numbers in seen for number in numbers} == {count}
    assert threads.num_threads() == 3


def test_cpus_are_limited_and_restored():
    if cpus() < 2 or not hasattr(os, "sched_getaffinity"):
        pytest.skip("one CPU cannot be limited further")
    ended = threading.Event()
    before = {task: os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")}
    with limited_cpus(1):
        held = [os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")]
        assert cpus() == 1
        assert all(each == {max(before[str(os.getpid())])} for each in held)
        started = threading.Thread(target=ended.wait, daemon=True)
        started.start()
        assert len(os.sched_getaffinity(started.native_id)) == 1
    assert {task: os.sched_getaffinity(int(task)) for task in before} == before
    assert os.sched_getaffinity(started.native_id) == before[str(os.getpid())], "a thread begun meanwhile is free again"
    ended.set()
    started.join()
    with limited_cpus(1000):
        assert cpus() == len(before[str(os.getpid())])


# What is counted


def test_flops_and_bytes_by_hand():
    """20-30-25-5, batch 4: forward and update of every weight, back through all but the first layer's 600."""
    assert SMALL.weights == 600 + 750 + 125
    assert SMALL.flops == 2 * 4 * (600 * 2 + 750 * 3 + 125 * 3)
    assert SMALL.weight_bytes == 4 * 1475
    assert SMALL.bytes == 3 * 4 * 1475
    assert Case("20,30,25,5", 4, "float64").bytes == 2 * SMALL.bytes
    paper = Case("1024,1000x5,10")
    assert paper.weights == 1_024_000 + 4_000_000 + 10_000
    assert paper.flops == 281_560_000  # 20 x (2 x 1,024,000 + 3 x 4,010,000)


def test_the_groups_hold_the_cases_of_the_claims():
    assert [case.batch for case in GROUPS["paper"]] == [1, 10, 32, 128, 512]
    assert [case.spec.layer_sizes[1] for case in GROUPS["widths"]] == [100, 300, 1000, 2000, 4000]
    assert [len(case.spec.fans) - 1 for case in GROUPS["depths"]] == [1, 2, 5, 10, 20]
    weights = [case.weights for case in (*GROUPS["widths"], *GROUPS["depths"])]
    assert (min(weights) < 1.5e5, 2e7 < max(weights) < 2.1e7) == (True, True)
    everything = cases_of()
    assert len(set(everything)) == len(everything)
    assert groups_of(Case("1024,1000x5,10")) == ["paper", "widths", "depths"]
    with pytest.raises(UnknownNameError, match="unknown benchmark 'papers': allowed are paper, widths"):
        cases_of("papers")


def test_the_bound_is_the_longer_of_arithmetic_and_memory():
    """One weight matrix of 25 x 10 float32 is 1,000 bytes: read at 50 GB/s, read and written at 40 GB/s."""
    narrow = Case("25,10", 1)
    assert narrow.weight_bytes == 1000
    assert ROOFLINE.bound(narrow) == pytest.approx(1000 / 50e9 + 2000 / 40e9)
    wide = Case("25,10", 1000)
    assert ROOFLINE.bound(wide) == pytest.approx(2 * 1000 * 2 * 250 / 100e9)
    between = Case("25,100", 1)  # 10,000 bytes, halfway in the logarithm
    assert ROOFLINE.bound(between) == pytest.approx(10_000 / 30e9 + 20_000 / 22.5e9)
    outside = Case("250,1000", 1)  # beyond the largest buffer: as the largest
    assert ROOFLINE.bound(outside) == pytest.approx(1e6 / 10e9 + 2e6 / 5e9)


def test_the_better_of_two_rooflines():
    other = Roofline(1, "float32", "sse2", 90e9, (1000, 100_000), (60e9, 9e9), (30e9, 6e9))
    both = ROOFLINE.best(other)
    assert (both.flops, both.read, both.read_write) == (100e9, (60e9, 10e9), (40e9, 6e9))
    assert other.best(ROOFLINE) == both


# The loops of the roofline do the work that is counted


@pytest.fixture(params=simd.LEVELS)
def level(request):
    with simd_level(request.param):
        yield request.param


BYTES = {"sse2": 16, "neon": 16, "avx2": 32, "avx512": 64}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 2])
def test_multiply_adds_are_done_and_counted(level, dtype, count):
    """value <- value / 2 + 1 from c on is 2 + (c - 2) / 2^n after n rounds, exact in float32 for n = 10."""
    lanes = BYTES.get(level, 0) // np.dtype(dtype).itemsize or 1
    sums = np.empty(count, dtype)
    assert loops.multiply_add(0.5, 1.0, 10, sums) == 2 * 10 * loops.CHAINS * lanes * count
    expected = sum(2 + (c - 2) / 2**10 for c in range(loops.CHAINS)) * lanes
    np.testing.assert_allclose(sums, expected, rtol=4 * np.finfo(dtype).eps)
    assert loops.multiply_add(1.0, 0.0, 0, sums) == 0
    np.testing.assert_array_equal(sums, lanes * sum(range(loops.CHAINS)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("n", [3, 128, 1000, 1027])
def test_buffers_are_read_and_written_whole(level, dtype, count, n):
    buffer, sums = np.arange(n).astype(dtype), np.empty(count, dtype)
    loops.read(buffer, 3, sums)
    assert sums.sum() == 3 * (n - 1) * n / 2
    whole = np.empty(n + 2, dtype)
    whole[...] = 5
    part = whole[1:-1]
    loops.scale(part, 2.0, 3, count)
    np.testing.assert_array_equal(part, np.full(n, 40, dtype))
    assert (whole[0], whole[-1]) == (5, 5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_measured_roofline(dtype):
    found = measure_roofline(1, dtype)
    assert (found.threads, found.dtype, found.simd, found.sizes) == (1, dtype, simd.get_level(), (1 << 14, 1 << 16))
    rates = (found.flops, *found.read, *found.read_write)
    assert len(rates) == 5
    assert all(math.isfinite(rate) and rate > 0 for rate in rates)


def test_the_rates_of_a_roofline_are_work_over_time(monkeypatch):
    """A clock on which every run takes a millisecond: rates are what one run of the loops does, a thousandfold."""
    monkeypatch.setattr(roofline, "_seconds", lambda run: (run() and None) or 1e-3)
    found = measure_roofline(1, "float32", sizes=(1 << 14,), repeats=1, seconds=0.0)
    lanes = BYTES.get(simd.get_level(), 0) // 4 or 1
    assert found.flops == pytest.approx(2 * loops.CHAINS * lanes * 1e3)
    assert (found.read, found.read_write) == (((1 << 14) * 1e3,), (2 * (1 << 14) * 1e3,))


def test_caches_are_read_from_the_system(monkeypatch, tmp_path):
    for index, (level_, kind, size) in enumerate(
        [("1", "Data", "32K"), ("1", "Instruction", "64K"), ("2", "Unified", "1M")]
    ):
        folder = tmp_path / f"index{index}"
        folder.mkdir()
        for name, text in (("level", level_), ("type", kind), ("size", size)):
            (folder / name).write_text(text + "\n")
    monkeypatch.setattr(roofline, "CACHES", tmp_path)
    assert cache_levels() == {"L1": 32768, "L2": 1 << 20}
    monkeypatch.setattr(roofline, "CACHES", tmp_path / "none")
    assert cache_levels() == {}


# The command


@pytest.fixture
def small(monkeypatch):
    """Two small cases in the place of a group's."""
    monkeypatch.setitem(GROUPS, "paper", (SMALL, Case("20,40,5", 4)))


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [value] if isinstance(value, float) else []


def test_json_has_every_number(small, capsys):
    arguments = ["bench", "paper", "--rounds", "2", "--threads", "1", "--peers", "numpy", "--json"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    found = parsed(out)
    assert err == ""
    assert list(found) == ["schema_version", "machine", "peers", "missing", "complete", "rooflines", "cases"]
    assert (found["peers"], found["missing"], found["complete"]) == ({"numpy": np.__version__}, {}, True)
    assert found["machine"]["simd"] == simd.get_level()
    (measured,) = found["rooflines"]
    assert {len(measured[name]) for name in ("sizes", "read", "read_write")} == {2}
    first, _ = found["cases"]
    assert {name: first[name] for name in ("layers", "batch", "dtype", "threads", "groups")} == {
        "layers": "20,30,25,5",
        "batch": 4,
        "dtype": "float32",
        "threads": 1,
        "groups": ["paper"],
    }
    assert (first["weights"], first["flops"], first["bytes"]) == (SMALL.weights, SMALL.flops, SMALL.bytes)
    assert [side["name"] for side in first["sides"]] == ["glorotlab", "glorotlab_step", "numpy"]
    for side in first["sides"]:
        assert side["roofline_share"] == pytest.approx(first["bound"] / side["fastest"])
        assert side["fastest"] <= side["seconds"]
        assert side["ratio_low"] <= side["ratio"] <= side["ratio_high"]
        assert side["flops"] * side["seconds"] == pytest.approx(first["flops"])
    assert all(math.isfinite(number) and number > 0 for number in numbers(found))


def test_the_table_is_printed_and_the_picture_drawn(small, capsys, tmp_path):
    path = tmp_path / "cost.png"
    arguments = ["bench", "paper", "--rounds", "2", "--threads", "1", "--peers", "numpy", "--plot", str(path)]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == f"{path}\n"
    assert path.read_bytes().startswith(b"\x89PNG")
    for word in ("20,30,25,5 tanh", "20,40,5", "glorotlab", "numpy", "GFLOP/s", "share", "roofline, 1 thread, float32"):
        assert word in out
    assert "nan" not in out
    assert "stopped" not in out


def test_a_case_is_a_table_of_80_columns(capsys, monkeypatch):
    """One row a side, with the longest names of sides and ratios of a thousand."""
    monkeypatch.setenv("COLUMNS", "80")
    times = [[1.234567e-6, 1.357e-3], [1.345678e-6, 1.468e-3]]
    found = Benchmark([NUMPY], {(2, "float32", simd.get_level()): ROOFLINE})
    found.timings = [summary(SMALL, 2, [OWN_STEP, "torch_compile"], times, times)]
    command._print(found)
    out = capsys.readouterr().out
    assert max(map(len, out.split("\n"))) <= 80
    own, peer = (line.split() for line in out.split("\n") if line.startswith((OWN_STEP, "torch_compile")))
    assert own[:8] == [OWN_STEP, "0.00129", "1.00", "1.00", "..", "1.00", "0.00129", "1.00"]
    assert peer[1:7] == ["1.412", "1095", "1093", "..", "1097", "1.412"]


def test_the_roofline_alone(capsys):
    assert main(["bench", "roofline", "--threads", "1"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert ("float32" in out, "float64" in out, "ms a step" in out) == (True, True, False)


def test_every_level_of_the_machine_is_timed(capsys, monkeypatch):
    """Each side trains at its own level, and each level has a roofline; the one in use comes first."""
    seen, inner, before = [], Network.train_steps, simd.get_level()

    def observed(self, *arguments, **options):
        seen.append((id(self), simd.get_level()))
        return inner(self, *arguments, **options)

    monkeypatch.setattr(Network, "train_steps", observed)
    monkeypatch.setitem(GROUPS, "levels", (dataclasses.replace(SMALL, every_level=True),))
    assert main(["bench", "levels", "--rounds", "1", "--threads", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    levels = [before, *reversed([name for name in simd.LEVELS if name != before])]
    assert [side["name"] for side in found["cases"][0]["sides"]] == [OWN, *(f"{OWN}_{name}" for name in levels[1:])]
    assert [each["simd"] for each in found["rooflines"]] == levels
    assert [name for _, name in dict.fromkeys(seen)] == levels, "one level a network"
    assert (found["machine"]["simd"], simd.get_level()) == (before, before)
    assert (found["cases"][0]["every_level"], found["peers"]) == (True, {})


def test_a_roofline_is_measured_before_the_first_case_and_after_every_one(monkeypatch):
    """The best of them counts: what disturbed one of them does not raise the share."""
    seen, rates = [], iter((3e9, 7e9, 5e9))
    measured = dataclasses.replace(ROOFLINE, threads=1, dtype="float32", simd=simd.get_level())
    monkeypatch.setattr(
        bench,
        "measure_roofline",
        lambda *_: seen.append("roofline") or dataclasses.replace(measured, flops=next(rates)),
    )
    monkeypatch.setattr(
        bench,
        "time_case",
        lambda case, count, *_, **__: seen.append("case") or summary(case, count, [OWN], [[1]], [[1]]),
    )
    benchmark, calls = bench.Benchmark([]), []
    benchmark.run([SMALL, SMALL], [1], progress=lambda *call: calls.append(call))
    assert seen == ["roofline", "case", "roofline", "case", "roofline"]
    assert [each.flops for each in benchmark.rooflines.values()] == [7e9]
    assert calls == [(0, 2), (1, 2), (2, 2)]


def test_a_level_is_left_on_errors():
    before = simd.get_level()
    with contextlib.suppress(ZeroDivisionError), simd_level(simd.LEVELS[0]):
        assert simd.get_level() == simd.LEVELS[0]
        assert simd.LEVELS[0] not in other_levels()
        raise ZeroDivisionError
    assert simd.get_level() == before


def test_a_missing_peer_is_said(small, capsys, monkeypatch):
    absent = Peer("absent", "no_such_package_here", NumpyNetwork, NUMPY.limited)
    monkeypatch.setattr(peers, "all_peers", lambda: {"absent": absent, "numpy": NUMPY})
    assert main(["bench", "paper", "--rounds", "1", "--threads", "1", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == "absent is left out: no_such_package_here is not installed\n"
    found = json.loads(out)
    assert (found["peers"]["absent"], found["missing"]) == (None, {"absent": "no_such_package_here is not installed"})
    assert [side["name"] for side in found["cases"][0]["sides"]] == ["glorotlab", "glorotlab_step", "numpy"]


def test_ctrl_c_keeps_what_has_been_timed(small, capsys, monkeypatch):
    inner, seen = time_case, []

    def interrupted(*arguments, **options):
        if seen:
            raise KeyboardInterrupt
        seen.append(arguments)
        return inner(*arguments, **options)

    monkeypatch.setattr(bench, "time_case", interrupted)
    assert main(["bench", "paper", "--rounds", "1", "--threads", "1", "--peers", "numpy"]) == 130
    out, _ = capsys.readouterr()
    assert ("20,30,25,5" in out, "20,40,5" in out, "stopped before the end" in out) == (True, False, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["papers"],
            "unknown benchmark 'papers': allowed are paper, widths, depths, nielsen, small, float64, levels",
        ),
        (["--peers", "numpy,tensorflow"], "unknown peer 'tensorflow': allowed are jax, jax_scan, numpy, torch"),
        (["--threads", "0"], "--threads 0: allowed are 1 to"),
        (["--threads", "1025"], "--threads 1025: allowed are 1 to"),
        (["--rounds", "0"], "--rounds 0: allowed are whole numbers from 1"),
        (["--plot", "cost.gif"], "--plot 'cost.gif': allowed are names that end in .png, .pdf, .svg"),
        (["--plot", "no_such_folder/cost.png"], "there is no folder 'no_such_folder'"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(arguments, said, capsys, monkeypatch):
    monkeypatch.setattr(bench, "measure_roofline", None)
    assert main(["bench", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err


def test_the_picture_has_labelled_axes_and_the_bound():
    found = Benchmark([NUMPY], {(count, "float32", simd.get_level()): ROOFLINE for count in (1, 2)})
    cases = [SMALL, Case("20,40,5", 4), Case("20,40,5", 99)]
    names = ["glorotlab", "numpy"]
    times = [[1, 2], [2, 3]], [[3, 5], [3, 5]]
    found.timings = [summary(case, count, names, *times) for count in (1, 2) for case in cases]
    figure = draw_costs(found)
    one, two, *cpu = figure.axes
    assert (one.get_title(loc="left"), two.get_title(loc="left")) == (
        "1 thread, batch 4, float32",
        "2 threads, batch 4, float32",
    )
    for above, below in zip((one, two), cpu, strict=True):
        assert {ax.get_xscale() for ax in (above, below)} == {ax.get_yscale() for ax in (above, below)} == {"log"}
        assert (above.get_xlabel(), below.get_xlabel()) == ("", "weights")  # one scale, shared
        assert above.get_legend() is below.get_legend() is None
        np.testing.assert_allclose([line.get_ydata() for line in below.lines], [[3000, 3000], [5000, 5000]])
    assert (one.get_ylabel(), two.get_ylabel()) == ("time of a training step (ms)", "")
    assert (cpu[0].get_ylabel(), cpu[1].get_ylabel()) == ("CPU time of a step, all threads (ms)", "")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [*names, "roofline bound"]
    bound = next(line for line in one.lines if line.get_label() == "roofline bound")
    np.testing.assert_allclose(bound.get_xdata(), [1000, 1475])
    np.testing.assert_allclose(bound.get_ydata(), [1e3 * ROOFLINE.bound(case) for case in (cases[1], SMALL)])


# The asv suite


def suite(name):
    found = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / "asv_suite" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def run(benchmark, *parameters):
    """Do as asv does with everything that a class times; return it before it is torn down."""
    benchmark.setup(*parameters)
    for name in dir(benchmark):
        if name.startswith("time_"):
            getattr(benchmark, name)(*parameters)
    getattr(benchmark, "teardown", lambda *_: None)(*parameters)
    return benchmark


def test_the_asv_suite_trains(monkeypatch):
    module = suite("asv_training")
    monkeypatch.setitem(module.CASES, "small", SMALL)
    trained = run(module.Training(), "small", 1).network
    same = Network(SMALL.spec)
    costs = [same.train_step(*batch_of(SMALL.spec, SMALL.batch, "float32"), step.LEARNING_RATE) for _ in range(20)]
    assert costs[-1] < costs[0]
    np.testing.assert_allclose(trained.weights[0], same.weights[0], rtol=0, atol=1e-6)
    plain = [str(case) for case in cases_of() if not case.every_level]
    assert module.Training.params == (plain, module.THREADS)
    assert module.Roofline().track_peak("float32", 1) > 0


def test_the_asv_suite_runs():
    kernels, prediction = suite("asv_kernels"), suite("asv_prediction")
    run(kernels.Forward(), "784,30,30,10", 10)
    assert (run(kernels.Shapeset()).x != 0).any()
    for name in kernels.Activations.params[0]:
        assert np.isfinite(run(kernels.Activations(), name, "float32").z).all()
    for network in prediction.NETWORKS:
        run(prediction.Prediction(), network, "relu")


def test_the_asv_suite_is_where_its_settings_say():
    settings = json.loads((ROOT / "benchmarks" / "asv.conf.json").read_text())
    names = {path.stem for path in (ROOT / "benchmarks" / settings["benchmark_dir"]).glob("asv_*.py")}
    assert names == {"asv_training", "asv_kernels", "asv_prediction"}


def test_a_network_of_ones_own_is_a_case():
    case = own_case("20,30x2,5", "relu", 4, "float64")
    assert (case.spec.activation, case.batch, case.dtype) == ("relu", 4, "float64")
    assert str(own_case("20,30,5")) == "20,30,5 tanh, batch 10, float32"
    assert NUMPY.has("softsign")
    with pytest.raises(InvalidValueError, match="batch 0"):
        own_case("20,30,5", batch=0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["paper", "-a", "relu"], "--activation beside paper: allowed only beside layer sizes"),
        (["--batch", "3"], "--batch beside all cases"),
        (["20,0,5"], "layers '20,0,5': '0' is not a size"),
        (["20,30,5", "-a", "tanhh"], "unknown activation 'tanhh'"),
    ],
)
def test_what_no_case_has_is_refused(arguments, said, capsys):
    assert main(["bench", *arguments]) == 2
    assert said in capsys.readouterr().err
