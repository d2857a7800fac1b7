// Floor 0. Losses, value and gradient in one pass over each row, and the metrics that count right answers.
//
// A row's target is either a row of reals or one class index; target() makes lanes of both, so hardly a loss knows
// which it was given. Cross-entropies come in two forms: from logits, with the softmax or sigmoid folded in (no finite
// logit overflows), and from probabilities, renormalised and clipped as Keras does.

#ifndef FBP_LOSS_ONCE
#define FBP_LOSS_ONCE
#define PROBABILITY_EPSILON 1e-7
#endif

#define row_target OP(row_target)
#define lane_extra OP(lane_extra)
#define row_loss OP(row_loss)
#define each_lane OP(each_lane)

// What a row of predictions is compared with, and the loss's own parameters.
typedef struct {
    const real *dense;  // (cols,) or NULL
    fbp_size label;
    real alpha, smoothing, limit;
    const real *variance;     // (cols,) or NULL
    real *variance_gradient;  // (cols,) or NULL
} row_target;

// Lanes [j, j + GROUP_LANES) of the target; zeros behind the last column. Smoothing shares a part of it out evenly
// among so many outcomes.
FBP_INLINE group OP(target)(row_target t, fbp_size j, fbp_size cols, fbp_size outcomes) {
    group a;
    if (t.dense) {
        a = OP(group_load)(t.dense + j, cols - j, 0);
    } else {
        EACH_PART {
            const fbp_size lane = t.label - j - g * LANES;
            a.v[g] = vselect(OP(lanes_before)(lane + 1) & ~OP(lanes_before)(lane), vset(1), vset(0));
        }
    }
    if (t.smoothing != 0) {
        const vreal keep = vset(1 - t.smoothing), share = vset(t.smoothing / (real)outcomes);
        EACH_PART {
            const vint there = OP(lanes_before)(cols - j - g * LANES);
            a.v[g] = vselect(there, vfma(a.v[g], keep, share), vset(0));
        }
    }
    return a;
}

