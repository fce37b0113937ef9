"""Costs: kernel and record against the textbook formula of the record at 60 digits, and gradients by differences."""

import mpmath
import numpy as np
import pytest
from kernel_reference import central_difference, guarded

from glorotlab import costs as records
from glorotlab.errors import InvalidValueError, UnknownNameError
from glorotlab.kernels.network import costs

PAIRS = sorted(records.RECORDS)
DTYPES = ("float32", "float64")
DIGITS = 60
TERMS = {  # one term of each record's sum over k
    "-Sum_k y_k ln a_k": lambda a, y: -mpmath.log(a) if y else mpmath.mpf(0),
    "-Sum_k [y_k ln a_k + (1 - y_k) ln(1 - a_k)]": lambda a, y: -mpmath.log(a if y else 1 - a),
    "Sum_k (a_k - y_k)^2/2": lambda a, y: (a - y) ** 2 / 2,
}


def exact_output(output, s):
    if output == "softmax":
        e = [mpmath.exp(value - max(s)) for value in s]
        return [value / mpmath.fsum(e) for value in e]
    return [1 / (1 + mpmath.exp(-value)) for value in s] if output == "sigmoid" else list(s)


def exact_cost(record, s, label):
    a = exact_output(record.output, s)
    return mpmath.fsum(TERMS[record.expression](value, k == label) for k, value in enumerate(a))


def exact_gradient(record, s, label):
    """dC/ds by 4th-order central differences; at 60 digits with a step of 1e-8 their error is below 1e-30."""

    def along(k):
        return lambda value: exact_cost(record, [*s[:k], value, *s[k + 1 :]], label)

    return [central_difference(along(k), s[k], mpmath.mpf("1e-8")) for k in range(len(s))]


def batch(dtype):
    """Scores from near zero to far saturated, one of them decided almost surely, and a label for each."""
    rng = np.random.default_rng(2)
    scales = (0, 1e-6, 0.3, 1, 1, 5, 5, 20, 20)
    s = np.stack([scale * rng.normal(size=5) for scale in scales]).astype(dtype)
    s[-1, 2] = 40  # a_2 = 1 - 1e-9 or nearer to 1: rounding it to float32 would lose its cost
    return s, np.array([0, 1, 2, 3, 4, 0, 1, 2, 2])


def computed(pair, s, labels):
    cost, d = np.full(len(s), np.nan), np.full_like(s, np.nan)
    guarded_cost, cost_untouched = guarded(cost, np.float64)
    guarded_d, d_untouched = guarded(d, s.dtype)
    costs.cost_and_gradient(costs.CODES[pair], s, np.asarray(labels, np.int64), guarded_cost, guarded_d)
    assert cost_untouched()
    assert d_untouched()
    return guarded_cost, guarded_d


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair[0] != "softmax"], ids="-".join)
def test_targets_stand_in_the_place_of_labels(pair, dtype):
    """Targets that are one-hot give the labels' very bits, others the formula's numbers, far out as well."""
    (s, labels), record = batch(dtype), records.RECORDS[pair]
    code, cost, d = costs.CODES[pair], np.empty(len(s)), np.empty_like(s)
    no_labels = np.zeros(len(s), np.int64)
    costs.cost_and_gradient(code, s, no_labels, cost, d, np.eye(5, dtype=dtype)[labels])
    for found, expected in zip((cost, d), computed(pair, s, labels), strict=True):
        np.testing.assert_array_equal(found, expected)
    y = np.random.default_rng(4).random((len(s), 10)).astype(dtype)[:, ::1][:, :5]
    y[0], y[1] = 0, 1
    costs.cost_and_gradient(code, s, no_labels, cost, d, y)
    with mpmath.workdps(DIGITS):
        for i, targets in enumerate(y.astype(float)):
            a = exact_output(record.output, [mpmath.mpf(value) for value in s[i].astype(float)])
            quadratic = [(v - t) ** 2 / 2 for v, t in zip(a, targets, strict=True)]
            entropy = (
                [-t * mpmath.log(v) - (1 - t) * mpmath.log(1 - v) for v, t in zip(a, targets, strict=True)]
                if (record.name == "cross_entropy")
                else quadratic
            )
            assert cost[i] == pytest.approx(float(mpmath.fsum(entropy)), rel=1e-14)
    exact, double = record.gradient(s.astype(float), y.astype(float)), np.finfo(np.float64).eps
    np.testing.assert_allclose(d, exact, rtol=4 * np.finfo(dtype).eps, atol=4 * double)


