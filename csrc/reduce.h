// Floor 0. Sums in one fixed order, and the group: 64 bytes of lanes, whatever the vector width of the ISA.
//
// A reduction over lanes keeps one partial result for each of the lanes of a group and folds them as a tree at the end.
// A group is FBP_GROUP vectors, so its order, hence its bits, does not depend on the ISA.

#ifndef FBP_REDUCE_ONCE
#define FBP_REDUCE_ONCE
#define group OP(group)
#define GROUP_LANES ((fbp_size)(64 / sizeof(real)))
#define SUM_ROWS 8      // rows that a column sum reads at a time,
#define SIDE_BY_SIDE 2  // rows that are added up along themselves at a time,
#define SUM_GROUPS 4    // each in so many groups
#define EACH_PART for (int g = 0; g < FBP_GROUP; g++)
#endif

typedef struct {
    vreal v[FBP_GROUP];
} group;

// True in the first n lanes (n may be negative, or larger than a vector). Lanes are numbered in reals: 64-bit integer
// comparisons are not in SSE2.
FBP_INLINE vint OP(lanes_before)(fbp_size n) {
    vreal lane;
    for (fbp_size i = 0; i < LANES; i++) lane[i] = (real)i;
    return lane < (real)n;
}

// Is any lane of a comparison true?
FBP_INLINE int OP(any)(vint mask) {
    int64_t words[FBP_VECTOR_BYTES / 8], all = 0;
    memcpy(words, &mask, sizeof words);
    for (int i = 0; i < FBP_VECTOR_BYTES / 8; i++) all |= words[i];
    return all != 0;
}

FBP_INLINE group OP(group_of)(real x) {
    group a;
    EACH_PART a.v[g] = vset(x);
    return a;
}

// The first n elements at p (all lanes if n is larger); the lanes behind them hold `fill`.
FBP_INLINE group OP(group_load)(const real *p, fbp_size n, real fill) {
    group a;
    EACH_PART {
        const fbp_size left = n - g * LANES;
        if (left >= LANES)
            a.v[g] = vload(p + g * LANES);
        else if (left > 0)
            a.v[g] = vselect(OP(lanes_before)(left), vload_tail(p + g * LANES, vtail_of(left)), vset(fill));
        else
            a.v[g] = vset(fill);
    }
    return a;
}

FBP_INLINE void OP(group_store)(real *p, group a, fbp_size n) {
    EACH_PART {
        const fbp_size left = n - g * LANES;
        if (left >= LANES)
            vstore(p + g * LANES, a.v[g]);
        else if (left > 0)
            vstore_tail(p + g * LANES, a.v[g], vtail_of(left));
    }
}

FBP_INLINE real OP(group_sum)(group a) {
    typedef real half __attribute__((vector_size(32)));
    typedef real quarter __attribute__((vector_size(16)));
    half x[2];
    quarter y[2];
    memcpy(x, &a, sizeof x);
    x[0] += x[1];
    memcpy(y, x, sizeof y);
    y[0] += y[1];
#if FBP_REAL_BITS == 32
    return (y[0][0] + y[0][2]) + (y[0][1] + y[0][3]);
#else
    return y[0][0] + y[0][1];
#endif
}

// group_sum of n values at x and zeros behind them, given the largest power of two below n; x is used up. The last four
// are added in registers.
FBP_INLINE real OP(folded)(real *x, fbp_size n, fbp_size half) {
    fbp_size w = half;
    for (; w > 2; n = w, w /= 2)
        for (fbp_size i = 0; i + w < n; i++) x[i] += x[i + w];
    if (w == 0) return x[0];
    if (w == 1) return x[0] + x[1];
    return (x[0] + x[2]) + (n > 3 ? x[1] + x[3] : x[1]);
}

FBP_INLINE real OP(group_max)(group a) {
    real x[64 / sizeof(real)];
    memcpy(x, &a, sizeof x);
    for (fbp_size w = GROUP_LANES / 2; w; w /= 2)
        for (fbp_size i = 0; i < w; i++) x[i] = x[i] > x[i + w] ? x[i] : x[i + w];
    return x[0];
}

// out[j] = (out[j] +) x[0, j] + x[1, j] + ... over `rows` rows, at most SUM_ROWS: for a constant number it stays in
// registers.
FBP_INLINE void OP(add_rows)(const real *x, fbp_size stride, fbp_size rows, int first, real *out) {
    vreal acc = first ? (vreal){0} : vload(out);
    for (fbp_size r = 0; r < rows; r++) acc += vload(x + r * stride);
    vstore(out, acc);
}

// out[j] = x[0, j] + x[1, j] + ..., one chain a column. Rows are read side by side from left to right: down a column
// the lines of a wide matrix fall into the same few places of the cache.
static void OP(column_sum)(fbp_size rows, fbp_size cols, const void *source, fbp_size stride, void *out) {
    const fbp_size whole = cols / LANES * LANES;
    const vtail tail = vtail_of(cols - whole);
    real *y = out;
    for (fbp_size i = 0; i < rows || i == 0; i += SUM_ROWS) {
        const fbp_size height = smaller(SUM_ROWS, rows - i);
        const real *x = (const real *)source + i * stride;
        fbp_size j = 0;
        for (; height == SUM_ROWS && j < whole; j += LANES) OP(add_rows)(x + j, stride, SUM_ROWS, i == 0, y + j);
        for (; j < whole; j += LANES) OP(add_rows)(x + j, stride, height, i == 0, y + j);
        if (whole == cols) continue;
        vreal acc = i ? vload_tail(y + whole, tail) : (vreal){0};
        for (fbp_size r = 0; r < height; r++) acc += vload_tail(x + r * stride + whole, tail);
        vstore_tail(y + whole, acc, tail);
    }
}