// Softmax and cross-entropy: value = sum t (logsumexp z - z), gradient = softmax(z) sum t - t.
FBP_INLINE real OP(categorical_crossentropy_logits)(fbp_size cols, const real *z, row_target t, real *gradient,
                                                    real scale) {
    real largest;
    const real sum = OP(exp_row)(cols, z, gradient, &largest);
    const vreal shift = vset(largest), log_sum = vset(OP(log_of)(sum));
    group value = OP(group_of)(0), weight = OP(group_of)(0);
    EACH_GROUP(j, cols) {
        const group x = OP(group_load)(z + j, cols - j, 0), y = OP(target)(t, j, cols, cols);
        EACH_PART {
            // a class of probability zero and target zero adds nothing: 0 * inf is not meant
            const vreal term = y.v[g] * vmin(vset(t.limit), log_sum - (x.v[g] - shift));
            value.v[g] += vselect(y.v[g] == 0, vset(0), term);
            weight.v[g] += y.v[g];
        }
    }
    if (gradient) {
        const vreal p = vset(OP(group_sum)(weight) / sum), s = vset(scale);
        EACH_GROUP(j, cols) {
            group e = OP(group_load)(gradient + j, cols - j, 0);
            const group y = OP(target)(t, j, cols, cols);
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
    if (!t.dense && t.smoothing == 0) {  // what follows, for a target that is 0 in all columns but one
        const vreal q = vset(p[t.label]) / total, clipped = vmax(low, vmin(high, q));
        const vreal d = vselect(q == clipped, -1 / q, vset(0)), mean = d * q, s = vset(scale) / total;
        const vreal rest = (vset((real)-0.0) - mean) * s;
        group others;
        EACH_PART others.v[g] = rest;
        for (fbp_size j = 0; gradient && j < cols; j += GROUP_LANES) OP(group_store)(gradient + j, others, cols - j);
        if (gradient) gradient[t.label] = ((d - mean) * s)[0];
        return -vlog(clipped)[0];
    }
    EACH_GROUP(j, cols) {
        const group x = OP(group_load)(p + j, cols - j, 1), y = OP(target)(t, j, cols, cols);
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

// The losses that are a mean over columns of f(prediction, target): f gives the value and its derivative. Some need
// more: a parameter; the variance, and a place for the derivative by it.
typedef struct {
    vreal alpha, limit, variance, by_variance;
} lane_extra;
typedef vreal each_lane(vreal p, vreal t, lane_extra *extra, vreal *derivative);

FBP_INLINE vreal OP(mean_squared_error)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal e = p - t;
    *d = e + e;
    return e * e;
}

FBP_INLINE vreal OP(mean_absolute_error)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal e = p - t;
    *d = vselect(e > 0, vset(1), vselect(e < 0, vset(-1), e));
    return vabs(e);
}

// max(z, 0) - z t + log(1 + exp(-|z|))
FBP_INLINE vreal OP(binary_crossentropy_logits)(vreal z, vreal t, lane_extra *extra, vreal *d) {
    *d = vsigmoid(z) - t;
    return vmin(extra->limit, vselect(z <= 0, vset(0), z) - z * t + vlog1p(vexp(-vabs(z))));
}

// (1 - t) z + (1 + (alpha - 1) t) (max(-z, 0) + log(1 + exp(-|z|)))
FBP_INLINE vreal OP(weighted_binary_crossentropy_logits)(vreal z, vreal t, lane_extra *extra, vreal *d) {
    const vreal w = vfma(extra->alpha - 1, t, vset(1));
    *d = w * vsigmoid(z) - extra->alpha * t;
    return (1 - t) * z + w * (vselect(z >= 0, vset(0), -z) + vlog1p(vexp(-vabs(z))));
}

FBP_INLINE vreal OP(binary_crossentropy)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal q = vmax(vset((real)PROBABILITY_EPSILON), vmin(vset((real)(1 - PROBABILITY_EPSILON)), p));
    *d = vselect(p == q, (q - t) / (q * (1 - q)), vset(0));
    return -(t * vlog(q) + (1 - t) * vlog1p(-q));
}

// e^2 / 2 up to delta, then delta (|e| - delta / 2)
FBP_INLINE vreal OP(huber)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    const vreal delta = extra->alpha, e = p - t, size = vabs(e), half = vset((real)0.5);
    *d = vmax(-delta, vmin(delta, e));
    return vselect(size <= delta, half * e * e, delta * (size - half * delta));
}

// With u = exp(-|e|) - 1: log cosh e = log(1 + u^2 / (2 (1 + u))) where |e| is small, else |e| + log(1 + u + u^2 / 2);
// tanh |e| = -v / (2 + v), v = exp(-2 |e|) - 1 = u (u + 2).
FBP_INLINE vreal OP(log_cosh)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal e = p - t, size = vabs(e), u = vexpm1(-size), v = u * (u + 2), half = vset((real)0.5);
    const vint near = size < 1;
    *d = vwith_sign(-v / (2 + v), e);
    return vselect(near, vset(0), size) + vlog1p(vselect(near, half * u * u / (1 + u), vfma(half * u, u, u)));
}

// A target of 0 counts as -1. What is left to the margin, 1 - t p; NaN stays NaN.
FBP_INLINE vreal OP(margin)(vreal p, vreal *t) {
    *t = vselect(*t == 0, vset(-1), *t);
    return 1 - *t * p;
}

FBP_INLINE vreal OP(hinge)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal m = OP(margin)(p, &t);
    *d = vselect(m > 0, -t, vselect(m <= 0, vset(0), m));
    return vmax(vset(0), m);
}

FBP_INLINE vreal OP(squared_hinge)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal m = vmax(vset(0), OP(margin)(p, &t));
    *d = -2 * t * m;
    return m * m;
}

