"""An initialiser as lines to paste into PyTorch and Keras."""

from __future__ import annotations

from glorotlab import initializers

KERAS_DISTRIBUTIONS = {
    "uniform": "uniform",
    "normal": "untruncated_normal",
    "truncated_normal": "truncated_normal",
}
"""Keras's ``truncated_normal`` is cut at two standard deviations and rescaled to variance scale / fan, as ours is."""

_TORCH_FANS = {
    "fan_in": "m.in_features",
    "fan_out": "m.out_features",
    "fan_avg": "((m.in_features + m.out_features) / 2)",
}


def torch_lines(initializer: str, bias: str) -> str:
    """Return a loop over the ``torch.nn.Linear`` layers of ``model`` that initialises them.

    Parameters
    ----------
    initializer : str
        ``variance_scaling`` with mode fan_in, fan_out or fan_avg, and distribution normal or uniform.
    bias : str
        ``zeros`` or ``normal(std=)``.
    """
    record, biases = initializers.get(initializer), initializers.get_bias(bias)
    fan = _TORCH_FANS[record.mode]
    if record.distribution == "uniform":
        weights = f"bound = ({3 * record.scale:g} / {fan}) ** 0.5\n        nn.init.uniform_(m.weight, -bound, bound)"
    else:
        weights = f"nn.init.normal_(m.weight, std=({record.scale:g} / {fan}) ** 0.5)"
    biased = "nn.init.zeros_(m.bias)" if not biases.variance else f"nn.init.normal_(m.bias, std={_std(biases):g})"
    return f"for m in model.modules():\n    if isinstance(m, nn.Linear):\n        {weights}\n        {biased}"


def keras_lines(initializer: str, bias: str) -> str:
    """Return the two arguments of ``keras.layers.Dense``; arguments as of ``torch_lines``."""
    record, biases = initializers.get(initializer), initializers.get_bias(bias)
    distribution = KERAS_DISTRIBUTIONS[record.distribution]
    scaling = f'VarianceScaling(scale={record.scale:g}, mode="{record.mode}", distribution="{distribution}")'
    biased = "Zeros()" if not biases.variance else f"RandomNormal(stddev={_std(biases):g})"
    return f"kernel_initializer=keras.initializers.{scaling},\nbias_initializer=keras.initializers.{biased}"


def _std(bias: initializers.BiasInitializer) -> float:
    return float(bias.variance**0.5)
