// Floor 0. Elementwise activations, and the two block functions made of them: activation_forward, what is done to a
// product when it becomes a layer's output, and activation_backward, what is done to its gradient.
//
// Adding an activation f is a row in FBP_ACTIVATIONS (fbp_families.h) and two functions here: f_forward(x, alpha), and
// f_backward(dy, y, alpha) where y is the output, or the input if the row says so. From the output is better where the
// mathematics allows it: then no layer has to keep its pre-activations.
//
// Where a function has a limit at an infinity, that is its value there, and derivatives have theirs; NaN gives NaN.
// Sources and accuracy are with the public functions, in ops/activation.py.

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

// ---- exponential below zero, linear above. The derivative there, alpha e^x, is y + alpha.

FBP_INLINE vreal OP(elu_forward)(vreal x, vreal alpha) { return vselect(x > 0, x, alpha * vexpm1(x)); }
FBP_INLINE vreal OP(elu_backward)(vreal dy, vreal y, vreal alpha) { return vselect(y > 0, dy, dy * (y + alpha)); }

#ifndef SELU_SCALE
#define SELU_SCALE 1.0507009873554804934193349852946
#define SELU_ALPHA 1.6732632423543772848170429916717
#endif

FBP_INLINE vreal OP(selu_forward)(vreal x, vreal alpha) {
    (void)alpha;
    return vselect(x > 0, vset((real)SELU_SCALE) * x, vset((real)(SELU_SCALE * SELU_ALPHA)) * vexpm1(x));
}
FBP_INLINE vreal OP(selu_backward)(vreal dy, vreal y, vreal alpha) {
    (void)alpha;
    return dy * vselect(y > 0, vset((real)SELU_SCALE), y + vset((real)(SELU_SCALE * SELU_ALPHA)));
}

// alpha > 0
FBP_INLINE vreal OP(celu_forward)(vreal x, vreal alpha) { return vselect(x > 0, x, alpha * vexpm1(x / alpha)); }
FBP_INLINE vreal OP(celu_backward)(vreal dy, vreal y, vreal alpha) {
    return vselect(y > 0, dy, dy * ((y + alpha) / alpha));
}

// ---- softplus and the logarithm of sigmoid: one is the other of -x, with the sign turned. Both are sums of two terms
// of one sign, and their derivatives, sigmoid of x and of -x, are 1 - e^-|y|.

FBP_INLINE vreal OP(softplus_forward)(vreal x, vreal alpha) {
    (void)alpha;
    return vselect(x <= 0, vset(0), x) + vlog1p_fraction(vexp(-vabs(x)));
}
FBP_INLINE vreal OP(softplus_backward)(vreal dy, vreal y, vreal alpha) { return (void)alpha, dy * -vexpm1(-y); }

FBP_INLINE vreal OP(log_sigmoid_forward)(vreal x, vreal alpha) { return -OP(softplus_forward)(-x, alpha); }
FBP_INLINE vreal OP(log_sigmoid_backward)(vreal dy, vreal y, vreal alpha) { return (void)alpha, dy * -vexpm1(y); }

FBP_INLINE vreal OP(exponential_forward)(vreal x, vreal alpha) { return (void)alpha, vexp(x); }
FBP_INLINE vreal OP(exponential_backward)(vreal dy, vreal y, vreal alpha) { return (void)alpha, dy * y; }

FBP_INLINE vreal OP(softsign_forward)(vreal x, vreal alpha) {
    (void)alpha;
    const vreal z = vfinite(x);
    return z / (1 + vabs(z));
}
FBP_INLINE vreal OP(softsign_backward)(vreal dy, vreal y, vreal alpha) {
    (void)alpha;
    const vreal r = 1 - vabs(y);
    return dy * (r * r);
}

// ---- piecewise linear. Where the output is a bound, the derivative is 0, as that of relu: a select, no product.

FBP_INLINE vreal OP(inside)(vreal y, real low, real high, vreal slope) {
    return vselect((y > low) & (y < high), slope, vset(0));
}

FBP_INLINE vreal OP(relu6_forward)(vreal x, vreal alpha) {
    return (void)alpha, vselect(x <= 0, vset(0), vmin(vset(6), x));
}
FBP_INLINE vreal OP(relu6_backward)(vreal dy, vreal y, vreal alpha) { return (void)alpha, OP(inside)(y, 0, 6, dy); }

FBP_INLINE vreal OP(hard_tanh_forward)(vreal x, vreal alpha) { return (void)alpha, vclamp(x, -1, 1); }
FBP_INLINE vreal OP(hard_tanh_backward)(vreal dy, vreal y, vreal alpha) {
    return (void)alpha, OP(inside)(y, -1, 1, dy);
}

// (x + 3) / 6 and not x / 6 + 1/2: exactly 0 and 1 at -3 and 3, and without cancellation near -3.
FBP_INLINE vreal OP(hard_sigmoid_forward)(vreal x, vreal alpha) { return (void)alpha, vclamp(x + 3, 0, 6) / 6; }
FBP_INLINE vreal OP(hard_sigmoid_backward)(vreal dy, vreal y, vreal alpha) {
    return (void)alpha, OP(inside)(y, 0, 1, dy / 6);
}