FBP_INLINE vreal OP(poisson)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal q = p + vset((real)PROBABILITY_EPSILON);
    *d = 1 - t / q;
    return p - t * vlog(q);
}

// The same of p = exp(z), without an epsilon.
FBP_INLINE vreal OP(poisson_logits)(vreal z, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal p = vexp(z);
    *d = p - t;
    return p - t * z;
}

FBP_INLINE vreal OP(quantile)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    const vreal q = extra->alpha, e = t - p;
    *d = vselect(e > 0, -q, vselect(e < 0, 1 - q, e));
    return vselect(e > 0, q, q - 1) * e;
}

// (log v + (p - t)^2 / v) / 2. The derivative by a variance that was too small is the one at the least variance.
FBP_INLINE vreal OP(gaussian_nll)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    const vreal v = vmax(extra->alpha, extra->variance), e = p - t, half = vset((real)0.5);
    *d = e / v;
    extra->by_variance = half * (1 - e * *d) / v;
    return half * (vlog(v) + e * *d);
}

// t log(t / p), both clipped.
FBP_INLINE vreal OP(divergence)(vreal p, vreal t, lane_extra *extra, vreal *d) {
    (void)extra;
    const vreal low = vset((real)PROBABILITY_EPSILON), one = vset(1);
    const vreal q = vmax(low, vmin(one, p)), s = vmax(low, vmin(one, t)), ratio = s / q;
    *d = vselect(p == q, -ratio, vset(0));
    return s * vlog(ratio);
}

// Sum over the columns of f, times `share`. `gradient` may be p itself.
FBP_INLINE real OP(sum_of_lanes)(each_lane *f, const int paired, real share, fbp_size cols, const real *p, row_target t,
                                 real *gradient, real scale) {
    const vreal s = vset(scale * share);
    lane_extra extra = {.alpha = vset(t.alpha), .limit = vset(t.limit)};
    group value = OP(group_of)(0);
    EACH_GROUP(j, cols) {
        const group x = OP(group_load)(p + j, cols - j, 0), y = OP(target)(t, j, cols, 2);
        group d, variance;
        if (paired) variance = OP(group_load)(t.variance + j, cols - j, 1);
        EACH_PART {
            if (paired) extra.variance = variance.v[g];
            const vreal v = f(x.v[g], y.v[g], &extra, &d.v[g]);
            const vint there = OP(lanes_before)(cols - j - g * LANES);
            value.v[g] += cols - j < GROUP_LANES ? vselect(there, v, vset(0)) : v;
            d.v[g] *= s;
            if (paired) variance.v[g] = extra.by_variance * s;
        }
        if (gradient) OP(group_store)(gradient + j, d, cols - j);
        if (paired && t.variance_gradient) OP(group_store)(t.variance_gradient + j, variance, cols - j);
    }
    return OP(group_sum)(value) * share;
}

FBP_INLINE real OP(kl_divergence)(fbp_size cols, const real *p, row_target t, real *gradient, real scale) {
    return OP(sum_of_lanes)(OP(divergence), 0, 1, cols, p, t, gradient, scale);
}

