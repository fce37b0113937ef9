"""Dense layers s = z W + b, forward and backward.

W has shape (fan_in, fan_out), row-major; z, s and the gradients have one row per example. Rows are contiguous; from
one to the next it may be further than their length (buffers.py). Every tile does whole sums in an order set by the
shape, so that a result does not depend on the number of threads. dense.pxd is for a team that has many layers to do
(step.pyx), dense.pyi for one.
"""

from cython cimport floating
from cython.parallel cimport parallel
from cython.view cimport contiguous, strided
from libc.string cimport memset

from glorotlab.kernels.network.buffers import padded_matrix

from glorotlab.kernels.network._activations cimport LINEAR, activate, multiply_derivative
from glorotlab.kernels.network._biases cimport COLUMN_STEP, update_biases
from glorotlab.kernels.network._own_rates cimport step_by_factors
from glorotlab.kernels.network._packing cimport (
    SIDE_BY_SIDE, needs_strips, pack, packed_size, panels_size, row_of_transpose, shares_examples, transpose,
)
from glorotlab.kernels.network._team cimport (
    CLOSED, SHARE_SIZE, FloatingPointMode, flush_subnormals, pieces, restore_subnormals, team_close, team_open, team_size,
    team_take, team_thread, team_wait,
)
from glorotlab.kernels.network._tiles cimport ROW_TILE, SMALL_BATCH, back_and_update, multiply, needs_panels

cdef enum:
    HALVED = 128         # forward: fan_in from which the rows are summed in two halves
    EXAMPLE_TILE = 128   # forward: examples whose sums stay in the second cache while W passes by
    MANY = 64            # forward: examples from which each thread's share is cut into TILES_TO_SHARE tiles
    TILES_TO_SHARE = 4   # so that a thread that is done has something to take
    ROW_STEP = 12        # backward: rows of W at least that a thread takes
    MOST_THREADS = 64    # that are told apart by workers()
    STEP_SHARE = 16      # of parallel_work: to each thread between two waits, in a call of many steps

DTYPES = {4: "float32", 8: "float64"}

cdef Py_ssize_t parallel_work = 4000000  # of a call, below which waking a second thread gains little and risks a stall
cdef unsigned char busy[MOST_THREADS]


def set_parallel_work(Py_ssize_t multiply_adds):
    """Set the work below which one thread does it all, and return what it was; see dense.pyi."""
    global parallel_work
    previous = parallel_work
    parallel_work = multiply_adds
    return previous


def workers():
    """Threads that had a share of the last call; see dense.pyi."""
    cdef int k, found = 0
    for k in range(MOST_THREADS):
        found += busy[k]
    return found


def packed_elements(int batch, int fan_out):
    """Elements of the buffer in which a step packs d; see dense.pyi."""
    return packed_size(batch, fan_out, True)


cdef void new_call() noexcept nogil:
    """Forget which threads had a share."""
    cdef int k
    for k in range(MOST_THREADS):
        busy[k] = 0


cdef int team(int threads, Py_ssize_t tiles, Py_ssize_t work) noexcept nogil:
    """Threads worth waking for a call of this many tiles and multiply-adds."""
    return <int> min(<Py_ssize_t> threads, tiles) if work > parallel_work else 1


