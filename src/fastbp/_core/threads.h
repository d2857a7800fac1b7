// Floor 1. What the executor needs of the machine and Cython does not offer: atomics, a pause, a clock, the treatment
// of subnormal numbers, the OpenMP calls (or their single-threaded stand-ins where the compiler has no OpenMP).

#ifndef FBP_THREADS_H
#define FBP_THREADS_H
#include <sched.h>
#include <stdint.h>
#include <time.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

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

static inline double fbp_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// How this thread treats subnormal numbers (MXCSR, FPCR). `flush`: they count as zero, read or written.
typedef struct {
    uint64_t control;
} fbp_float_mode;

static inline void fbp_set_mode(fbp_float_mode mode) {
#if defined(__x86_64__)
    _mm_setcsr((unsigned)mode.control);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode.control));
#else
    (void)mode;
#endif
}

static inline fbp_float_mode fbp_current_mode(void) {
    fbp_float_mode mode = {0};
#if defined(__x86_64__)
    mode.control = _mm_getcsr();
#elif defined(__aarch64__)
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode.control));
#endif
    return mode;
}

static inline fbp_float_mode fbp_flushing(fbp_float_mode mode) {
#if defined(__x86_64__)
    mode.control |= 0x8040;  // flush to zero, denormals are zero
#elif defined(__aarch64__)
    mode.control |= 1 << 24;  // FZ
#endif
    return mode;
}

#endif