// -p t / (|p| |t|), neither length below epsilon. `gradient` may be p itself.
FBP_INLINE real OP(cosine_similarity)(fbp_size cols, const real *p, row_target t, real *gradient, real scale) {
    group dot = OP(group_of)(0), pp = dot, tt = dot;
    EACH_GROUP(j, cols) {
        const group x = OP(group_load)(p + j, cols - j, 0), y = OP(target)(t, j, cols, cols);
        EACH_PART {
            dot.v[g] = vfma(x.v[g], y.v[g], dot.v[g]);
            pp.v[g] = vfma(x.v[g], x.v[g], pp.v[g]);
            tt.v[g] = vfma(y.v[g], y.v[g], tt.v[g]);
        }
    }
    const vreal least = vset((real)PROBABILITY_EPSILON);
    const vreal length = vsqrt(vset(OP(group_sum)(pp))), p_length = vmax(least, length);
    const vreal t_length = vmax(least, vsqrt(vset(OP(group_sum)(tt))));
    const vreal cosine = vset(OP(group_sum)(dot)) / p_length / t_length;
    if (gradient) {
        // d cosine / d p = t / (|p| |t|) - p cosine / |p|^2; a length that was raised to epsilon does not depend on p
        const vreal along = vselect(length < least, vset(0), cosine / p_length), s = vset(scale) / p_length;
        EACH_GROUP(j, cols) {
            group x = OP(group_load)(p + j, cols - j, 0);
            const group y = OP(target)(t, j, cols, cols);
            EACH_PART x.v[g] = (x.v[g] * along - y.v[g] / t_length) * s;
            OP(group_store)(gradient + j, x, cols - j);
        }
    }
    return -cosine[0];
}

// The mean over columns where rows are short and follow one another: vectors run over several rows, and sums keep their
// order. `plain`: rows have no weights, and targets no smoothing.
FBP_INLINE void OP(mean_of_narrow)(each_lane *f, const int paired, const int plain, const fbp_loss *a) {
    enum { BLOCK = 256 };
    const fbp_size cols = a->cols, rows = BLOCK / cols;
    const real share = (real)1 / (real)cols, smoothing = (real)a->smoothing;
    const vreal s = vset((real)(a->scale) * share), keep = vset(1 - smoothing), spread = vset(smoothing / 2);
    const real *row_weight = a->weight;
    lane_extra extra = {.alpha = vset((real)a->alpha), .limit = vset((real)a->limit)};
    real value[BLOCK], weight[BLOCK];  // of each lane
    fbp_size half = 1;                 // the largest power of two below cols
    while (2 * half < cols) half *= 2;
    if (cols == 1) half = 0;
    for (fbp_size i = 0; i < a->rows; i += rows) {
        const fbp_size n = smaller(rows, a->rows - i), lanes = n * cols;
        const real *p = (const real *)a->prediction + i * cols, *t = (const real *)a->target + i * cols;
        const real *variance = paired ? (const real *)a->variance + i * cols : NULL;
        for (fbp_size r = 0; !plain && r < n; r++)
            for (fbp_size q = 0; q < cols; q++) weight[r * cols + q] = row_weight ? row_weight[i + r] : 1;
        for (fbp_size j = 0; j < lanes; j += LANES) {
            const fbp_size left = lanes - j;
            const vtail tail = vtail_of(left < LANES ? left : LANES);
            const vreal x = left < LANES ? vload_tail(p + j, tail) : vload(p + j);
            vreal y = left < LANES ? vload_tail(t + j, tail) : vload(t + j), d, by = s;
            if (paired) extra.variance = left < LANES ? vload_tail(variance + j, tail) : vload(variance + j);
            if (!plain && smoothing != 0) y = vfma(y, keep, spread);
            vstore(value + j, f(x, y, &extra, &d));
            if (!plain) {
                const vreal w = vload(weight + j);
                by = vset((real)a->scale) * w * vset(share);
                d = vselect(w == 0, vset(0), d);
                if (paired) extra.by_variance = vselect(w == 0, vset(0), extra.by_variance);
            }
            if (paired && a->variance_gradient) {
                real *at = (real *)a->variance_gradient + i * cols + j;
                if (left < LANES)
                    vstore_tail(at, extra.by_variance * by, tail);
                else
                    vstore(at, extra.by_variance * by);
            }
            if (!a->gradient) continue;
            if (left < LANES)
                vstore_tail((real *)a->gradient + i * cols + j, d * by, tail);
            else
                vstore((real *)a->gradient + i * cols + j, d * by);
        }
        for (fbp_size r = 0; a->value && r < n; r++) {
            const real v = OP(folded)(value + r * cols, cols, half) * share, w = plain ? 1 : weight[r * cols];
            ((real *)a->value)[i + r] = plain ? v : w == 0 ? 0 : v * w;
        }
    }
}

