"""Support-vector machines with a Gaussian kernel on finite Shapeset training sets: tuned, fitted, tested."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from glorotlab.arrays import Array, Progress
from glorotlab.data.catalogue import load_dataset
from glorotlab.data.source import Source
from glorotlab.errors import DataError
from glorotlab.experiments.describe import described
from glorotlab.experiments.kept import kept
from glorotlab.experiments.seeds import along_seeds
from glorotlab.schema import coordinate
from glorotlab.threads import num_threads, single_threaded_blas
from glorotlab.training.sweeps.store import RunStore

PENALTIES = (1.0, 10.0, 100.0)
"""Values of C to choose from."""

GAMMAS = (0.001, 0.003, 0.01)
"""Values of gamma in exp(-gamma |x - x'|^2) to choose from."""

TUNED_ON = 2_000
"""Largest number of validation images for the choice; more are not needed to separate the settings."""

AT_ONCE = 500
"""Number of images predicted at once."""

MATRIX_AT_MOST = 12_000
"""Largest number of training images whose kernel values are all stored (1 GB); beyond, libsvm computes them."""

CACHE_MEGABYTES = 1_000
"""Size of libsvm's cache of kernel values; it changes no result."""

ABOUT = {
    "validation_error": ("share of validation examples misclassified", "1"),
    "test_error": ("share of test examples misclassified", "1"),
    "support_vectors": ("support vectors of the machine", "1"),
    "penalty": ("penalty C", "1"),
    "gamma": ("gamma of the kernel exp(-gamma |x - x'|^2)", "1"),
}
"""Description and unit of each variable."""

T = TypeVar("T")


def check_installed() -> None:
    """Raise DataError, which says how to get it, where scikit-learn is not installed."""
    try:
        import sklearn.svm  # noqa: F401
    except ImportError:
        raise DataError("scikit-learn is not installed: pip install '.[svm]' in glorotlab's source folder") from None


def tuned(store: RunStore, data: str, seed: int, progress: Progress | None) -> xr.Dataset:
    """Return the validation error of every C and gamma, ``validation_error(penalty, gamma)``, fitting where need be."""
    content: dict[str, Any] = {"data": data, "seed": seed, "tuned_on": TUNED_ON}
    content |= {"penalties": list(PENALTIES), "gammas": list(GAMMAS)}
    return described(kept(store.folder, "svm-tuning", content, lambda: _tune(data, seed, progress)), **ABOUT)


def tested(
    store: RunStore, data: str, setting: tuple[float, float], seeds: Iterable[int], progress: Progress | None
) -> xr.Dataset:
    """Return the test error of a machine on the images of every seed, ``test_error(seed)``, fitting where need be.

    The setting is (C, gamma).
    """
    penalty, gamma = setting

    def one(seed: int) -> xr.Dataset:
        content: dict[str, Any] = {"data": data, "seed": seed, "penalty": penalty, "gamma": gamma}
        return kept(store.folder, "svm", content, lambda: _fit_and_test(data, seed, penalty, gamma))

    order = list(seeds)
    machines = _each(one, order, progress)
    joined = described(along_seeds(machines, coordinate("seed", order)), **ABOUT)
    return joined.assign_attrs(penalty=penalty, gamma=gamma)


def best(tuning: xr.Dataset) -> tuple[float, float]:
    """Return the C and the gamma with the least validation error, the smallest if several are equal."""
    errors = tuning["validation_error"].transpose("penalty", "gamma")
    row, column = np.unravel_index(int(errors.values.argmin()), errors.shape)
    return float(errors["penalty"][row]), float(errors["gamma"][column])


def _tune(data: str, seed: int, progress: Progress | None) -> xr.Dataset:
    dataset = load_dataset(data, seed=seed)
    x, y = dataset.train.batch(0, int(dataset.train.length))

    def error(setting: tuple[float, float]) -> float:
        return _error(_fit(x, y, *setting), dataset.validation, TUNED_ON)

    errors = _each(error, [(penalty, gamma) for penalty in PENALTIES for gamma in GAMMAS], progress)
    table = np.reshape(errors, (len(PENALTIES), len(GAMMAS)))
    coords = {"penalty": list(PENALTIES), "gamma": list(GAMMAS)}
    return xr.Dataset({"validation_error": (("penalty", "gamma"), table)}, coords=coords)


def _fit_and_test(data: str, seed: int, penalty: float, gamma: float) -> xr.Dataset:
    dataset = load_dataset(data, seed=seed)
    machine = _fit(*dataset.train.batch(0, int(dataset.train.length)), penalty, gamma)
    values = {"test_error": _error(machine, dataset.test), "support_vectors": float(machine.n_support_.sum())}
    return xr.Dataset({name: ((), value) for name, value in values.items()})


def _fit(x: npt.NDArray[Any], y: npt.NDArray[Any], penalty: float, gamma: float) -> Any:
    """Return a machine that tells each pair of classes apart and lets all pairs vote (Chang & Lin 2011)."""
    from sklearn.svm import SVC

    kernel = partial(gaussian, gamma) if len(x) <= MATRIX_AT_MOST else "rbf"
    return SVC(C=penalty, kernel=kernel, gamma=gamma, cache_size=CACHE_MEGABYTES).fit(x, y)


def gaussian(gamma: float, x: npt.ArrayLike, centres: npt.ArrayLike) -> Array:
    """Return exp(-gamma |x_i - c_j|^2), shape (len(x), len(centers)), by a matrix product: libsvm takes them singly."""
    rows, columns = (np.asarray(values, dtype=np.float64) for values in (x, centres))
    exponents = rows @ columns.T
    exponents *= 2
    exponents -= (rows**2).sum(axis=1)[:, None]
    exponents -= (columns**2).sum(axis=1)
    exponents *= gamma
    return np.asarray(np.exp(exponents, out=exponents))


def _error(machine: Any, source: Source, most: int | None = None) -> float:
    """Return the share of the examples of a finite source, the first ``most``, that a machine misclassifies."""
    length = int(min(source.length, most or source.length))
    wrong = 0
    for start in range(0, length, AT_ONCE):
        x, y = source.batch(start, min(AT_ONCE, length - start))
        wrong += int((machine.predict(x) != y).sum())
    return wrong / length


def _each(make: Callable[[Any], T], items: list[Any], progress: Progress | None) -> list[T]:
    """Return ``make(item)`` for every item, in order, on all threads, because a fit uses only one."""
    made: list[T] = []
    with single_threaded_blas(), ThreadPoolExecutor(num_threads()) as pool:
        for result in pool.map(make, items):
            made.append(result)
            if progress:
                progress(len(made), len(items))
    return made