// out = x + y
static void OP(add)(fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, const void *y, fbp_size y_stride,
                    void *out, fbp_size out_stride) {
    const fbp_size whole = cols / LANES * LANES;
    const vtail tail = vtail_of(cols - whole);
    for (fbp_size i = 0; i < rows; i++) {
        const real *a = (const real *)x + i * x_stride, *b = (const real *)y + i * y_stride;
        real *c = (real *)out + i * out_stride;
        for (fbp_size j = 0; j < whole; j += LANES) vstore(c + j, vload(a + j) + vload(b + j));
        if (whole < cols) vstore_tail(c + whole, vload_tail(a + whole, tail) + vload_tail(b + whole, tail), tail);
    }
}

// x[0] + ... + x[n - 1] in double, as eight interleaved chains folded at the end.
static double OP(sum)(fbp_size n, const void *source) {
    const real *x = source;
    double chain[8] = {0};
    for (fbp_size i = 0; i < n; i++) chain[i % 8] += (double)x[i];
    for (int w = 4; w; w /= 2)
        for (int i = 0; i < w; i++) chain[i] += chain[i + w];
    return chain[0];
}

// out[i] = sum of row i of a constant number of rows, in SUM_GROUPS interleaved groups: lane l adds x[l],
// x[l + SUM_GROUPS * GROUP_LANES], ...
FBP_INLINE void OP(sum_along)(fbp_size rows, fbp_size cols, const real *x, fbp_size stride, real *out) {
    group sum[SIDE_BY_SIDE][SUM_GROUPS];
    fbp_size j = 0;
    for (fbp_size i = 0; i < rows; i++)
        for (int w = 0; w < SUM_GROUPS; w++) sum[i][w] = OP(group_of)(0);
    for (; cols - j >= SUM_GROUPS * GROUP_LANES; j += SUM_GROUPS * GROUP_LANES)
        for (fbp_size i = 0; i < rows; i++)
            for (int w = 0; w < SUM_GROUPS; w++)
                EACH_PART sum[i][w].v[g] += vload(x + i * stride + j + w * GROUP_LANES + g * LANES);
    for (fbp_size i = 0; i < rows; i++) {
        group *s = sum[i];
        for (fbp_size w = 0, at = j; at < cols; w++, at += GROUP_LANES) {
            const group last = OP(group_load)(x + i * stride + at, cols - at, 0);
            EACH_PART s[w].v[g] += last.v[g];
        }
        EACH_PART s[0].v[g] = (s[0].v[g] + s[1].v[g]) + (s[2].v[g] + s[3].v[g]);
        out[i] = OP(group_sum)(s[0]);
    }
}

// The sum of each row. Two at a time, a core asks memory for more at once: 1.3 times as fast as one after the other.
static void OP(row_sum)(fbp_size rows, fbp_size cols, const void *source, fbp_size stride, void *out) {
    const real *x = source;
    real *sums = out;
    fbp_size i = 0;
    for (; i + SIDE_BY_SIDE <= rows; i += SIDE_BY_SIDE)
        OP(sum_along)(SIDE_BY_SIDE, cols, x + i * stride, stride, sums + i);
    for (; i < rows; i++) OP(sum_along)(1, cols, x + i * stride, stride, sums + i);
}

// The first column with the largest value, as np.argmax: a NaN is larger than any number. One sweep for the value, and
// another up to where it is.
static fbp_size OP(largest)(fbp_size cols, const real *x) {
    enum { WIDE = 4 };
    vreal top[WIDE];
    vint odd = {0};  // lanes that saw a NaN
    real largest = (real)-INFINITY;
    fbp_size j = 0, nan = 0;
    if (cols >= WIDE * LANES) {
        for (int w = 0; w < WIDE; w++) top[w] = vset(largest);
        for (; cols - j >= WIDE * LANES; j += WIDE * LANES)
            for (int w = 0; w < WIDE; w++) {
                const vreal v = vload(x + j + w * LANES);
                odd |= v != v;
                top[w] = vmax(v, top[w]);
            }
        for (int w = 1; w < WIDE; w++) top[0] = vmax(top[w], top[0]);
        for (fbp_size l = 0; l < LANES; l++) {
            largest = top[0][l] > largest ? top[0][l] : largest;
            nan |= odd[l] != 0;
        }
    }
    for (; j < cols; j++) {
        largest = x[j] > largest ? x[j] : largest;
        nan |= x[j] != x[j];
    }
    j = 0;
    if (nan) {
        while (x[j] == x[j]) j++;
        return j;
    }
    for (; cols - j >= 2 * WIDE * LANES; j += 2 * WIDE * LANES) {
        vint here = {0};
        for (int w = 0; w < 2 * WIDE; w++) here |= vload(x + j + w * LANES) == largest;
        if (OP(any)(here)) break;
    }
    while (j < cols && x[j] != largest) j++;
    return j < cols ? j : 0;
}

// out[i] = largest(row i), int64.
static void OP(argmax)(fbp_size rows, fbp_size cols, const void *source, fbp_size stride, void *out) {
    for (fbp_size i = 0; i < rows; i++) ((int64_t *)out)[i] = OP(largest)(cols, (const real *)source + i * stride);
}
