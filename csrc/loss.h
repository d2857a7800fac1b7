// Floor 0. Losses, value and gradient in one pass over each row, and the metrics that count right answers.
//
// A row's target is either a row of reals or one class index; target() makes lanes of both, so no loss knows which it
// was given. Cross-entropies come in two forms: from logits, with the softmax or sigmoid folded in (no finite logit
// overflows), and from probabilities, renormalised and clipped as Keras does.

#ifndef FBP_LOSS_ONCE
#define FBP_LOSS_ONCE
#define PROBABILITY_EPSILON 1e-7
#endif

#define row_target OP(row_target)
#define each_lane OP(each_lane)

typedef struct {
    const real *dense;  // (cols,) or NULL
    fbp_size label;
} row_target;

FBP_INLINE row_target OP(target_row)(const void *dense, fbp_size stride, const int32_t *labels, fbp_size i) {
    return (row_target){dense ? (const real *)dense + i * stride : NULL, labels ? labels[i] : -1};
}

// Lanes [j, j + GROUP_LANES) of the target; zeros behind the last column.
FBP_INLINE group OP(target)(row_target t, fbp_size j, fbp_size cols) {
    if (t.dense) return OP(group_load)(t.dense + j, cols - j, 0);
    group a;
    EACH_PART {
        const fbp_size lane = t.label - j - g * LANES;
        a.v[g] = vselect(OP(lanes_before)(lane + 1) & ~OP(lanes_before)(lane), vset(1), vset(0));
    }
    return a;
}

// Softmax and cross-entropy: value = sum t (logsumexp z - z), gradient = softmax(z) sum t - t.
FBP_INLINE real OP(categorical_crossentropy_logits)(fbp_size cols, const real *z, row_target t, real *gradient, real scale) {
    real largest;
    const real sum = OP(exp_row)(cols, z, gradient, &largest);
    const vreal shift = vset(largest), log_sum = vset(OP(log_of)(sum));
    group value = OP(group_of)(0), weight = OP(group_of)(0);
    if (!t.dense) {
        value.v[0][0] = log_sum[0] - (z[t.label] - largest);
        weight.v[0][0] = 1;
    } else {
        EACH_GROUP(j, cols) {
            const group x = OP(group_load)(z + j, cols - j, 0), y = OP(target)(t, j, cols);
            EACH_PART {
                // a class of probability zero and target zero adds nothing: 0 * inf is not meant
                const vreal term = y.v[g] * (log_sum - (x.v[g] - shift));
                value.v[g] += vselect(y.v[g] == 0, vset(0), term);
                weight.v[g] += y.v[g];
            }
        }
    }
    if (gradient) {
        const vreal p = vset(OP(group_sum)(weight) / sum), s = vset(scale);
        EACH_GROUP(j, cols) {
            group e = OP(group_load)(gradient + j, cols - j, 0);
            const group y = OP(target)(t, j, cols);
            EACH_PART e.v[g] = (e.v[g] * p - y.v[g]) * s;
            OP(group_store)(gradient + j, e, cols - j);
        }
    }
    return OP(group_sum)(value);
}

// Cross-entropy of probabilities p: q = p / sum p, clipped; value = -sum t log q.
FBP_INLINE real OP(categorical_crossentropy)(fbp_size cols, const real *p, row_target t, real *gradient, real scale) {
    const vreal low = vset((real)PROBABILITY_EPSILON), high = vset((real)(1 - PROBABILITY_EPSILON));
    group sum = OP(group_of)(0), value = sum, dot = sum;
    EACH_GROUP(j, cols) {
        const group x = OP(group_load)(p + j, cols - j, 0);
        EACH_PART sum.v[g] += x.v[g];
    }
    const vreal total = vset(OP(group_sum)(sum));
    EACH_GROUP(j, cols) {
        const group x = OP(group_load)(p + j, cols - j, 1), y = OP(target)(t, j, cols);
        group d;
        EACH_PART {
            const vreal q = x.v[g] / total, clipped = vmax(low, vmin(high, q));
            value.v[g] -= y.v[g] * vlog(clipped);
            d.v[g] = vselect(q == clipped, -y.v[g] / q, vset(0));
            dot.v[g] += vselect(y.v[g] == 0, vset(0), d.v[g] * q);
        }
        if (gradient) OP(group_store)(gradient + j, d, cols - j);
    }
    if (gradient) {
        const vreal mean = vset(OP(group_sum)(dot)), s = vset(scale) / total;
        EACH_GROUP(j, cols) {
            group d = OP(group_load)(gradient + j, cols - j, 0);
            EACH_PART d.v[g] = (d.v[g] - mean) * s;
            OP(group_store)(gradient + j, d, cols - j);
        }
    }
    return OP(group_sum)(value);
}

// The losses that are a mean over columns of f(prediction, target): f gives the value and its derivative.
typedef vreal each_lane(vreal p, vreal t, vreal *derivative);

FBP_INLINE vreal OP(mean_squared_error)(vreal p, vreal t, vreal *d) {
    const vreal e = p - t;
    *d = e + e;
    return e * e;
}

FBP_INLINE vreal OP(mean_absolute_error)(vreal p, vreal t, vreal *d) {
    const vreal e = p - t;
    *d = vselect(e > 0, vset(1), vselect(e < 0, vset(-1), e));
    return vabs(e);
}

// max(z, 0) - z t + log(1 + exp(-|z|))
FBP_INLINE vreal OP(binary_crossentropy_logits)(vreal z, vreal t, vreal *d) {
    *d = vsigmoid(z) - t;
    return vselect(z <= 0, vset(0), z) - z * t + vlog1p(vexp(-vabs(z)));
}

