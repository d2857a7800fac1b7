// Floor 0. Optimizer updates, as block functions: the gradient of a block of weights comes in as `src`, the weights and
// their state are changed in place. GEMM calls one on each finished block of dW, so the gradient never leaves L1.
//
// Formulas and the place of epsilon are Keras's: the bias corrections of Adam are in the step size,
// rate = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)  (Kingma & Ba 2015, section 2, last paragraph).
// Adding a rule is one row in FBP_UPDATES (fbp_families.h), with its number of state arrays, and its function here.

#ifndef FBP_UPDATE_ONCE
#define FBP_UPDATE_ONCE
#define hyper OP(hyper)
#define step_rule OP(step_rule)
#endif

typedef struct {
    vreal rate, momentum, decay, one_minus_momentum, one_minus_decay, epsilon;
} hyper;

// New weight of an element; its state is changed in place.
typedef vreal step_rule(vreal w, vreal g, vreal *state, const hyper *h);

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

FBP_INLINE vreal OP(adam_step)(vreal w, vreal g, vreal *state, const hyper *h) {
    state[0] = vfma(h->one_minus_momentum, g, h->momentum * state[0]);
    state[1] = vfma(h->one_minus_decay, g * g, h->decay * state[1]);
    return w - h->rate * state[0] / (vsqrt(state[1]) + h->epsilon);
}

// Applies a constant rule with a constant number of state arrays to a block.
FBP_INLINE void OP(apply_rule)(step_rule *rule, const int states, const fbp_update *u, fbp_size i, fbp_size j,
                               fbp_size rows, fbp_size cols, const real *src, fbp_size src_stride) {
    const hyper h = {vset((real)u->rate),  vset((real)u->momentum),       vset((real)u->decay),
                     vset((real)(1 - u->momentum)), vset((real)(1 - u->decay)), vset((real)u->epsilon)};
    const fbp_size whole = cols / LANES * LANES;
    const vtail tail = vtail_of(cols - whole);
    for (fbp_size r = 0; r < rows; r++) {
        const fbp_size at = (i + r) * u->stride + j;
        const real *g = src + r * src_stride;
        real *w = (real *)u->weight + at, *state[2] = {0};
        vreal s[2];
        for (int k = 0; k < states; k++) state[k] = (real *)u->state[k] + at;
        for (fbp_size q = 0; q < whole; q += LANES) {
            for (int k = 0; k < states; k++) s[k] = vload(state[k] + q);
            vstore(w + q, rule(vload(w + q), vload(g + q), s, &h));
            for (int k = 0; k < states; k++) vstore(state[k] + q, s[k]);
        }
        if (whole == cols) continue;
        for (int k = 0; k < states; k++) s[k] = vload_tail(state[k] + whole, tail);
        vstore_tail(w + whole, rule(vload_tail(w + whole, tail), vload_tail(g + whole, tail), s, &h), tail);
        for (int k = 0; k < states; k++) vstore_tail(state[k] + whole, s[k], tail);
    }
}

static void OP(update)(const void *arguments, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
                       fbp_size src_stride, void *dst, fbp_size dst_stride) {
    (void)dst, (void)dst_stride;
    const fbp_update *u = arguments;
    switch (u->kind) {
#define ROW(rule, states)                                                             \
    case FBP_UPDATE_##rule:                                                           \
        OP(apply_rule)(OP(rule##_step), states, u, i, j, rows, cols, src, src_stride); \
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
    const real *const arrays[3] = {u->weight, u->state[0], u->state[1]};
    for (int k = 0; k < 3 && arrays[k]; k++)
        for (fbp_size r = 0; r < rows; r++)
            for (fbp_size q = 0; q < cols; q += GROUP_LANES)
                __builtin_prefetch(arrays[k] + (i + r) * u->stride + j + q, 1, 3);
}
