"""Shapeset-3x2: the kernel against a plain reference, its stream, and its statistics."""

import itertools
import math

import numpy as np
import pytest
import shapeset_reference as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats

from glorotlab.data.shapeset import CLASS_NAMES, CLASS_PROBABILITIES, ShapesetSource, shapeset
from glorotlab.errors import InvalidValueError
from glorotlab.kernels import _philox
from glorotlab.kernels.network.buffers import padded_matrix
from glorotlab.kernels.shapeset import render
from glorotlab.streams import Purpose, generator

TRAIN = Purpose.SHAPESET_TRAIN
FALSE_FAILURE = 1e-6
Z_LIMIT = stats.norm.isf(FALSE_FAILURE / 2)

# Figures of 20,000 images of the original generator: class frequencies and moments.
ORIGINAL_IMAGES = 20_000
ORIGINAL_FREQUENCIES = (0.1705, 0.1677, 0.1621, 0.1136, 0.1115, 0.1120, 0.0556, 0.0548, 0.0525)
ORIGINAL_MOMENTS = {"mean": -0.005, "mean of x^2": 0.3707, "deviation within an image": 0.415}
ORIGINAL_REJECTIONS = 0.31  # per accepted object


@pytest.fixture(scope="module", params=[0, 1])
def sample(request):
    return shapeset(20_000, seed=request.param)


def empty(n):
    return np.empty((n, 1024), np.float32), np.empty(n, np.int64)


# The random numbers


@pytest.mark.parametrize("purpose", list(Purpose))
def test_philox_is_numpys(purpose):
    words, uniforms = np.empty(41, np.uint64), np.empty(41)
    for seed, index in itertools.product([0, 1, 0xDEADBEEF << 32, 2**64 - 1], [0, 1, 2**32, 2**64 - 1]):
        _philox.words(seed, purpose, index, words)
        _philox.uniforms(seed, purpose, index, uniforms)
        assert np.array_equal(words, generator(seed, purpose, index).bit_generator.random_raw(41)), (seed, index)
        assert np.array_equal(uniforms, generator(seed, purpose, index).random(41)), (seed, index)


@given(a=st.integers(0, 2**64 - 1), b=st.integers(0, 2**64 - 1))
@example(a=2**64 - 1, b=2**64 - 1)
def test_products_of_both_kinds_of_build(a, b):
    assert _philox.high_words(a, b) == (a * b >> 64, a * b >> 64)


# The images


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1])
@pytest.mark.parametrize("start", [0, 10**6, 2**63])
@pytest.mark.parametrize("purpose", [TRAIN, Purpose.SHAPESET_TEST])
def test_images_equal_the_reference(seed, start, purpose):
    images, labels = ShapesetSource(seed, purpose).batch(start, 100)
    for k in range(100):
        image, label, _ = reference.image(generator(seed, purpose, start + k))
        assert np.array_equal(images[k], image)
        assert labels[k] == label


@settings(max_examples=50)
@given(seed=st.integers(0, 2**64 - 1), index=st.integers(0, 2**64 - 1))
def test_any_image_equals_the_reference(seed, index):
    images, labels = empty(1)
    render(seed, TRAIN, index, images, labels)
    image, label, _ = reference.image(generator(seed, TRAIN, index))
    assert np.array_equal(images[0], image)
    assert labels[0] == label


@pytest.mark.parametrize(("index", "rejections", "objects"), [(9_813_773, 49, 2), (9_366_590, 50, 1)])
def test_object_is_dropped_at_the_fiftieth_rejection(index, rejections, objects):
    """One image in a million. In both of these the next attempt to place the second object succeeds."""
    image, label, counted = reference.image(generator(0, TRAIN, index))
    images, labels = shapeset(1, seed=0, start=index)
    assert counted == rejections
    assert labels[0] == label
    assert (label > CLASS_NAMES.index("ellipse")) == (objects == 2)
    assert np.array_equal(images[0], image)


def test_label_and_shape_of_arrays():
    images, labels = shapeset(3)
    assert (images.dtype, images.shape) == (np.float32, (3, 1024))
    assert (labels.dtype, labels.shape) == (np.int64, (3,))
    assert len(CLASS_NAMES) == ShapesetSource.classes == 9
    assert sum(CLASS_PROBABILITIES) == pytest.approx(1)


def test_levels_are_the_allowed_ones_and_reach_both_ends(sample):
    """Ground and objects lie on opposite sides of the gap, and every end of both ranges occurs.

    An end is the ground of one image in 230; that 20,000 images miss it has probability e**-87.
    """
    exact = (sample[0] + 1) * 127.5
    levels = np.rint(exact).astype(np.uint8)
    assert np.abs(exact - levels).max() < 1e-4
    assert set(np.flatnonzero(np.bincount(levels.ravel()))) == set(range(115)) | set(range(140, 256))
    grounds = levels[:, :1]  # the margin keeps objects off the border
    objects = levels != grounds
    assert ((levels > 128) != (grounds > 128))[objects].all()


