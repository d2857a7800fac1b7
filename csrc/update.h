// Floor 0. Optimizer updates, as block functions: the gradient of a block of weights comes in as `src`, the weights and
// their state are changed in place. GEMM calls one on each finished block of dW, so the gradient never leaves L1.
//
// Formulas and the place of epsilon are Keras's: the bias corrections of Adam are in the step size,
// rate = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)  (Kingma & Ba 2015, section 2, last paragraph).
// Adding a rule is one row in FBP_UPDATES (fbp_families.h), with its number of state arrays, and its function here.
//
// Options (penalties, clipping, weight decay) are a stage before the rule, the moving average of the weight one behind it.
// They are compiled as a copy of their own, so that an update without options does not pay for them. AdamW is Adam with
// one of them in the rule itself, which is faster.

#ifndef FBP_UPDATE_ONCE
#define FBP_UPDATE_ONCE
#define hyper OP(hyper)
#define step_rule OP(step_rule)
enum { NO_OPTIONS, OF_GRADIENT = 1, OF_WEIGHT = 2 };
#endif

typedef struct {
    vreal rate, gradient_rate, correction, shrink, scale, keep, one_minus_keep, overwrite, momentum, decay,
        one_minus_momentum, one_minus_decay, epsilon, l1, l2, clip;
} hyper;

// New weight of an element; its state is changed in place.
typedef vreal step_rule(vreal w, vreal g, vreal *state, const hyper *h);

// -1, 0 or 1; NaN stays NaN.
FBP_INLINE vreal OP(sign)(vreal x) { return vselect(x > 0, vset(1), vselect(x < 0, vset(-1), x)); }

FBP_INLINE vreal OP(sgd_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    (void)state;
    return vfma(-h->rate, g, w);
}

FBP_INLINE vreal OP(momentum_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    state[0] = vfma(h->momentum, state[0], -h->rate * g);
    return w + state[0];
}

FBP_INLINE vreal OP(nesterov_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    state[0] = vfma(h->momentum, state[0], -h->rate * g);
    return w + vfma(h->momentum, state[0], -h->rate * g);
}

// The two moments that the Adam family keeps.
FBP_INLINE void OP(moment_step)(vreal g, vreal *state, const hyper *h) {
    state[0] = vfma(h->one_minus_momentum, g, h->momentum * state[0]);
    state[1] = vfma(h->one_minus_decay, g * g, h->decay * state[1]);
}

FBP_INLINE vreal OP(adam_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    OP(moment_step)(g, state, h);
    return w - h->rate * state[0] / (vsqrt(state[1]) + h->epsilon);
}

// Loshchilov & Hutter 2019
FBP_INLINE vreal OP(adamw_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    return OP(adam_step)(vfma(-h->shrink, w, w), g, state, h);
}

// Dozat 2016: the gradient's own share of the step, and the correction of the second moment, are constants of the step.
FBP_INLINE vreal OP(nadam_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    OP(moment_step)(g, state, h);
    return w - vfma(h->rate, state[0], h->gradient_rate * g) / (vsqrt(h->correction * state[1]) + h->epsilon);
}

// Reddi, Kale & Kumar 2018: the largest second moment so far; a NaN is larger than any number.
FBP_INLINE vreal OP(amsgrad_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    OP(moment_step)(g, state, h);
    state[2] = vselect((state[2] > state[1]) | (state[2] != state[2]), state[2], state[1]);
    return w - h->rate * state[0] / (vsqrt(state[2]) + h->epsilon);
}

// Duchi, Hazan & Singer 2011
FBP_INLINE vreal OP(adagrad_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    state[0] = vfma(g, g, state[0]);
    return w - h->rate * g / vsqrt(state[0] + h->epsilon);
}

// Zeiler 2012: averages of squared gradients and of squared steps.
FBP_INLINE vreal OP(adadelta_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    state[0] = vfma(h->one_minus_decay, g * g, h->decay * state[0]);
    const vreal step = vsqrt(state[1] + h->epsilon) * g / vsqrt(state[0] + h->epsilon);
    state[1] = vfma(h->one_minus_decay, step * step, h->decay * state[1]);
    return vfma(-h->rate, step, w);
}

