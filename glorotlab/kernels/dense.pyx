"""Dense layers s = z W + b, forward and backward.

W has shape (fan_in, fan_out), row-major; z, s and the gradients have one row per example. Rows are contiguous; from
one to the next it may be further than their length (glorotlab.kernels.buffers). Every tile does
whole sums, by our own tiles up to SMALL_BATCH examples and by one single-threaded gemm on tiles cut by shape beyond,
so that a result does not depend on the number of threads.
"""

from cython.parallel cimport prange
from cython.view cimport contiguous, strided

from glorotlab.kernels._activations cimport LINEAR, activate, multiply_derivative
from glorotlab.kernels._blas cimport floating, gemm
from glorotlab.kernels._tiles cimport multiply, multiply_back

cdef enum:
    SMALL_BATCH = 32     # examples up to which our tiles beat a packing gemm
    EXAMPLE_TILE = 128   # rows of z a tile holds
    COLUMN_STEP = 64     # small batch, forward: a thread's share of the columns is a multiple
    HALVED = 128         # small batch, forward: fan_in from which the rows are summed in two halves
    ACTIVATION_WORK = 256  # multiply-adds that take as long as one activation
    ROW_TILE = 16        # small batch, backward: rows of W to a tile
    WIDE_TILE = 256      # units of a gemm's tile


cdef extern from *:
    """
    #ifdef _OPENMP
    #include <omp.h>
    #else
    #define omp_get_thread_num() 0
    #endif
    """
    int omp_get_thread_num() nogil

ctypedef unsigned long long thread_set  # one bit a thread

cdef Py_ssize_t parallel_work = 1 << 22  # below it, waking a second thread gains little and risks a stall
cdef thread_set last_call = 0


def set_parallel_work(Py_ssize_t multiply_adds):
    """Set the work below which one thread does it all, and return what it was; see dense.pyi."""
    global parallel_work
    previous = parallel_work
    parallel_work = multiply_adds
    return previous


def workers():
    """Threads that had a tile of the last call; see dense.pyi."""
    return int(last_call).bit_count()


cdef inline int team(int threads, Py_ssize_t tiles, Py_ssize_t work) noexcept nogil:
    """Threads worth waking for this many tiles and multiply-adds."""
    return <int> min(<Py_ssize_t> threads, tiles) if work > parallel_work else 1


