"""The quantities of the weight gradient of a batch: kernels between two examples in one network, and their scatter."""

from glorotlab.derivations.engine.fluctuation_notation import Statistic
from glorotlab.derivations.engine.quantity import LayerQuantity


class PairKernel(LayerQuantity):
    """M^i_{a,a'}, the mean of z^i_a z^i_a' over the units of layer i in one network."""

    letter = "M"
    place = 1


class PairGradient(LayerQuantity):
    """D^i_{a,a'}, the mean of dC_a/ds^i dC_a'/ds^i over the units in one network."""

    letter = "D"
    place = 2


class BatchSquare(Statistic):
    """T_i, the mean square of dC/dW^i over the weights, C being the mean over examples."""

    letter = "T"


class BatchMean(BatchSquare):
    """E[T_i]."""

    operator = "E"


class OwnProduct(Statistic):
    """P_i, the mean over networks of M^i_{a,a} D^i_{a,a}, the contribution of one example alone."""

    letter = "P"


class KernelVariance(Statistic):
    """Var[M_i], of M^i_{a,a'} of two examples."""

    letter = "M"
    operator = "Var"


class KernelAnswer(Statistic):
    """S_i, the derivative of the mean of D^i_{a,a'} in the covariance of s^i_a and s^i_a'."""

    letter = "S"


class KernelCovariance(Statistic):
    """C_i, the covariance of M^i_{a,a'} and D^i_{a,a'}."""

    letter = "C"
