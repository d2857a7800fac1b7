// Floor 0. Random bits by Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011), and dropout and normal noise made of them.
//
// A word is a function of (seed, position) alone: the 128-bit counter position / 4 is enciphered under the key `seed`
// in ten rounds, and word position % 4 of the result is taken. So a mask does not depend on threads, shares, real type
// or ISA, and the backward pass draws it again instead of reading it.

#ifndef FBP_RANDOM_ONCE
#define FBP_RANDOM_ONCE

// Counters stand one in a 64-bit lane, a word of each counter in one vector, and two vectors of them hide each other's
// latency. What is above the lower 32 bits of a lane is of no account.
enum { PHILOX_SETS = 2, PHILOX_BLOCKS = PHILOX_SETS * WIDE_LANES, PHILOX_WORDS = 4 * PHILOX_BLOCKS };

FBP_INLINE void philox_round(vwide *c, const vwide *key) {
    const vwide zero = {0};
    const vwide p = vmul_low(c[0], zero + 0xD2511F53u), q = vmul_low(c[2], zero + 0xCD9E8D57u);
    c[0] = (q >> 32) ^ (c[1] ^ key[0]);
    c[1] = q;
    c[2] = (p >> 32) ^ (c[3] ^ key[1]);
    c[3] = p;
}

// Four words for each of `blocks` counters, from number `block` behind the place on; and of as many more as fill up
// PHILOX_WORDS.
FBP_LOCAL void philox(const fbp_random *from, fbp_size block, fbp_size blocks, uint32_t *out) {
    vwide keys[10][2];
    for (uint32_t round = 0; round < 10; round++) {
        keys[round][0] = (vwide){0} + ((uint32_t)from->seed + round * 0x9E3779B9u);
        keys[round][1] = (vwide){0} + ((uint32_t)(from->seed >> 32) + round * 0xBB67AE85u);
    }
    const uint64_t first = from->counter[0] + (uint64_t)block, carry = first < from->counter[0];
    for (fbp_size b = 0; b < blocks; b += PHILOX_BLOCKS, out += PHILOX_WORDS) {
        uint64_t low[PHILOX_BLOCKS], high[PHILOX_BLOCKS];
        for (int l = 0; l < PHILOX_BLOCKS; l++) {
            low[l] = first + (uint64_t)(b + l);
            high[l] = from->counter[1] + carry + (low[l] < first);
        }
        vwide c[PHILOX_SETS][4];
        for (int s = 0; s < PHILOX_SETS; s++) {
            memcpy(&c[s][0], low + s * WIDE_LANES, sizeof(vwide));
            memcpy(&c[s][2], high + s * WIDE_LANES, sizeof(vwide));
            c[s][1] = c[s][0] >> 32, c[s][3] = c[s][2] >> 32;
        }
#pragma GCC unroll 10
        for (int round = 0; round < 10; round++)
            for (int s = 0; s < PHILOX_SETS; s++) philox_round(c[s], keys[round]);
        for (int s = 0; s < PHILOX_SETS; s++) {
            vwide pairs[2];
            vzip((c[s][0] & 0xffffffff) | c[s][1] << 32, (c[s][2] & 0xffffffff) | c[s][3] << 32, pairs, pairs + 1);
            memcpy(out + 4 * s * WIDE_LANES, pairs, sizeof pairs);
        }
    }
}

// Words drawn ahead: those [begin, end) of the block that `from` is in and the blocks behind it.
enum { WORDS_AHEAD = 1024 };
typedef struct {
    const fbp_random *from;
    fbp_size begin, end;
    uint32_t word[WORDS_AHEAD + PHILOX_WORDS];
} fbp_words;

