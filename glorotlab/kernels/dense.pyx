"""Dense layers s = z W + b, forward and backward.

W has shape (fan_in, fan_out), row-major; z, s and the gradients have one row per example. Rows are contiguous; from
one to the next it may be further than their length (glorotlab.kernels.buffers). Every tile does whole sums, by our own
tiles up to SMALL_BATCH examples and by one single-threaded gemm on tiles cut by shape beyond, so that a result does not
depend on the number of threads. dense.pxd is for a team that has many layers to do (step.pyx), dense.pyi for one.
"""

from cython.parallel cimport parallel
from cython.view cimport contiguous, strided

from glorotlab.kernels._activations cimport LINEAR, activate, multiply_derivative
from glorotlab.kernels._blas cimport floating, gemm
from glorotlab.kernels._tiles cimport multiply, multiply_back

cdef extern from "team.h" nogil:
    int team_thread()
    int team_size()
    void team_wait()

cdef enum:
    SMALL_BATCH = 32     # examples up to which our tiles beat a packing gemm
    EXAMPLE_TILE = 128   # rows of z a tile holds
    COLUMN_STEP = 64     # small batch, forward: a thread's share of the columns is a multiple
    HALVED = 128         # small batch, forward: fan_in from which the rows are summed in two halves
    ROW_TILE = 16        # small batch, backward: rows of W to a tile
    WIDE_TILE = 256      # units of a gemm's tile
    MOST_THREADS = 64    # that are told apart by workers()

WITHOUT_BLAS = SMALL_BATCH  # for Python: examples up to which no BLAS is called

cdef Py_ssize_t parallel_work = 1 << 22  # below it, waking a second thread gains little and risks a stall
cdef unsigned char busy[MOST_THREADS]


def set_parallel_work(Py_ssize_t multiply_adds):
    """Set the work below which one thread does it all, and return what it was; see dense.pyi."""
    global parallel_work
    previous = parallel_work
    parallel_work = multiply_adds
    return previous


def workers():
    """Threads that had a tile of the last call; see dense.pyi."""
    cdef int k, found = 0
    for k in range(MOST_THREADS):
        found += busy[k]
    return found


cdef void new_call() noexcept nogil:
    """Forget which threads had a tile."""
    cdef int k
    for k in range(MOST_THREADS):
        busy[k] = 0


cdef int team(int threads, Py_ssize_t tiles, Py_ssize_t work) noexcept nogil:
    """Threads worth waking for this many tiles and multiply-adds."""
    return <int> min(<Py_ssize_t> threads, tiles) if work > parallel_work else 1


cdef inline int pieces(int length, int size) noexcept nogil:
    return (length + size - 1) // size


cdef inline int share(int units, int threads) noexcept nogil:
    """Columns to a thread: the longer the pieces of W's rows the faster. No sum depends on the cut."""
    return pieces(units, threads * COLUMN_STEP) * COLUMN_STEP


cdef inline void add_bias(const floating* bias, floating* s, int s_stride, int rows, int width) noexcept nogil:
    """s = b, to be summed onto; zero where there is no b."""
    cdef int a, k
    for a in range(rows):
        for k in range(width):
            s[a * s_stride + k] = bias[k] if bias else 0


cdef void forward_small(
    const Dense* layer, int batch, const floating* z, int z_stride, int activation, double parameter,
    floating* s, int s_stride, floating* out, int out_stride,
) noexcept nogil:
    """Two threads read a matrix fastest if each has rows of its own: the upper half of the rows sums into s, the lower
    into out, where f(s) is written when both are done; more threads share the columns.
    """
    cdef const floating* weight = <const floating*> layer.weight
    cdef const floating* bias = <const floating*> layer.bias
    cdef floating* sums
    cdef int thread = team_thread(), threads = team_size()
    cdef int halves = 2 if layer.fan_in >= HALVED and s != out else 1
    cdef int middle = layer.fan_in // 16 * 8 if halves == 2 else layer.fan_in
    cdef int width = share(layer.fan_out, pieces(threads, halves)), columns = pieces(layer.fan_out, width)
    cdef int tile, unit, some, first, rows, stride, a, k
    tile = thread
    while tile < halves * columns:
        busy[thread % MOST_THREADS] = 1
        unit = tile % columns * width
        some = min(width, layer.fan_out - unit)
        first = middle if tile >= columns else 0
        rows = layer.fan_in - middle if first else middle
        sums, stride = (out, out_stride) if first else (s, s_stride)
        add_bias[floating](NULL if first else bias + unit, sums + unit, stride, batch, some)
        multiply[floating](z + first, z_stride, weight + <Py_ssize_t> first * layer.stride + unit, layer.stride,
                           sums + unit, stride, batch, rows, some)
        tile += threads
    team_wait()
    a = thread
    while a < batch:
        if halves == 2:
            for k in range(layer.fan_out):
                s[a * s_stride + k] = s[a * s_stride + k] + out[a * out_stride + k]
        activate[floating](activation, parameter, s + a * s_stride, out + a * out_stride, layer.fan_out)
        a += threads