static void OP(zero_row)(fbp_size cols, real *x) {
    if (x) memset(x, 0, (size_t)cols * sizeof(real));
}

// A constant loss of rows, on all rows.
typedef real row_loss(fbp_size cols, const real *p, row_target t, real *gradient, real scale);

FBP_INLINE void OP(each_row)(row_loss *f, const fbp_loss *a) {
    const fbp_size cols = a->cols;
    row_target t = {.alpha = (real)a->alpha, .smoothing = (real)a->smoothing, .limit = (real)a->limit};
    real weight = 1, scale = (real)a->scale;
    for (fbp_size i = 0; i < a->rows; i++) {
        const real *p = (const real *)a->prediction + i * a->prediction_stride;
        real *gradient = a->gradient ? (real *)a->gradient + i * a->gradient_stride : NULL;
        if (a->variance) t.variance = (const real *)a->variance + i * a->variance_stride;
        if (a->variance_gradient) t.variance_gradient = (real *)a->variance_gradient + i * a->variance_gradient_stride;
        if (a->weight) {
            weight = ((const real *)a->weight)[i], scale = (real)a->scale * weight;
            if (weight == 0) {
                OP(zero_row)(cols, gradient);
                OP(zero_row)(cols, t.variance_gradient);
                if (a->value) ((real *)a->value)[i] = 0;
                continue;
            }
        }
        t.dense = a->target ? (const real *)a->target + i * a->target_stride : NULL;
        t.label = a->labels ? a->labels[i] : -1;
        assert(t.dense || (0 <= t.label && t.label < cols));
        const real value = f(cols, p, t, gradient, scale);
        if (a->value) ((real *)a->value)[i] = value * weight;
    }
}

// Softmax and cross-entropy of class indices: value = logsumexp z - z[label], gradient = softmax(z), 1 less at the label.
// What a row has to wait for, its neighbours' work fills: each part is done to some rows before the next part, and
// logarithms and quotients are taken of several rows at once. The gradient may be z itself.
static void OP(crossentropy_of_labels)(const fbp_loss *a) {
    enum { BLOCK = 32 };
    const fbp_size cols = a->cols;
    const vreal limit = vset((real)a->limit);
    real sum[BLOCK], chosen[BLOCK], weight[BLOCK];
    for (fbp_size i = 0; i < a->rows; i += BLOCK) {
        const fbp_size n = smaller(BLOCK, a->rows - i), stride = a->gradient_stride;
        const int32_t *label = a->labels + i;
        real *gradient = a->gradient ? (real *)a->gradient + i * stride : NULL;
        for (fbp_size r = 0; r < BLOCK; r++) sum[r] = 1, chosen[r] = 0, weight[r] = r < n;
        for (fbp_size r = 0; r < n; r++) {
            const real *z = (const real *)a->prediction + (i + r) * a->prediction_stride;
            if (a->weight) weight[r] = ((const real *)a->weight)[i + r];
            if (weight[r] == 0) continue;  // nor has it to have a label
            assert(0 <= label[r] && label[r] < cols);
            const real picked = z[label[r]];
            real largest;
            sum[r] = OP(exp_row)(cols, z, gradient ? gradient + r * stride : NULL, &largest);
            chosen[r] = picked - largest;
        }
        for (fbp_size r = 0; r < n; r += LANES) {
            const vreal s = vload(sum + r), w = vload(weight + r), cost = vlog(s) - vload(chosen + r);
            const vreal value = vselect(w == 0, vset(0), vselect(cost > limit, limit, cost) * w);
            if (a->value) vstore_upto((real *)a->value + i + r, value, n - r);
            vstore(sum + r, 1 / s);
        }
        for (fbp_size r = 0; gradient && r < n; r++, gradient += stride) {
            if (weight[r] == 0) {
                OP(zero_row)(cols, gradient);
                continue;
            }
            const real scale = (real)a->scale * weight[r], e = gradient[label[r]];
            OP(scale_row)(cols, sum[r] * scale, gradient);
            gradient[label[r]] = (e * sum[r] - 1) * scale;
        }
    }
}