// The words from `at` on, *n of them or, if that is less, as many as are there.
// `ahead`: how many will be asked for in all.
FBP_INLINE const uint32_t *words_at(fbp_words *w, fbp_size at, fbp_size ahead, fbp_size *n) {
    if (at < w->begin || at >= w->end) {
        const fbp_size block = at / 4, blocks = smaller(at % 4 + ahead + 3, WORDS_AHEAD) / 4;
        philox(w->from, block, blocks, w->word);
        w->begin = 4 * block, w->end = 4 * (block + blocks);
    }
    *n = smaller(*n, w->end - at);
    return w->word + (at - w->begin);
}
#endif

// out = n words from number `begin` behind the place on.
static void OP(random_bits)(const fbp_random *from, fbp_size begin, fbp_size n, uint32_t *out) {
    fbp_words w;
    w.from = from, w.begin = w.end = 0;
    for (fbp_size i = 0, count; i < n; i += count) {
        count = n - i;
        const uint32_t *words = words_at(&w, (fbp_size)from->word + begin + i, count, &count);
        memcpy(out + i, words, (size_t)count * sizeof *out);
    }
}

// Which lanes are kept: their words are not below the threshold.
FBP_INLINE vint OP(kept)(const uint32_t *words, uint32_t threshold) {
#if FBP_REAL_BITS == 32
    typedef uint32_t narrow __attribute__((vector_size(FBP_VECTOR_BYTES)));
    narrow w;
    memcpy(&w, words, sizeof w);
    return (vint)(w >= threshold);
#else
    // a double holds every word; a comparison of doubles gives a mask of their width
    typedef uint32_t narrow __attribute__((vector_size(FBP_VECTOR_BYTES / 2)));
    narrow w;
    memcpy(&w, words, sizeof w);
    return __builtin_convertvector(w, vreal) >= vset((real)threshold);
#endif
}

FBP_INLINE void OP(keep)(const fbp_dropout *a, fbp_size n, const uint32_t *words, const real *src, real *dst) {
    const vreal scale = vset((real)a->scale), shift = vset((real)a->shift), fill = vset((real)a->fill);
    const fbp_size whole = n / LANES * LANES;
    for (fbp_size q = 0; q < whole; q += LANES)
        vstore(dst + q, vselect(OP(kept)(words + q, a->threshold), vfma(vload(src + q), scale, shift), fill));
    if (whole < n) {
        const vtail tail = vtail_of(n - whole);
        const vreal x = vload_tail(src + whole, tail);
        vstore_tail(dst + whole, vselect(OP(kept)(words + whole, a->threshold), vfma(x, scale, shift), fill), tail);
    }
}

// A block function. What is dropped is selected, not multiplied by zero: so it may be NaN.
static void OP(dropout)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
                        fbp_size src_stride, void *dst, fbp_size dst_stride) {
    const fbp_dropout *a = arguments;
    const int whole_rows = j == 0 && cols == a->row_length;
    const fbp_size begin = (fbp_size)a->from.word + i * a->row_length + j;
    fbp_words w;
    w.from = &a->from, w.begin = w.end = 0;
    if (whole_rows && src_stride == cols && dst_stride == cols) cols *= rows, rows = rows > 0;
    for (fbp_size r = 0; r < rows; r++) {
        const real *x = (const real *)src + r * src_stride;
        real *y = (real *)dst + r * dst_stride;
        for (fbp_size q = 0, n; q < cols; q += n) {
            const fbp_size ahead = whole_rows ? (rows - r) * cols - q : cols - q;
            n = cols - q;
            const uint32_t *words = words_at(&w, begin + r * a->row_length + q, ahead, &n);
            OP(keep)(a, n, words, x + q, y + q);
        }
    }
}

// ---- normal numbers

