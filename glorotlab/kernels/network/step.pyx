"""Training steps of one network, one or many in a call: no Python, no allocation, no lock of the interpreter between them.

A team of threads stays together from the first step to the last. It loads a mini-batch into a buffer, goes up
through the layers and back down, where each layer takes its step; the threads wait for each other between layers only.
Each has a share of a layer's tiles, which follows from the shapes, and helps the others when it is done with it; every
sum is done whole by one thread, so that the number of threads changes no result. Subnormal numbers are flushed to zero
from the first step to the last.
"""

from cython cimport floating
from cython.parallel cimport parallel
from libc.math cimport isfinite
from libc.stdlib cimport calloc, free

import numpy as np

from glorotlab.errors import InvalidValueError
from glorotlab.kernels.network.buffers import padded_matrix

from glorotlab.kernels.network._activations cimport LINEAR
from glorotlab.kernels.network.batch_source cimport BatchSource, Loader
from glorotlab.kernels.network.costs cimport cost_rows, room_size
from glorotlab.kernels.network.dense cimport backward_layer, closed_shares, forward_layer, new_call, team_of_steps
from glorotlab.kernels.network._packing cimport packed_size
from glorotlab.kernels.network._team cimport (
    FloatingPointMode, flush_subnormals, restore_subnormals, team_size, team_thread, team_wait,
)
from glorotlab.kernels.network._tiles cimport ROW_TILE, SMALL_BATCH
from glorotlab.kernels.network.descent cimport Descent
from glorotlab.kernels.network.layer cimport Dense

cdef enum:
    WAITS = 3           # of a team in a step for each layer: forward, packed, and back
    WAITS_OF_BATCH = 2  # when it is loaded, and when its costs are there

cdef struct Rows:
    # a matrix with one row per example
    void* values
    int stride

cdef struct Plan:
    # a network and the buffers of one batch size
    int depth
    int batch
    int classes
    int activation
    int cost_code
    bint loads_targets   # the source has targets, and the network does not reconstruct its inputs
    double parameter
    Py_ssize_t work      # multiply-adds of a step; of a small batch as many as take the time in which W is read
    Dense* layers
    Rows* s
    Rows* z
    Rows* d
    Rows inputs
    Rows targets         # its values are NULL where the labels say all; the inputs of an autoencoder
    void* packed         # of the widest d
    long long* labels
    double* costs        # of each example
    double* room         # of cost_rows, for each thread


cdef void load_batch(const Plan* plan, const Loader* loader, Py_ssize_t update, floating* inputs) noexcept nogil:
    """Load one mini-batch into the buffers, each thread its own rows."""
    cdef Py_ssize_t thread = team_thread(), threads = team_size(), stride = plan.inputs.stride
    cdef Py_ssize_t first = plan.batch * thread // threads, count = plan.batch * (thread + 1) // threads - first
    if count > 0:
        if floating is float:
            loader.to_float(loader.source, update * plan.batch + first, count, inputs + first * stride, stride, plan.labels + first)
            if plan.loads_targets:
                loader.targets_to_float(loader.source, update * plan.batch + first, count,
                                        <float*> plan.targets.values + first * plan.targets.stride, plan.targets.stride)
        else:
            loader.to_double(loader.source, update * plan.batch + first, count, inputs + first * stride, stride, plan.labels + first)
            if plan.loads_targets:
                loader.targets_to_double(loader.source, update * plan.batch + first, count,
                                         <double*> plan.targets.values + first * plan.targets.stride, plan.targets.stride)
    team_wait()


cdef void forward_pass(const Plan* plan, const floating* inputs) noexcept nogil:
    """s of every layer and z of every hidden one."""
    cdef const floating* below = inputs
    cdef int l, stride = plan.inputs.stride, last = plan.depth - 1
    cdef Rows s, out
    for l in range(plan.depth):
        s = plan.s[l]
        out = s if l == last else plan.z[l]
        forward_layer[floating](
            &plan.layers[l], plan.batch, below, stride, LINEAR if l == last else plan.activation, plan.parameter,
            <floating*> s.values, s.stride, <floating*> out.values, out.stride,
        )
        below, stride = <const floating*> out.values, out.stride


cdef void output_gradient(const Plan* plan, const floating* targets) noexcept nogil:
    """Cost and dC/ds of the output layer, example by example."""
    cdef Py_ssize_t thread = team_thread(), threads = team_size(), first = plan.batch * thread // threads
    cdef Py_ssize_t count = plan.batch * (thread + 1) // threads - first
    cdef Rows s = plan.s[plan.depth - 1], d = plan.d[plan.depth - 1]
    cost_rows[floating](
        plan.cost_code, <const floating*> s.values + first * s.stride, s.stride, plan.labels + first,
        targets + first * plan.targets.stride if targets else NULL, plan.targets.stride,
        <floating*> d.values + first * d.stride, d.stride, plan.costs + first, count, plan.classes,
        plan.room + thread * room_size(plan.classes),
    )
    team_wait()