// Tieleman & Hinton 2012; centered: Graves 2013, equations 38 to 41. State: the average of squares, that of the
// gradient if `centered`, the velocity if there is `momentum`. A variance that rounding puts below 0 is 0.
FBP_INLINE vreal OP(rmsprop_any)(vreal w, vreal g, vreal *state, const hyper *h, const int centered,
                                 const int momentum) {
    state[0] = vfma(h->one_minus_decay, g * g, h->decay * state[0]);
    vreal variance = state[0];
    if (centered) {
        state[1] = vfma(h->one_minus_decay, g, h->decay * state[1]);
        variance = vmax(vset(0), vfma(-state[1], state[1], variance));
    }
    const vreal step = h->rate * g / vsqrt(variance + h->epsilon);
    if (!momentum) return w - step;
    state[1 + centered] = vfma(h->momentum, state[1 + centered], step);
    return w - state[1 + centered];
}

FBP_INLINE vreal OP(rmsprop_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    return OP(rmsprop_any)(w, g, state, h, 0, 0);
}
FBP_INLINE vreal OP(rmsprop_momentum_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    return OP(rmsprop_any)(w, g, state, h, 0, 1);
}
FBP_INLINE vreal OP(rmsprop_centered_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    return OP(rmsprop_any)(w, g, state, h, 1, 0);
}
FBP_INLINE vreal OP(rmsprop_centered_momentum_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    return OP(rmsprop_any)(w, g, state, h, 1, 1);
}

// Chen et al. 2023
FBP_INLINE vreal OP(lion_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    const vreal direction = OP(sign)(vfma(h->one_minus_momentum, g, h->momentum * state[0]));
    state[0] = vfma(h->one_minus_decay, g, h->decay * state[0]);
    return vfma(-h->rate, direction, w);
}

// The rule, after the options if there are any: the gradient scaled, penalties added to it, the gradient cut (NaN stays
// NaN), the weight shrunk (Loshchilov & Hutter 2019). An option that is off leaves infinite weights alone, hence the
// selects.
FBP_INLINE vreal OP(step_with)(step_rule *rule, const int options, vreal w, vreal g, vreal *state, const hyper *h) {
    if (options & OF_GRADIENT) {
        g = h->scale * g;
        g = vselect(h->l2 != 0, vfma(h->l2, w, g), g);
        g = vselect(h->l1 != 0, vfma(h->l1, OP(sign)(w), g), g);
        g = vmin(h->clip, vmax(-h->clip, g));
    }
    if (options & OF_WEIGHT) w = vselect(h->shrink != 0, vfma(-h->shrink, w, w), w);
    return rule(w, g, state, h);
}

// Moves the average of a weight, and gives what the weight becomes (Polyak & Juditsky 1992).
FBP_INLINE vreal OP(average_step)(vreal w, vreal *average, const hyper *h) {
    *average = vfma(h->one_minus_keep, w, h->keep * *average);
    return vselect(h->overwrite != 0, *average, w);
}

