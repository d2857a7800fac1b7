// Floor 0. The vector type of one real type on one ISA, and the few operations that C itself lacks.
//
// Included once a real type (see kernels.c), with `real`, `OP(name)` and FBP_REAL_BITS defined. Everything that is
// arithmetic uses C's operators on `vreal` (GCC and Clang vector extensions); what they cannot say (a fused
// multiply-add, a square root, a partial load) is said here and nowhere else: this is the only file with ISA #ifs.
//
// FBP_VECTOR_BYTES is the width of `vreal`. FBP_GROUP vectors make 64 bytes, the fixed virtual width that every lane
// reduction uses, so that a sum has the same order, hence the same bits, on every ISA.

#ifndef FBP_SIMD_ONCE
#define FBP_SIMD_ONCE
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "fbp_kernels.h"

#if defined(__AVX512F__) || defined(__AVX2__) || defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define FBP_INLINE static inline __attribute__((always_inline, unused))
#define FBP_LOCAL static __attribute__((unused))
#define FBP_GROUP (64 / FBP_VECTOR_BYTES)

FBP_INLINE void stream_fence(void) {
#if defined(__SSE2__)
    _mm_sfence();
#endif
}
FBP_INLINE fbp_size smaller(fbp_size a, fbp_size b) { return a < b ? a : b; }
FBP_INLINE fbp_size larger(fbp_size a, fbp_size b) { return a > b ? a : b; }

#if FBP_VECTOR_BYTES == 64 && defined(__AVX512F__)
#define FBP_AVX512 1
#elif FBP_VECTOR_BYTES == 32 && defined(__AVX2__)
#define FBP_AVX2 1
#elif FBP_VECTOR_BYTES == 16 && defined(__ARM_NEON) && defined(__aarch64__)
#define FBP_NEON 1
#elif FBP_VECTOR_BYTES == 16 && defined(__SSE2__)
#define FBP_SSE2 1
#elif FBP_VECTOR_BYTES == 64 && defined(__AVX2__)
#define FBP_AVX2_PAIR 1  // the 64-byte code path on a 32-byte machine: for tests, not for speed
#endif

// Whole numbers of 64 bits, for random numbers: they are the same for both real types.
typedef uint64_t vwide __attribute__((vector_size(FBP_VECTOR_BYTES)));
#define WIDE_LANES (FBP_VECTOR_BYTES / 8)

typedef double vdouble __attribute__((vector_size(FBP_VECTOR_BYTES)));

// The product, 64 bits, of the lower 32 bits of each lane.
FBP_INLINE vwide vmul_low(vwide a, vwide b) {
#if FBP_AVX512
    return (vwide)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif FBP_AVX2
    return (vwide)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif FBP_NEON
    return (vwide)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#elif FBP_SSE2
    return (vwide)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
    return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

// Lanes of a and b by turns: a0 b0 a1 b1 ..., the first half of them and the second.
FBP_INLINE void vzip(vwide a, vwide b, vwide *low, vwide *high) {
#if defined(__clang__)
    for (int i = 0; i < WIDE_LANES; i++) {
        const int at = i / 2, behind = at + WIDE_LANES / 2;
        (*low)[i] = i % 2 ? b[at] : a[at];
        (*high)[i] = i % 2 ? b[behind] : a[behind];
    }
#else
    vwide lane;
#pragma GCC unroll 8
    for (int i = 0; i < WIDE_LANES; i++) lane[i] = (uint64_t)(i / 2 + i % 2 * WIDE_LANES);
    *low = __builtin_shuffle(a, b, lane);
    *high = __builtin_shuffle(a, b, lane + WIDE_LANES / 2);
#endif
}

#define vreal OP(vreal)
#define vint OP(vint)
#define vtail OP(vtail)
#define LANES ((fbp_size)(FBP_VECTOR_BYTES / sizeof(real)))
#define vset OP(vset)
#define vload OP(vload)
#define vstore OP(vstore)
#define vtail_of OP(vtail_of)
#define vload_tail OP(vload_tail)
#define vstore_tail OP(vstore_tail)
#define vload_upto OP(vload_upto)
#define vstore_upto OP(vstore_upto)
#define vstream OP(vstream)
#define vload_wide OP(vload_wide)
#define vfma OP(vfma)
#define vsqrt OP(vsqrt)
#define vselect OP(vselect)
#define vmax OP(vmax)
#define vmin OP(vmin)
#define vabs OP(vabs)
#endif

typedef real vreal __attribute__((vector_size(FBP_VECTOR_BYTES)));
#if FBP_REAL_BITS == 32
typedef int32_t vint __attribute__((vector_size(FBP_VECTOR_BYTES)));
#define MM(name) name##_ps
#else
typedef int64_t vint __attribute__((vector_size(FBP_VECTOR_BYTES)));
#define MM(name) name##_pd
#endif

FBP_INLINE vreal vset(real x) { return x - (vreal){0}; }

FBP_INLINE vreal vload(const real *p) {
    vreal v;
    memcpy(&v, p, sizeof v);
    return v;
}

FBP_INLINE void vstore(real *p, vreal v) { memcpy(p, &v, sizeof v); }

// The next WIDE_LANES reals, as doubles.
FBP_INLINE vdouble vload_wide(const real *p) {
#if FBP_AVX512 && FBP_REAL_BITS == 32
    return (vdouble)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif FBP_AVX2 && FBP_REAL_BITS == 32
    return (vdouble)_mm256_cvtps_pd(_mm_loadu_ps(p));  // GCC 12 would convert two at a time
#else
    typedef real narrow __attribute__((vector_size(WIDE_LANES * sizeof(real))));
    narrow v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vdouble);
#endif
}

