"""The explorer in a browser: what it computes is what the package predicts, and everybody can use it."""

import re

import numpy as np
import pytest
from browsing import brightness, expect, fits

import glorotlab as gl
from glorotlab.errors import AssumptionError
from glorotlab.explorer.page import DEEPEST, INITIALIZERS, explorer

ACTIVATIONS = ("tanh", "relu", "gelu", "hard_tanh", "sin", "erf", "linear")
"""Bounded and unbounded ones, smooth ones and kinks; the others differ from these in their tables alone."""

NUMBER = r" (?=[0-9.e+-]+$)"
"""Where a reason's number begins."""

CURVES = {"signal": "activation", "gradient": "backprop_gradient", "weight_gradient": "example_weight_gradient"}

EXPLORE = """setting => {
  const { curves, bands, verdict, refusal, noBands } = explore(setting);
  return { curves, bands, probability: verdict.probability, reason: verdict.reason, rate: verdict.learningRate,
    refusal: refusal && refusal.message, noBands: noBands && noBands.message };
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "explorer.html"
    path.write_text(explorer(ACTIVATIONS), encoding="utf-8")
    return path


@pytest.fixture
def page(visit, path):
    return visit(path)


def draw(random, page, depths=(1, DEEPEST), widths=(4, 10)):
    """Return a setting of the page's controls drawn at random, and the network that it stands for."""
    name, gain = str(random.choice([*INITIALIZERS, "gain"])), float(random.integers(50, 201)) / 100
    bias = 0.0 if random.random() < 0.5 else float(random.integers(1, 201)) / 100
    own = page.evaluate("TABLES.own") | {"scale": gain**2}
    setting = {
        "activation": str(random.choice(ACTIVATIONS)),
        "depth": int(random.integers(*depths)),
        "width": round(2 ** random.uniform(*widths)),
        "initializer": own if name == "gain" else page.evaluate("name => TABLES.initializers[name]", name),
        "biasVariance": bias,
        "inputMoment": float(f"{10 ** random.uniform(-3, 2):.4g}"),
    }
    spec = gl.NetworkSpec(
        layer_sizes=(*[setting["width"]] * (setting["depth"] + 1), 10),
        activation=setting["activation"],
        initializer=f"variance_scaling(scale={gain**2!r})" if name == "gain" else name,
        bias=f"normal(std={bias**0.5!r})" if bias else "zeros",
    )
    return setting, spec


def test_curves_are_those_of_predict(page):
    """50 settings at random: every layer of every curve within 1 %, and refused where the theory refuses."""
    random, compared = np.random.default_rng(0), 0
    while compared < 50:
        setting, spec = draw(random, page)
        shown = page.evaluate(EXPLORE, setting)
        try:
            predicted = gl.predict(spec, input_second_moment=setting["inputMoment"])
        except AssumptionError as refusal:  # narrow layers have lines in the page, and no bands
            message = str(refusal)
        else:
            message = ""
        if message:
            assert message.startswith(shown["refusal"] or "layers")
            continue
        for curve, tensor in CURVES.items():
            expected = predicted[f"{tensor}_second_moment"].values[: setting["depth"]]
            np.testing.assert_allclose(shown["curves"][curve], expected, rtol=0.01, err_msg=f"{curve} of {setting}")
        compared += 1


def test_bands_are_those_of_predict(page):
    """Four networks of 256 units or more: the ends of every band within 1 % of themselves, or of the band's width."""
    random, compared = np.random.default_rng(1), 0
    while compared < 4:
        setting, spec = draw(random, page, depths=(2, 6), widths=(8, 10))
        shown, moment = page.evaluate(EXPLORE, setting), setting["inputMoment"]
        try:
            predicted = gl.predict(spec, input_second_moment=moment, level=0.95)
        except AssumptionError:
            assert shown["bands"] is None
            continue
        for curve, tensor in CURVES.items():
            name = f"{tensor}_second_moment"
            middle, low, high = (predicted[name + end].values[: setting["depth"]] for end in ("", "_low", "_high"))
            for end, expected in (("low", low), ("high", high)):
                error = np.abs(np.array(shown["bands"][curve][end]) * middle - expected)
                assert (error <= 0.01 * np.maximum(expected, high - low)).all(), f"{curve} {end} of {setting}"
        compared += 1


