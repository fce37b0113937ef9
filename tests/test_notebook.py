"""What objects show of themselves in a notebook: every one has a form, and no text in it is markup."""

import html.parser
import sys
import typing
from functools import cache

import numpy as np
import pytest
import xarray as xr

import glorotlab as gl
from glorotlab import notebook
from glorotlab.derivations.engine.derivation import Derivation
from glorotlab.theory.gaussian.moments import NAMES

NASTY = "<img src=x onerror=alert(1)>&'\""
SPEC = gl.NetworkSpec.parse("8,12,4,3")
X, Y = np.random.default_rng(0).normal(size=(6, 8)), np.array([0, 1, 2, 0, 1, 2])
TRAINING = gl.TrainingSpec(updates=2, batch_size=2)
DATA = gl.Dataset.from_arrays(X, Y, name=NASTY)

FORMS = {
    "NetworkSpec": lambda folder: SPEC,
    "TrainingSpec": lambda folder: TRAINING,
    "RunSpec": lambda folder: gl.RunSpec(network=SPEC, training=TRAINING, data=f"{NASTY}.npz"),
    "SweepSpec": lambda folder: sweep_spec(),
    "SweepResults": lambda folder: gl.SweepResults(folder / NASTY, sweep_spec(), ["a", "b"], {NASTY: NASTY}),
    "Dataset": lambda folder: DATA,
    "Run": lambda folder: gl.train(gl.RunSpec(network=SPEC, training=TRAINING), dataset=DATA),
    "Comparison": lambda folder: comparison(),
    "Entry": lambda folder: comparison().entries[0],
    "Network": lambda folder: gl.Network(SPEC, seed=0),
    "Moments": lambda folder: gl.moments("tanh", np.ones((3, 2))),
    "PairMoments": lambda folder: gl.pair_moments("relu", 1.0, 2.0, [0.1, 0.2]),
    "FixedPoints": lambda folder: gl.fixed_points("tanh", 2.0, 0.1),
    "FixedPoint": lambda folder: gl.fixed_points("tanh", 2.0, 0.1).points[0],
    "CriticalPoint": lambda folder: gl.critical_points("tanh", 0.05)[0],
    "Verification": lambda folder: gl.derive("equal_width").verify(),
    "Recommendation": lambda folder: advice().recommendation,
    "AuditEntry": lambda folder: gl.torch.audit(gl.Network(SPEC, seed=0)).entries[0],
    "Trainability": lambda folder: gl.trainability(SPEC, inputs=X, labels=Y),
    "Advice": lambda folder: advice(),
    "TangentKernel": lambda folder: gl.tangent_kernel(SPEC, inputs=X),
    "JacobianSpectrum": lambda folder: gl.jacobian_spectrum(SPEC, inputs=X, layer=1),
    "Distributions": lambda folder: gl.predict_distributions(SPEC, X, Y),
}


def sweep_spec():
    return gl.SweepSpec(run=gl.RunSpec(network=SPEC, training=TRAINING), grid={"learning_rate": [0.01, 1.0]})


@cache
def advice():
    return gl.advise(SPEC, inputs=X, labels=Y)


@cache
def comparison():
    return gl.compare(gl.predict(SPEC, inputs=X, labels=Y), gl.measure(SPEC, X, Y, seeds=3))


class Checker(html.parser.HTMLParser):
    """Notes tags, and what is unbalanced."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.text = [], set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_balanced_and_escaped(name, tmp_path):
    shown = FORMS[name](tmp_path)
    assert type(shown).__name__ == name
    checker = Checker()
    checker.feed(shown._repr_html_())
    assert checker.open == []
    assert checker.tags <= {"div", "p", "b", "table", "caption", "thead", "tbody", "tr", "th", "td", "ul", "li", "pre"}
    assert "<img" not in shown._repr_html_()
    if name in ("Dataset", "RunSpec", "SweepResults"):
        assert NASTY in checker.text


def classes(annotation):
    """Return the package's classes in the annotation of a result."""
    if isinstance(annotation, type):
        return {annotation} if annotation.__module__.startswith("glorotlab") else set()
    return set().union(*map(classes, typing.get_args(annotation)))


def returned(function):
    annotation = function.__annotations__["return"]
    names = vars(sys.modules[function.__module__]) | {"xr": xr, "Derivation": Derivation}
    return eval(annotation, names) if isinstance(annotation, str) else annotation  # noqa: S307


def test_every_class_and_every_result_of_the_public_face_shows_itself():
    public = [getattr(face, name) for face in (gl, gl.torch) for name in face.__all__]
    own = {one for one in public if isinstance(one, type)}
    results = set().union(*(classes(returned(one)) for one in public if callable(one) and one not in own))
    assert {Derivation, gl.Comparison, gl.torch.Monitor} <= own | results
    forms = ("_repr_html_", "_repr_latex_")
    assert {one.__name__ for one in own | results if not any(hasattr(one, form) for form in forms)} == {
        "GlorotlabError"
    }


def test_a_figure_shows_itself_without_pyplot():
    figure = gl.plot(gl.predict(SPEC, inputs=X, labels=Y))
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_forms_say_the_numbers():
    moments = gl.moments("tanh", 1.0)
    assert all(notebook.cell(float(getattr(moments, name))) in moments._repr_html_() for name in NAMES)
    assert '<td style="text-align: left">12</td>' not in SPEC._repr_html_()  # layers stand in one cell
    assert "glorot_uniform" in SPEC._repr_html_()
    spec = gl.RunSpec(network=SPEC, training=TRAINING)
    assert "network.activation" in spec._repr_html_()


def test_cells():
    values = [True, np.True_, None, float("nan"), 1 / 3, np.float32(0.5), np.array(2.0), np.zeros(3), 7, "<b>"]
    expected = ["yes", "yes", "–", "–", "0.33333", "0.5", "2", "array of shape (3,)", "7", "&lt;b&gt;"]
    assert [str(notebook.cell(value)) for value in values] == expected


def test_a_long_table_shows_its_ends():
    text = notebook.table(["n"], ([n] for n in range(100)))
    assert "… 80 more …" in text
    assert ">9</td>" in text
    assert ">90</td>" in text
    assert ">50</td>" not in text


def test_a_comparison_as_a_table():
    pd = pytest.importorskip("pandas")
    table = comparison()
    frame = table.to_dataframe()
    assert frame.index.names == ["variable", "layer"]
    entry = table.entries[0]
    row = frame.loc[(entry.variable, entry.layer)]
    assert (row["predicted"], row["measured"], row["verdict"]) == (entry.predicted, entry.measured, entry.verdict)
    assert pd.api.types.is_float_dtype(frame["low"])
    assert frame["low"].isna().all()  # the prediction has no band
    latex = table.to_latex(["learning_speed"])
    assert latex.count(r"\\") == 4  # the head and three layers
    assert r"learning\_speed & 1 & " in latex
    assert latex.startswith(r"\begin{tabular}{lrrrrrrl}")
