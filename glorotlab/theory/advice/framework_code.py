"""Lines of PyTorch and Keras that initialize a model as recommended."""

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
    """Return a loop over the ``torch.nn.Linear`` layers of ``model`` that initializes them.

    Parameters
    ----------
    initializer : str
        ``variance_scaling`` with mode fan_in, fan_out or fan_avg, and distribution normal or uniform.
    bias : str
        ``zeros`` or ``normal(std=)``.
    """
    record = initializers.get(initializer)
    fan = _TORCH_FANS[record.mode]
    if record.distribution == "uniform":
        weights = f"bound = ({3 * record.scale:g} / {fan}) ** 0.5\n        nn.init.uniform_(m.weight, -bound, bound)"
    else:
        weights = f"nn.init.normal_(m.weight, std=({record.scale:g} / {fan}) ** 0.5)"
    std = _std(initializers.get_bias(bias))
    biases = f"nn.init.normal_(m.bias, std={std:g})" if std else "nn.init.zeros_(m.bias)"
    return f"for m in model.modules():\n    if isinstance(m, nn.Linear):\n        {weights}\n        {biases}"


def keras_lines(initializer: str, bias: str) -> str:
    """Return the two arguments of ``keras.layers.Dense`` that initialize it; parameters as of ``torch_lines``."""
    record, std = initializers.get(initializer), _std(initializers.get_bias(bias))
    distribution = KERAS_DISTRIBUTIONS[record.distribution]
    scaling = f'VarianceScaling(scale={record.scale:g}, mode="{record.mode}", distribution="{distribution}")'
    biases = f"RandomNormal(stddev={std:g})" if std else "Zeros()"
    return f"kernel_initializer=keras.initializers.{scaling},\nbias_initializer=keras.initializers.{biases}"


def _std(bias: initializers.BiasInitializer) -> float:
    return float(bias.variance**0.5)