def test_verdicts_are_those_of_advise(page):
    """Twelve settings at random: the probability within .01, and the same reason, whose number has two digits.

    Learning rates within 2 %, but where outputs are saturated: their curvature is that of the few draws that are not.
    """
    random = np.random.default_rng(2)
    for _ in range(12):
        setting, spec = draw(random, page, depths=(1, 40))
        shown = page.evaluate(EXPLORE, setting)
        verdict = gl.trainability(spec, input_second_moment=setting["inputMoment"])
        assert shown["probability"] == pytest.approx(verdict.probability, abs=0.01), setting
        (words, number), (expected, exact) = (
            re.split(r" (?=[0-9.e+-]+$)", text) for text in (shown["reason"], verdict.reason)
        )
        assert words == expected, setting
        assert float(number) == pytest.approx(float(exact), rel=0.06), setting  # of two digits
        if (verdict.logit_second_moment or 0) < 1e3:
            rate = verdict.recommended_rate  # none where the theory refuses
            assert shown["rate"] == (rate and pytest.approx(rate, rel=0.02)), setting


def test_functions_are_the_activations(page):
    """The histogram's f, written by SymPy, at numbers of every size; erf itself is good to 2e-7."""
    x = np.concatenate([-np.geomspace(30, 0.01, 9), [0.0], np.geomspace(0.01, 30, 9)])
    for name in ACTIVATIONS:
        shown = page.evaluate("([name, x]) => x.map(FUNCTIONS[name])", [name, x.tolist()])
        np.testing.assert_allclose(shown, gl.activations.get(name).function(x), atol=1e-5, err_msg=name)


def test_every_control_is_moved_by_the_keyboard(page):
    """Tab goes through all of them, an arrow key moves one, and pictures, words and table follow."""
    line = page.locator("#signal .curve")
    page.locator("#activation").focus()
    reached = ["activation"]
    while reached[-1] != "moment":
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
        if reached[-1] in ("depth", "width", "bias", "moment"):
            before, told = line.get_attribute("d"), page.get_attribute(f"#{reached[-1]}", "aria-valuetext")
            page.keyboard.press("ArrowRight")
            expect(line).not_to_have_attribute("d", before)
            assert page.get_attribute(f"#{reached[-1]}", "aria-valuetext") != told
    assert reached == ["activation", "initializer", "depth", "width", "bias", "moment"]  # no gain beside a name
    assert page.locator("#numbers tr").count() == 11  # of ten layers and one more
    page.select_option("#initializer", "gain")
    expect(page.locator("#gain")).to_be_enabled()
    page.locator("#gain").focus()
    page.keyboard.press("End")
    expect(page.locator("#verdict")).to_contain_text("variance_scaling(scale=16)")


def test_a_screen_reader_is_told_everything(page):
    """Controls have names, the verdict is announced, pictures have words, and a table stands for the curves."""
    for control in page.locator("select, input").all():
        assert control.evaluate("element => element.labels.length") == 1
    assert page.get_attribute("#verdict", "aria-live") == "polite"
    for picture in page.locator("svg").all():
        assert picture.get_attribute("role") == "img"
        assert len(picture.get_attribute("aria-label")) > 20
    page.get_by_text("The numbers of the curves").click()
    assert page.locator("#numbers tr").first.is_visible()
    assert " to " in page.inner_text("#numbers tr:first-child td:nth-child(2)")


def test_it_fits_a_telephone_and_the_dark(visit, path):
    telephone = visit(path, viewport={"width": 390, "height": 844})
    assert fits(telephone)
    for summary in telephone.locator("summary").all():
        summary.click()
    assert fits(telephone)
    assert brightness(telephone) > 200
    assert brightness(visit(path, color_scheme="dark")) < 60


def test_what_it_cannot_show_it_says(page):
    """Orthogonal weights have no bands; a signal that leaves the range of float64 has no curves."""
    page.select_option("#initializer", "orthogonal")
    expect(page.locator("#refusal")).to_contain_text("No bands: its weights depend")
    page.select_option("#activation", "relu")
    page.select_option("#initializer", "nielsen_large")
    page.locator("#depth").focus()
    page.keyboard.press("End")
    expect(page.locator("#refusal")).to_contain_text("No curves: the signal explodes")
    expect(page.locator("#verdict")).to_contain_text("should fail (the signal explodes in layer")