// Stores past the caches; p is aligned to a whole vector. stream_end comes before anybody else reads what was stored.
FBP_INLINE void vstream(real *p, vreal v) {
#if FBP_AVX512
    MM(_mm512_stream)(p, v);
#elif FBP_AVX2
    MM(_mm256_stream)(p, v);
#elif FBP_SSE2
    MM(_mm_stream)(p, v);
#else
    vstore(p, v);
#endif
}

// mask ? a : b, lane by lane; mask comes from a comparison (all ones or all zeros).
FBP_INLINE vreal vselect(vint mask, vreal a, vreal b) {
#if FBP_SSE2 && FBP_REAL_BITS == 64
    // GCC 12 would turn the select into a comparison of 64-bit integers, which SSE2 lacks, and stop with an internal
    // error.
    __asm__("" : "+x"(mask));
#endif
    return (vreal)(((vint)a & mask) | ((vint)b & ~mask));
}

// The larger / smaller of a and b; where either is NaN, or they are equal (zeros of two signs), b.
#if FBP_AVX512
FBP_INLINE vreal vmax(vreal a, vreal b) { return (vreal)MM(_mm512_max)(a, b); }
FBP_INLINE vreal vmin(vreal a, vreal b) { return (vreal)MM(_mm512_min)(a, b); }
#elif FBP_AVX2
FBP_INLINE vreal vmax(vreal a, vreal b) { return (vreal)MM(_mm256_max)(a, b); }
FBP_INLINE vreal vmin(vreal a, vreal b) { return (vreal)MM(_mm256_min)(a, b); }
#elif FBP_SSE2
FBP_INLINE vreal vmax(vreal a, vreal b) { return (vreal)MM(_mm_max)(a, b); }
FBP_INLINE vreal vmin(vreal a, vreal b) { return (vreal)MM(_mm_min)(a, b); }
#else
FBP_INLINE vreal vmax(vreal a, vreal b) { return vselect(a > b, a, b); }
FBP_INLINE vreal vmin(vreal a, vreal b) { return vselect(a < b, a, b); }
#endif

FBP_INLINE vreal vabs(vreal a) {
    const vint sign = (vint)vset((real)-0.0);
    return (vreal)((vint)a & ~sign);
}

// A partial vector: the first n lanes, 0 < n < LANES. Loads fill the rest with zeros; stores leave the rest untouched.
#if FBP_AVX512 && FBP_REAL_BITS == 32
typedef __mmask16 vtail;
#elif FBP_AVX512
typedef __mmask8 vtail;
#elif FBP_AVX2
typedef struct {
    __m256i mask;
    fbp_size n;
} vtail;
#else
typedef fbp_size vtail;
#endif

FBP_INLINE vtail vtail_of(fbp_size n) {
#if FBP_AVX512
    return (vtail)((1u << n) - 1u);
#elif FBP_AVX2 && FBP_REAL_BITS == 32
    return (vtail){_mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)), n};
#elif FBP_AVX2
    return (vtail){_mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3)), n};
#else
    return n;
#endif
}

FBP_INLINE vreal vload_tail(const real *p, vtail tail) {
#if FBP_AVX512
    return (vreal)MM(_mm512_maskz_loadu)(tail, p);
#elif FBP_AVX2
    return (vreal)MM(_mm256_maskload)(p, tail.mask);
#else
    vreal v = {0};
    memcpy(&v, p, (size_t)tail * sizeof(real));
    return v;
#endif
}