cdef void backward_pass(const Plan* plan, const floating* inputs, const Descent* descent) noexcept nogil:
    """dC/ds of every layer, and a step of its weights and biases."""
    cdef int l
    cdef Rows s, z, d, below
    for l in range(plan.depth - 1, 0, -1):
        s, z, d, below = plan.s[l - 1], plan.z[l - 1], plan.d[l], plan.d[l - 1]
        backward_layer[floating](
            &plan.layers[l], plan.batch, <const floating*> d.values, d.stride, plan.activation, plan.parameter,
            <const floating*> s.values, s.stride, <const floating*> z.values, z.stride,
            <floating*> below.values, below.stride, <floating*> plan.packed, descent,
        )
    d = plan.d[0]
    backward_layer[floating](
        &plan.layers[0], plan.batch, <const floating*> d.values, d.stride, plan.activation, plan.parameter,
        NULL, 0, inputs, plan.inputs.stride, NULL, 0, <floating*> plan.packed, descent,
    )


cdef Py_ssize_t take_steps(
    const Plan* plan, floating* inputs, const Loader* loader, const Descent* descent, Py_ssize_t updates, double* costs
) noexcept nogil:
    """Steps of the team until the cost is not finite; return how many were taken. Each thread knows all costs."""
    cdef Py_ssize_t update
    cdef double cost
    cdef int a
    for update in range(updates):
        load_batch[floating](plan, loader, update, inputs)
        forward_pass[floating](plan, inputs)
        output_gradient[floating](plan, <const floating*> plan.targets.values)
        cost = 0
        for a in range(plan.batch):
            cost += plan.costs[a]
        cost /= plan.batch
        backward_pass[floating](plan, inputs, descent)  # ends when all threads have read the costs
        if team_thread() == 0:
            costs[update] = cost
        if not isfinite(cost):
            return update + 1
    return updates