// Applies a constant rule with a constant number of state arrays, with or without options, to a block.
FBP_INLINE void OP(apply_rule)(step_rule *rule, const int states, const int options, const fbp_update *u, fbp_size i,
                               fbp_size j, fbp_size rows, fbp_size cols, const real *src, fbp_size src_stride) {
    const hyper h = {.rate = vset((real)(u->multiplier * u->rate)),
                     .gradient_rate = vset((real)(u->multiplier * u->gradient_rate)),
                     .correction = vset((real)u->correction),
                     .shrink = vset((real)(u->multiplier * u->shrink)),
                     .scale = vset((real)u->scale),
                     .keep = vset((real)u->keep),
                     .one_minus_keep = vset((real)(1 - u->keep)),
                     .overwrite = vset((real)u->overwrite),
                     .momentum = vset((real)u->momentum),
                     .decay = vset((real)u->decay),
                     .one_minus_momentum = vset((real)(1 - u->momentum)),
                     .one_minus_decay = vset((real)(1 - u->decay)),
                     .epsilon = vset((real)u->epsilon),
                     .l1 = vset((real)u->l1),
                     .l2 = vset((real)u->l2),
                     .clip = vset((real)u->clip)};
    const fbp_size whole = cols / LANES * LANES;
    const vtail tail = vtail_of(cols - whole);
    for (fbp_size r = 0; r < rows; r++) {
        const fbp_size at = (i + r) * u->stride + j;
        const real *g = src + r * src_stride;
        real *w = (real *)u->weight + at, *state[3] = {0};
        real *average = options && u->average ? (real *)u->average + at : NULL;
        vreal s[3], mean;
        for (int k = 0; k < states; k++) state[k] = (real *)u->state[k] + at;
        for (fbp_size q = 0; q < whole; q += LANES) {
            for (int k = 0; k < states; k++) s[k] = vload(state[k] + q);
            vreal w_new = OP(step_with)(rule, options, vload(w + q), vload(g + q), s, &h);
            for (int k = 0; k < states; k++) vstore(state[k] + q, s[k]);
            if (average) {
                mean = vload(average + q);
                w_new = OP(average_step)(w_new, &mean, &h);
                vstore(average + q, mean);
            }
            vstore(w + q, w_new);
        }
        if (whole == cols) continue;
        const vreal w_tail = vload_tail(w + whole, tail), g_tail = vload_tail(g + whole, tail);
        for (int k = 0; k < states; k++) s[k] = vload_tail(state[k] + whole, tail);
        vreal w_new = OP(step_with)(rule, options, w_tail, g_tail, s, &h);
        for (int k = 0; k < states; k++) vstore_tail(state[k] + whole, s[k], tail);
        if (average) {
            mean = vload_tail(average + whole, tail);
            w_new = OP(average_step)(w_new, &mean, &h);
            vstore_tail(average + whole, mean, tail);
        }
        vstore_tail(w + whole, w_new, tail);
    }
}

// Not inlined, so that the copy without options is all that lies between two steps of a training. AdamW shrinks the
// weight anyway.
static __attribute__((noinline)) void OP(update_with_options)(const fbp_update *u, fbp_size i, fbp_size j,
                                                              fbp_size rows, fbp_size cols, const real *src,
                                                              fbp_size src_stride) {
    switch (u->kind) {
#define ROW(rule, states)                                                                                            \
    case FBP_UPDATE_##rule:                                                                                          \
        OP(apply_rule)(OP(rule##_step), states,                                                                      \
                       FBP_UPDATE_##rule == FBP_UPDATE_adamw ? OF_GRADIENT : OF_GRADIENT | OF_WEIGHT, u, i, j, rows, \
                       cols, src, src_stride);                                                                       \
        break;
        FBP_UPDATES(ROW)
#undef ROW
    }
}

static void OP(update)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
                       fbp_size src_stride, void *dst, fbp_size dst_stride) {
    (void)dst, (void)dst_stride;
    const fbp_update *u = arguments;
    if (u->options) {
        OP(update_with_options)(u, i, j, rows, cols, src, src_stride);
        return;
    }
    switch (u->kind) {
#define ROW(rule, states)                                                                          \
    case FBP_UPDATE_##rule:                                                                        \
        OP(apply_rule)(OP(rule##_step), states, NO_OPTIONS, u, i, j, rows, cols, src, src_stride); \
        break;
        FBP_UPDATES(ROW)
#undef ROW
    }
}

// Asks the caches for the weights and state that `update` will change in this block.
static void OP(update_prefetch)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols,
                                const void *src, fbp_size src_stride, void *dst, fbp_size dst_stride) {
    (void)src, (void)src_stride, (void)dst, (void)dst_stride;
    const fbp_update *u = arguments;
    const real *const arrays[5] = {u->weight, u->state[0], u->state[1], u->state[2], u->average};
    for (int k = 0; k < 5; k++) {
        if (!arrays[k]) continue;
        for (fbp_size r = 0; r < rows; r++)
            for (fbp_size q = 0; q < cols; q += GROUP_LANES)
                __builtin_prefetch(arrays[k] + (i + r) * u->stride + j + q, 1, 3);
    }
}
