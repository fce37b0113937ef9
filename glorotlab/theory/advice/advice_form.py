"""Advice as a form for a notebook."""

from __future__ import annotations

from typing import Any

from glorotlab import notebook
from glorotlab.spec.network import NetworkSpec


def advice_form(advice: Any) -> str:
    """Return the HTML of an ``Advice``: verdict, initializers, gains, the compromise, and what to write."""
    spec: NetworkSpec = advice.spec
    recommended = advice.recommendation
    without = dict.fromkeys(row.no_band for row in advice.initializers if row.no_band)
    parts = [
        notebook.fields(
            {
                "expected to train": advice.verdict.trains,
                "probability": advice.verdict.probability,
                "because": advice.verdict.reason,
                **{f"log odds of {term.name} {term.value:.2g}": term.log_odds for term in advice.verdict.terms},
                "learning rate to begin with": advice.verdict.recommended_rate,
                "largest stable learning rate, of the order of": advice.verdict.learning_rate,
                "examples": advice.examples,
                "second moment of the inputs": advice.second_moment,
                "recommended": f"{recommended.initializer}, biases {recommended.bias}",
                "why": recommended.reason,
            }
        ),
        notebook.table(
            (
                "initializer",
                "biases",
                "signal",
                "its band",
                "gradient",
                "its band",
                "should train",
                "probability",
                "reason",
            ),
            (_initializer(row) for row in advice.initializers),
            "Signal: E z², last / first hidden layer; gradient: E (dC/ds)², first / last; bands hold 95 %",
        ),
        *(notebook.paragraph(f"No bands: {reason}") for reason in without),
        notebook.table(
            ("layer", "q", "forward gain", "backward gain", "next q / q", "gradient / next"),
            (
                (
                    gain.layer or "fixed point",
                    gain.q,
                    gain.forward,
                    gain.backward,
                    gain.signal_factor,
                    gain.gradient_factor,
                )
                for gain in (*advice.gains, *([advice.fixed_point] if advice.fixed_point else ()))
            ),
            "Gains that keep signal (forward) and gradient (backward), and what the network's own weights do",
        ),
    ]
    if advice.compromise:
        choices = list(advice.compromise[0].forward)
        parts.append(
            notebook.table(
                ("layer", "fan in", "fan out", *choices),
                (
                    (
                        row.layer or "all",
                        row.fan_in,
                        row.fan_out,
                        *(f"{row.forward[name]:.3g}, {row.backward[name]:.3g}" for name in choices),
                    )
                    for row in advice.compromise
                ),
                "Rectangular layers of linear units: n_in Var[W] forward, n_out Var[W] backward",
            )
        )
    parts += [notebook.code(recommended.torch), notebook.code(recommended.keras), notebook.items(advice.assumptions)]
    title = f"Advice for {spec.layers} {spec.activation}, {spec.initializer}, biases {spec.bias}"
    return notebook.form(title, *parts)


def _initializer(row: Any) -> tuple[object, ...]:
    """Return the cells of an ``InitializerAdvice``."""
    verdict = row.verdict
    signal, gradient = (
        None if band is None else f"{band[0]:.2g} to {band[1]:.2g}" for band in (row.signal_band, row.gradient_band)
    )
    ratios = verdict.signal_ratio, signal, verdict.gradient_ratio, gradient
    return row.name, row.bias, *ratios, verdict.trains, verdict.probability, verdict.reason
