"""The update of Nielsen's network2, from the formulas of his book, in plain NumPy: one example at a time.

Sigmoid in every layer; weights of shape (fan_out, fan_in) and biases of shape (fan_out, 1), so that z = w a + b of a
column a. Backpropagation is BP1 to BP4 of chapter 2, the costs and the decay of weights those of chapter 3:
w <- (1 - eta lambda / n) w - eta / m sum of dC/dw and b <- b - eta / m sum of dC/db over a mini-batch of m examples.
"""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def sigmoid_slope(z):
    return sigmoid(z) * (1 - sigmoid(z))


OUTPUT_ERRORS = {
    "cross_entropy": lambda z, a, y: a - y,
    "quadratic": lambda z, a, y: (a - y) * sigmoid_slope(z),
}
"""dC/dz of the output layer, by cost."""


def one_hot(label, classes):
    """Return the column with a 1 at the label."""
    y = np.zeros((classes, 1))
    y[label] = 1
    return y


def columns(x, labels, classes):
    """Return the examples as the program takes them: a list of pairs of columns, inputs and one-hot outputs."""
    return [(row.reshape(-1, 1), one_hot(label, classes)) for row, label in zip(x, labels, strict=True)]


class NielsenNetwork:
    """A network in float64 that starts from copies of a glorotlab network's weights and biases."""

    def __init__(self, network):
        self.weights = [np.array(weight.T, dtype=np.float64) for weight in network.weights]
        self.biases = [np.array(bias, dtype=np.float64).reshape(-1, 1) for bias in network.biases]
        self._output_error = OUTPUT_ERRORS[network.spec.cost]

    def backpropagate(self, x, y):
        """Return dC/dw and dC/db of every layer, for the cost of one example."""
        activations, weighted_inputs = [x], []
        for w, b in zip(self.weights, self.biases, strict=True):
            weighted_inputs.append(w @ activations[-1] + b)
            activations.append(sigmoid(weighted_inputs[-1]))
        delta = self._output_error(weighted_inputs[-1], activations[-1], y)
        weight_gradients, bias_gradients = [delta @ activations[-2].T], [delta]
        for layer in range(len(self.weights) - 2, -1, -1):
            delta = (self.weights[layer + 1].T @ delta) * sigmoid_slope(weighted_inputs[layer])
            weight_gradients.insert(0, delta @ activations[layer].T)
            bias_gradients.insert(0, delta)
        return weight_gradients, bias_gradients

    def update(self, mini_batch, eta, lmbda, n):
        """Take one step on a mini-batch, a list of pairs of columns, of a training set of n examples."""
        weight_sums = [np.zeros(w.shape) for w in self.weights]
        bias_sums = [np.zeros(b.shape) for b in self.biases]
        for x, y in mini_batch:
            weight_gradients, bias_gradients = self.backpropagate(x, y)
            weight_sums = [total + one for total, one in zip(weight_sums, weight_gradients, strict=True)]
            bias_sums = [total + one for total, one in zip(bias_sums, bias_gradients, strict=True)]
        decay, rate = 1 - eta * lmbda / n, eta / len(mini_batch)
        self.weights = [decay * w - rate * total for w, total in zip(self.weights, weight_sums, strict=True)]
        self.biases = [b - rate * total for b, total in zip(self.biases, bias_sums, strict=True)]