def test_border_is_ground(sample):
    """One pixel of margin: the border of the image shows the ground alone."""
    images = sample[0].reshape(-1, 32, 32)
    border = np.ones((32, 32), dtype=bool)
    border[1:-1, 1:-1] = False
    assert (images[:, border] == images[:, :1, 0]).all()


# The stream


def test_slices_of_the_stream_agree():
    source = ShapesetSource(3, Purpose.SHAPESET_VALIDATION)
    whole, part = source.batch(0, 100), source.batch(37, 13)
    assert np.array_equal(whole[0][37:50], part[0])
    assert np.array_equal(whole[1][37:50], part[1])
    assert np.array_equal(shapeset(20, seed=3, start=5)[0], shapeset(25, seed=3)[0][5:])


def test_seeds_and_purposes_give_different_images():
    first = [ShapesetSource(seed, purpose).batch(0, 50)[0] for seed in (0, 1) for purpose in list(Purpose)[3:6]]
    assert len({images.tobytes() for images in first}) == 6


def layouts(dtype, n):
    """Arrays of n images whose rows are 1024, 1040 (a padded buffer), 2048 and -1024 elements apart."""
    return (
        np.zeros((n, 1024), dtype),
        padded_matrix(n, 1024, dtype),
        np.zeros((2 * n, 1024), dtype)[::2],
        np.zeros((n, 1024), dtype)[::-1],
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 10])
def test_rows_of_any_stride_hold_the_same_numbers(dtype, n, threads):
    """Such rows are what render_batch draws into for other kernels. float64 holds the float32 numbers."""
    expected, labels = shapeset(n, seed=6, start=40)
    for images in layouts(dtype, n):
        classes = np.empty(n, np.int64)
        render(6, TRAIN, 40, images, classes, threads=threads)
        assert np.array_equal(images, expected)
        assert np.array_equal(classes, labels)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_nothing_is_written_between_rows(dtype):
    memory = np.full((5, 1030), 7, dtype)
    render(0, TRAIN, 0, memory[1:4, 2:1026], np.empty(3, np.int64))
    memory[1:4, 2:1026] = 7
    assert (memory == 7).all()


def test_arrays_of_another_layout_are_refused():
    """By Cython's own check of buffers: nothing is copied behind the caller's back."""
    images, labels = empty(4)
    for wrong in (np.empty((4, 1024), np.float16), np.empty((4, 1024), np.int32)):
        with pytest.raises(TypeError, match="No matching signature"):
            render(0, TRAIN, 0, wrong, labels)
    with pytest.raises(ValueError, match="contiguous"):
        render(0, TRAIN, 0, np.asfortranarray(images), labels)
    with pytest.raises(ValueError, match="Buffer dtype mismatch"):
        render(0, TRAIN, 0, images, labels.astype(np.int32))


def test_rows_at_odd_bytes_are_refused():
    rows = np.zeros(2, np.dtype([("image", np.float32, 1024), ("tag", np.int8)]))["image"]
    with pytest.raises(InvalidValueError, match=r"rows 4097 bytes apart.*4"):
        render(0, TRAIN, 0, rows, np.empty(2, np.int64))


@pytest.mark.parametrize("threads", [2, 4, 7])
@pytest.mark.parametrize("n", [1, 101])
def test_threads_change_nothing(threads, n):
    alone, shared = empty(n), empty(n)
    render(5, TRAIN, 11, *alone)
    render(5, TRAIN, 11, *shared, threads=threads)
    assert np.array_equal(alone[0], shared[0])
    assert np.array_equal(alone[1], shared[1])


def test_empty_batch():
    images, labels = shapeset(0)
    assert images.shape == (0, 1024)
    assert labels.shape == (0,)