FBP_INLINE vreal OP(binary_crossentropy)(vreal p, vreal t, vreal *d) {
    const vreal q = vmax(vset((real)PROBABILITY_EPSILON), vmin(vset((real)(1 - PROBABILITY_EPSILON)), p));
    *d = vselect(p == q, (q - t) / (q * (1 - q)), vset(0));
    return -(t * vlog(q) + (1 - t) * vlog1p(-q));
}

FBP_INLINE real OP(mean_row)(each_lane *f, fbp_size cols, const real *p, row_target t, real *gradient, real scale) {
    const real share = (real)1 / (real)cols;
    const vreal s = vset(scale * share);
    group value = OP(group_of)(0);
    EACH_GROUP(j, cols) {
        const group x = OP(group_load)(p + j, cols - j, 0), y = OP(target)(t, j, cols);
        group d;
        EACH_PART {
            const vreal v = f(x.v[g], y.v[g], &d.v[g]);
            const vint there = OP(lanes_before)(cols - j - g * LANES);
            value.v[g] += cols - j < GROUP_LANES ? vselect(there, v, vset(0)) : v;
            d.v[g] *= s;
        }
        if (gradient) OP(group_store)(gradient + j, d, cols - j);
    }
    return OP(group_sum)(value) * share;
}

// The same where rows are short and follow one another: vectors run over several rows, and sums keep their order.
FBP_INLINE void OP(mean_of_narrow)(each_lane *f, const fbp_loss *a) {
    enum { BLOCK = 256 };
    const fbp_size cols = a->cols, rows = BLOCK / cols;
    const real share = (real)1 / (real)cols;
    const vreal s = vset((real)(a->scale) * share);
    real value[BLOCK];
    fbp_size half = 1;  // the largest power of two below cols
    while (2 * half < cols) half *= 2;
    if (cols == 1) half = 0;
    for (fbp_size i = 0; i < a->rows; i += rows) {
        const fbp_size n = smaller(rows, a->rows - i), lanes = n * cols;
        const real *p = (const real *)a->prediction + i * cols, *t = (const real *)a->target + i * cols;
        for (fbp_size j = 0; j < lanes; j += LANES) {
            const fbp_size left = lanes - j;
            const vtail tail = vtail_of(left < LANES ? left : LANES);
            const vreal x = left < LANES ? vload_tail(p + j, tail) : vload(p + j);
            const vreal y = left < LANES ? vload_tail(t + j, tail) : vload(t + j);
            vreal d;
            vstore(value + j, f(x, y, &d));
            if (!a->gradient) continue;
            if (left < LANES)
                vstore_tail((real *)a->gradient + i * cols + j, d * s, tail);
            else
                vstore((real *)a->gradient + i * cols + j, d * s);
        }
        for (fbp_size r = 0; a->value && r < n; r++)
            ((real *)a->value)[i + r] = OP(folded)(value + r * cols, cols, half) * share;
    }
}

static void OP(loss)(const fbp_loss *a) {
    const fbp_size cols = a->cols;
    const int narrow = a->target && 0 < cols && cols < GROUP_LANES && a->prediction_stride == cols && a->target_stride == cols &&
                       (!a->gradient || a->gradient_stride == cols);
    if (narrow) switch (a->kind) {
#define ROW(f)                        \
    case FBP_LOSS_##f:                \
        OP(mean_of_narrow)(OP(f), a); \
        return;
        FBP_MEAN_LOSSES(ROW)
#undef ROW
        default:
            break;
    }
    const real scale = (real)a->scale;
    for (fbp_size i = 0; i < a->rows; i++) {
        const real *p = (const real *)a->prediction + i * a->prediction_stride;
        const row_target t = OP(target_row)(a->target, a->target_stride, a->labels, i);
        assert(t.dense || (0 <= t.label && t.label < cols));
        real *gradient = a->gradient ? (real *)a->gradient + i * a->gradient_stride : NULL, value = 0;
        switch (a->kind) {
#define ROW(f)                                                    \
    case FBP_LOSS_##f:                                            \
        value = OP(mean_row)(OP(f), cols, p, t, gradient, scale); \
        break;
            FBP_MEAN_LOSSES(ROW)
#undef ROW
#define ROW(f)                                          \
    case FBP_LOSS_##f:                                  \
        value = OP(f)(cols, p, t, gradient, scale);     \
        break;
            FBP_ROW_LOSSES(ROW)
#undef ROW
        }
        if (a->value) ((real *)a->value)[i] = value;
    }
}

// The first column with the largest value, as np.argmax (a NaN is larger than any number).
FBP_INLINE fbp_size OP(argmax)(fbp_size cols, const real *x) {
    fbp_size best = 0;
    for (fbp_size j = 1; j < cols; j++)
        if (x[j] > x[best] || (x[j] != x[j] && x[best] == x[best])) best = j;
    return best;
}

static void OP(metric)(const fbp_metric *a) {
    for (fbp_size i = 0; i < a->rows; i++) {
        const real *p = (const real *)a->prediction + i * a->prediction_stride;
        const row_target t = OP(target_row)(a->target, a->target_stride, a->labels, i);
        real right = 0;
        if (a->kind == FBP_METRIC_categorical_accuracy) {
            right = OP(argmax)(a->cols, p) == (t.dense ? OP(argmax)(a->cols, t.dense) : t.label);
        } else {
            for (fbp_size j = 0; j < a->cols; j++)
                right += (p[j] > (real)a->threshold) == (t.dense ? t.dense[j] > (real)0.5 : t.label == 1);
            right /= (real)a->cols;
        }
        ((real *)a->value)[i] = right;
    }
}

#undef row_target
#undef each_lane
