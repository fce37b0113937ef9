/* A team of OpenMP threads; of one where there is no OpenMP.

   In a pass over the tiles of a layer each thread has a share of its own, the same in every pass, so that it finds W in its
   caches. A thread that is done takes tiles of the others' shares: else a core that is slower, or that other programs use,
   would hold up the whole team. A share is a counter of the tiles that were taken of it. Its thread opens it at the
   beginning of a pass and closes it when no share has a tile left: nobody takes a tile of a thread that is not there yet,
   whose counter is still that of the pass before. The team waits between passes. */
#ifndef GLOROTLAB_TEAM_H
#define GLOROTLAB_TEAM_H

#define SHARE_SIZE 16 /* ints from one thread's counter to the next: a cache line */
#define CLOSED (1 << 30)

#ifdef _OPENMP
#include <omp.h>
static int team_thread(void) { return omp_get_thread_num(); }
static int team_size(void) { return omp_get_num_threads(); }
/* Wait for all threads of the innermost parallel region. One thread has none to wait for, but GNU OpenMP would enter the
   operating system to wake the others. */
static void team_wait(void)
{
    if (omp_get_num_threads() > 1) {
#pragma omp barrier
    }
}
#else
static int team_thread(void) { return 0; }
static int team_size(void) { return 1; }
static void team_wait(void) {}
#endif

static inline void team_set(int *counter, int value)
{
#ifdef _OPENMP
#pragma omp atomic write
#endif
    *counter = value;
}

static inline void team_open(int *shares) { team_set(shares + SHARE_SIZE * team_thread(), 0); }
static inline void team_close(int *shares) { team_set(shares + SHARE_SIZE * team_thread(), CLOSED); }

/* Take a tile of a thread's share: returns how many were taken before it, which is less than the share has, or else there
   was none left to take. */
static inline int team_take(int *shares, int thread)
{
    int *counter = shares + SHARE_SIZE * thread, taken;
#ifdef _OPENMP
#pragma omp atomic capture
#endif
    taken = (*counter)++;
    return taken;
}

#endif
