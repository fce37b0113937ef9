"""The statistics kernels against NumPy in float64, over dtype x threads x shape, and extreme values."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from glorotlab.errors import InvalidValueError
from glorotlab.kernels import statistics

DTYPES = ("float32", "float64")
THREADS = (1, 2, 4)
CHUNK = 8192
SIZES = (0, 1, 15, 16, 17, 999, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5)


def sample(shape, dtype="float64", seed=0):
    """Values of many magnitudes and both signs."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) * np.exp(rng.normal(0, 2, shape))).astype(dtype)


LAYOUTS = {
    "zero-dimensional": lambda dtype: sample((), dtype),
    "empty 2-D": lambda dtype: sample((3, 0, 2), dtype),
    "2-D": lambda dtype: sample((131, 77), dtype),
    "transposed": lambda dtype: sample((131, 77), dtype).T,
    "every third": lambda dtype: sample(30_001, dtype)[::3],
    "reversed": lambda dtype: sample(9_001, dtype)[::-1],
    "columns": lambda dtype: sample((50, 61), dtype)[:, 7:40:2],
    "read-only": lambda dtype: np.broadcast_to(sample(31, dtype), (9, 31)),
    "big-endian": lambda dtype: sample(500, dtype).astype(np.dtype(dtype).newbyteorder(">")),
} | {f"size {n}": lambda dtype, n=n: sample(n, dtype) for n in SIZES}

