// Floor 0. What is done to gradients and averages beside an update: clipping, scaling, blending, penalties, and the sums of
// squares and of absolute values; and the copy past the caches.
//
// Adding a member is a row in FBP_VECTORS (fbp_families.h) and its function here.

#define vector_rule OP(vector_rule)

typedef vreal vector_rule(vreal x, vreal other, vreal a, vreal b);

// NaN stays NaN.
FBP_INLINE vreal OP(clip_vector)(vreal x, vreal other, vreal a, vreal b) { return (void)other, vmin(b, vmax(a, x)); }
FBP_INLINE vreal OP(scale_vector)(vreal x, vreal other, vreal a, vreal b) { return (void)other, (void)b, a * x; }
FBP_INLINE vreal OP(blend_vector)(vreal x, vreal other, vreal a, vreal b) { return vfma(b, x, a * other); }
FBP_INLINE vreal OP(multiply_vector)(vreal x, vreal other, vreal a, vreal b) { return (void)a, (void)b, x * other; }

// The gradient x of a weight `other`, and that of a |w| + b/2 w^2. A factor of 0 leaves infinite weights alone.
FBP_INLINE vreal OP(penalty_vector)(vreal x, vreal other, vreal a, vreal b) {
    x = vselect(b != 0, vfma(b, other, x), x);
    return vselect(a != 0, vfma(a, OP(sign)(other), x), x);
}

// dst = f(src, other), for a constant f; `other` is read where f has a use for it, as those from blend on have.
FBP_INLINE void OP(map_vector)(vector_rule *f, const int reads_other, const fbp_vector *args, fbp_size i, fbp_size j,
                               fbp_size rows, fbp_size cols, const real *src, fbp_size src_stride, real *dst,
                               fbp_size dst_stride) {
    const vreal a = vset((real)args->a), b = vset((real)args->b);
    const real *other = reads_other ? (const real *)args->other + i * args->stride + j : src;
    const fbp_size other_stride = reads_other ? args->stride : src_stride, whole = cols / LANES * LANES;
    const vtail tail = vtail_of(cols - whole);
    for (fbp_size r = 0; r < rows; r++, src += src_stride, dst += dst_stride, other += other_stride) {
        for (fbp_size q = 0; q < whole; q += LANES) vstore(dst + q, f(vload(src + q), vload(other + q), a, b));
        if (whole < cols)
            vstore_tail(dst + whole, f(vload_tail(src + whole, tail), vload_tail(other + whole, tail), a, b), tail);
    }
}

static void OP(vector_map)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
                           fbp_size src_stride, void *dst, fbp_size dst_stride) {
    const fbp_vector *args = arguments;
    switch (args->kind) {
#define ROW(f)                                                                                                      \
    case FBP_VECTOR_##f:                                                                                            \
        OP(map_vector)(OP(f##_vector), FBP_VECTOR_##f >= FBP_VECTOR_blend, args, i, j, rows, cols, src, src_stride, \
                       dst, dst_stride);                                                                            \
        break;
        FBP_VECTORS(ROW)
#undef ROW
    }
}

// f(x[0]) + ... + f(x[n - 1]) in double, f the square or the absolute value, as 32 interleaved chains folded at the end.
// Product and sum are rounded one after the other on every ISA. Chains are kept in vectors of doubles, for either real
// type.
FBP_INLINE double OP(sum_in_double)(fbp_size n, const void *source, const int squares) {
    enum { CHAINS = 32, VECTORS = CHAINS / WIDE_LANES };
    typedef int64_t longs __attribute__((vector_size(sizeof(vdouble))));
    const real *x = source;
    vdouble sum[VECTORS] = {{0}};
    fbp_size i = 0;
    for (; i + CHAINS <= n; i += CHAINS) {
#pragma GCC unroll 16
        for (int v = 0; v < VECTORS; v++) {
            const vdouble d = vload_wide(x + i + v * WIDE_LANES);
            sum[v] += squares ? d * d : (vdouble)((longs)d & INT64_MAX);
        }
    }
    double chain[CHAINS];
    memcpy(chain, sum, sizeof chain);
    for (int c = 0; i + c < n; c++) {
        const double d = x[i + c];
        chain[c] += squares ? d * d : (d < 0 ? -d : d);
    }
    for (int w = CHAINS / 2; w; w /= 2)
        for (int c = 0; c < w; c++) chain[c] += chain[c + w];
    return chain[0];
}

static double OP(sum_of_squares)(fbp_size n, const void *x) { return OP(sum_in_double)(n, x, 1); }
static double OP(sum_of_absolutes)(fbp_size n, const void *x) { return OP(sum_in_double)(n, x, 0); }

// out = x, past the caches: for results larger than they are, which nobody will find there anyway. stream_end comes
// once, after all that a thread stores so: it waits until memory has them.
static void OP(stream)(fbp_size n, const void *x, void *out) {
    const real *from = x;
    real *to = out;
    fbp_size i = 0;
    for (; i < n && (uintptr_t)(to + i) % FBP_VECTOR_BYTES; i++) to[i] = from[i];
    for (; i + LANES <= n; i += LANES) vstream(to + i, vload(from + i));
    for (; i < n; i++) to[i] = from[i];
}

static void OP(stream_end)(void) { stream_fence(); }

#undef vector_rule