// sin(pi/2 z) / z as a polynomial in z^2 for |z| <= 1: a minimax fit, off by 2^-27 (float), 2^-61 (double).
#if FBP_REAL_BITS == 32
static const real OP(sine_coef)[] = {0.0001516717f, -0.0046741436f, 0.07968992f, -0.6459638f, 1.5707964f};
#else
static const real OP(sine_coef)[] = {0x1.9d462020fcc78p-38,  -0x1.6f7acdb8f6580p-31, 0x1.e8f3675ee37ddp-25,
                                     -0x1.e3074dfaf87afp-19, 0x1.5078348551854p-13,  -0x1.32d2cce627c86p-8,
                                     0x1.466bc6775aa7dp-4,   -0x1.4abbce625be52p-1,  0x1.921fb54442d18p+0};
#endif

// Words as reals in (0, 1]: (word + 1/2) / 2^32, of full precision also near 0.
FBP_INLINE vreal OP(fraction)(const uint32_t *words) {
#if FBP_REAL_BITS == 32
    vint w;
    memcpy(&w, words, sizeof w);
    const vreal high = __builtin_convertvector((w >> 16) & 0xffff, vreal), low = __builtin_convertvector(w & 0xffff, vreal);
#else
    typedef int32_t narrow __attribute__((vector_size(FBP_VECTOR_BYTES / 2)));
    narrow w;
    memcpy(&w, words, sizeof w);
    const vreal high = __builtin_convertvector((w >> 16) & 0xffff, vreal), low = __builtin_convertvector(w & 0xffff, vreal);
#endif
    return vfma(high, vset((real)0x1p-16), (low + vset((real)0.5)) * vset((real)0x1p-32));
}

// Standard normal numbers (Box & Muller 1958): sqrt(-2 log u) cos(2 pi v), of two independent words each. v counts from
// -1/2 to 1/2, and cos(2 pi v) = sin(pi/2 (1 - 4 |v|)). None is beyond 6.8; one in 10^11 would have to be.
FBP_INLINE vreal OP(normal)(const uint32_t *length, const uint32_t *angle) {
    const vreal r = vsqrt(vset(-2) * vlog(OP(fraction)(length)));
    const vreal half = vset((real)0.5), z = vset(1) - vset(4) * vabs(OP(fraction)(angle) - half), zz = z * z;
    return r * (z * vpoly(OP(sine_coef), (int)(sizeof OP(sine_coef) / sizeof(real)), zz, zz * zz));
}

// n elements, with words for as many, and behind them for whole vectors.
FBP_INLINE void OP(add_noise)(const fbp_noise *a, fbp_size n, const uint32_t *lengths, const uint32_t *angles,
                              const real *src, real *dst) {
    const vreal stddev = vset((real)a->stddev), one = vset(1);
    for (fbp_size q = 0; q < n; q += LANES) {
        const vreal x = vload_upto(src + q, n - q), noise = stddev * OP(normal)(lengths + q, angles + q);
        vstore_upto(dst + q, vfma(noise, a->multiplies ? x : one, x), n - q);
    }
}

// A block function. The words of lengths and of angles lie half of all counters apart.
static void OP(noise)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
                      fbp_size src_stride, void *dst, fbp_size dst_stride) {
    const fbp_noise *a = arguments;
    const int whole_rows = j == 0 && cols == a->row_length;
    const fbp_size begin = (fbp_size)a->from.word + i * a->row_length + j;
    fbp_random half = a->from;
    half.counter[0] ^= (uint64_t)1 << 63;
    fbp_words lengths, angles;
    lengths.from = &a->from, lengths.begin = lengths.end = 0;
    angles.from = &half, angles.begin = angles.end = 0;
    for (fbp_size r = 0; r < rows; r++) {
        const real *x = (const real *)src + r * src_stride;
        real *y = (real *)dst + r * dst_stride;
        for (fbp_size q = 0, n; q < cols; q += n) {
            const fbp_size at = begin + r * a->row_length + q, ahead = whole_rows ? (rows - r) * cols - q : cols - q;
            n = cols - q;
            const uint32_t *length = words_at(&lengths, at, ahead, &n), *angle = words_at(&angles, at, ahead, &n);
            OP(add_noise)(a, n, length, angle, x + q, y + q);
        }
    }
}
