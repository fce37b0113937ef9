/* A team of OpenMP threads; of one where there is no OpenMP. */
#ifndef GLOROTLAB_TEAM_H
#define GLOROTLAB_TEAM_H

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

#endif
