"""Images of Shapeset-3x2 (Glorot & Bengio 2010, section 2.1), each a function of (seed, purpose, index) alone.

The distribution is that of the generator Glorot published (package "Shapeset", example "Shapeset-3*2"); the
random numbers are those of stream (seed, purpose, index) of glorotlab.streams, taken in this order: polarity,
number of objects, level of the ground; then for each object its kind, pre-rotation, rotation and level, and
for each attempt to place it two scales and two shifts.

Objects are rasterised to one span a row; then all 1,024 pixels are written in one vectorised pass without branches,
since a CPU cannot predict where a loop over a span ends.
"""

from cython cimport floating
from cython.parallel cimport prange
from cython.view cimport contiguous, strided
from libc.math cimport M_LN2, M_PI, cos, exp, sin, sqrt
from libc.stdint cimport uint64_t

from glorotlab.kernels.network.batch_source cimport BatchSource
from glorotlab.kernels._philox cimport Philox, start as start_stream, uniform
from glorotlab.kernels.simd cimport cloned_void

from glorotlab.checks import whole_number
from glorotlab.errors import InvalidValueError
from glorotlab.streams import MAX_SEED, check_seed

cdef extern from "Python.h":
    const Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    SIDE = 32
    PIXELS = SIDE * SIDE
    KINDS = 3
    CLASSES = 9
    MAX_VERTICES = 20
    ANGLES = 255  # rotations are multiples of 2 pi / 255
    FINAL_ANGLES = 254  # the last of them is never drawn
    MAX_REJECTIONS = 50
    DARK_LOW = 0
    DARK_HIGH = 114  # int(0.45 * 255)
    LIGHT_LOW = 140  # int(0.55 * 255)
    LIGHT_HIGH = 255

cdef double SCALE_LOW = 0.2, SCALE_HIGH = 0.8, MAX_OVERLAP = 0.5

# Tables over the kinds 0 triangle, 1 parallelogram, 2 ellipse, and over the angles.
cdef int VERTICES[KINDS]
cdef int PAIR_CLASS[KINDS][KINDS]
cdef double AREA_RATIO[KINDS]  # regular polygon to its circle
cdef double POLYGON_X[KINDS][MAX_VERTICES]
cdef double POLYGON_Y[KINDS][MAX_VERTICES]
cdef double COS[ANGLES]
cdef double SIN[ANGLES]
cdef int RECIPROCAL[SIDE]  # ceil(2**16 / k)

VERTICES[:] = [3, 4, 20]
PAIR_CLASS[0][:] = [6, 3, 5]
PAIR_CLASS[1][:] = [3, 7, 4]
PAIR_CLASS[2][:] = [5, 4, 8]

cdef void fill_tables() noexcept:
    cdef int kind, k, v
    cdef double angle
    for k in range(ANGLES):
        COS[k] = cos(2 * M_PI * k / ANGLES)
        SIN[k] = sin(2 * M_PI * k / ANGLES)
    for k in range(1, SIDE):
        RECIPROCAL[k] = ((1 << 16) + k - 1) // k
    for kind in range(KINDS):
        v = VERTICES[kind]
        AREA_RATIO[kind] = v * sin(2 * M_PI / v) / (2 * M_PI)
        for k in range(v):
            angle = 2 * M_PI * (<double>k / v + 0.5 / v + 0.25)
            POLYGON_X[kind][k] = 0.5 * cos(angle)
            POLYGON_Y[kind][k] = 0.5 * sin(angle)

fill_tables()


cdef struct Shape:
    int kind
    double area  # s0 s1 a(v): its area up to the factor pi / 4
    double centre_x, centre_y
    double x[MAX_VERTICES]  # vertices about the centre
    double y[MAX_VERTICES]


cdef struct Spans:
    float value
    int low[SIDE]  # first and last column of each row; an empty row has low > high
    int high[SIDE]


cdef inline int whole(Philox* stream, int low, int high) noexcept nogil:
    """Whole number uniform in [low, high], both included."""
    return low + <int>(uniform(stream) * (high - low + 1))