#define IS_PAIRED(f) (FBP_LOSS_##f == FBP_LOSS_gaussian_nll)
#define ROW(f)                                                                                            \
    FBP_INLINE real OP(f##_row)(fbp_size cols, const real *p, row_target t, real *gradient, real scale) { \
        return OP(sum_of_lanes)(OP(f), IS_PAIRED(f), (real)1 / (real)cols, cols, p, t, gradient, scale);  \
    }
FBP_MEAN_LOSSES(ROW)
#undef ROW

static void OP(loss)(const fbp_loss *a) {
    const fbp_size cols = a->cols;
    const int narrow = a->target && 0 < cols && cols < GROUP_LANES && a->prediction_stride == cols &&
                       a->target_stride == cols && (!a->gradient || a->gradient_stride == cols) &&
                       (!a->variance || a->variance_stride == cols) &&
                       (!a->variance_gradient || a->variance_gradient_stride == cols);
    const int plain = !a->weight && a->smoothing == 0;
    if (a->kind == FBP_LOSS_categorical_crossentropy_logits && a->labels && a->smoothing == 0) {
        OP(crossentropy_of_labels)(a);
        return;
    }
    switch (a->kind) {
#define ROW(f)                                             \
    case FBP_LOSS_##f:                                     \
        if (narrow && plain)                               \
            OP(mean_of_narrow)(OP(f), IS_PAIRED(f), 1, a); \
        else if (narrow)                                   \
            OP(mean_of_narrow)(OP(f), IS_PAIRED(f), 0, a); \
        else                                               \
            OP(each_row)(OP(f##_row), a);                  \
        break;
        FBP_MEAN_LOSSES(ROW)
#undef ROW
#define ROW(f)                  \
    case FBP_LOSS_##f:          \
        OP(each_row)(OP(f), a); \
        break;
        FBP_ROW_LOSSES(ROW)
#undef ROW
    }
}
#undef IS_PAIRED

// Is the label's column among the k largest? Fewer than k columns are larger, where NaN is; a NaN is never right.
FBP_INLINE int OP(among_largest)(fbp_size cols, const real *x, fbp_size label, double k) {
    const real mine = x[label];
    fbp_size larger = 0;
    for (fbp_size j = 0; j < cols; j++) larger += !(x[j] <= mine);
    return mine == mine && (double)larger < k;
}

static void OP(metric)(const fbp_metric *a) {
    for (fbp_size i = 0; i < a->rows; i++) {
        const real *p = (const real *)a->prediction + i * a->prediction_stride;
        const real *t = a->target ? (const real *)a->target + i * a->target_stride : NULL;
        const fbp_size label = a->labels ? a->labels[i] : -1;
        const real weight = a->weight ? ((const real *)a->weight)[i] : 1;
        real right = 0;
        if (weight == 0) {
            ((real *)a->value)[i] = 0;
            continue;
        }
        if (a->kind == FBP_METRIC_one) {
            right = 1;
        } else if (a->kind == FBP_METRIC_categorical_accuracy) {
            right = OP(largest)(a->cols, p) == (t ? OP(largest)(a->cols, t) : label);
        } else if (a->kind == FBP_METRIC_top_k_accuracy) {
            right = OP(among_largest)(a->cols, p, t ? OP(largest)(a->cols, t) : label, a->threshold);
        } else {
            for (fbp_size j = 0; j < a->cols; j++)
                right += (p[j] > (real)a->threshold) == (t ? t[j] > (real)0.5 : label == 1);
            right /= (real)a->cols;
        }
        ((real *)a->value)[i] = right * weight;
    }
}

#undef row_target
#undef lane_extra
#undef row_loss
#undef each_lane
