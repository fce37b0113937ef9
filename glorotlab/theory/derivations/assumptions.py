"""The assumptions of Glorot & Bengio (2010), section 4.2.1, by name, with those the paper leaves unsaid."""

from glorotlab.theory.derivations.derivation import Assumption

linear_regime = Assumption(
    "linear_regime", "f is odd with f'(0) = 1, and pre-activations are so small that f(s) = s and f'(s) = 1."
)
zero_bias = Assumption("zero_bias", "Every bias is 0.")
zero_mean_weights = Assumption("zero_mean_weights", "Every weight has mean 0; one layer has one variance Var[W^i].")
independent_weights = Assumption(
    "independent_weights", "Weights are independent of each other and of the inputs, hence W^i of z^i."
)
equal_input_variance = Assumption("equal_input_variance", "Every input has the same variance Var[x].")
zero_mean_inputs = Assumption(
    "zero_mean_inputs", "Every input has mean 0; where it has not, read E[x^2] for Var[x] in every formula."
)
gradient_independence = Assumption(
    "gradient_independence",
    "Back-propagated gradients dC/ds^i are independent of the weights W^i and activations z^i they meet.",
)
equal_output_gradient = Assumption(
    "equal_output_gradient",
    "Every dC/ds^d_k has mean 0 and the same variance Var[dC/ds^d]; where the mean is not 0, read its second moment.",
)
equal_widths = Assumption(
    "equal_widths", "Every layer, input and output included, has n units, and every W^i has variance Var[W]."
)
symmetric_uniform = Assumption("symmetric_uniform", "Weights are uniform on [-a, a].")

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