cdef void forward_large(
    const Dense* layer, int batch, const floating* z, int z_stride, int activation, double parameter,
    floating* s, int s_stride, floating* out, int out_stride,
) noexcept nogil:
    """Tiles of examples and units: s = z W + b by gemm, then f(s) while s is in cache."""
    cdef int thread = team_thread(), threads = team_size(), columns = pieces(layer.fan_out, WIDE_TILE)
    cdef int tile, first, rows, unit, width, a
    tile = thread
    while tile < columns * pieces(batch, EXAMPLE_TILE):
        busy[thread % MOST_THREADS] = 1
        first, unit = tile // columns * EXAMPLE_TILE, tile % columns * WIDE_TILE
        rows, width = min(<int> EXAMPLE_TILE, batch - first), min(<int> WIDE_TILE, layer.fan_out - unit)
        add_bias[floating](<const floating*> layer.bias + unit, s + first * s_stride + unit, s_stride, rows, width)
        gemm[floating](False, False, rows, width, layer.fan_in, 1, z + first * z_stride, z_stride,
                       <const floating*> layer.weight + unit, layer.stride, 1, s + first * s_stride + unit, s_stride)
        for a in range(first, first + rows):
            activate[floating](activation, parameter, s + a * s_stride + unit, out + a * out_stride + unit, width)
        tile += threads


cdef void forward_layer(
    const Dense* layer, int batch, const floating* z, int z_stride, int activation, double parameter,
    floating* s, int s_stride, floating* out, int out_stride,
) noexcept nogil:
    """s = z W + b and out = f(s)."""
    if batch <= SMALL_BATCH:
        forward_small(layer, batch, z, z_stride, activation, parameter, s, s_stride, out, out_stride)
    else:
        forward_large(layer, batch, z, z_stride, activation, parameter, s, s_stride, out, out_stride)
    team_wait()


cdef void propagate(
    const Dense* layer, int batch, const floating* d, int d_stride, floating* d_below, int below_stride, int unit, int width,
) noexcept nogil:
    """d W' of units unit..unit+width below."""
    cdef floating* weight = <floating*> layer.weight + <Py_ssize_t> unit * layer.stride
    if batch <= SMALL_BATCH:
        multiply_back[floating](d, d_stride, weight, layer.stride, d_below + unit, below_stride, NULL, 0,
                                batch, width, layer.fan_out, 1, 0)
    else:
        gemm[floating](False, True, batch, width, layer.fan_out, 1, d, d_stride, weight, layer.stride,
                       0, d_below + unit, below_stride)


cdef void subtract_product(
    const floating* z, int z_stride, const floating* d, int d_stride, int batch, floating* out, int out_stride,
    int width, int fan_out, floating keep, floating rate,
) noexcept nogil:
    """out <- keep out - rate z' d for some rows."""
    if batch <= SMALL_BATCH:
        multiply_back[floating](d, d_stride, out, out_stride, NULL, 0, z, z_stride, batch, width, fan_out, keep, rate)
    else:
        gemm[floating](True, False, width, fan_out, batch, -rate, z, z_stride, d, d_stride, keep, out, out_stride)