cdef inline int share(Py_ssize_t units, int workers) noexcept nogil:
    """Columns to a thread: the longer the pieces of W's rows the faster. No sum depends on the cut."""
    return <int> ((units + workers * COLUMN_STEP - 1) // (workers * COLUMN_STEP)) * COLUMN_STEP


cdef inline thread_set this_thread() noexcept nogil:
    return <thread_set> 1 << (omp_get_thread_num() & 63)


cdef inline int stride(const floating[::strided, ::contiguous] matrix) noexcept nogil:
    """Elements from one row to the next."""
    return <int> (matrix.strides[0] // sizeof(floating))


cdef void sum_tile(
    const floating[::strided, ::contiguous] z, const floating[::strided, ::contiguous] weight, const floating[::1] bias,
    floating[::strided, ::contiguous] out, int first, int rows, int unit, int width,
) noexcept nogil:
    """Units unit..unit+width of a small batch: out = z W over rows first..first+rows of W, plus the bias with the first."""
    cdef int batch = <int> z.shape[0], a, k
    for a in range(batch):
        for k in range(unit, unit + width):
            out[a, k] = 0 if first else bias[k]
    multiply[floating](&z[0, first], stride(z), &weight[first, unit], stride(weight), &out[0, unit], stride(out),
                       batch, rows, width)


cdef thread_set forward_small(
    const floating[::strided, ::contiguous] z, const floating[::strided, ::contiguous] weight, const floating[::1] bias,
    int activation, double parameter, floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] out, int threads,
) noexcept nogil:
    """forward of a small batch. Two threads read a matrix fastest if each has rows of its own: the upper half of the
    rows sums into s, the lower into out, where f(s) is written when both are done; more threads share the columns.
    """
    cdef thread_set seen = 0
    cdef int batch = <int> z.shape[0], fan_in = <int> weight.shape[0], fan_out = <int> weight.shape[1]
    cdef Py_ssize_t work = <Py_ssize_t> batch * fan_in * fan_out
    cdef int halves = 2 if fan_in >= HALVED and &s[0, 0] != &out[0, 0] else 1
    cdef int middle = fan_in // 16 * 8 if halves == 2 else fan_in
    cdef int width = share(fan_out, (team(threads, halves * fan_out, work) + halves - 1) // halves)
    cdef int columns = (fan_out + width - 1) // width, tile, unit, some, a, k
    for tile in prange(halves * columns, num_threads=team(threads, halves * columns, work), schedule="static"):
        seen |= this_thread()
        unit = tile % columns * width
        some = min(width, fan_out - unit)
        if tile < columns:
            sum_tile(z, weight, bias, s, 0, middle, unit, some)
        else:
            sum_tile(z, weight, bias, out, middle, fan_in - middle, unit, some)
    for a in prange(batch, num_threads=team(threads, batch, batch * fan_out * ACTIVATION_WORK), schedule="static"):
        if halves == 2:
            for k in range(fan_out):
                s[a, k] = s[a, k] + out[a, k]
        activate(activation, parameter, &s[a, 0], &out[a, 0], fan_out)
    return seen


cdef void forward_tile(
    const floating[::strided, ::contiguous] z, const floating[::strided, ::contiguous] weight, const floating[::1] bias,
    int activation, double parameter,
    floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] out, int first, int rows, int unit, int width,
) noexcept nogil:
    """Examples first..first+rows of units unit..unit+width: s = z W + b, then z = f(s) while s is in cache."""
    cdef int fan_in = <int> weight.shape[0], a, k
    for a in range(first, first + rows):
        for k in range(unit, unit + width):
            s[a, k] = bias[k]
    gemm[floating](False, False, rows, width, fan_in, 1, &z[first, 0], stride(z),
                   &weight[0, unit], stride(weight), 1, &s[first, unit], stride(s))
    for a in range(first, first + rows):
        activate(activation, parameter, &s[a, unit], &out[a, unit], width)


def forward(
    const floating[::strided, ::contiguous] z, const floating[::strided, ::contiguous] weight, const floating[::1] bias, int activation,
    floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] out, int threads,
    double parameter=0,
):
    """s = z W + b and out = f(s); see dense.pyi."""
    global last_call
    cdef thread_set seen = 0
    cdef Py_ssize_t batch = z.shape[0], fan_in = weight.shape[0], fan_out = weight.shape[1]
    cdef Py_ssize_t columns = (fan_out + WIDE_TILE - 1) // WIDE_TILE
    cdef Py_ssize_t tiles = columns * ((batch + EXAMPLE_TILE - 1) // EXAMPLE_TILE), tile
    cdef int first, unit, workers = team(threads, tiles, batch * fan_in * fan_out)
    if 0 < batch <= SMALL_BATCH:
        with nogil:
            seen = forward_small(z, weight, bias, activation, parameter, s, out, threads)
        last_call = seen
        return
    for tile in prange(tiles, nogil=True, num_threads=workers, schedule="static"):
        seen |= this_thread()
        first = <int> (tile // columns) * EXAMPLE_TILE
        unit = <int> (tile % columns) * WIDE_TILE
        forward_tile(z, weight, bias, activation, parameter, s, out, first, <int> min(EXAMPLE_TILE, batch - first),
                     unit, <int> min(WIDE_TILE, fan_out - unit))
    last_call = seen


cdef void propagate_tile(
    const floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] weight,
    const floating[::strided, ::contiguous] s_below, const floating[::strided, ::contiguous] z_below, int activation_below, double parameter,
    floating[::strided, ::contiguous] d_below, int unit, int width,
) noexcept nogil:
    """dC/ds of units unit..unit+width below: d W' times f' (Glorot & Bengio 2010, eq. 2)."""
    cdef int batch = <int> d.shape[0], fan_in = <int> weight.shape[0], fan_out = <int> weight.shape[1], a
    if batch <= SMALL_BATCH:
        multiply_back[floating](&d[0, 0], stride(d), <floating*> &weight[unit, 0], stride(weight),
                                &d_below[0, unit], stride(d_below), NULL, 0, batch, width, fan_out, 1, 0)
    else:
        gemm[floating](False, True, batch, width, fan_out, 1, &d[0, 0], stride(d),
                       &weight[unit, 0], stride(weight), 0, &d_below[0, unit], stride(d_below))
    for a in range(batch):
        multiply_derivative(activation_below, parameter, &s_below[a, unit], &z_below[a, unit], &d_below[a, unit], width)


def backward(
    const floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] weight,
    const floating[::strided, ::contiguous] s_below, const floating[::strided, ::contiguous] z_below, int activation_below,
    floating[::strided, ::contiguous] d_below, int threads, double parameter=0,
):
    """d_below = (d W') f'(s_below); see dense.pyi."""
    global last_call
    cdef thread_set seen = 0
    cdef Py_ssize_t batch = d.shape[0], fan_in = weight.shape[0], tile, tiles
    cdef int width = ROW_TILE if batch <= SMALL_BATCH else WIDE_TILE, unit, workers
    tiles = (fan_in + width - 1) // width if batch else 0
    workers = team(threads, tiles, batch * fan_in * weight.shape[1])
    for tile in prange(tiles, nogil=True, num_threads=workers, schedule="static"):
        seen |= this_thread()
        unit = <int> tile * width
        propagate_tile(d, weight, s_below, z_below, activation_below, parameter, d_below,
                       unit, <int> min(width, fan_in - unit))
    last_call = seen


