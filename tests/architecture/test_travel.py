"""What the public face makes can be pickled and copied, and says the same afterwards."""

import copy
import inspect
import pickle

import numpy as np
import pytest
from public_face import NAMES

import glorotlab as gl

RANDOM = np.random.default_rng(0)
X, Y = RANDOM.normal(size=(12, 20)), np.arange(12) % 3
SPEC = gl.NetworkSpec.parse("20,30x2,3")
EXPRESSION = gl.NetworkSpec.parse("20,30,3", activation="x*tanh(x)")  # its record holds functions made on the spot
SWEEP = "[network]\nlayers = '20,5,3'\n[training]\nupdates = 2\n[sweep.grid]\nactivation = ['tanh', 'relu']\n"

STREAM = gl.load_dataset("shapeset").train

MADE = {
    "Dataset": lambda: gl.Dataset.from_arrays(X, Y),
    "a source of arrays": lambda: gl.Dataset.from_arrays(X, Y).train,
    "a source of images": lambda: STREAM,
    "a compiled stream": lambda: STREAM.batch_source(3),
    "compiled rows": lambda: gl.Network(SPEC).rows(X, Y, np.arange(12)[::-1]),
    "NetworkSpec": lambda: SPEC,
    "TrainingSpec": lambda: gl.TrainingSpec(updates=3),
    "RunSpec": lambda: gl.RunSpec(network=SPEC, training=gl.TrainingSpec(updates=3)),
    "SweepSpec": lambda: gl.SweepSpec.from_toml(SWEEP),
    "Network": lambda: gl.Network(EXPRESSION),
    "what a batch leaves": lambda: gl.Network(EXPRESSION).backpropagate(X, Y),
    "gradients": lambda: gl.Network(SPEC).gradients(X, Y),
    "measure": lambda: gl.measure(SPEC, X, Y, 2),
    "predict": lambda: gl.predict(SPEC, X, Y),
    "Comparison": lambda: gl.compare(gl.predict(SPEC, X, Y), gl.measure(SPEC, X, Y, 2)),
    "predict_distributions": lambda: gl.predict_distributions(SPEC, X, Y),
    "a law of activations": lambda: gl.predict_distributions(SPEC, X, Y).activation(1),
    "a law of gradients": lambda: gl.predict_distributions(SPEC, X, Y).backprop_gradient(1),
    "jacobian_spectrum": lambda: gl.jacobian_spectrum(SPEC, input_second_moment=1.0),
    "TangentKernel": lambda: gl.tangent_kernel(SPEC, X),
    "moments": lambda: gl.moments("x*tanh(x)", [1.0, 2.0]),
    "pair_moments": lambda: gl.pair_moments("relu", 1.0, 1.0, 0.5),
    "CoordinateCheck": lambda: gl.coordinate_check(SPEC, X, Y, widths=(4, 8, 16), steps=1, seeds=2),
    "Trainability": lambda: gl.trainability(SPEC, X, Y),
    "FixedPoints": lambda: gl.fixed_points("tanh", 1.5, 0.1),
    "FixedPoint": lambda: gl.fixed_points("tanh", 1.5, 0.1).points[0],
    "critical_points": lambda: gl.critical_points("relu", 0.0),
    "derive": lambda: gl.derive("lecun_initialization"),
    "GlorotlabError": lambda: gl.GlorotlabError("what is wrong"),
}
"""Something of every class of the public face, and of every kind of result that has no public class."""

ELSEWHERE = {"Advice", "Run", "SweepResults"}
"""Classes whose objects take a second to make: their parts are among those above, and they are dataclasses of these."""


def test_every_public_class_is_here():
    classes = {name for name in NAMES if inspect.isclass(getattr(gl, name))}
    assert classes - set(MADE) == ELSEWHERE


@pytest.mark.parametrize("name", MADE)
def test_it_travels(name):
    thing = MADE[name]()
    for again in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing), copy.copy(thing)):  # noqa: S301
        assert type(again) is type(thing)
        assert shown(again) == shown(thing)


def shown(thing):
    """What an object holds, as text; addresses of compiled objects are left out."""
    with np.printoptions(precision=17, threshold=100):
        return str(vars(thing) if hasattr(thing, "__dict__") and name_of(thing) != "Network" else text(thing))


def name_of(thing):
    return type(thing).__name__


def text(thing):
    return thing.state() if name_of(thing) == "Network" else repr(thing).partition(" object at ")[0]
