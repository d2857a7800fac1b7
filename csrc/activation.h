// Floor 0. Elementwise activations, and the two block functions made of them: activation_forward, what is done to a
// product when it becomes a layer's output, and activation_backward, what is done to its gradient.
//
// Adding an activation f is a row in FBP_ACTIVATIONS (fbp_families.h) and two functions here: f_forward(x, alpha), and
// f_backward(dy, y, alpha) where y is the output, or the input if the row says so. From the output is better where the
// mathematics allows it: then no layer has to keep its pre-activations.

#define forward_rule OP(forward_rule)
#define backward_rule OP(backward_rule)

typedef vreal forward_rule(vreal x, vreal alpha);
typedef vreal backward_rule(vreal dy, vreal saved, vreal alpha);

FBP_INLINE vreal OP(linear_forward)(vreal x, vreal alpha) { return (void)alpha, x; }
FBP_INLINE vreal OP(linear_backward)(vreal dy, vreal y, vreal alpha) { return (void)y, (void)alpha, dy; }

// NaN passes through: it is not <= 0. Where y is 0 so is the derivative, whatever dy is: a select, no product.
FBP_INLINE vreal OP(relu_forward)(vreal x, vreal alpha) { return (void)alpha, vselect(x <= 0, vset(0), x); }
FBP_INLINE vreal OP(relu_backward)(vreal dy, vreal y, vreal alpha) { return (void)alpha, vselect(y > 0, dy, vset(0)); }

// alpha >= 0, so that the output has the sign of the input.
FBP_INLINE vreal OP(leaky_relu_forward)(vreal x, vreal alpha) { return vselect(x <= 0, alpha * x, x); }
FBP_INLINE vreal OP(leaky_relu_backward)(vreal dy, vreal y, vreal alpha) { return vselect(y > 0, dy, alpha * dy); }

FBP_INLINE vreal OP(sigmoid_forward)(vreal x, vreal alpha) { return (void)alpha, vsigmoid(x); }
FBP_INLINE vreal OP(sigmoid_backward)(vreal dy, vreal y, vreal alpha) { return (void)alpha, dy * (y * (1 - y)); }

FBP_INLINE vreal OP(tanh_forward)(vreal x, vreal alpha) { return (void)alpha, vtanh(x); }
FBP_INLINE vreal OP(tanh_backward)(vreal dy, vreal y, vreal alpha) { return (void)alpha, dy * ((1 - y) * (1 + y)); }

// dst = f(src), for a constant f.
FBP_INLINE void OP(map_forward)(forward_rule *f, real slope, fbp_size rows, fbp_size cols, const real *src,
                                fbp_size src_stride, real *dst, fbp_size dst_stride) {
    const vreal alpha = vset(slope);
    if (src_stride == cols && dst_stride == cols) cols *= rows, rows = rows > 0;
    const fbp_size whole = cols / LANES * LANES;
    const vtail tail = vtail_of(cols - whole);
    for (fbp_size r = 0; r < rows; r++, src += src_stride, dst += dst_stride) {
        for (fbp_size q = 0; q < whole; q += LANES) vstore(dst + q, f(vload(src + q), alpha));
        if (whole < cols) vstore_tail(dst + whole, f(vload_tail(src + whole, tail), alpha), tail);
    }
}

// dst = f(src, saved), for a constant f.
FBP_INLINE void OP(map_derivative)(backward_rule *f, const fbp_activation_backward *args, fbp_size i, fbp_size j, fbp_size rows,
                                   fbp_size cols, const real *src, fbp_size src_stride, real *dst,
                                   fbp_size dst_stride) {
    const vreal alpha = vset((real)args->alpha);
    const fbp_size stride = args->stride;
    const real *y = (const real *)args->saved + i * stride + j;
    if (stride == cols && src_stride == cols && dst_stride == cols) cols *= rows, rows = rows > 0;
    const fbp_size whole = cols / LANES * LANES;
    const vtail tail = vtail_of(cols - whole);
    for (fbp_size r = 0; r < rows; r++, src += src_stride, dst += dst_stride, y += stride) {
        for (fbp_size q = 0; q < whole; q += LANES) vstore(dst + q, f(vload(src + q), vload(y + q), alpha));
        if (whole < cols)
            vstore_tail(dst + whole, f(vload_tail(src + whole, tail), vload_tail(y + whole, tail), alpha), tail);
    }
}

static void OP(activation_forward)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols,
                                   const void *src, fbp_size src_stride, void *dst, fbp_size dst_stride) {
    (void)i, (void)j;
    const fbp_activation_forward *args = arguments;
    switch (args->activation) {
#define ROW(f, saved)                                                                                           \
    case FBP_ACTIVATION_##f:                                                                                    \
        OP(map_forward)(OP(f##_forward), (real)args->alpha, rows, cols, src, src_stride, dst, dst_stride);      \
        break;
        FBP_ACTIVATIONS(ROW)
#undef ROW
    }
}

static void OP(column_forward)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols,
                               const void *src, fbp_size src_stride, void *dst, fbp_size dst_stride) {
    const fbp_column_forward *args = arguments;
    const real *bias = args->bias ? (const real *)args->bias + i : NULL;
    for (fbp_size r = 0; bias && r < rows; r++) {
        const real *from = (const real *)src + r * src_stride;
        real *to = (real *)dst + r * dst_stride;
        for (fbp_size q = 0; q < cols; q++) to[q] = from[q] + bias[r];
    }
    if (bias) src = dst, src_stride = dst_stride;
    OP(activation_forward)(&args->forward, i, j, rows, cols, src, src_stride, dst, dst_stride);
}

static void OP(activation_backward)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols,
                                    const void *src, fbp_size src_stride, void *dst, fbp_size dst_stride) {
    const fbp_activation_backward *args = arguments;
    switch (args->activation) {
#define ROW(f, saved)                                                                                   \
    case FBP_ACTIVATION_##f:                                                                            \
        OP(map_derivative)(OP(f##_backward), args, i, j, rows, cols, src, src_stride, dst, dst_stride); \
        break;
        FBP_ACTIVATIONS(ROW)
#undef ROW
    }
}

#undef forward_rule
#undef backward_rule