def test_every_record_has_a_kernel():
    assert set(costs.CODES) == set(records.RECORDS)
    assert len(set(costs.CODES.values())) == len(costs.CODES)
    assert all((record.output, record.name) == pair for pair, record in records.RECORDS.items())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_cost_and_gradient_are_those_of_the_formula(pair, dtype):
    """Computed in double precision whatever the dtype; only dC/ds is rounded to it, once, at the end."""
    (s, labels), record = batch(dtype), records.RECORDS[pair]
    cost, d = computed(pair, s, labels)
    y = np.eye(5)[labels]
    wide = s.astype(np.float64)
    double, single = np.finfo(np.float64).eps, np.finfo(dtype).eps
    with mpmath.workdps(DIGITS):
        for i, label in enumerate(labels):
            row = [mpmath.mpf(value) for value in wide[i]]
            c, g = float(exact_cost(record, row, label)), np.array(exact_gradient(record, row, label), float)
            size = 1 + np.abs(wide[i]).max()
            for found in (cost[i], record.value(wide, y)[i]):
                assert abs(found - c) <= 8 * double * (size + c)
            assert (np.abs(d[i] - g) <= single * np.abs(g) + 8 * double * (1 + np.abs(g))).all()
            assert (np.abs(record.gradient(wide, y)[i] - g) <= 8 * double * size * (1 + np.abs(g))).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_output_is_its_activation(pair, dtype):
    (s, _), record = batch(dtype), records.RECORDS[pair]
    a, untouched = guarded(np.full_like(s, np.nan), dtype)
    costs.output(costs.CODES[pair], s, a)
    assert untouched()
    with mpmath.workdps(DIGITS):
        exact = np.array([exact_output(record.output, [mpmath.mpf(v) for v in row]) for row in s.astype(float)], float)
    relative = (
        np.finfo(dtype).eps + 64 * np.finfo(float).eps
    )  # e^(s - max) has the rounding of s - max, up to 45, relatively
    np.testing.assert_allclose(a, exact, rtol=relative)
    np.testing.assert_allclose(record.activation(s.astype(float)), exact, rtol=128 * np.finfo(float).eps)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_large_scores_neither_overflow_nor_lose_the_cost(pair):
    """Scores whose exponentials are 0 and infinite in float64."""
    s = np.array([[1e3, -1e3, 0], [-1e3, 1e3, 3], [1e3, 1e3, 1e3], [-1e3, -1e3, -1e3]])
    record, eps = records.RECORDS[pair], np.finfo(float).eps
    for label in (0, 2):
        labels = np.full(4, label)
        y = np.eye(3)[labels]
        with mpmath.workdps(900):  # 1 - 1/(1 + e^-1000) agrees with 0 in 434 digits
            exact = [float(exact_cost(record, [mpmath.mpf(v) for v in row], label)) for row in s.astype(float)]
        np.testing.assert_allclose(record.value(s, y), exact, rtol=4 * eps, atol=1e3 * 4 * eps)
        for dtype in DTYPES:
            cost, d = computed(pair, s.astype(dtype), labels)
            np.testing.assert_allclose(cost, exact, rtol=4 * eps, atol=4 * eps)
            np.testing.assert_allclose(d, record.gradient(s, y), rtol=4 * np.finfo(dtype).eps, atol=1e3 * 4 * eps)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_nan_is_never_lost(pair, dtype, place):
    s = np.zeros((1, 3), dtype)
    s[0, place] = np.nan
    cost, d = computed(pair, s, [0])
    assert np.isnan(cost).all()
    assert np.isnan(d[0, place])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize(
    "shape", [(0, 3), (1, 1), (9, 1), (1, 2), (33, 7), (300, 2), (3, 255), (2, 256), (2, 257), (2, 1000)], ids=str
)
def test_shapes(pair, dtype, shape):
    rng = np.random.default_rng(3)
    classes = max(shape[1], 1 if pair[0] == "softmax" else 2)  # a single output tells class 0 from class 1
    s, labels = rng.normal(size=shape).astype(dtype), rng.integers(classes, size=shape[0])
    cost, d = computed(pair, s, labels)
    record, y = records.RECORDS[pair], np.eye(shape[1])[labels] if shape[1] >= classes else labels[:, np.newaxis]
    wide = s.astype(float)
    np.testing.assert_allclose(cost, record.value(wide, y), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(d, record.gradient(wide, y), rtol=np.finfo(dtype).eps, atol=1e-14)
    costs.output(costs.CODES[pair], s, d)
    of_sum = shape[1] * np.finfo(float).eps  # NumPy adds in another order
    np.testing.assert_allclose(d, record.activation(wide), rtol=4 * np.finfo(dtype).eps + of_sum)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
@pytest.mark.parametrize("classes", [2, 10, 300])
def test_a_row_does_not_depend_on_its_neighbours(pair, dtype, classes):
    """Equal bits alone and among others, whose exponentials are taken together; one row is NaN."""
    rng = np.random.default_rng(5)
    s, labels = rng.normal(0, 5, (150, classes)).astype(dtype), rng.integers(classes, size=150)
    s[70, 1] = np.nan
    (cost, d), a, row = computed(pair, s, labels), np.empty_like(s), np.empty_like(s[:1])
    costs.output(costs.CODES[pair], s, a)
    for i in (0, 1, 69, 70, 71, 127, 128, 129, 149):
        alone, d_alone = computed(pair, s[i : i + 1], labels[i : i + 1])
        costs.output(costs.CODES[pair], s[i : i + 1], row)
        np.testing.assert_array_equal(cost[i : i + 1], alone)
        np.testing.assert_array_equal(d[i : i + 1], d_alone)
        np.testing.assert_array_equal(a[i : i + 1], row)
    assert np.flatnonzero(np.isnan(cost)).tolist() == [70]


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_elementwise_is_true(pair):
    """The gradient of one output unit depends on the other scores exactly where the record says so."""
    record, y = records.RECORDS[pair], np.array([[1.0, 0, 0]])
    moved = record.gradient(np.array([[0.1, 0.2, 0.9]]), y) - record.gradient(np.array([[0.1, 0.2, 0.3]]), y)
    assert (moved[0, :2] == 0).all() == record.elementwise


def test_names():
    assert {output: records.default_cost(output) for output in records.OUTPUTS} == {
        "softmax": "log_likelihood",
        "sigmoid": "cross_entropy",
        "linear": "quadratic",
    }
    assert records.get("softmax", "quadratic").expression == "Sum_k (a_k - y_k)^2/2"
    with pytest.raises(UnknownNameError, match="unknown output 'argmax': allowed are softmax, sigmoid, linear"):
        records.default_cost("argmax")
    with pytest.raises(InvalidValueError, match="'cross_entropy' with output 'softmax': allowed are log_likelihood, q"):
        records.get("softmax", "cross_entropy")