cdef void update(
    Dense* layer, int batch, const floating* d, int d_stride, const floating* z, int z_stride, const Descent* descent,
    int unit, int width,
) noexcept nogil:
    """Rows unit..unit+width of W: W <- (1 - decay) W - rate z' d, or the same through a velocity."""
    cdef floating* weight = <floating*> layer.weight + <Py_ssize_t> unit * layer.stride
    cdef floating* velocity
    cdef floating rate = <floating> descent.rate, decay = <floating> descent.decay, momentum = <floating> descent.momentum
    cdef Py_ssize_t i, j, w, v
    if not layer.weight_velocity:
        subtract_product(z + unit, z_stride, d, d_stride, batch, weight, layer.stride, width, layer.fan_out, 1 - decay, rate)
        return
    velocity = <floating*> layer.weight_velocity + <Py_ssize_t> unit * layer.velocity_stride
    for i in range(width):
        v, w = i * layer.velocity_stride, i * layer.stride
        for j in range(layer.fan_out):
            velocity[v + j] = momentum * velocity[v + j] - decay * weight[w + j]
    subtract_product(z + unit, z_stride, d, d_stride, batch, velocity, layer.velocity_stride, width, layer.fan_out, 1, rate)
    for i in range(width):
        v, w = i * layer.velocity_stride, i * layer.stride
        for j in range(layer.fan_out):
            weight[w + j] += velocity[v + j]


cdef void propagate_and_update(
    Dense* layer, int batch, const floating* d, int d_stride, const floating* z, int z_stride,
    floating* d_below, int below_stride, const Descent* descent, int unit, int width,
) noexcept nogil:
    """Both for rows unit..unit+width of W; in one pass where the batch is small and there is no velocity."""
    if batch <= SMALL_BATCH and not layer.weight_velocity:
        multiply_back[floating](
            d, d_stride, <floating*> layer.weight + <Py_ssize_t> unit * layer.stride, layer.stride,
            d_below + unit, below_stride, z + unit, z_stride, batch, width, layer.fan_out,
            <floating> (1 - <floating> descent.decay), <floating> descent.rate,
        )
        return
    propagate[floating](layer, batch, d, d_stride, d_below, below_stride, unit, width)
    update[floating](layer, batch, d, d_stride, z, z_stride, descent, unit, width)


cdef void update_bias(Dense* layer, int batch, const floating* d, int d_stride, const Descent* descent) noexcept nogil:
    """b <- b - rate sum over examples of d, or the same through a velocity."""
    cdef floating* bias = <floating*> layer.bias
    cdef floating* velocity = <floating*> layer.bias_velocity
    cdef floating rate = <floating> descent.rate, momentum = <floating> descent.momentum, total
    cdef int a, k
    for k in range(layer.fan_out):
        total = 0
        for a in range(batch):
            total = total + d[a * d_stride + k]
        if velocity:
            velocity[k] = momentum * velocity[k] - rate * total
            bias[k] += velocity[k]
        else:
            bias[k] -= rate * total