def test_lengths():
    assert ShapesetSource(0).length == math.inf
    source = ShapesetSource(0, length=10)
    assert source.batch(7, 3)[0].shape == (3, 1024)
    assert source.batch(10, 0)[0].shape == (0, 1024)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ShapesetSource(0, length=10).batch(8, 3), "batch of 3 images from 8.*10"),
        (lambda: ShapesetSource(0).batch(-1, 3), "start -1"),
        (lambda: ShapesetSource(0).batch(1, -3), "size -3"),
        (lambda: ShapesetSource(0).batch(0, 2.5), "size 2.5"),
        (lambda: ShapesetSource(0).batch(2**64 - 1, 2), "start 18446744073709551615"),
        (lambda: ShapesetSource(0, length=-1), "length -1"),
        (lambda: ShapesetSource(0, length=math.nan), "length nan"),
        (lambda: ShapesetSource(-1), "seed -1"),
        (lambda: shapeset(-1), "n -1"),
        (lambda: shapeset(1, seed=2**64), "seed 18446744073709551616"),
        (lambda: shapeset(1, start=True), "start True"),
        (lambda: render(0, TRAIN, 0, empty(2)[0], empty(3)[1]), r"\(2, 1024\).*\(3,\)"),
        (lambda: render(0, TRAIN, 0, np.empty((2, 784), np.float32), empty(2)[1]), r"\(2, 784\)"),
        (lambda: render(0, TRAIN, -1, *empty(2)), "start -1"),
        (lambda: render(0, TRAIN, 0, *empty(2), threads=0), "threads 0"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InvalidValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


# The distribution


def test_class_probabilities(sample):
    """Chi-squared test with a false-failure rate of 1e-6 for each seed.

    Rejection leaves the probabilities alone: about one object in a million is dropped. Two single-object
    classes that differ from 1/6 by 0.02 would be found with probability above 0.99, as asserted.
    """
    n, p = len(sample[1]), np.array(CLASS_PROBABILITIES)
    assert stats.chisquare(np.bincount(sample[1], minlength=9), n * p).pvalue > FALSE_FAILURE
    noncentrality = n * (0.02**2 / p[:2]).sum()
    assert stats.ncx2.sf(stats.chi2.isf(FALSE_FAILURE, 8), 8, noncentrality) > 0.99


def test_class_frequencies_of_the_original(sample):
    """Two samples, each with its own sampling error: the largest of nine z-scores fails at 1e-6 in all."""
    n, ours = len(sample[1]), np.bincount(sample[1], minlength=9) / len(sample[1])
    theirs = np.array(ORIGINAL_FREQUENCIES)
    pooled = (ours * n + theirs * ORIGINAL_IMAGES) / (n + ORIGINAL_IMAGES)
    z = (ours - theirs) / np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / ORIGINAL_IMAGES))
    assert np.abs(z).max() < stats.norm.isf(FALSE_FAILURE / 18)


def test_mean_and_second_moment_are_exact(sample):
    """Whatever the geometry, a pixel is light or dark with probability 1/2, its level uniform in its range.

    False-failure rate 2e-6 for each seed; an error of the mean of 0.02, or of the second moment of 3 %, would
    be found with probability 0.9, as asserted.
    """
    light, dark = (np.arange(low, high + 1) / 255 * 2 - 1 for low, high in ((140, 255), (0, 114)))
    x = sample[0].astype(float)
    second_moment = ((light**2).mean() + (dark**2).mean()) / 2
    for of_images, exact, effect in (
        (x.mean(axis=1), (light.mean() + dark.mean()) / 2, 0.02),
        ((x * x).mean(axis=1), second_moment, 0.03 * second_moment),
    ):
        error = of_images.std() / math.sqrt(len(x))
        assert (Z_LIMIT + stats.norm.isf(0.1)) * error < effect
        assert abs(of_images.mean() - exact) < Z_LIMIT * error


def test_moments_of_the_original(sample):
    """Our sample and theirs, with the error of both (and half a unit of their last digit).

    False-failure rate 3e-6 for each seed. It would find 2.5 % more or less area painted, as drawing the
    outline too gives, in the deviation within an image.
    """
    x = sample[0].astype(float)
    of_images = {
        "mean": x.mean(axis=1),
        "mean of x^2": (x * x).mean(axis=1),
        "deviation within an image": x.std(axis=1),
    }
    for name, theirs in ORIGINAL_MOMENTS.items():
        error = of_images[name].std() * math.sqrt(1 / len(x) + 1 / ORIGINAL_IMAGES)
        assert abs(of_images[name].mean() - theirs) < Z_LIMIT * error + 0.0005, name


def test_rejections_of_the_original():
    """Rejections per accepted object, counted by the reference, whose images are the kernel's.

    False-failure rate 1e-6; the ratio of 3,000 images has an error of 0.016.
    """
    results = [reference.image(generator(0, TRAIN, index)) for index in range(3000)]
    rejections = np.array([rejected for _, _, rejected in results])
    objects = np.array([1 + (label > 2) for _, label, _ in results])
    ratio = rejections.sum() / objects.sum()
    ours = (rejections - ratio * objects).std() / math.sqrt(len(results)) / objects.mean()
    error = ours * math.sqrt(1 + len(results) / ORIGINAL_IMAGES)
    assert abs(ratio - ORIGINAL_REJECTIONS) < Z_LIMIT * error + 0.005