cdef void update_tile(
    const floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] z_below, floating[::strided, ::contiguous] weight,
    floating[::strided, ::contiguous] velocity, bint has_velocity,
    floating rate, floating decay, floating momentum, int unit, int width,
) noexcept nogil:
    """Rows unit..unit+width of W: W <- (1 - decay) W - rate z' d, or the same through a velocity."""
    cdef int fan_out = <int> weight.shape[1], i, j
    if not has_velocity:
        subtract_product(z_below, d, weight, 1 - decay, rate, unit, width)
        return
    for i in range(unit, unit + width):
        for j in range(fan_out):
            velocity[i, j] = momentum * velocity[i, j] - decay * weight[i, j]
    subtract_product(z_below, d, velocity, 1, rate, unit, width)
    for i in range(unit, unit + width):
        for j in range(fan_out):
            weight[i, j] += velocity[i, j]


cdef void subtract_product(
    const floating[::strided, ::contiguous] z_below, const floating[::strided, ::contiguous] d, floating[::strided, ::contiguous] out,
    floating keep, floating rate, int unit, int width,
) noexcept nogil:
    """Rows unit..unit+width of out: out <- keep out - rate z' d."""
    cdef int batch = <int> d.shape[0], fan_in = <int> out.shape[0], fan_out = <int> out.shape[1]
    if batch <= SMALL_BATCH:
        multiply_back[floating](&d[0, 0], stride(d), &out[unit, 0], stride(out), NULL, 0,
                                &z_below[0, unit], stride(z_below), batch, width, fan_out, keep, rate)
    else:
        gemm[floating](True, False, width, fan_out, batch, -rate, &z_below[0, unit], stride(z_below),
                       &d[0, 0], stride(d), keep, &out[unit, 0], stride(out))


cdef void update_bias(
    const floating[::strided, ::contiguous] d, floating[::1] bias, floating[::1] velocity, bint has_velocity,
    floating rate, floating momentum,
) noexcept nogil:
    """b <- b - rate sum over examples of d, or the same through a velocity."""
    cdef Py_ssize_t a, k
    cdef floating total
    for k in range(bias.shape[0]):
        total = 0
        for a in range(d.shape[0]):
            total = total + d[a, k]
        if has_velocity:
            velocity[k] = momentum * velocity[k] - rate * total
            bias[k] += velocity[k]
        else:
            bias[k] -= rate * total


