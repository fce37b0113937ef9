"""A dense layer as the kernels know it."""

cdef struct Dense:
    # W, b, their velocities (NULL without momentum) and their factors of the rate (NULL where all are 1), of float or double
    int fan_in
    int fan_out
    int stride           # of W, from one row to the next
    int velocity_stride
    int rate_stride
    void* weight
    void* bias
    void* weight_velocity
    void* bias_velocity
    void* weight_rate
    void* bias_rate
    void* steps          # with factors: room for ROW_TILE rows (tiles.h) of W for each thread
    int* shares          # of each thread in a pass over tiles (team.h); the same for all layers of a network