cdef inline int pre_rotation(Philox* stream, int vertices) noexcept nogil:
    """Index of the rotation before scaling: about plus or minus half a sector of the regular polygon."""
    cdef int index = whole(stream, 0, ANGLES // vertices - 1)
    if index > 254 // (2 * vertices):
        index = min(ANGLES - 254 // vertices + index, 254)
    return index


cdef inline double shift(Philox* stream, double lowest, double highest) noexcept nogil:
    """Place of a centre that keeps [lowest, highest] about it inside the image with one pixel of margin."""
    cdef double low = max(0.0, 1 - lowest), high = min(<double>SIDE, SIDE - 1 - highest)
    return low + uniform(stream) * (high - low)


cdef inline void place(Philox* stream, Shape* shape, int before, int after) noexcept nogil:
    """Draw scales and shift of a shape whose kind and two rotations (indices) stand, and compute its vertices.

    The linear map is R(before) diag(s) R(back) R(after). The first three factors make a lower triangular
    matrix, since tan(back) = -s1/s0 tan(before) is chosen to lay the base flat: [[h, 0], [shear, s0 s1 / h]]
    with h = |(s0 cos, s1 sin)| of ``before``. So no arctangent is taken and no angle computed.
    """
    cdef double a = SIDE * (SCALE_LOW + (SCALE_HIGH - SCALE_LOW) * uniform(stream))
    cdef double b = SIDE * (SCALE_LOW + (SCALE_HIGH - SCALE_LOW) * uniform(stream))
    cdef double s0 = max(a, b), s1 = min(a, b)
    cdef double c = COS[before], s = SIN[before]
    cdef double h = sqrt(s0 * s0 * c * c + s1 * s1 * s * s)
    cdef double shear = c * s * (s1 * s1 - s0 * s0) / h, height = s0 * s1 / h
    c = COS[after]
    s = SIN[after]
    cdef double xx = h * c, xy = h * s, yx = shear * c - height * s, yy = shear * s + height * c
    cdef double low_x = 0, high_x = 0, low_y = 0, high_y = 0, x, y
    cdef int k
    for k in range(VERTICES[shape.kind]):
        x = POLYGON_X[shape.kind][k] * xx + POLYGON_Y[shape.kind][k] * yx
        y = POLYGON_X[shape.kind][k] * xy + POLYGON_Y[shape.kind][k] * yy
        low_x, high_x = min(low_x, x), max(high_x, x)
        low_y, high_y = min(low_y, y), max(high_y, y)
        shape.x[k] = x
        shape.y[k] = y
    shape.area = s0 * s1 * AREA_RATIO[shape.kind]
    shape.centre_x = shift(stream, low_x, high_x)
    shape.centre_y = shift(stream, low_y, high_y)


cdef inline double extent(const Shape* shape, double ux, double uy) noexcept nogil:
    """How far the shape reaches from its centre along the direction u."""
    cdef double reach = 0
    cdef int k
    for k in range(VERTICES[shape.kind]):
        reach = max(reach, shape.x[k] * ux + shape.y[k] * uy)
    return reach


cdef inline bint hides_too_much(const Shape* first, const Shape* second) noexcept nogil:
    """Whether the estimated overlap, as a share of the first shape, exceeds MAX_OVERLAP."""
    cdef double ux = second.centre_x - first.centre_x, uy = second.centre_y - first.centre_y
    cdef double distance = sqrt(ux * ux + uy * uy)
    ux /= distance
    uy /= distance
    cdef double depth = extent(first, ux, uy) + extent(second, -ux, -uy) - distance
    if depth < 0:
        return False
    return second.area * (1 - exp(-depth * M_LN2 / distance)) > MAX_OVERLAP * first.area


cdef inline void cross(int* side, int x0, int y0, int x1, int y1, int bottom) noexcept nogil:
    """Columns at which the edge from (x0, y0) down to (x1, y1) crosses the rows: x0 + (y - y0) (x1 - x0) / (y1 - y0).

    An edge crosses the rows y0 <= y < y1, and y1 too where that is the polygon's last row. The quotient is
    truncated, as in C, and taken in steps of 2**-16 instead of divisions: with k rows, width and height of the edge,
    k width ceil(2**16 / height) / 2**16 exceeds k width / height by less than 31**2 / 2**16 < 1 / 31 <= 1 / height,
    so it never reaches the next whole number.
    """
    cdef int y, way = 1 if x1 >= x0 else -1, distance = 0, step = way * (x1 - x0) * RECIPROCAL[y1 - y0]
    for y in range(y0, y1 + (y1 == bottom)):
        side[y] = x0 + way * (distance >> 16)
        distance += step


cdef inline float intensity(int level) noexcept nogil:
    """Grey level 0..255 as network input in [-1, 1]."""
    return <float>(level / 255.0 * 2 - 1)


cdef inline void rasterise(const Shape* shape, Spans* spans) noexcept nogil:
    """Rows of the polygon of the vertices truncated to whole pixels: the scan conversion of pygame 1.

    A row is one span: the polygon is convex, so down each of its two sides y never decreases, and truncation,
    being monotone, keeps that. Each side then crosses each row once, and the span runs between the two. A shape is
    at least 4.8 pixels high (0.75 times the smallest scale), so both sides have an edge.
    """
    cdef int down[SIDE]
    cdef int up[SIDE]
    cdef int x[MAX_VERTICES]
    cdef int y[MAX_VERTICES]
    cdef int k, row, last = VERTICES[shape.kind] - 1, top = SIDE, bottom = 0
    for k in range(last + 1):
        x[k] = <int>(shape.x[k] + shape.centre_x)
        y[k] = <int>(shape.y[k] + shape.centre_y)
        top = min(top, y[k])
        bottom = max(bottom, y[k])
    for k in range(last + 1):
        if y[last] < y[k]:
            cross(down, x[last], y[last], x[k], y[k], bottom)
        elif y[last] > y[k]:
            cross(up, x[k], y[k], x[last], y[last], bottom)
        last = k
    for row in range(SIDE):
        spans.low[row] = SIDE
        spans.high[row] = -1
    for row in range(top, bottom + 1):
        spans.low[row] = min(down[row], up[row])
        spans.high[row] = max(down[row], up[row])


cdef inline floating choose(bint condition, floating yes, floating no) noexcept nogil:
    return yes if condition else no


cdef cloned_void paint(const Spans* first, const Spans* second, float ground, floating* image) noexcept nogil:
    """Write every pixel: the second's value where it has it, else the first's, else the ground's."""
    cdef int row, column, low0, high0, low1, high1
    cdef floating value0 = first.value, value1 = second.value, behind = ground, value
    for row in range(SIDE):
        low0, high0 = first.low[row], first.high[row]
        low1, high1 = second.low[row], second.high[row]
        for column in range(SIDE):
            value = choose((low0 <= column) & (column <= high0), value0, behind)
            image[row * SIDE + column] = choose((low1 <= column) & (column <= high1), value1, value)


cdef void render_one(
    uint64_t seed, uint64_t purpose, uint64_t index, floating* image, long long* label
) noexcept nogil:
    """Image ``index`` of the stream and its class."""
    cdef Philox stream
    start_stream(&stream, seed, purpose, index)
    cdef bint light = uniform(&stream) < 0.5
    cdef bint two = uniform(&stream) >= 0.5
    cdef int ground = whole(&stream, DARK_LOW, DARK_HIGH) if light else whole(&stream, LIGHT_LOW, LIGHT_HIGH)
    cdef Shape shapes[2]
    cdef Spans spans[2]
    cdef int i, before, after, level, rejections = 0
    for i in range(1 + two):
        shapes[i].kind = whole(&stream, 0, KINDS - 1)
        before = pre_rotation(&stream, VERTICES[shapes[i].kind])
        after = whole(&stream, 0, FINAL_ANGLES - 1)
        level = whole(&stream, LIGHT_LOW, LIGHT_HIGH) if light else whole(&stream, DARK_LOW, DARK_HIGH)
        spans[i].value = intensity(level)
        place(&stream, &shapes[i], before, after)
        while i == 1 and hides_too_much(&shapes[0], &shapes[1]):
            rejections += 1
            if rejections == MAX_REJECTIONS:
                two = False
                break
            place(&stream, &shapes[i], before, after)
    for i in range(1 + two):
        rasterise(&shapes[i], &spans[i])
    paint(&spans[0], &spans[two], intensity(ground), image)  # one object alone is painted over itself
    label[0] = PAIR_CLASS[shapes[0].kind][shapes[1].kind] if two else shapes[0].kind


cdef void render_batch(
    uint64_t seed, uint64_t purpose, uint64_t first, floating* x, Py_ssize_t stride, long long* labels, Py_ssize_t n
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(n):
        render_one(seed, purpose, first + <uint64_t> i, x + i * stride, labels + i)


cdef struct Stream:
    uint64_t seed
    uint64_t purpose
    uint64_t first


cdef void load_float(
    const void* source, Py_ssize_t first, Py_ssize_t count, float* x, Py_ssize_t stride, long long* labels
) noexcept nogil:
    cdef const Stream* stream = <const Stream*> source
    render_batch[float](stream.seed, stream.purpose, stream.first + <uint64_t> first, x, stride, labels, count)


cdef void load_double(
    const void* source, Py_ssize_t first, Py_ssize_t count, double* x, Py_ssize_t stride, long long* labels
) noexcept nogil:
    cdef const Stream* stream = <const Stream*> source
    render_batch[double](stream.seed, stream.purpose, stream.first + <uint64_t> first, x, stride, labels, count)


cdef class ImageStream(BatchSource):
    """Images of a stream, not drawn yet; see shapeset.pyi."""

    cdef Stream stream

    def __cinit__(self, seed, purpose, first=0):
        self.stream = Stream(check_seed(seed), purpose, whole_number("first image", first, 0, MAX_SEED, "2**64 - 1"))
        self.fan_in, self.classes, self.length = PIXELS, CLASSES, PY_SSIZE_T_MAX
        self.loader.source = &self.stream
        self.loader.to_float, self.loader.to_double = load_float, load_double

    def __reduce__(self):
        return ImageStream, (self.stream.seed, self.stream.purpose, self.stream.first)


def render(
    seed, purpose, start, floating[::strided, ::contiguous] images, long long[::1] labels, int threads=1
):
    """Fill images and labels with the images of a stream; see shapeset.pyi."""
    cdef Py_ssize_t n = images.shape[0], itemsize = sizeof(floating), begin, stride
    cdef int part
    if images.shape[1] != PIXELS or labels.shape[0] != n:
        raise InvalidValueError(
            f"images of shape {(n, images.shape[1])} and labels of shape {(labels.shape[0],)}: "
            f"allowed are (n, {PIXELS}) and (n,)"
        )
    if images.strides[0] % itemsize:
        raise InvalidValueError(f"rows {images.strides[0]} bytes apart: allowed are multiples of {itemsize}")
    if start < 0 or start + n > 2**64:
        raise InvalidValueError(f"start {start}: allowed are whole numbers from 0 to 2**64 - {n}")
    if threads < 1:
        raise InvalidValueError(f"threads {threads}: allowed are whole numbers from 1")
    cdef uint64_t key0 = check_seed(seed), key1 = purpose, first = start
    if n == 0:
        return
    stride = images.strides[0] // itemsize
    for part in prange(threads, nogil=True, schedule="static", num_threads=threads):
        begin = n * part // threads
        render_batch(
            key0, key1, first + <uint64_t> begin, &images[0, 0] + begin * stride, stride, &labels[0] + begin,
            n * (part + 1) // threads - begin,
        )
