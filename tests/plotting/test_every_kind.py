"""Every kind of object is drawn on the axes that are given, or in a figure of its own, and never shown on a display."""

from pathlib import Path

import matplotlib.pyplot
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure
from modules import monitored, predicted

import glorotlab as gl
from glorotlab.errors import InvalidValueError
from glorotlab.plotting.objects.kinds import PICTURES, _kind
from glorotlab.plotting.plot import plot

SPEC = gl.NetworkSpec.parse("4,6x2,3")
X, Y = np.random.default_rng(0).normal(size=(6, 4)), np.array([0, 1, 2, 0, 1, 2])
DATA = gl.Dataset.from_arrays(X, Y)
KINDS = [kind for picture in PICTURES for kind in picture.kinds]
PACKAGE = Path(gl.__file__).parent


@pytest.fixture(scope="module")
def objects():
    """One object of each kind, by kind."""
    prediction, measurement = gl.predict(SPEC, inputs=X, labels=Y), gl.measure(SPEC, X, Y, seeds=2)
    training = gl.TrainingSpec(updates=2, batch_size=2, monitor_every=1, validation_every=1)
    run = gl.train(gl.RunSpec(network=SPEC, training=training), dataset=DATA)
    distributions = gl.predict_distributions(SPEC, X, Y)
    sweep = xr.Dataset({"validation_error": (("learning_rate", "seed"), [[0.1], [0.2]])}, {"learning_rate": [0.1, 1]})
    sweep["validation_error"].attrs["long_name"] = "share of validation examples misclassified"
    made = [
        *(prediction, run.statistics, run.histograms, distributions, run, run.curves, sweep, DATA),
        *(monitored(), predicted(), distributions.activation(1), gl.compare(prediction, measurement)),
        gl.advise(SPEC, inputs=X, labels=Y),
        gl.fixed_points("tanh", 2.0),
        gl.moments("tanh", [0.5, 1.0]),
        gl.tangent_kernel(SPEC, X),
        gl.coordinate_check(SPEC, X, Y, widths=(32, 64, 128), steps=1, learning_rate=0.1, seeds=2),
        gl.jacobian_spectrum(SPEC, X[:1], layer=1),
        gl.phase_diagram("tanh", [0.5, 2.0], [0.0, 0.5]),
    ]
    return {_kind(one, None): one for one in made}


@pytest.fixture(autouse=True)
def _no_display(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("a picture was shown")

    monkeypatch.setattr(matplotlib.pyplot, "show", refuse)
    monkeypatch.setattr(Figure, "show", refuse)


def test_there_is_an_object_of_each_kind(objects):
    assert set(objects) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_is_drawn_on_the_axes_that_are_given(kind, objects):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    assert plot(objects[kind], ax=right) is right
    assert right.has_data() or right.child_axes or right.images
    assert not left.has_data()
    assert matplotlib.pyplot.get_fignums() == []


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_alone_has_a_figure_of_its_own(kind, objects):
    figure = plot(objects[kind])
    assert isinstance(figure, Figure)
    assert figure.axes
    assert matplotlib.pyplot.get_fignums() == []


@pytest.mark.parametrize("bad", ["here", 3, Figure(), np.array([None])])
def test_what_are_no_axes_is_refused(bad, objects):
    with pytest.raises(InvalidValueError, match=rf"^ax is a {type(bad).__name__}: allowed are axes of matplotlib$"):
        plot(objects["Moments"], ax=bad)


def test_no_module_shows_a_picture_or_takes_pyplot():
    """Pyplot keeps every figure until it is closed, and asks for a display where there is one."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "pyplot" not in text, path
        assert ".show(" not in text, path