cdef Rows rows(matrix):
    return Rows(<void*> <size_t> matrix.ctypes.data, <int> (matrix.strides[0] // matrix.itemsize))


cdef class Steps:
    """A network's arrays and the buffers of one batch size, ready to step; see step.pyi."""

    cdef Plan plan
    cdef bint is_double
    cdef object kept, inputs_array, labels_array, targets_array, packed, steps, room, shares
    cdef bint reconstructs
    cdef readonly object costs

    def __cinit__(self, weights, biases, inputs, labels, targets, preactivations, activations, backprop, int activation, double parameter, int cost_code, bint reconstructs=False):
        cdef int l, depth = len(weights)
        self.plan.layers = <Dense*> calloc(depth, sizeof(Dense))
        self.plan.s = <Rows*> calloc(3 * depth, sizeof(Rows))
        if not self.plan.layers or not self.plan.s:
            raise MemoryError
        self.plan.z, self.plan.d = self.plan.s + depth, self.plan.s + 2 * depth
        self.inputs_array, self.labels_array, self.targets_array = inputs, labels, targets
        self.costs = np.empty(len(inputs))
        self.kept = [weights, biases, preactivations, activations, backprop, [], [], [], []]
        self.is_double = inputs.dtype == np.float64
        self.plan.depth, self.plan.batch, self.plan.classes = depth, len(inputs), weights[depth - 1].shape[1]
        self.plan.activation, self.plan.parameter, self.plan.cost_code = activation, parameter, cost_code
        self.reconstructs = reconstructs
        self.plan.inputs = rows(inputs)
        self.plan.labels = <long long*> <size_t> self.labels_array.ctypes.data
        self.plan.costs = <double*> <size_t> self.costs.ctypes.data
        self.packed = padded_matrix(1, packed_size(len(inputs), self.kept_widest(0), True), inputs.dtype)
        self.plan.packed = <void*> <size_t> self.packed.ctypes.data
        self.plan.work = 0
        for l in range(depth):
            weight = weights[l]
            self.plan.layers[l] = Dense(
                weight.shape[0], weight.shape[1], rows(weight).stride, 0, 0, rows(weight).values,
                <void*> <size_t> biases[l].ctypes.data, NULL, NULL, NULL, NULL, NULL, NULL,
            )
            self.plan.s[l], self.plan.z[l], self.plan.d[l] = rows(preactivations[l]), rows(activations[l]), rows(backprop[l])
            self.plan.work += <Py_ssize_t> weight.size * max(len(inputs), SMALL_BATCH) * (3 if l else 2)

    def __dealloc__(self):
        free(self.plan.layers)
        free(self.plan.s)

    def set_velocities(self, weight_velocities, bias_velocities):
        """Step through these velocities, or with None without; see step.pyi."""
        cdef int l
        self.kept[5:7] = [weight_velocities, bias_velocities]
        for l in range(self.plan.depth):
            if weight_velocities[l] is None:
                self.plan.layers[l].weight_velocity = self.plan.layers[l].bias_velocity = NULL
                continue
            self.plan.layers[l].weight_velocity = rows(weight_velocities[l]).values
            self.plan.layers[l].velocity_stride = rows(weight_velocities[l]).stride
            self.plan.layers[l].bias_velocity = <void*> <size_t> bias_velocities[l].ctypes.data

    def set_rates(self, weight_rates, bias_rates):
        """Step at these factors of the rate, or with None all at 1; see step.pyi."""
        cdef int l
        cdef bint by_factors = weight_rates[0] is not None
        self.kept[7:] = [weight_rates, bias_rates]
        for l in range(self.plan.depth):
            self.plan.layers[l].weight_rate = rows(weight_rates[l]).values if by_factors else NULL
            self.plan.layers[l].rate_stride = rows(weight_rates[l]).stride if by_factors else 0
            self.plan.layers[l].bias_rate = <void*> <size_t> bias_rates[l].ctypes.data if by_factors else NULL
        size = packed_size(self.plan.batch, self.kept_widest(0), not by_factors)
        if size > self.packed.shape[1]:
            self.packed = padded_matrix(1, size, self.inputs_array.dtype)
            self.plan.packed = <void*> <size_t> self.packed.ctypes.data

    cdef int kept_widest(self, int first):
        """Units of the widest layer from a layer on; 0 where there is none."""
        return max((weight.shape[1] for weight in self.kept[0][first:]), default=0)

    cdef make_room(self, int threads):
        """Room for each thread: for costs, its share of tiles, and where weights have factors for the steps of a tile of W."""
        cdef int l
        if self.room is None or len(self.room) < threads:
            self.room = np.empty((threads, room_size(self.plan.classes)))
            self.plan.room = <double*> <size_t> self.room.ctypes.data
            self.shares = closed_shares(threads)
            for l in range(self.plan.depth):
                self.plan.layers[l].shares = <int*> <size_t> self.shares.ctypes.data
        if self.plan.layers[0].weight_rate == NULL:
            return
        if self.steps is None or len(self.steps) < threads * ROW_TILE:
            self.steps = padded_matrix(threads * ROW_TILE, self.kept_widest(0), self.inputs_array.dtype)
        for l in range(self.plan.depth):
            self.plan.layers[l].steps = <void*> <size_t> self.steps.ctypes.data

    cdef choose_targets(self, BatchSource source):
        """Compare the outputs with the inputs, with targets of the source, or with labels."""
        self.plan.loads_targets = source.targets > 0 and not self.reconstructs
        if self.reconstructs:
            self.plan.targets = self.plan.inputs
        elif source.targets:
            self.plan.targets = rows(self.targets_array)
        else:
            self.plan.targets = Rows(NULL, 0)

    def run(self, BatchSource source not None, descent, int threads, double[::1] costs):
        """Take steps; see step.pyi."""
        cdef Descent rule = Descent(descent.rate, descent.decay, descent.momentum, descent.nesterov)
        cdef Py_ssize_t updates = costs.shape[0], done = 0
        if not (source.loader.to_double != NULL if self.is_double else source.loader.to_float != NULL):
            raise InvalidValueError("this source of batches has no examples of the network's dtype")
        if not updates:
            return 0
        self.choose_targets(source)
        threads = team_of_steps(threads, self.plan.work, WAITS * self.plan.depth + WAITS_OF_BATCH, updates)
        self.make_room(threads)
        new_call()
        with nogil:
            if self.is_double:
                done = run_team(&self.plan, <double*> self.plan.inputs.values, &source.loader, &rule, updates, &costs[0], threads)
            else:
                done = run_team(&self.plan, <float*> self.plan.inputs.values, &source.loader, &rule, updates, &costs[0], threads)
        return done


cdef Py_ssize_t run_team(
    const Plan* plan, floating* inputs, const Loader* loader, const Descent* descent, Py_ssize_t updates, double* costs, int threads
) noexcept nogil:
    cdef Py_ssize_t done[1]
    with parallel(num_threads=threads):
        run_thread(plan, inputs, loader, descent, updates, costs, done)
    return done[0]


cdef inline void run_thread(
    const Plan* plan, floating* inputs, const Loader* loader, const Descent* descent, Py_ssize_t updates, double* costs,
    Py_ssize_t* done,
) noexcept nogil:
    cdef FloatingPointMode before = flush_subnormals()
    cdef Py_ssize_t taken = take_steps(plan, inputs, loader, descent, updates, costs)
    restore_subnormals(before)
    if team_thread() == 0:
        done[0] = taken
