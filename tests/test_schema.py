"""Every labeled result says what its variables and coordinates are, and NetCDF keeps that, and whole numbers."""

import numpy as np
import pytest
import xarray as xr

import glorotlab as gl
from glorotlab import netcdf
from glorotlab.schema import coordinate

SPEC = gl.NetworkSpec.parse("4,6,3")
X, Y = np.random.default_rng(0).normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])


@pytest.fixture(scope="module")
def run():
    spec = gl.RunSpec(network=SPEC, training=gl.TrainingSpec(updates=3, batch_size=2))
    return gl.train(spec, dataset=gl.Dataset.from_arrays(X, Y))


RESULTS = {
    "prediction": lambda run: gl.predict(SPEC, inputs=X, labels=Y),
    "measurement": lambda run: gl.measure(SPEC, X, Y, seeds=[7, 2], bins=4),
    "phase_diagram": lambda run: gl.phase_diagram("tanh", [1.0, 2.0], [0.0]),
    "statistics": lambda run: run.statistics,
    "histograms": lambda run: run.histograms,
    "curves": lambda run: run.curves,
}


@pytest.mark.parametrize("name", RESULTS)
def test_variables_and_coordinates_say_what_they_are(name, run):
    dataset = RESULTS[name](run)
    for variable, values in dataset.variables.items():
        assert values.attrs.get("long_name"), variable
        assert values.attrs.get("units"), variable
    for counter in {"layer", "seed", "step"} & set(dataset.coords):
        assert dataset[counter].dtype == np.int64


@pytest.mark.parametrize("seeds", [[0], [3, 2**31], [2**53 + 1, 1], [1, 2**64 - 1]])
def test_whole_numbers_survive_netcdf(seeds, tmp_path):
    dataset = xr.Dataset({"x": ("seed", np.arange(len(seeds)) / 3)}, {"seed": coordinate("seed", seeds)})
    netcdf.write(tmp_path / "a.nc", dataset)
    back = netcdf.read(tmp_path / "a.nc")
    assert back["seed"].values.tolist() == seeds
    xr.testing.assert_identical(back, dataset)


def test_without_our_reader_steps_are_whole_numbers_too(tmp_path):
    dataset = xr.Dataset({"n": ("step", np.array([5, -6]))}, {"step": coordinate("step", np.array([0.0, 5e6]))})
    netcdf.write(tmp_path / "a.nc", dataset)
    with xr.open_dataset(tmp_path / "a.nc") as plain:
        assert plain["step"].dtype.kind == "i"
        assert plain["step"].values.tolist() == [0, 5_000_000]
        assert plain["step"].attrs["units"] == "updates"
        assert plain["n"].values.tolist() == [5, -6]
