// Floor 0. PReLU, a rectifier with learnt slopes: forward, and the gradients of input and slopes in one pass.
//
// The slope of column j is slope[j * slope_step]; with a step of 0 all columns share one.

FBP_INLINE vreal OP(slopes)(const real *slope, fbp_size step, fbp_size left) {
    return step ? vload_upto(slope, left) : vset(*slope);
}

// y = x where x > 0, else slope x. NaN passes through.
static void OP(prelu)(fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, const void *slope,
                      fbp_size slope_step, void *y, fbp_size y_stride) {
    for (fbp_size i = 0; i < rows; i++) {
        const real *in = (const real *)x + i * x_stride;
        real *out = (real *)y + i * y_stride;
        for (fbp_size j = 0; j < cols; j += LANES) {
            const vreal v = vload_upto(in + j, cols - j);
            const vreal s = OP(slopes)((const real *)slope + j * slope_step, slope_step, cols - j);
            vstore_upto(out + j, vselect(v > 0, v, s * v), cols - j);
        }
    }
}

// dx = dy where x > 0, else slope dy; dslope[j] = sum over rows of dy x where x < 0, one chain a column. dx and dy may
// be the same. Rows are gone through as they lie in memory, for PIECE columns at a time, whose sums stay in L1.
static void OP(prelu_backward)(fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *x,
                               fbp_size x_stride, const void *slope, fbp_size slope_step, void *dx, fbp_size dx_stride,
                               void *dslope) {
    enum { PIECE = 8192 / sizeof(real) };
    real sums[PIECE];
    for (fbp_size first = 0; first < cols; first += PIECE) {
        const fbp_size n = smaller(PIECE, cols - first);
        memset(sums, 0, sizeof sums);
        for (fbp_size i = 0; i < rows; i++) {
            const real *d = (const real *)dy + i * dy_stride + first, *in = (const real *)x + i * x_stride + first;
            real *out = (real *)dx + i * dx_stride + first;
            for (fbp_size j = 0; j < n; j += LANES) {
                const vreal v = vload_upto(in + j, n - j), g = vload_upto(d + j, n - j);
                const vreal s = OP(slopes)((const real *)slope + (first + j) * slope_step, slope_step, n - j);
                vstore(sums + j, vload(sums + j) + vselect(v >= 0, vset(0), g * v));
                vstore_upto(out + j, vselect(v > 0, g, s * g), n - j);
            }
        }
        memcpy((real *)dslope + first, sums, (size_t)n * sizeof(real));
    }
}
