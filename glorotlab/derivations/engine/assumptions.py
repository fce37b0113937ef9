"""The assumptions of Glorot & Bengio (2010), section 4.2.1, by name, with those the paper leaves unsaid."""

from glorotlab.derivations.engine.step import Assumption

linear_regime = Assumption(
    "linear_regime",
    "f is odd with f'(0) = 1, and pre-activations are so small that f(s) = s and f'(s) = 1.",
    "Outside the linear regime each layer has factors of its own, E[f(s)^2] / Var[s] and E[f'(s)^2], which depend on "
    "the variance that reaches it: forward_variance and backward_variance without linear_regime have them.",
)
zero_bias = Assumption(
    "zero_bias",
    "Every bias is 0.",
    "Biases add their variance in every layer, so that no product over layers remains: forward_variance without "
    "zero_bias has the sum.",
)
zero_mean_weights = Assumption(
    "zero_mean_weights",
    "Every weight has mean 0; one layer has one variance Var[W^i].",
    "Units of a layer then share the mean of the weights: the square of a sum over units keeps cross terms E[z_l z_m], "
    "so that covariances of units would have to travel with the variances.",
)
independent_weights = Assumption(
    "independent_weights",
    "Weights are independent of each other and of the inputs, hence W^i of z^i.",
    "The square of a sum over units keeps cross terms E[W_l W_m] z_l z_m, which variances do not determine.",
)
equal_input_variance = Assumption(
    "equal_input_variance",
    "Every input has the same variance Var[x].",
    "Inputs then have variances of their own; only the sum over them reaches the first pre-activations, so that their "
    "mean takes the place of Var[x] from layer 1 on.",
)
zero_mean_inputs = Assumption(
    "zero_mean_inputs",
    "Every input has mean 0; where it has not, read E[x^2] for Var[x] in every formula.",
    "Inputs enter by their second moment E[x^2], not by Var[x]: forward_variance without zero_mean_inputs has it.",
)
gradient_independence = Assumption(
    "gradient_independence",
    "Back-propagated gradients dC/ds^i are independent of the weights W^i and activations z^i they meet.",
    "The gradient from above depends on the weights it meets, since they made the activations it is a function of. "
    "Stein's identity gives the term left out: it holds second derivatives of the cost, which variances do not "
    "determine, and is of relative order outputs / width.",
)
equal_output_gradient = Assumption(
    "equal_output_gradient",
    "Every dC/ds^d_k has mean 0 and the same variance Var[dC/ds^d]; where the mean is not 0, read its second moment.",
    "Outputs then have variances of their own; only the sum over them reaches the layer below, so that their mean "
    "takes the place of Var[dC/ds^d] in every layer but the last.",
)
equal_widths = Assumption(
    "equal_widths",
    "Every layer, input and output included, has n units, and every W^i has variance Var[W].",
    "Powers of n Var[W] become the products of backward_variance and weight_gradient_variance.",
)
symmetric_uniform = Assumption(
    "symmetric_uniform",
    "Weights are uniform on [-a, a].",
    "Only the variance of the weights enters the recurrences; which bound, scale or shape gives it depends on the law.",
)
wide_layers = Assumption(
    "wide_layers",
    "Layers are so wide, or weights so nearly Gaussian, that a pre-activation is Gaussian.",
    "E[f(s)^2] and E[f'(s)^2] then depend on the whole law of s, not on its variance alone.",
)
random_bias = Assumption(
    "random_bias",
    "Biases have mean 0 and variance Var[b^i], and are independent of all else.",
    "A bias that is given shifts the mean of its own pre-activation: units of a layer are no longer alike.",
)

FORWARD = (
    linear_regime,
    zero_bias,
    zero_mean_weights,
    independent_weights,
    equal_input_variance,
    zero_mean_inputs,
)
BACKWARD = (
    linear_regime,
    zero_mean_weights,
    independent_weights,
    gradient_independence,
    equal_output_gradient,
)
BOTH = FORWARD + tuple(item for item in BACKWARD if item not in FORWARD)


def replaced(
    assumptions: tuple[Assumption, ...], without: frozenset[str], by: dict[str, Assumption]
) -> tuple[Assumption, ...]:
    """Return ``assumptions`` except those named in ``without``; ``by`` has replacements for some of these."""
    kept = tuple(item for item in assumptions if item.name not in without)
    return kept + tuple(dict.fromkeys(by[name] for name in sorted(without & by.keys())))