everywhere = pytest.mark.parametrize("layout", LAYOUTS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def bits(values):
    return np.asarray(values, dtype=np.float64).tobytes()


@each_dtype
@everywhere
def test_moments_against_exact_sums(layout, dtype):
    """Sums rounded once (math.fsum); 1e-13 of the sum of magnitudes bounds the rounding of our lanes."""
    values = LAYOUTS[layout](dtype)
    wide = [float(x) for x in values.flat]
    result = statistics.moments(values)
    assert result.count == len(wide)
    if not wide:
        assert all(math.isnan(x) for x in result[1:])
        return
    n = len(wide)
    assert abs(result.mean - math.fsum(wide) / n) <= 1e-13 * math.fsum(map(abs, wide)) / n
    assert result.second_moment == pytest.approx(math.fsum(x * x for x in wide) / n, rel=1e-13)
    assert (result.minimum, result.maximum) == (min(wide), max(wide))


@each_dtype
@everywhere
def test_layout_and_threads_change_no_bit(layout, dtype):
    values = LAYOUTS[layout](dtype)
    plain = np.array(values, dtype=dtype, order="C").ravel()
    edges = np.linspace(-2, 2, 12)
    moments, counts = statistics.moments(plain), statistics.histogram(plain, edges)
    share, quantiles = statistics.saturation(plain, 0.5), statistics.quantiles(plain, [0.02, 0.5, 0.98])
    assert bits(statistics.quantiles(values, [0.02, 0.5, 0.98])) == bits(quantiles)
    for threads in THREADS:
        assert bits(statistics.moments(values, threads)) == bits(moments)
        assert bits(statistics.saturation(values, 0.5, threads)) == bits(share)
        assert bits(statistics.underflow(values, threads)) == bits(statistics.underflow(plain))
        again = statistics.histogram(values, edges, threads=threads)
        assert again.counts.tolist() == counts.counts.tolist()
        assert again[1:] == counts[1:]


@each_dtype
def test_sums_of_a_large_array_do_not_depend_on_threads(dtype):
    values = sample(50 * CHUNK + 11, dtype)
    assert len({bits(statistics.moments(values, threads)) for threads in (1, 2, 3, 4, 7, 1000)}) == 1


def test_float32_values_are_squared_in_float64():
    values = np.full(1000, 1e30, dtype=np.float32)
    result = statistics.moments(values)
    assert result.second_moment == pytest.approx(float(np.float32(1e30)) ** 2, rel=1e-14)
    assert result.mean == pytest.approx(float(np.float32(1e30)), rel=1e-14)


def test_float32_sums_keep_small_terms():
    """Sixteen million ones and one: a float32 sum stops at 2**24."""
    values = np.ones(2**24 + 1, dtype=np.float32)
    assert statistics.moments(values) == (2**24 + 1, 1.0, 1.0, 1.0, 1.0)


@each_dtype
@pytest.mark.parametrize("place", [0, 5, 16, 17 * 16, CHUNK, 3 * CHUNK + 4])
def test_one_nan_reaches_everything_but_the_count(dtype, place):
    values = sample(3 * CHUNK + 5, dtype)
    values[place] = np.nan
    result = statistics.moments(values, threads=2)
    assert result.count == values.size
    assert all(math.isnan(x) for x in result[1:])
    assert np.isnan(statistics.quantiles(values, [0.0, 0.3])).all()
    assert math.isnan(statistics.saturation(values, 1.0))
    assert np.isnan(statistics.underflow(values, threads=2)).all()
    counted = statistics.histogram(values, np.linspace(-1, 1, 5))
    assert counted.counts.sum() + counted.below + counted.above == values.size - 1


@each_dtype
def test_infinities_follow_ieee_754(dtype):
    up = np.array([1, np.inf, -2], dtype=dtype)
    assert statistics.moments(up) == (3, np.inf, np.inf, -2, np.inf)
    both = np.array([np.inf, 3, -np.inf], dtype=dtype)
    result = statistics.moments(both)
    assert math.isnan(result.mean)
    assert result[2:] == (np.inf, -np.inf, np.inf)
    assert statistics.saturation(both, 5) == pytest.approx(2 / 3)
    assert statistics.histogram(both, [0.0, 1.0, 4.0])[1:] == (1, 1)
    assert statistics.moments(np.full(40, np.inf, dtype=dtype))[1:] == (np.inf,) * 4


def test_quantiles_between_infinities():
    values = np.array([np.inf, 0.0, -np.inf, 1.0])
    expected = [-np.inf, -np.inf, 0.5, np.inf, np.inf]
    assert statistics.quantiles(values, [0.0, 0.1, 0.5, 0.9, 1.0]).tolist() == expected
    assert statistics.quantiles([0.0, 1.0, np.inf], 0.5) == 1  # exactly an order statistic
    assert math.isnan(statistics.quantiles([-np.inf, np.inf], 0.5))
    assert statistics.quantiles([-1.7e308, 1.7e308], 0.5) == 0  # their difference overflows
    assert np.isnan(statistics.quantiles(np.empty(0), [0.5])).all()


ORDERS = {
    "shuffled": lambda x: np.random.default_rng(1).permutation(x),
    "sorted": np.sort,
    "descending": lambda x: np.sort(x)[::-1],
    "organ pipe": lambda x: np.concatenate([np.sort(x), np.sort(x)[::-1]]),
    "two values": np.sign,
    "constant": np.zeros_like,
}


@each_dtype
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("n", [1, 2, 601, 602, 20_000])
def test_quantiles_equal_numpy_in_every_order_of_the_data(dtype, order, n):
    values = ORDERS[order](sample(n, dtype))
    probabilities = np.array([[0.98, 0.0, 0.5], [1.0, 0.25, 0.98]])
    before = values.copy()
    result = statistics.quantiles(values, probabilities)
    assert result.tolist() == np.quantile(values.astype(np.float64), probabilities).tolist()
    assert result.shape == (2, 3)
    assert values.tobytes() == before.tobytes()


FINITE = {
    32: st.floats(-(2.0**100), 2.0**100, width=32),
    64: st.floats(-1e100, 1e100) | st.sampled_from([0.0, -0.0, 1.0, 5e-324]),
}
ARRAYS = st.sampled_from([32, 64]).flatmap(
    lambda width: hnp.arrays(f"float{width}", st.integers(1, 200), elements=FINITE[width])
)


@given(ARRAYS, st.lists(st.floats(0, 1), max_size=5))
def test_quantiles_equal_numpy(values, probabilities):
    expected = np.quantile(values.astype(np.float64), probabilities)
    assert statistics.quantiles(values, probabilities).tolist() == expected.tolist()


def check_histogram(values, edges, threads=1):
    """Counts equal NumPy's (which converts float32 to float64 against float64 edges), and nothing is lost."""
    result = statistics.histogram(values, edges, threads)
    wide = np.asarray(values, dtype=np.float64)
    assert result.counts.dtype == np.int64
    assert result.counts.tolist() == np.histogram(wide, edges)[0].tolist()
    assert (result.below, result.above) == (np.sum(wide < edges[0]), np.sum(wide > edges[-1]))


@given(ARRAYS, hnp.arrays("float64", st.integers(2, 30), elements=FINITE[64], unique=True))
def test_histogram_of_any_edges_equals_numpy(values, edges):
    edges = np.unique(edges)  # 0.0 and -0.0 are one edge
    if edges.size > 1:
        check_histogram(values, edges, threads=2)


@given(
    ARRAYS,
    st.floats(-1e6, 1e6),
    st.floats(1e-3, 1e6),
    st.integers(1, 300),
    st.lists(st.integers(0, 300), max_size=20),
    st.data(),
)
def test_histogram_of_even_edges_equals_numpy_on_and_beside_the_edges(values, low, width, bins, picks, data):
    edges = np.linspace(low, low + width, bins + 1)
    on = edges[np.array(picks, dtype=int) % (bins + 1)]
    beside = np.concatenate([on, np.nextafter(on, -np.inf), np.nextafter(on, np.inf)])
    check_histogram(np.concatenate([values.astype(np.float64), beside]), edges)
    check_histogram(beside.astype(np.float32), edges)


@pytest.mark.parametrize("shift", [0.0, 0.4, 0.6, 0.99])
def test_histogram_of_one_edge_off_its_place(shift):
    """On both sides of where arithmetic gives way to bisection."""
    edges = np.arange(21.0)
    edges[10] += shift
    check_histogram(np.random.default_rng(0).uniform(-1, 22, 5000), edges)


@pytest.mark.parametrize(
    "edges",
    [
        [-np.inf, 0, np.inf],
        [0, 5e-324, 1e-323],
        [-1.7e308, 0, 1.7e308],
        [1.0, np.nextafter(1.0, 2)],
        [0, 1, 1e300],
    ],
)
def test_histogram_of_extreme_edges(edges):
    values = [0.0, -0.0, 5e-324, 1.0, -1e308, 1e308, 0.5, np.inf, -np.inf, np.nextafter(1.0, 2)]
    check_histogram(values, np.array(edges, dtype=float))


@given(ARRAYS, st.floats(0, 1e3))
def test_saturation_is_an_exact_share(values, threshold):
    exceeding = sum(abs(float(x)) > threshold for x in values)
    assert statistics.saturation(values, threshold) == float(Fraction(exceeding, values.size))


@each_dtype
def test_saturation_at_the_threshold_is_not_counted(dtype):
    threshold = float(np.dtype(dtype).type(0.9))
    assert statistics.saturation(np.array([0.9, -0.9], dtype=dtype), threshold) == 0
    assert statistics.saturation(np.array([0.9, -0.9], dtype=dtype), np.nextafter(threshold, 0)) == 1


@given(ARRAYS)
def test_underflow_is_two_exact_shares(values):
    smallest = 2.0**-126 if values.dtype == np.float32 else 2.0**-1022
    zero = sum(float(x) == 0 for x in values)
    subnormal = sum(0 < abs(float(x)) < smallest for x in values)
    expected = (float(Fraction(count, values.size)) for count in (zero, subnormal))
    assert statistics.underflow(values) == tuple(expected)


@each_dtype
def test_numbers_on_both_sides_of_the_smallest_normal_number(dtype):
    """In more than one chunk; both zeros are zeros, both signs count."""
    info = np.finfo(dtype)
    below = np.nextafter(info.tiny, info.dtype.type(0))
    some = [0.0, -0.0, info.smallest_subnormal, -info.smallest_subnormal, below, -below, info.tiny, -info.tiny, 1, -1]
    values = np.array(some * (CHUNK // 3), dtype)
    for threads in THREADS:
        assert statistics.underflow(values, threads) == (0.2, 0.4)
    assert np.isnan(statistics.underflow(np.empty(0, dtype))).all()


VALUES = np.zeros(3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: statistics.moments([1, 2]), "dtype int64"),
        (lambda: statistics.moments(np.array(["a"])), "dtype <U1"),
        (lambda: statistics.moments(VALUES.astype(complex)), "dtype complex128"),
        (lambda: statistics.moments(VALUES, threads=0), "threads 0"),
        (lambda: statistics.saturation(VALUES, 0.5, threads=True), "threads True"),
        (lambda: statistics.histogram(VALUES, [0, 1], threads=1.5), "threads 1.5"),
        (lambda: statistics.underflow([1, 2]), "dtype int64"),
        (lambda: statistics.underflow(VALUES, threads=0), "threads 0"),
        (lambda: statistics.saturation(VALUES, float("nan")), "threshold nan"),
        (lambda: statistics.saturation(VALUES, -1), "threshold -1"),
        (lambda: statistics.quantiles(VALUES, [0.5, 1.5]), r"probability 1\.5"),
        (lambda: statistics.quantiles(VALUES, float("nan")), "probability nan"),
        (lambda: statistics.histogram(VALUES, [0.0]), r"edges of shape \(1,\)"),
        (lambda: statistics.histogram(VALUES, [0.0, 0.0]), "strictly increasing"),
        (lambda: statistics.histogram(VALUES, [0.0, np.nan]), "strictly increasing"),
        (lambda: statistics.histogram(VALUES, [-np.inf, -np.inf]), "strictly increasing"),
        (lambda: statistics.histogram(VALUES, [[0.0, 1.0]]), r"edges of shape \(1, 2\)"),
    ],
)
def test_bad_input_is_named_in_one_line(call, said):
    with pytest.raises(InvalidValueError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
    assert "allowed" in str(caught.value)