// ---- x times a function that goes from 0 to 1. These fall and then rise: the output does not tell the derivative.

// x P(X < x) of a standard normal X. Left of 0 that is a tail of its own and no difference from 1.
FBP_INLINE vreal OP(gelu_forward)(vreal x, vreal alpha) {
    (void)alpha;
    vreal gauss;
    const vreal tail = vnormal_tail(vabs(vnormal_range(x)), &gauss);
    return vabove_minus_inf(x) * vselect(x < 0, tail, 1 - tail);
}
FBP_INLINE vreal OP(gelu_backward)(vreal dy, vreal x, vreal alpha) {
    (void)alpha;
    vreal gauss;
    const vreal z = vnormal_range(x), tail = vnormal_tail(vabs(z), &gauss);
    const vreal density = vset((real)0.39894228040143267794) * gauss;  // 1 / sqrt(2 pi)
    return dy * vfma(z, density, vselect(x < 0, tail, 1 - tail));
}

#ifndef GELU_SLOPE
#define GELU_SLOPE 1.5957691216057307118  // 2 sqrt(2 / pi)
#define GELU_CUBE (0.044715 * GELU_SLOPE)
#endif

// (1 + tanh z) / 2 is sigmoid(2 z).
FBP_INLINE vreal OP(gelu_tanh_forward)(vreal x, vreal alpha) {
    (void)alpha;
    const vreal slope = vfma(vset((real)GELU_CUBE), x * x, vset((real)GELU_SLOPE));
    return vabove_minus_inf(x) * vsigmoid(x * slope);
}
FBP_INLINE vreal OP(gelu_tanh_backward)(vreal dy, vreal x, vreal alpha) {
    (void)alpha;
    const vreal z = vnormal_range(x), cube = vset((real)GELU_CUBE) * (z * z), slope = vset((real)GELU_SLOPE);
    vreal rest;
    const vreal s = vsigmoid_both(z * (cube + slope), &rest);
    return dy * vfma(s * z * rest, vfma(vset(3), cube, slope), s);
}

FBP_INLINE vreal OP(silu_forward)(vreal x, vreal alpha) { return (void)alpha, vabove_minus_inf(x) * vsigmoid(x); }
FBP_INLINE vreal OP(silu_backward)(vreal dy, vreal x, vreal alpha) {
    (void)alpha;
    vreal rest;
    const vreal z = vexp_range(x), s = vsigmoid_both(z, &rest);
    return dy * vfma(s * z, rest, s);
}

// tanh(log(1 + e)) = n / (n + 2), n = e (e + 2). From x = MISH_ONE on it is 1, and e^2 does not overflow before.
#ifndef MISH_ONE
#define MISH_ONE 24
#endif

FBP_INLINE vreal OP(mish_forward)(vreal x, vreal alpha) {
    (void)alpha;
    const vreal e = vexp(vmin(vset(MISH_ONE), x)), n = e * (e + 2);
    return vabove_minus_inf(x) * (n / (n + 2));
}
// n / (n + 2) + 4 x e (1 + e) / (n + 2)^2
FBP_INLINE vreal OP(mish_backward)(vreal dy, vreal x, vreal alpha) {
    (void)alpha;
    const vreal z = vmin(vset(MISH_ONE), vexp_range(x)), e = vexp(z), n = e * (e + 2), d = 1 / (n + 2);
    return dy * vfma(4 * z * (e * d), (1 + e) * d, n * d);
}

FBP_INLINE vreal OP(hard_swish_forward)(vreal x, vreal alpha) {
    return vabove_minus_inf(x) * OP(hard_sigmoid_forward)(x, alpha);
}
FBP_INLINE vreal OP(hard_swish_backward)(vreal dy, vreal x, vreal alpha) {
    (void)alpha;
    return vselect(x <= -3, vset(0), vselect(x >= 3, dy, dy * ((x + x + 3) / 6)));
}

// ---- the functions of fbp_math.h in the form of an activation

#define ROW(f) \
    FBP_INLINE vreal OP(f##_function)(vreal x, vreal alpha) { return (void)alpha, v##f(x); }
FBP_FUNCTIONS(ROW)
#undef ROW

// ---- the block functions

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
FBP_INLINE void OP(map_derivative)(backward_rule *f, const fbp_activation_backward *args, fbp_size i, fbp_size j,
                                   fbp_size rows, fbp_size cols, const real *src, fbp_size src_stride, real *dst,
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
#define ROW(f, saved)                                                                                      \
    case FBP_ACTIVATION_##f:                                                                               \
        OP(map_forward)(OP(f##_forward), (real)args->alpha, rows, cols, src, src_stride, dst, dst_stride); \
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

static void OP(function)(const void *which, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
                         fbp_size src_stride, void *dst, fbp_size dst_stride) {
    (void)i, (void)j;
    switch (*(const fbp_function *)which) {
#define ROW(f)                                                                              \
    case FBP_FUNCTION_##f:                                                                  \
        OP(map_forward)(OP(f##_function), 0, rows, cols, src, src_stride, dst, dst_stride); \
        break;
        FBP_FUNCTIONS(ROW)
#undef ROW
    }
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
