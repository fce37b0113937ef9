/* Subnormal numbers are 0 to a thread from flush_subnormals() to restore_subnormals(): operands that are subnormal and
   results that would be (FTZ and DAZ of x86-64's MXCSR; FZ of arm64's FPCR, which is both). Elsewhere nothing happens.

   Many CPUs take an assist of 100 to 200 cycles for an operation on them, and a network whose gradients vanish does
   little else. A step loses nothing by it: what is flushed is less than 1.2e-38, or 2.3e-308 in double. The mode belongs
   to a thread, so that each of a team sets its own, and puts back what was there: passes whose results are looked at, and
   whatever else runs on the thread, see every number. */
#ifndef GLOROTLAB_SUBNORMALS_H
#define GLOROTLAB_SUBNORMALS_H

typedef unsigned long long FloatingPointMode;

#if defined(__x86_64__) && defined(__GNUC__)
#include <xmmintrin.h>
#define FLUSHING 0x8040ULL /* FTZ, DAZ */
static inline FloatingPointMode get_mode(void) { return _mm_getcsr(); }
static inline void set_mode(FloatingPointMode mode) { _mm_setcsr((unsigned)mode); }
#elif defined(__aarch64__) && defined(__GNUC__)
#define FLUSHING 0x1000000ULL /* FZ */
static inline FloatingPointMode get_mode(void)
{
    FloatingPointMode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void set_mode(FloatingPointMode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#endif

/* No number is read or written across this line of the program: the compiler does not know that arithmetic changes. */
#ifdef FLUSHING
#define NEW_ARITHMETIC() __asm__ volatile("" : : : "memory")
#endif

/* Return what restore_subnormals() needs. */
static inline FloatingPointMode flush_subnormals(void)
{
#ifdef FLUSHING
    const FloatingPointMode before = get_mode();
    set_mode(before | FLUSHING);
    NEW_ARITHMETIC();
    return before;
#else
    return 0;
#endif
}

static inline void restore_subnormals(FloatingPointMode before)
{
#ifdef FLUSHING
    NEW_ARITHMETIC();
    set_mode(before);
#else
    (void)before;
#endif
}

#endif
