// Floor 0. Softmax and its logarithm down the columns of a matrix, forward and backward: along an axis that is not the
// last one, neighbours in memory belong to different sums.
//
// Columns are taken in strips, whose maxima and sums are vectors in L1; a strip's rows are gone through in the order in
// which they lie in memory. Each sum is one chain, from the first row to the last.

#ifndef FBP_SOFTMAX_COLUMNS_ONCE
#define FBP_SOFTMAX_COLUMNS_ONCE
#define STRIP_LANES ((fbp_size)(2048 / sizeof(real)))
#define EACH_STRIP(j, n, cols) \
    for (fbp_size j = 0, n = smaller(STRIP_LANES, cols); j < (cols); j += n, n = smaller(STRIP_LANES, (cols)-j))
#endif

// A strip of n columns. y = exp(x - top) / sum, or x - top - log(sum).
FBP_INLINE void OP(softmax_strip)(const int log, fbp_size rows, fbp_size n, const real *x, fbp_size x_stride, real *y,
                                  fbp_size y_stride) {
    real top[STRIP_LANES], sum[STRIP_LANES];
    for (fbp_size q = 0; q < n; q += LANES) vstore(top + q, vset((real)-INFINITY)), vstore(sum + q, vset(0));
    for (fbp_size i = 0; i < rows; i++)
        for (fbp_size q = 0; q < n; q += LANES)
            vstore(top + q, vmax(vload_upto(x + i * x_stride + q, n - q), vload(top + q)));
    for (fbp_size i = 0; i < rows; i++) {
        for (fbp_size q = 0; q < n; q += LANES) {
            const vreal e = vexp(vload_upto(x + i * x_stride + q, n - q) - vload(top + q));
            vstore(sum + q, vload(sum + q) + e);
            if (!log) vstore_upto(y + i * y_stride + q, e, n - q);
        }
    }
    for (fbp_size q = 0; log && q < n; q += LANES) vstore(sum + q, vlog(vload(sum + q)));
    for (fbp_size i = 0; i < rows; i++) {
        for (fbp_size q = 0; q < n; q += LANES) {
            const vreal a = vload_upto((log ? x + i * x_stride : y + i * y_stride) + q, n - q), s = vload(sum + q);
            vstore_upto(y + i * y_stride + q, log ? a - vload(top + q) - s : a / s, n - q);
        }
    }
}

// A strip of n columns. dx = y (dy - sum(dy y)), or dy - exp(y) sum(dy).
FBP_INLINE void OP(softmax_strip_backward)(const int log, fbp_size rows, fbp_size n, const real *dy, fbp_size dy_stride,
                                           const real *y, fbp_size y_stride, real *dx, fbp_size dx_stride) {
    real sum[STRIP_LANES];
    for (fbp_size q = 0; q < n; q += LANES) vstore(sum + q, vset(0));
    for (fbp_size i = 0; i < rows; i++) {
        for (fbp_size q = 0; q < n; q += LANES) {
            const vreal d = vload_upto(dy + i * dy_stride + q, n - q), s = vload(sum + q);
            vstore(sum + q, log ? s + d : vfma(d, vload_upto(y + i * y_stride + q, n - q), s));
        }
    }
    for (fbp_size i = 0; i < rows; i++) {
        for (fbp_size q = 0; q < n; q += LANES) {
            const vreal d = vload_upto(dy + i * dy_stride + q, n - q), p = vload_upto(y + i * y_stride + q, n - q);
            const vreal s = vload(sum + q);
            vstore_upto(dx + i * dx_stride + q, log ? d - vexp(p) * s : p * (d - s), n - q);
        }
    }
}

static void OP(softmax_columns)(fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y,
                                fbp_size y_stride) {
    EACH_STRIP(j, n, cols)
    OP(softmax_strip)(0, rows, n, (const real *)x + j, x_stride, (real *)y + j, y_stride);
}

static void OP(log_softmax_columns)(fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y,
                                    fbp_size y_stride) {
    EACH_STRIP(j, n, cols)
    OP(softmax_strip)(1, rows, n, (const real *)x + j, x_stride, (real *)y + j, y_stride);
}

static void OP(softmax_columns_backward)(fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride,
                                         const void *y, fbp_size y_stride, void *dx, fbp_size dx_stride) {
    EACH_STRIP(j, n, cols)
    OP(softmax_strip_backward)(0, rows, n, (const real *)dy + j, dy_stride, (const real *)y + j, y_stride,
                               (real *)dx + j, dx_stride);
}

static void OP(log_softmax_columns_backward)(fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride,
                                             const void *y, fbp_size y_stride, void *dx, fbp_size dx_stride) {
    EACH_STRIP(j, n, cols)
    OP(softmax_strip_backward)(1, rows, n, (const real *)dy + j, dy_stride, (const real *)y + j, y_stride,
                               (real *)dx + j, dx_stride);
}