cdef int team_of_steps(int threads, Py_ssize_t work, int waits, Py_ssize_t steps) noexcept nogil:
    """The same for a call of many steps of so much work, in each of which the threads wait for each other so many times.

    The team is awake from the first step to the last, and what is left are the waits: a second thread has to gain more
    between two of them, in the mean, than one costs.
    """
    cdef Py_ssize_t most = STEP_SHARE * (work // waits) // parallel_work if parallel_work else threads
    return team(<int> min(<Py_ssize_t> threads, max(<Py_ssize_t> 1, most)), threads, work * steps)


cdef inline int share(int units, int threads) noexcept nogil:
    """Columns to a thread: the longer the pieces of W's rows the faster. No sum depends on the cut."""
    return pieces(units, threads * COLUMN_STEP) * COLUMN_STEP


cdef inline int groups_of_examples(int batch, int threads) noexcept nogil:
    """As many for each thread, whose sums stay in the second cache; or fewer, of a block of registers."""
    return min(pieces(pieces(batch, EXAMPLE_TILE), threads) * threads, pieces(batch, SMALL_BATCH))


cdef inline void add_row(const floating* half, floating* s, int width) noexcept nogil:
    cdef int k
    for k in range(width):
        s[k] += half[k]


cdef void forward_halves(
    const Dense* layer, int batch, const floating* z, int z_stride, int activation, double parameter,
    floating* s, int s_stride, floating* out, int out_stride,
) noexcept nogil:
    """For one block of examples. Two threads read a matrix fastest if each has rows of its own: the upper half of the rows
    sums into s, the lower into out, where f(s) is written when both are done; more threads share the columns.
    """
    cdef const floating* weight = <const floating*> layer.weight
    cdef const floating* bias = <const floating*> layer.bias
    cdef floating* sums
    cdef int thread = team_thread(), threads = team_size(), middle = layer.fan_in // 16 * 8
    cdef int width = share(layer.fan_out, pieces(threads, 2)), columns = pieces(layer.fan_out, width)
    cdef int tile = thread, unit, some, first, rows, stride, a = thread
    while tile < 2 * columns:
        busy[thread % MOST_THREADS] = 1
        unit = tile % columns * width
        some = min(width, layer.fan_out - unit)
        first = middle if tile >= columns else 0
        rows = layer.fan_in - middle if first else middle
        sums, stride = (out, out_stride) if first else (s, s_stride)
        multiply[floating](z + first, z_stride, weight + <Py_ssize_t> first * layer.stride + unit, layer.stride,
                           NULL if first else bias + unit, 0, sums + unit, stride, batch, rows, some)
        tile += threads
    team_wait()
    while a < batch:
        add_row[floating](out + <Py_ssize_t> a * out_stride, s + <Py_ssize_t> a * s_stride, layer.fan_out)
        activate[floating](activation, parameter, s + <Py_ssize_t> a * s_stride, s_stride,
                           out + <Py_ssize_t> a * out_stride, out_stride, 1, layer.fan_out)
        a += threads


cdef void forward_whole(
    const Dense* layer, int batch, const floating* z, int z_stride, int activation, double parameter,
    floating* s, int s_stride, floating* out, int out_stride,
) noexcept nogil:
    """Threads share the examples, as far as each has a block of them, and then the columns; of many examples in several
    tiles for each thread, so that there is something to help with."""
    cdef const floating* weight = <const floating*> layer.weight
    cdef const floating* bias = <const floating*> layer.bias
    cdef int thread = team_thread(), threads = team_size(), owner, helped = 0, tile, unit, width, first, rows
    cdef int groups = groups_of_examples(batch, threads), most = pieces(batch, groups)
    cdef int cuts = TILES_TO_SHARE * threads if threads > 1 and batch >= MANY else threads
    cdef int share_of_columns = share(layer.fan_out, max(1, cuts // groups))
    cdef int columns = pieces(layer.fan_out, share_of_columns)
    if thread < groups * columns and thread // columns * most < batch:
        busy[thread % MOST_THREADS] = 1
    team_open(layer.shares)
    while helped < threads:
        owner = (thread + helped) % threads
        tile = team_take(layer.shares, owner)
        if tile >= pieces(groups * columns - owner, threads):
            helped += 1
            continue
        tile = owner + tile * threads
        first, unit = tile // columns * most, tile % columns * share_of_columns
        rows, width = min(most, batch - first), min(share_of_columns, layer.fan_out - unit)
        if rows > 0:
            multiply[floating](z + <Py_ssize_t> first * z_stride, z_stride, weight + unit, layer.stride, bias + unit, 0,
                               s + <Py_ssize_t> first * s_stride + unit, s_stride, rows, layer.fan_in, width)
            if activation != LINEAR or s != out:
                activate[floating](activation, parameter, s + <Py_ssize_t> first * s_stride + unit, s_stride,
                                   out + <Py_ssize_t> first * out_stride + unit, out_stride, rows, width)
    team_close(layer.shares)


cdef void forward_layer(
    const Dense* layer, int batch, const floating* z, int z_stride, int activation, double parameter,
    floating* s, int s_stride, floating* out, int out_stride,
) noexcept nogil:
    """s = z W + b and out = f(s)."""
    if batch <= SMALL_BATCH and layer.fan_in >= HALVED and s != out:
        forward_halves(layer, batch, z, z_stride, activation, parameter, s, s_stride, out, out_stride)
    else:
        forward_whole(layer, batch, z, z_stride, activation, parameter, s, s_stride, out, out_stride)
    team_wait()


cdef inline int first_row(int rows, int thread, int threads) noexcept nogil:
    """Of the rows of W that a thread has; for the next thread, the end of them."""
    return <int> min(<Py_ssize_t> pieces(rows, ROW_STEP) * thread // threads * ROW_STEP, <Py_ssize_t> rows)


cdef void backward_examples(
    const Dense* layer, int batch, const floating* d, int d_stride, int activation_below, double parameter,
    const floating* s_below, int s_stride, const floating* z_below, int z_stride,
    floating* d_below, int below_stride, floating* transposed,
) noexcept nogil:
    """d_below = (d W') f'(s_below) where shares_examples(): a forward product with W', which fits ``transposed``."""
    cdef int thread = team_thread(), threads = team_size(), stride = row_of_transpose(layer.fan_in), first, rows
    cdef int groups = groups_of_examples(batch, threads), most = pieces(batch, groups)
    transpose[floating](<const floating*> layer.weight, layer.stride, transposed, layer.fan_in, layer.fan_out)
    team_wait()
    first = thread * most
    while first < batch:
        busy[thread % MOST_THREADS] = 1
        rows = min(most, batch - first)
        multiply[floating](d + <Py_ssize_t> first * d_stride, d_stride, transposed, stride, NULL, 0,
                           d_below + <Py_ssize_t> first * below_stride, below_stride, rows, layer.fan_out, layer.fan_in)
        multiply_derivative[floating](
            activation_below, parameter, s_below + <Py_ssize_t> first * s_stride, s_stride,
            z_below + <Py_ssize_t> first * z_stride, z_stride,
            d_below + <Py_ssize_t> first * below_stride, below_stride, rows, layer.fan_in,
        )
        first += threads * most
    team_wait()


cdef void backward_tile(
    const Dense* layer, int batch, const floating* d, int d_stride, const floating* panels, const floating* strips,
    int activation_below, double parameter, const floating* s_below, int s_stride, const floating* z_below, int z_stride,
    floating* d_below, int below_stride, const Descent* descent, int unit, int rows,
) noexcept nogil:
    """Rows of W from ``unit`` on: d_below = (d W') f'(s_below) unless it is NULL, then a step of W unless ``descent`` is."""
    cdef floating* velocity = <floating*> layer.weight_velocity
    cdef bint by_factors = descent != NULL and layer.weight_rate != NULL, fused = descent != NULL and not by_factors
    back_and_update[floating](
        d, d_stride, panels, strips, <floating*> layer.weight + <Py_ssize_t> unit * layer.stride, layer.stride,
        velocity + <Py_ssize_t> unit * layer.velocity_stride if velocity else NULL, layer.velocity_stride,
        d_below + unit if d_below else NULL, below_stride, z_below + unit if fused else NULL, z_stride,
        batch, rows, layer.fan_out, descent,
    )
    if by_factors:
        step_by_factors[floating](layer, batch, d, d_stride, z_below + unit, z_stride, unit, rows, descent)
    if d_below:
        multiply_derivative[floating](activation_below, parameter, s_below + unit, s_stride, z_below + unit, z_stride,
                                      d_below + unit, below_stride, batch, rows)


cdef void backward_tiles(
    const Dense* layer, int batch, const floating* d, int d_stride, const floating* panels, const floating* strips,
    int activation_below, double parameter, const floating* s_below, int s_stride, const floating* z_below, int z_stride,
    floating* d_below, int below_stride, const Descent* descent,
) noexcept nogil:
    """The same of all rows, tile by tile. The last that a thread has are in cache, and the next step needs the first."""
    cdef int thread = team_thread(), threads = team_size(), owner, helped = 0, tile, first, end, unit
    if first_row(layer.fan_in, thread, threads) < first_row(layer.fan_in, thread + 1, threads):
        busy[thread % MOST_THREADS] = 1
    team_open(layer.shares)
    while helped < threads:
        owner = (thread + helped) % threads
        first, end = first_row(layer.fan_in, owner, threads), first_row(layer.fan_in, owner + 1, threads)
        tile = pieces(end - first, ROW_TILE) - 1 - team_take(layer.shares, owner)
        if tile < 0:
            helped += 1
            continue
        unit = first + tile * ROW_TILE
        backward_tile[floating](
            layer, batch, d, d_stride, panels, strips, activation_below, parameter, s_below, s_stride, z_below, z_stride,
            d_below, below_stride, descent, unit, min(<int> ROW_TILE, end - unit),
        )
    team_close(layer.shares)


cdef void backward_rows(
    const Dense* layer, int batch, const floating* d, int d_stride, int activation_below, double parameter,
    const floating* s_below, int s_stride, const floating* z_below, int z_stride,
    floating* d_below, int below_stride, floating* packed, const Descent* descent,
) noexcept nogil:
    """The same as backward_tiles, with d packed first; a large d goes back and steps in two passes, packed for each."""
    cdef bint fused = descent != NULL and layer.weight_rate == NULL
    cdef floating* panels = packed if d_below and needs_panels(batch, fused) else NULL
    cdef floating* strips = packed if fused and needs_strips(batch, layer.fan_out, sizeof(floating)) else NULL
    if panels and strips and batch <= SIDE_BY_SIDE:
        strips += panels_size(batch, layer.fan_out)
    elif panels and strips:
        pack[floating](batch, layer.fan_out, d, d_stride, panels, NULL)
        backward_tiles[floating](layer, batch, d, d_stride, panels, NULL, activation_below, parameter, s_below, s_stride,
                                 z_below, z_stride, d_below, below_stride, NULL)
        team_wait()
        panels = d_below = NULL
    pack[floating](batch, layer.fan_out, d, d_stride, panels, strips)
    backward_tiles[floating](layer, batch, d, d_stride, panels, strips, activation_below, parameter, s_below, s_stride,
                             z_below, z_stride, d_below, below_stride, descent)


cdef void backward_layer(
    const Dense* layer, int batch, const floating* d, int d_stride, int activation_below, double parameter,
    const floating* s_below, int s_stride, const floating* z_below, int z_stride,
    floating* d_below, int below_stride, floating* packed, const Descent* descent,
) noexcept nogil:
    """d_below = (d W') f'(s_below) (Glorot & Bengio 2010, eq. 2) unless it is NULL, then W and b take their step unless
    ``descent`` is NULL.
    """
    cdef int unit = COLUMN_STEP * team_thread()
    if d_below and shares_examples(batch, layer.fan_in, layer.fan_out, sizeof(floating)):
        backward_examples[floating](layer, batch, d, d_stride, activation_below, parameter, s_below, s_stride,
                                    z_below, z_stride, d_below, below_stride, packed)
        d_below = NULL
    if d_below or descent:
        backward_rows[floating](layer, batch, d, d_stride, activation_below, parameter, s_below, s_stride,
                                z_below, z_stride, d_below, below_stride, packed, descent)
    while descent and unit < layer.fan_out:
        update_biases[floating](layer, batch, d, d_stride, descent, unit, min(<int> COLUMN_STEP, layer.fan_out - unit))
        unit += COLUMN_STEP * team_size()
    team_wait()


cdef inline int stride(const floating[::strided, ::contiguous] matrix) noexcept nogil:
    """Elements from one row to the next."""
    return <int> (matrix.strides[0] // sizeof(floating))


cdef closed_shares(int threads):
    """Counters of the threads' shares (team.h), closed, for a team of so many."""
    shares = padded_matrix(threads, SHARE_SIZE, "int32")
    shares[...] = CLOSED
    return shares


def forward(
    const floating[::strided, ::contiguous] z, const floating[::strided, ::contiguous] weight, const floating[::1] bias, int activation,
    floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] out, int threads,
    double parameter=0,
):
    """s = z W + b and out = f(s); see dense.pyi."""
    cdef int batch = <int> z.shape[0]
    cdef Dense layer = Dense(<int> weight.shape[0], <int> weight.shape[1], stride(weight), 0, 0,
                             <void*> &weight[0, 0], <void*> &bias[0], NULL, NULL, NULL, NULL, NULL, NULL)
    new_call()
    if not batch:
        return
    threads = team(threads, <Py_ssize_t> batch * layer.fan_out, <Py_ssize_t> batch * layer.fan_in * layer.fan_out)
    shares = closed_shares(threads)
    layer.shares = <int*> <size_t> shares.ctypes.data
    with nogil, parallel(num_threads=threads):
        forward_layer[floating](&layer, batch, &z[0, 0], stride(z), activation, parameter,
                                &s[0, 0], stride(s), &out[0, 0], stride(out))


def backward(
    const floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] weight,
    const floating[::strided, ::contiguous] s_below, const floating[::strided, ::contiguous] z_below, int activation_below,
    floating[::strided, ::contiguous] d_below, int threads, double parameter=0,
):
    """d_below = (d W') f'(s_below); see dense.pyi."""
    cdef int batch = <int> d.shape[0]
    cdef Dense layer = Dense(<int> weight.shape[0], <int> weight.shape[1], stride(weight), 0, 0,
                             <void*> &weight[0, 0], NULL, NULL, NULL, NULL, NULL, NULL, NULL)
    new_call()
    if not batch:
        return
    work_space = padded_matrix(1, packed_size(batch, layer.fan_out, False), DTYPES[sizeof(floating)])
    cdef floating* packed = <floating*> <size_t> work_space.ctypes.data
    threads = team(threads, pieces(layer.fan_in, ROW_STEP), <Py_ssize_t> batch * layer.fan_in * layer.fan_out)
    shares = closed_shares(threads)
    layer.shares = <int*> <size_t> shares.ctypes.data
    with nogil, parallel(num_threads=threads):
        backward_layer[floating](&layer, batch, &d[0, 0], stride(d), activation_below, parameter,
                                 &s_below[0, 0], stride(s_below), &z_below[0, 0], stride(z_below),
                                 &d_below[0, 0], stride(d_below), packed, NULL)


def backward_update(
    const floating[::strided, ::contiguous] d, floating[::strided, ::contiguous] weight, floating[::1] bias,
    const floating[::strided, ::contiguous] s_below, const floating[::strided, ::contiguous] z_below, int activation_below,
    floating[::strided, ::contiguous] d_below, floating[::strided, ::contiguous] weight_velocity, floating[::1] bias_velocity,
    double rate, double decay, double momentum, bint nesterov, int threads, double parameter=0,
    const floating[::strided, ::contiguous] weight_rate=None, const floating[::1] bias_rate=None,
):
    """Propagate d through W and update W and b, tile by tile; see dense.pyi."""
    cdef int batch = <int> d.shape[0]
    cdef bint below = d_below is not None, moving = weight_velocity is not None, by_factors = weight_rate is not None
    cdef Dense layer = Dense(<int> weight.shape[0], <int> weight.shape[1], stride(weight), 0, 0,
                             &weight[0, 0], &bias[0], NULL, NULL, NULL, NULL, NULL, NULL)
    cdef Descent descent = Descent(rate, decay, momentum, nesterov)
    cdef FloatingPointMode before = 0
    new_call()
    if not batch:
        return
    if moving:
        layer.velocity_stride = stride(weight_velocity)
        layer.weight_velocity, layer.bias_velocity = &weight_velocity[0, 0], &bias_velocity[0]
    work_space = padded_matrix(1, packed_size(batch, layer.fan_out, not by_factors), DTYPES[sizeof(floating)])
    cdef floating* packed = <floating*> <size_t> work_space.ctypes.data
    threads = team(threads, pieces(layer.fan_in, ROW_STEP), <Py_ssize_t> batch * layer.fan_in * layer.fan_out)
    shares = closed_shares(threads)
    layer.shares = <int*> <size_t> shares.ctypes.data
    if by_factors:
        layer.rate_stride = stride(weight_rate)
        layer.weight_rate, layer.bias_rate = <void*> &weight_rate[0, 0], <void*> &bias_rate[0]
        steps = padded_matrix(threads * ROW_TILE, layer.fan_out, DTYPES[sizeof(floating)])
        layer.steps = <void*> <size_t> steps.ctypes.data
    with nogil, parallel(num_threads=threads):
        before = flush_subnormals()
        backward_layer[floating](&layer, batch, &d[0, 0], stride(d), activation_below, parameter,
                                 &s_below[0, 0] if below else NULL, stride(s_below) if below else 0,
                                 &z_below[0, 0], stride(z_below),
                                 &d_below[0, 0] if below else NULL, stride(d_below) if below else 0, packed, &descent)
        restore_subnormals(before)


def weight_gradient(
    const floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] z_below, floating[::strided, ::contiguous] out, double scale, int threads,
):
    """out = scale z_below' d; see dense.pyi."""
    cdef int batch = <int> d.shape[0], fan_in = <int> out.shape[0], fan_out = <int> out.shape[1]
    new_call()
    if not batch:
        out[...] = 0
        return
    threads = team(threads, pieces(fan_in, ROW_STEP), <Py_ssize_t> batch * fan_in * fan_out)
    with nogil, parallel(num_threads=threads):
        gradient_tiles[floating](&d[0, 0], stride(d), batch, &z_below[0, 0], stride(z_below), &out[0, 0], stride(out),
                                 fan_in, fan_out, scale)


cdef void gradient_tiles(
    const floating* d, int d_stride, int batch, const floating* z, int z_stride, floating* out, int out_stride,
    int fan_in, int fan_out, double scale,
) noexcept nogil:
    """A step of -scale from 0."""
    cdef int thread = team_thread(), threads = team_size(), tile, unit, width, row
    cdef int first = first_row(fan_in, thread, threads), end = first_row(fan_in, thread + 1, threads)
    cdef floating* rows
    cdef Descent descent = Descent(-scale, 0, 0, False)
    for tile in range(pieces(end - first, ROW_TILE) - 1, -1, -1):
        busy[thread % MOST_THREADS] = 1
        unit = first + tile * ROW_TILE
        rows, width = out + <Py_ssize_t> unit * out_stride, min(<int> ROW_TILE, end - unit)
        for row in range(width):
            memset(rows + <Py_ssize_t> row * out_stride, 0, fan_out * sizeof(floating))
        back_and_update[floating](d, d_stride, NULL, NULL, rows, out_stride, NULL, 0, NULL, 0, z + unit, z_stride,
                                batch, width, fan_out, &descent)