cdef void propagate_and_update_tile(
    const floating[::strided, ::contiguous] d, floating[::strided, ::contiguous] weight,
    const floating[::strided, ::contiguous] s_below, const floating[::strided, ::contiguous] z_below, int activation_below, double parameter,
    floating[::strided, ::contiguous] d_below, floating rate, floating decay, int unit, int width,
) noexcept nogil:
    """propagate_tile and update_tile of a small batch without a velocity in one pass over W."""
    cdef int batch = <int> d.shape[0], a
    multiply_back[floating](&d[0, 0], stride(d), &weight[unit, 0], stride(weight), &d_below[0, unit], stride(d_below),
                            &z_below[0, unit], stride(z_below), batch, width, <int> weight.shape[1], 1 - decay, rate)
    for a in range(batch):
        multiply_derivative(activation_below, parameter, &s_below[a, unit], &z_below[a, unit], &d_below[a, unit], width)


def backward_update(
    const floating[::strided, ::contiguous] d, floating[::strided, ::contiguous] weight, floating[::1] bias,
    const floating[::strided, ::contiguous] s_below, const floating[::strided, ::contiguous] z_below, int activation_below,
    floating[::strided, ::contiguous] d_below, floating[::strided, ::contiguous] weight_velocity, floating[::1] bias_velocity,
    double rate, double decay, double momentum, int threads, double parameter=0,
):
    """Propagate d through W and update W and b, tile by tile; see dense.pyi."""
    global last_call
    cdef thread_set seen = 0
    cdef Py_ssize_t batch = d.shape[0], fan_in = weight.shape[0], tile, tiles
    cdef bint propagate = d_below is not None, has_velocity = weight_velocity is not None
    cdef bint one_pass = batch <= SMALL_BATCH and not has_velocity
    cdef int width = ROW_TILE if batch <= SMALL_BATCH else WIDE_TILE, unit, rows, workers
    if not batch:
        last_call = 0
        return
    tiles = (fan_in + width - 1) // width
    workers = team(threads, tiles, batch * fan_in * weight.shape[1])
    for tile in prange(tiles, nogil=True, num_threads=workers, schedule="static"):
        seen |= this_thread()
        unit = <int> tile * width
        rows = <int> min(width, fan_in - unit)
        if propagate and one_pass:
            propagate_and_update_tile(d, weight, s_below, z_below, activation_below, parameter, d_below,
                                      <floating> rate, <floating> decay, unit, rows)
            continue
        if propagate:
            propagate_tile(d, weight, s_below, z_below, activation_below, parameter, d_below, unit, rows)
        update_tile(d, z_below, weight, weight_velocity, has_velocity,
                    <floating> rate, <floating> decay, <floating> momentum, unit, rows)
    last_call = seen
    with nogil:
        update_bias(d, bias, bias_velocity, has_velocity, <floating> rate, <floating> momentum)


def weight_gradient(
    const floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] z_below, floating[::strided, ::contiguous] out, double scale, int threads,
):
    """out = scale z_below' d; see dense.pyi."""
    global last_call
    cdef thread_set seen = 0
    cdef Py_ssize_t batch = d.shape[0], tile, tiles
    cdef int fan_in = <int> out.shape[0], fan_out = <int> out.shape[1], width = WIDE_TILE, unit, workers
    if not batch:
        out[...] = 0
        last_call = 0
        return
    tiles = (fan_in + width - 1) // width
    workers = team(threads, tiles, batch * out.shape[0] * out.shape[1])
    for tile in prange(tiles, nogil=True, num_threads=workers, schedule="static"):
        seen |= this_thread()
        unit = <int> tile * width
        gemm[floating](True, False, <int> min(width, fan_in - unit), fan_out, <int> batch, <floating> scale,
                       &z_below[0, unit], stride(z_below), &d[0, 0], stride(d), 0, &out[unit, 0], stride(out))
    last_call = seen
