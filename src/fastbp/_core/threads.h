// Floor 1. What the executor needs of the machine and Cython does not offer: atomics, a pause, the OpenMP calls (or their
// single-threaded stand-ins where the compiler has no OpenMP).

#ifndef FBP_THREADS_H
#define FBP_THREADS_H
#include <sched.h>
#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#define FBP_HAS_OPENMP 1
#else
#define FBP_HAS_OPENMP 0
static inline int omp_get_max_threads(void) { return 1; }
#endif

// A counter alone on its cache line, so that threads that spin on one do not slow down those that change another.
typedef struct {
    uint64_t value;
    char rest_of_line[120];
} fbp_counter;

static inline uint64_t fbp_read(const fbp_counter *c) { return __atomic_load_n(&c->value, __ATOMIC_ACQUIRE); }
static inline void fbp_write(fbp_counter *c, uint64_t v) { __atomic_store_n(&c->value, v, __ATOMIC_RELEASE); }
static inline uint64_t fbp_add_one(fbp_counter *c) { return __atomic_add_fetch(&c->value, 1, __ATOMIC_ACQ_REL); }
static inline int fbp_swap_if(fbp_counter *c, uint64_t expected, uint64_t desired) {
    return __atomic_compare_exchange_n(&c->value, &expected, desired, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static inline void fbp_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static inline void fbp_yield(void) { sched_yield(); }

#endif