cdef void backward_layer(
    Dense* layer, int batch, const floating* d, int d_stride, int activation_below, double parameter,
    const floating* s_below, int s_stride, const floating* z_below, int z_stride,
    floating* d_below, int below_stride, const Descent* descent,
) noexcept nogil:
    """d_below = (d W') f'(s_below) (Glorot & Bengio 2010, eq. 2) unless it is NULL, then W and b take their step unless
    ``descent`` is NULL, while each tile of W is in cache.
    """
    cdef int thread = team_thread(), threads = team_size(), size = ROW_TILE if batch <= SMALL_BATCH else WIDE_TILE
    cdef int tiles = pieces(layer.fan_in, size), tile, unit, width, a
    for tile in range(<int> (<Py_ssize_t> tiles * thread // threads), <int> (<Py_ssize_t> tiles * (thread + 1) // threads)):
        busy[thread % MOST_THREADS] = 1
        unit = tile * size
        width = min(size, layer.fan_in - unit)
        if not descent:
            propagate(layer, batch, d, d_stride, d_below, below_stride, unit, width)
        elif not d_below:
            update(layer, batch, d, d_stride, z_below, z_stride, descent, unit, width)
        else:
            propagate_and_update(layer, batch, d, d_stride, z_below, z_stride, d_below, below_stride, descent, unit, width)
        for a in range(batch if d_below else 0):
            multiply_derivative[floating](activation_below, parameter, s_below + a * s_stride + unit,
                                          z_below + a * z_stride + unit, d_below + a * below_stride + unit, width)
    if descent and thread == threads - 1:
        update_bias(layer, batch, d, d_stride, descent)
    team_wait()


cdef inline int stride(const floating[::strided, ::contiguous] matrix) noexcept nogil:
    """Elements from one row to the next."""
    return <int> (matrix.strides[0] // sizeof(floating))


def forward(
    const floating[::strided, ::contiguous] z, const floating[::strided, ::contiguous] weight, const floating[::1] bias, int activation,
    floating[::strided, ::contiguous] s, floating[::strided, ::contiguous] out, int threads,
    double parameter=0,
):
    """s = z W + b and out = f(s); see dense.pyi."""
    cdef int batch = <int> z.shape[0], tiles
    cdef Dense layer = Dense(<int> weight.shape[0], <int> weight.shape[1], stride(weight), 0,
                             <void*> &weight[0, 0], <void*> &bias[0], NULL, NULL)
    new_call()
    if not batch:
        return
    tiles = 2 * layer.fan_out if batch <= SMALL_BATCH else pieces(layer.fan_out, WIDE_TILE) * pieces(batch, EXAMPLE_TILE)
    threads = team(threads, tiles, <Py_ssize_t> batch * layer.fan_in * layer.fan_out)
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
    cdef Dense layer = Dense(<int> weight.shape[0], <int> weight.shape[1], stride(weight), 0,
                             <void*> &weight[0, 0], NULL, NULL, NULL)
    new_call()
    if not batch:
        return
    threads = team(threads, layer.fan_in, <Py_ssize_t> batch * layer.fan_in * layer.fan_out)
    with nogil, parallel(num_threads=threads):
        backward_layer[floating](&layer, batch, &d[0, 0], stride(d), activation_below, parameter,
                                 &s_below[0, 0], stride(s_below), &z_below[0, 0], stride(z_below),
                                 &d_below[0, 0], stride(d_below), NULL)


def backward_update(
    const floating[::strided, ::contiguous] d, floating[::strided, ::contiguous] weight, floating[::1] bias,
    const floating[::strided, ::contiguous] s_below, const floating[::strided, ::contiguous] z_below, int activation_below,
    floating[::strided, ::contiguous] d_below, floating[::strided, ::contiguous] weight_velocity, floating[::1] bias_velocity,
    double rate, double decay, double momentum, int threads, double parameter=0,
):
    """Propagate d through W and update W and b, tile by tile; see dense.pyi."""
    cdef int batch = <int> d.shape[0]
    cdef bint below = d_below is not None, moving = weight_velocity is not None
    cdef Dense layer = Dense(<int> weight.shape[0], <int> weight.shape[1], stride(weight), 0, &weight[0, 0], &bias[0], NULL, NULL)
    cdef Descent descent = Descent(rate, decay, momentum)
    new_call()
    if not batch:
        return
    if moving:
        layer.velocity_stride = stride(weight_velocity)
        layer.weight_velocity, layer.bias_velocity = &weight_velocity[0, 0], &bias_velocity[0]
    threads = team(threads, layer.fan_in, <Py_ssize_t> batch * layer.fan_in * layer.fan_out)
    with nogil, parallel(num_threads=threads):
        backward_layer[floating](&layer, batch, &d[0, 0], stride(d), activation_below, parameter,
                                 &s_below[0, 0] if below else NULL, stride(s_below) if below else 0,
                                 &z_below[0, 0], stride(z_below),
                                 &d_below[0, 0] if below else NULL, stride(d_below) if below else 0, &descent)


def weight_gradient(
    const floating[::strided, ::contiguous] d, const floating[::strided, ::contiguous] z_below, floating[::strided, ::contiguous] out, double scale, int threads,
):
    """out = scale z_below' d; see dense.pyi."""
    cdef int batch = <int> d.shape[0], fan_in = <int> out.shape[0], fan_out = <int> out.shape[1]
    new_call()
    if not batch:
        out[...] = 0
        return
    threads = team(threads, pieces(fan_in, WIDE_TILE), <Py_ssize_t> batch * fan_in * fan_out)
    with nogil, parallel(num_threads=threads):
        gradient_tiles[floating](&d[0, 0], stride(d), batch, &z_below[0, 0], stride(z_below), &out[0, 0], stride(out),
                                 fan_in, fan_out, <floating> scale)


cdef void gradient_tiles(
    const floating* d, int d_stride, int batch, const floating* z, int z_stride, floating* out, int out_stride,
    int fan_in, int fan_out, floating scale,
) noexcept nogil:
    cdef int thread = team_thread(), tile, unit
    tile = thread
    while tile < pieces(fan_in, WIDE_TILE):
        busy[thread % MOST_THREADS] = 1
        unit = tile * WIDE_TILE
        gemm[floating](True, False, min(<int> WIDE_TILE, fan_in - unit), fan_out, batch, scale, z + unit, z_stride,
                       d, d_stride, 0, out + unit * out_stride, out_stride)
        tile += team_size()
