// Floor 0. Softmax and its logarithm along rows, forward and backward, and the sum of exponentials that the
// cross-entropies share.

#ifndef FBP_SOFTMAX_ONCE
#define FBP_SOFTMAX_ONCE
#define EACH_GROUP(j, cols) for (fbp_size j = 0; j < (cols); j += GROUP_LANES)
#endif

FBP_INLINE real OP(log_of)(real x) { return vlog(vset(x))[0]; }

// Lanes [j, j + GROUP_LANES) of y = exp(z - shift), where y is given, and of *sum. There are n; behind them is -inf.
FBP_INLINE void OP(exp_group)(fbp_size n, const real *z, vreal shift, real *y, group *sum) {
    group x = OP(group_load)(z, n, (real)-INFINITY);
    EACH_PART {
        if (g * LANES < n) x.v[g] = vexp(x.v[g] - shift);
    }
    if (n < GROUP_LANES) {  // -inf - -inf is NaN in lanes that are not there
        EACH_PART x.v[g] = vselect(OP(lanes_before)(n - g * LANES), x.v[g], vset(0));
    }
    EACH_PART sum->v[g] += x.v[g];
    if (y) OP(group_store)(y, x, n);
}

// y = exp(z - max z) where y is given; *largest = max z; returns the sum of the exponentials.
FBP_INLINE real OP(exp_row)(fbp_size cols, const real *z, real *y, real *largest) {
    const fbp_size whole = cols / GROUP_LANES * GROUP_LANES;
    group top = OP(group_of)((real)-INFINITY), sum = OP(group_of)(0);
    EACH_GROUP(j, whole) EACH_PART top.v[g] = vmax(vload(z + j + g * LANES), top.v[g]);
    if (whole < cols) {
        const group x = OP(group_load)(z + whole, cols - whole, (real)-INFINITY);
        EACH_PART top.v[g] = vmax(x.v[g], top.v[g]);
    }
    *largest = OP(group_max)(top);
    const vreal shift = vset(*largest);
    if (y)
        EACH_GROUP(j, whole) OP(exp_group)(GROUP_LANES, z + j, shift, y + j, &sum);
    else
        EACH_GROUP(j, whole) OP(exp_group)(GROUP_LANES, z + j, shift, NULL, &sum);
    if (whole < cols) OP(exp_group)(cols - whole, z + whole, shift, y ? y + whole : NULL, &sum);
    return OP(group_sum)(sum);
}

// y = factor y
FBP_INLINE void OP(scale_row)(fbp_size cols, real factor, real *y) {
    const fbp_size whole = cols / LANES * LANES;
    for (fbp_size j = 0; j < whole; j += LANES) vstore(y + j, factor * vload(y + j));
    if (whole < cols) vstore_upto(y + whole, factor * vload_upto(y + whole, cols - whole), cols - whole);
}

// out[i] = log(sum(exp(row i))), without overflow. A row whose largest is infinite is that, unless it holds a NaN.
static void OP(logsumexp)(fbp_size rows, fbp_size cols, const void *source, fbp_size stride, void *out) {
    for (fbp_size i = 0; i < rows; i++) {
        const real *x = (const real *)source + i * stride;
        real largest;
        const real sum = OP(exp_row)(cols, x, NULL, &largest);
        real value = largest + OP(log_of)(sum);
        if (largest - largest != 0) {
            value = largest;
            for (fbp_size j = 0; j < cols; j++)
                if (x[j] != x[j]) value = x[j];
        }
        ((real *)out)[i] = value;
    }
}

static void OP(softmax)(fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y, fbp_size y_stride) {
    for (fbp_size i = 0; i < rows; i++) {
        real largest, *out = (real *)y + i * y_stride;
        const vreal sum = vset(OP(exp_row)(cols, (const real *)x + i * x_stride, out, &largest));
        EACH_GROUP(j, cols) {
            group e = OP(group_load)(out + j, cols - j, 0);
            EACH_PART e.v[g] /= sum;
            OP(group_store)(out + j, e, cols - j);
        }
    }
}

// dx = y (dy - sum(dy y))
static void OP(softmax_backward)(fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *y,
                                 fbp_size y_stride, void *dx, fbp_size dx_stride) {
    for (fbp_size i = 0; i < rows; i++) {
        const real *d = (const real *)dy + i * dy_stride, *p = (const real *)y + i * y_stride;
        real *out = (real *)dx + i * dx_stride;
        group dot = OP(group_of)(0);
        EACH_GROUP(j, cols) {
            const group a = OP(group_load)(d + j, cols - j, 0), b = OP(group_load)(p + j, cols - j, 0);
            EACH_PART dot.v[g] = vfma(a.v[g], b.v[g], dot.v[g]);
        }
        const vreal mean = vset(OP(group_sum)(dot));
        EACH_GROUP(j, cols) {
            group a = OP(group_load)(d + j, cols - j, 0);
            const group b = OP(group_load)(p + j, cols - j, 0);
            EACH_PART a.v[g] = b.v[g] * (a.v[g] - mean);
            OP(group_store)(out + j, a, cols - j);
        }
    }
}

// y = x - max - log(sum of exp(x - max))
static void OP(log_softmax)(fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y,
                            fbp_size y_stride) {
    for (fbp_size i = 0; i < rows; i++) {
        const real *in = (const real *)x + i * x_stride;
        real largest, *out = (real *)y + i * y_stride;
        const vreal log_sum = vset(OP(log_of)(OP(exp_row)(cols, in, NULL, &largest))), shift = vset(largest);
        EACH_GROUP(j, cols) {
            group a = OP(group_load)(in + j, cols - j, 0);
            EACH_PART a.v[g] = a.v[g] - shift - log_sum;
            OP(group_store)(out + j, a, cols - j);
        }
    }
}

// dx = dy - exp(y) sum(dy)
static void OP(log_softmax_backward)(fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *y,
                                     fbp_size y_stride, void *dx, fbp_size dx_stride) {
    for (fbp_size i = 0; i < rows; i++) {
        const real *d = (const real *)dy + i * dy_stride, *log_p = (const real *)y + i * y_stride;
        real *out = (real *)dx + i * dx_stride;
        group total = OP(group_of)(0);
        EACH_GROUP(j, cols) {
            const group a = OP(group_load)(d + j, cols - j, 0);
            EACH_PART total.v[g] += a.v[g];
        }
        const vreal sum = vset(OP(group_sum)(total));
        EACH_GROUP(j, cols) {
            group a = OP(group_load)(d + j, cols - j, 0);
            const group b = OP(group_load)(log_p + j, cols - j, 0);
            EACH_PART a.v[g] -= vexp(b.v[g]) * sum;
            OP(group_store)(out + j, a, cols - j);
        }
    }
}