FBP_INLINE void vstore_tail(real *p, vreal v, vtail tail) {
#if FBP_AVX512
    MM(_mm512_mask_storeu)(p, tail, v);
#elif FBP_AVX2
    // half, quarter and eighth of a vector, as needed: AMD's masked store takes as long as a dozen whole ones
    typedef int64_t words __attribute__((vector_size(32)));
    words left = (words)v;
    const fbp_size bytes = tail.n * (fbp_size)sizeof(real);
    char *to = (char *)p;
    if (bytes & 16) memcpy(to, &left, 16), to += 16, left = (words){left[2], left[3], 0, 0};
    if (bytes & 8) memcpy(to, &left, 8), to += 8, left = (words){left[1], 0, 0, 0};
    if (FBP_REAL_BITS == 32 && bytes & 4) memcpy(to, &left, 4);
#else
    memcpy(p, &v, (size_t)tail * sizeof(real));
#endif
}

// A whole vector, or the first n lanes where n > 0 are left.
FBP_INLINE vreal vload_upto(const real *p, fbp_size n) { return n < LANES ? vload_tail(p, vtail_of(n)) : vload(p); }

FBP_INLINE void vstore_upto(real *p, vreal v, fbp_size n) {
    if (n < LANES)
        vstore_tail(p, v, vtail_of(n));
    else
        vstore(p, v);
}

// a * b + c: one rounding where the ISA has FMA, two on plain SSE2.
FBP_INLINE vreal vfma(vreal a, vreal b, vreal c) {
#if FBP_AVX512
    return (vreal)MM(_mm512_fmadd)(a, b, c);
#elif FBP_AVX2
    return (vreal)MM(_mm256_fmadd)(a, b, c);
#elif FBP_AVX2_PAIR
    typedef real half __attribute__((vector_size(32)));
    half x[2], y[2], z[2];
    vreal r;
    memcpy(x, &a, sizeof a), memcpy(y, &b, sizeof b), memcpy(z, &c, sizeof c);
    for (int i = 0; i < 2; i++) z[i] = (half)MM(_mm256_fmadd)(x[i], y[i], z[i]);
    memcpy(&r, z, sizeof r);
    return r;
#elif FBP_NEON && FBP_REAL_BITS == 32
    return (vreal)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif FBP_NEON
    return (vreal)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#else
    return a * b + c;
#endif
}

FBP_INLINE vreal vsqrt(vreal a) {
#if FBP_AVX512
    return (vreal)MM(_mm512_sqrt)(a);
#elif FBP_AVX2
    return (vreal)MM(_mm256_sqrt)(a);
#elif FBP_NEON && FBP_REAL_BITS == 32
    return (vreal)vsqrtq_f32((float32x4_t)a);
#elif FBP_NEON
    return (vreal)vsqrtq_f64((float64x2_t)a);
#elif FBP_SSE2
    return (vreal)MM(_mm_sqrt)(a);
#else
    for (fbp_size i = 0; i < LANES; i++)
        a[i] = FBP_REAL_BITS == 32 ? __builtin_sqrtf((float)a[i]) : __builtin_sqrt(a[i]);
    return a;
#endif
}

// Transposes LANES vectors in place: lane j of vector i changes places with lane i of vector j. Blocks of d x d lanes
// off the diagonal change places, for d = 1, 2, 4, ...
FBP_INLINE void OP(transpose)(vreal *v) {
    enum { N = FBP_VECTOR_BYTES / sizeof(real) };
    vint lane;
#pragma GCC unroll 16
    for (int i = 0; i < N; i++) lane[i] = i;
#pragma GCC unroll 4
    for (int d = 1; d < N; d *= 2) {
        const vint upper = (lane & d) != 0;
#pragma GCC unroll 16
        for (int i = 0; i < N; i++) {
            if (i & d) continue;
            const vreal a = v[i], b = v[i + d];
#if defined(__clang__)
            for (int l = 0; l < N; l++) {
                v[i][l] = l & d ? b[l - d] : a[l];
                v[i + d][l] = l & d ? b[l] : a[l + d];
            }
#else
            v[i] = __builtin_shuffle(a, b, (upper & (lane - d + N)) | (~upper & lane));
            v[i + d] = __builtin_shuffle(a, b, (upper & (lane + N)) | (~upper & (lane + d)));
#endif
        }
    }
}

#undef MM
