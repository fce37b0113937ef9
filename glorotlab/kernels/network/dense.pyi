"""Dense layers s = z W + b, forward and backward, on tiles cut by shape alone.

All arrays of one call share one dtype, float32 or float64, and have contiguous rows. Callers have checked the shapes:
nothing is checked here.
Fans are 1 or more; a batch may be empty, and an empty one updates nothing.
"""

from glorotlab.kernels._types import Matrix, Vector

def forward(
    z: Matrix,
    weight: Matrix,
    bias: Vector,
    activation: int,
    s: Matrix,
    out: Matrix,
    threads: int,
    parameter: float = 0,
) -> None:
    """Fill ``s`` = z W + b and ``out`` = f(s).

    Parameters
    ----------
    z : (batch, fan_in)
    weight : (fan_in, fan_out)
    bias : (fan_out,)
    activation : int
        A code of ``elementwise.CODES``.
    s, out : (batch, fan_out)
        Filled; they may be the same array where the pre-activation is not needed: the sums may then round otherwise.
    threads : int
    parameter : float
        Of the activation, as the slope of ``leaky_relu``.
    """

def backward(
    d: Matrix,
    weight: Matrix,
    s_below: Matrix,
    z_below: Matrix,
    activation_below: int,
    d_below: Matrix,
    threads: int,
    parameter: float = 0,
) -> None:
    """Fill ``d_below`` = (d W') f'(s_below): dC/ds of the layer below (Glorot & Bengio 2010, eq. 2).

    Parameters
    ----------
    d : (batch, fan_out)
        dC/ds of this layer.
    weight : (fan_in, fan_out)
    s_below, z_below : (batch, fan_in)
        Pre-activation and activation of the layer below.
    activation_below : int
        Its code in ``elementwise.CODES``.
    d_below : (batch, fan_in)
        Filled.
    threads : int
    """

def backward_update(
    d: Matrix,
    weight: Matrix,
    bias: Vector,
    s_below: Matrix | None,
    z_below: Matrix,
    activation_below: int,
    d_below: Matrix | None,
    weight_velocity: Matrix | None,
    bias_velocity: Vector | None,
    rate: float,
    decay: float,
    momentum: float,
    nesterov: bool,
    threads: int,
    parameter: float = 0,
    weight_rate: Matrix | None = None,
    bias_rate: Vector | None = None,
) -> None:
    """Propagate ``d`` through W as ``backward`` does and update W and b while each tile of W is in cache.

    Without a velocity W <- (1 - decay) W - rate z_below' d and b <- b - rate sum(d); with one V <- momentum V + S of
    the step S = -decay W - rate z_below' d, and W <- W + V, or Nesterov's W <- W + momentum V + S; likewise b (biases
    do not decay). For the batch-mean cost ``rate`` is learning rate / batch size. No weight gradient is stored.
    ``d_below`` is None for the first layer. ``weight_rate`` and ``bias_rate``, shaped as W and b, multiply S: each
    weight and bias has its own factor of the learning rate. Subnormal numbers are flushed to zero, as in every step.
    """

def weight_gradient(d: Matrix, z_below: Matrix, out: Matrix, scale: float, threads: int) -> None:
    """Fill ``out`` (fan_in, fan_out) with scale z_below' d (Glorot & Bengio 2010, eq. 3)."""

def set_parallel_work(multiply_adds: int) -> int:
    """Set the number of multiply-adds up to which one thread does a call alone; return what it was.

    In a call of many steps, each thread has a 16th of it between two waits for the others, in the mean; an example of a
    batch below ten counts as more. It changes no result. 0 lets the smallest product of two tiles run on two threads,
    as the tests do.
    """

def packed_elements(batch: int, fan_out: int) -> int:
    """Return how many numbers the buffer takes in which a training step packs dC/ds of its widest layer."""

def workers() -> int:
    """Return how many threads had a share of the last call of this module; beyond 64 some count as one."""
