// Floor 0. Normalisation: of columns over the batch (batch_norm, Ioffe & Szegedy 2015), and of groups of neighbours in
// a row (group_norm, Wu & He 2018; of one group, layer_norm, Ba, Kiros & Hinton 2016; without the mean, rms_norm, Zhang
// & Sennrich 2019).
//
// A mean rounded to `real` is off by as much as a deviation where the mean is large: so it is two numbers, `mean` and a
// `rest` below its last digit. Sums are of differences from one of the values themselves, which are exact where it
// matters, and zero in a column or row of equal values. Every normalised element is (x - mean) scale + shift, with the
// rest in shift.

#ifndef FBP_NORM_ONCE
#define FBP_NORM_ONCE
#define NORM_ROWS 4      // rows whose moments are made in registers: lines above one another share places in L1
#define APPLY_ROWS 2     // rows that share a load of their columns' factors; likewise
#define GRADIENT_ROWS 2  // rows that share loads of gamma, dgamma and dbeta; likewise
#define NORM_BYTES 2048  // columns at a time that are streamed
#define NORM_CHUNK (NORM_BYTES / (fbp_size)sizeof(real))
#define EACH_PIECE(j, n, cols) \
    for (fbp_size j = 0, n = smaller(LANES, cols); j < (cols); j += LANES, n = smaller(LANES, (cols) - j))
#define NORM_GROUPS 16  // groups whose moments are made together
#define NORM_CHAINS 4   // groups of a row that are added up side by side
#endif

FBP_INLINE vreal OP(part_or)(const real *p, fbp_size j, fbp_size n, real otherwise) {
    return p ? vload_upto(p + j, n) : vset(otherwise);
}

// What sums are counted from: x, or 0 if it is inf or NaN, which would make NaN of a mean that is inf.
FBP_INLINE vreal OP(origin)(vreal x) { return vselect(x - x == 0, x, vset(0)); }

// a + b = *sum + rest, exactly (Knuth); returns the rest.
FBP_INLINE vreal OP(two_sum)(vreal a, vreal b, vreal *sum) {
    const vreal s = a + b, c = s - a;
    *sum = s;
    return (a - (s - c)) + (b - c);
}

// ---- columns
//
// In three stages, each of which needs all of the one before: sums over every block of rows; what follows from them for
// every column; and the rows once more. The sums of a block are 2 or 3 rows at `sums`; the second stage adds up those of
// all blocks, and leaves in the place of the first what the third multiplies with and adds.

// Moments of the values of two sets merged: formula of Chan, Golub & LeVeque (1983).
typedef struct {
    vreal per_before, per_here, weight;
} OP(merger);

FBP_INLINE OP(merger) OP(merger_of)(fbp_size before, fbp_size here) {
    const real old = (real)before, new = (real)here;
    return (OP(merger)){vset(before ? 1 / old : 0), vset(1 / new), vset(old * (new / (old + new)))};
}

FBP_INLINE void OP(merge)(OP(merger) m, vreal s, vreal q, vreal *sum, vreal *m2) {
    const vreal apart = s * m.per_here - *sum * m.per_before;
    *sum += s;
    *m2 = vfma(apart * apart, m.weight, *m2 + q);
}

// Sum of deviations from `from` and sum of squared deviations of each of n columns over `rows` rows, at most NORM_ROWS.
// Counted from the first of so few, squares lose no more than a digit.
FBP_INLINE void OP(block_moments)(const real *x, fbp_size stride, fbp_size rows, fbp_size n, vreal from, vreal *sum,
                                  vreal *m2) {
    const vreal first = OP(origin)(vload_upto(x, n));
    vreal sums[2] = {{0}}, squares[2] = {{0}};  // two chains each
#pragma GCC unroll 8
    for (fbp_size r = 0; r < rows; r++) {
        const vreal d = vload_upto(x + r * stride, n) - first;
        sums[r % 2] += d, squares[r % 2] = vfma(d, d, squares[r % 2]);
    }
    const vreal all = sums[0] + sums[1];
    *sum = vfma(first - from, vset((real)rows), all);
    *m2 = vfma(all * vset((real)-1 / (real)rows), all, squares[0] + squares[1]);
}

// Adds rows [i, i + rows) of n columns to sums of deviations from the batch's first row, and of squared deviations.
FBP_INLINE void OP(add_moments)(const fbp_norm *a, fbp_size i, fbp_size rows, fbp_size j, fbp_size n,
                                OP(merger) merger) {
    real *sum = (real *)a->sums + j, *m2 = sum + a->sums_stride;
    vreal s, q, all = {0}, squares = {0};
    OP(block_moments)((const real *)a->x + i * a->x_stride + j, a->x_stride, rows, n,
                      OP(origin)(vload_upto((const real *)a->first + j, n)), &s, &q);
    if (i) all = vload_upto(sum, n), squares = vload_upto(m2, n);
    OP(merge)(merger, s, q, &all, &squares);
    vstore_upto(sum, all, n), vstore_upto(m2, squares, n);
}

static void OP(batch_sums)(const fbp_norm *args) {
    const fbp_norm a = *args;  // what is stored could change *args, for all the compiler knows
    for (fbp_size i = 0; i < a.rows; i += NORM_ROWS) {
        const fbp_size height = smaller(NORM_ROWS, a.rows - i);
        const OP(merger) merger = OP(merger_of)(i, height);
        fbp_size j = 0;
        for (; height == NORM_ROWS && j + LANES <= a.channels; j += LANES)
            OP(add_moments)(&a, i, NORM_ROWS, j, LANES, merger);
        for (; j < a.channels; j += LANES) OP(add_moments)(&a, i, height, j, smaller(LANES, a.channels - j), merger);
    }
}

FBP_INLINE void OP(run_average)(void *running, fbp_size j, fbp_size n, vreal momentum, vreal one_minus, vreal now) {
    if (!running) return;
    real *average = (real *)running + j;
    vstore_upto(average, vfma(one_minus, now, momentum * vload_upto(average, n)), n);
}

// Mean, rstd and running moments of each column of all rows. Leaves scale and shift: y = (x - mean) scale + shift.
static void OP(batch_moments)(const fbp_norm *args) {
    const fbp_norm a = *args;
    const vreal epsilon = vset((real)a.epsilon), per_row = vset((real)1 / (real)a.rows);
    const vreal momentum = vset((real)a.momentum), one_minus = vset((real)(1 - a.momentum));
    real *sum = a.sums, *m2 = sum + a.sums_stride;
    for (fbp_size i = a.block; i < a.rows; i += a.block) {
        const OP(merger) merger = OP(merger_of)(i, smaller(a.block, a.rows - i));
        const real *here = sum + i / a.block * 2 * a.sums_stride;
        EACH_PIECE(j, n, a.channels) {
            vreal all = vload_upto(sum + j, n), squares = vload_upto(m2 + j, n);
            OP(merge)(merger, vload_upto(here + j, n), vload_upto(here + a.sums_stride + j, n), &all, &squares);
            vstore_upto(sum + j, all, n), vstore_upto(m2 + j, squares, n);
        }
    }
    EACH_PIECE(j, n, a.channels) {
        const vreal from = OP(origin)(vload_upto((const real *)a.first + j, n));
        const vreal variance = vload_upto(m2 + j, n) * per_row, rstd = vset(1) / vsqrt(variance + epsilon);
        const vreal scale = rstd * OP(part_or)(a.gamma, j, n, 1);
        vreal mean;
        const vreal rest = OP(two_sum)(from, vload_upto(sum + j, n) * per_row, &mean);
        vstore_upto((real *)a.mean + j, mean, n);
        vstore_upto((real *)a.rstd + j, rstd, n);
        OP(run_average)(a.running_mean, j, n, momentum, one_minus, mean);
        OP(run_average)(a.running_variance, j, n, momentum, one_minus, variance);
        vstore_upto(sum + j, scale, n);
        vstore_upto(m2 + j, vfma(-rest, scale, OP(part_or)(a.beta, j, n, 0)), n);
    }
}

// Scale and shift, as batch_moments leaves them, from the running variance.
static void OP(running_factors)(const fbp_norm *args) {
    const fbp_norm a = *args;
    const vreal epsilon = vset((real)a.epsilon);
    real *scale = a.sums, *shift = scale + a.sums_stride;
    EACH_PIECE(j, n, a.channels) {
        const vreal rstd = vset(1) / vsqrt(vload_upto((const real *)a.running_variance + j, n) + epsilon);
        vstore_upto(scale + j, rstd * OP(part_or)(a.gamma, j, n, 1), n);
        vstore_upto(shift + j, OP(part_or)(a.beta, j, n, 0), n);
    }
}

// y = (x - mean) scale + shift of n columns, in `height` rows; without a mean nothing is subtracted. All loads come before all stores: rows may lie on top of
// one another in L1.
typedef void OP(block_rule)(const fbp_norm *a, fbp_size height, fbp_size n, const real *x, const real *dy, fbp_size j,
                            real *y, fbp_size y_stride);
FBP_INLINE void OP(scale_block)(const fbp_norm *a, fbp_size height, fbp_size n, const real *x, const real *dy,
                                fbp_size j, real *y, fbp_size y_stride) {
    (void)dy;
    const real *scale = (const real *)a->sums + j;
    const vreal mean = OP(part_or)(a->mean, j, n, 0);
    const vreal slope = vload_upto(scale, n), shift = vload_upto(scale + a->sums_stride, n);
    vreal v[APPLY_ROWS];
    for (fbp_size r = 0; r < height; r++) v[r] = vload_upto(x + r * a->x_stride + j, n);
    for (fbp_size r = 0; r < height; r++) vstore_upto(y + r * y_stride, vfma(v[r] - mean, slope, shift), n);
}

// dx = gamma rstd (dy - mean(dy) - xhat mean(dy xhat)), xhat = (x - mean) rstd, as one sum a dy + b (x - mean) + c, with
// a, b, c of each column in three rows at `sums`.
FBP_INLINE void OP(gradient_block)(const fbp_norm *a, fbp_size height, fbp_size n, const real *x, const real *dy,
                                   fbp_size j, real *dx, fbp_size dx_stride) {
    const real *abc = (const real *)a->sums + j;
    const vreal mean = vload_upto((const real *)a->mean + j, n), slope = vload_upto(abc, n);
    const vreal of_x = vload_upto(abc + a->sums_stride, n), shift = vload_upto(abc + 2 * a->sums_stride, n);
    vreal v[APPLY_ROWS], g[APPLY_ROWS];
    for (fbp_size r = 0; r < height; r++)
        v[r] = vload_upto(x + r * a->x_stride + j, n), g[r] = vload_upto(dy + r * a->dy_stride + j, n);
    for (fbp_size r = 0; r < height; r++)
        vstore_upto(dx + r * dx_stride, vfma(slope, g[r], vfma(of_x, v[r] - mean, shift)), n);
}

// The third stage, of batch_norm or of its gradient: APPLY_ROWS rows at a time, from the last, which were read last and
// are still in cache, to the first.
FBP_INLINE void OP(apply)(const fbp_norm *a, OP(block_rule) *f) {
    real pieces[APPLY_ROWS][NORM_CHUNK];
    const fbp_size step = a->streams ? NORM_CHUNK : larger(a->channels, 1);
    const fbp_size out_stride = a->streams ? NORM_CHUNK : a->y_stride;
    for (fbp_size i = (a->rows - 1) / APPLY_ROWS * APPLY_ROWS; i >= 0; i -= APPLY_ROWS) {
        const fbp_size height = smaller(APPLY_ROWS, a->rows - i);
        const real *x = (const real *)a->x + i * a->x_stride, *dy = (const real *)a->dy + i * a->dy_stride;
        for (fbp_size at = 0; at < a->channels; at += step) {
            const fbp_size cols = smaller(step, a->channels - at);
            real *y = (real *)a->y + i * a->y_stride + at, *out = a->streams ? pieces[0] : y;
            fbp_size j = 0;
            for (; height == APPLY_ROWS && j + LANES <= cols; j += LANES)
                f(a, APPLY_ROWS, LANES, x, dy, at + j, out + j, out_stride);
            for (; j < cols; j += LANES) f(a, height, smaller(LANES, cols - j), x, dy, at + j, out + j, out_stride);
            for (fbp_size r = 0; a->streams && r < height; r++) OP(stream)(cols, pieces[r], y + r * a->y_stride);
        }
    }
    if (a->streams) OP(stream_end)();
}

static void OP(batch_apply)(const fbp_norm *args) {
    const fbp_norm a = *args;
    OP(apply)(&a, OP(scale_block));
}

// Adds rows [i, i + rows) of n columns to the sums of x - mean, of dy and of dy (x - mean).
FBP_INLINE void OP(add_gradients)(const fbp_norm *a, fbp_size i, fbp_size rows, fbp_size j, fbp_size n) {
    const real *x = (const real *)a->x + i * a->x_stride + j, *dy = (const real *)a->dy + i * a->dy_stride + j;
    real *rests = (real *)a->sums + j, *sums = rests + a->sums_stride, *dots = sums + a->sums_stride;
    const vreal mean = vload_upto((const real *)a->mean + j, n);
    vreal rest = {0}, sum = {0}, dot = {0};
    if (i) rest = vload_upto(rests, n), sum = vload_upto(sums, n), dot = vload_upto(dots, n);
#pragma GCC unroll 8
    for (fbp_size r = 0; r < rows; r++) {
        const vreal d = vload_upto(x + r * a->x_stride, n) - mean, g = vload_upto(dy + r * a->dy_stride, n);
        rest += d, sum += g, dot = vfma(g, d, dot);
    }
    vstore_upto(rests, rest, n), vstore_upto(sums, sum, n), vstore_upto(dots, dot, n);
}

static void OP(batch_gradient_sums)(const fbp_norm *args) {
    const fbp_norm a = *args;
    for (fbp_size i = 0; i < a.rows; i += NORM_ROWS) {
        const fbp_size height = smaller(NORM_ROWS, a.rows - i);
        fbp_size j = 0;
        for (; height == NORM_ROWS && j + LANES <= a.channels; j += LANES)
            OP(add_gradients)(&a, i, NORM_ROWS, j, LANES);
        for (; j < a.channels; j += LANES) OP(add_gradients)(&a, i, height, j, smaller(LANES, a.channels - j));
    }
}

// dgamma and dbeta; leaves a, b and c of gradient_block.
static void OP(batch_gradient_factors)(const fbp_norm *args) {
    const fbp_norm a = *args;
    const vreal per_row = vset((real)1 / (real)a.rows);
    for (fbp_size i = a.block; i < a.rows; i += a.block)
        for (fbp_size k = 0; k < 3; k++) {
            real *sum = (real *)a.sums + k * a.sums_stride;
            const real *here = sum + i / a.block * 3 * a.sums_stride;
            EACH_PIECE(j, n, a.channels) vstore_upto(sum + j, vload_upto(sum + j, n) + vload_upto(here + j, n), n);
        }
    EACH_PIECE(j, n, a.channels) {
        real *first = (real *)a.sums + j, *second = first + a.sums_stride, *third = second + a.sums_stride;
        const vreal rstd = vload_upto((const real *)a.rstd + j, n), rest = vload_upto(first, n) * per_row;
        const vreal dbeta = vload_upto(second, n), dgamma = vfma(-rest, dbeta, vload_upto(third, n)) * rstd;
        const vreal factor = rstd * OP(part_or)(a.gamma, j, n, 1), slope = -factor * (rstd * (dgamma * per_row));
        vstore_upto((real *)a.dgamma + j, dgamma, n);
        vstore_upto((real *)a.dbeta + j, dbeta, n);
        vstore_upto(first, factor, n);
        vstore_upto(second, slope, n);
        vstore_upto(third, vfma(-slope, rest, -factor * (dbeta * per_row)), n);
    }
}

static void OP(batch_gradient_apply)(const fbp_norm *args) {
    const fbp_norm a = *args;
    OP(apply)(&a, OP(gradient_block));
}

// ---- groups of neighbours

typedef vreal OP(sum_rule)(vreal sum, vreal d);
FBP_INLINE vreal OP(add_plain)(vreal sum, vreal d) { return sum + d; }
FBP_INLINE vreal OP(add_square)(vreal sum, vreal d) { return vfma(d, d, sum); }

// The sum over f(x - from), for a constant f with f(0) = 0.
FBP_INLINE real OP(sum_of)(OP(sum_rule) *f, fbp_size n, const real *x, real origin) {
    const vreal from = vset(origin);
    group sum[NORM_CHAINS];
    for (int m = 0; m < NORM_CHAINS; m++) sum[m] = OP(group_of)(0);
    fbp_size j = 0;
    for (; j + NORM_CHAINS * GROUP_LANES <= n; j += NORM_CHAINS * GROUP_LANES)
        for (int m = 0; m < NORM_CHAINS; m++)
            EACH_PART sum[m].v[g] = f(sum[m].v[g], vload(x + j + m * GROUP_LANES + g * LANES) - from);
    for (; j < n; j += GROUP_LANES) {
        const group a = OP(group_load)(x + j, n - j, origin);
        EACH_PART sum[0].v[g] = f(sum[0].v[g], a.v[g] - from);
    }
    EACH_PART sum[0].v[g] = (sum[0].v[g] + sum[1].v[g]) + (sum[2].v[g] + sum[3].v[g]);
    return OP(group_sum)(sum[0]);
}

// Moments of `count` groups of n neighbours. Without `centered` mean and rest are 0, and rstd is of the squares. All sums
// of one kind come before all of the next, so that groups do not wait for one another's.
FBP_INLINE void OP(moments)(fbp_size count, fbp_size n, const real *x, int centered, real epsilon, real *mean,
                            real *rest, real *rstd) {
    const real share = (real)1 / (real)n;
    for (fbp_size k = 0; k < count; k++) {
        const real *x_k = x + k * n, from = x_k[0] - x_k[0] == 0 ? x_k[0] : 0;
        vreal sum = {0};
        rest[k] = 0;
        if (centered)
            rest[k] = OP(two_sum)(vset(from), vset(OP(sum_of)(OP(add_plain), n, x_k, from) * share), &sum)[0];
        mean[k] = sum[0];
    }
    for (fbp_size k = 0; k < count; k++) rstd[k] = OP(sum_of)(OP(add_square), n, x + k * n, mean[k]);
    for (fbp_size k = 0; k < count; k++) {
        const real variance = rstd[k] * share - rest[k] * rest[k];
        rstd[k] = (vset(1) / vsqrt(vset((variance < 0 ? 0 : variance) + epsilon)))[0];
    }
}

// A factor of each element, or one of all of them in as many copies as a vector has lanes.
typedef struct {
    const real *first;
    fbp_size each;  // all bits set, or none
} OP(factors);

FBP_INLINE vreal OP(factor)(OP(factors) f, fbp_size j, fbp_size n) { return vload_upto(f.first + (j & f.each), n); }

// gamma or beta from channel `first` on, or `otherwise` where there is none; with `one`, of that channel alone.
FBP_INLINE OP(factors) OP(factors_of)(const void *p, fbp_size first, int one, real otherwise, real *copies) {
    if (p && !one) return (OP(factors)){(const real *)p + first, -1};
    vstore(copies, vset(p ? ((const real *)p)[first] : otherwise));
    return (OP(factors)){copies, 0};
}

// y = ((x - mean) rstd + shift) gamma + beta
FBP_INLINE void OP(scale_piece)(fbp_size j, fbp_size n, const real *x, real *y, const vreal *m, OP(factors) gamma,
                                OP(factors) beta, fbp_size at) {
    const vreal xhat = vfma(vload_upto(x + at + j, n) - m[0], m[1], m[2]);
    vstore_upto(y + j, vfma(xhat, OP(factor)(gamma, at + j, n), OP(factor)(beta, at + j, n)), n);
}

FBP_INLINE void OP(scale_run)(fbp_size n, const real *x, real *y, real mean, real rstd, real shift, OP(factors) gamma,
                              OP(factors) beta, int streams) {
    const vreal m[3] = {vset(mean), vset(rstd), vset(shift)};
    real piece[NORM_CHUNK];
    const fbp_size step = streams ? NORM_CHUNK : n;
    for (fbp_size at = 0; at < n; at += step) {
        const fbp_size count = smaller(step, n - at), whole = count / LANES * LANES;
        real *out = streams ? piece : y;
        for (fbp_size j = 0; j < whole; j += LANES) OP(scale_piece)(j, LANES, x, out, m, gamma, beta, at);
        if (whole < count) OP(scale_piece)(whole, count - whole, x, out, m, gamma, beta, at);
        if (streams) OP(stream)(count, piece, y + at);
    }
}

static void OP(group_norm)(const fbp_norm *args) {
    const fbp_norm a = *args;  // what is stored could change *args, for all the compiler knows
    const fbp_size n = a.channels * a.span, run = a.span == 1 ? n : a.span;
    const fbp_size most = larger(1, smaller(NORM_GROUPS, NORM_CHUNK / n));
    real copies[2][LANES], mean[NORM_GROUPS], rest[NORM_GROUPS], rstd[NORM_GROUPS];
    for (fbp_size i = 0; i < a.rows; i++)
        for (fbp_size first = 0; first < a.groups; first += most) {
            const fbp_size count = smaller(most, a.groups - first);
            OP(moments)(count, n, (const real *)a.x + i * a.x_stride + first * n, a.centered, (real)a.epsilon, mean,
                        rest, rstd);
            for (fbp_size g = 0; g < count; g++) {
                const fbp_size k = first + g;
                const real *x = (const real *)a.x + i * a.x_stride + k * n;
                real *y = (real *)a.y + i * a.y_stride + k * n;
                if (a.mean) ((real *)a.mean)[i * a.groups + k] = mean[g];
                ((real *)a.rstd)[i * a.groups + k] = rstd[g];
                for (fbp_size at = 0, c = k * a.channels; at < n; at += run, c++)
                    OP(scale_run)(run, x + at, y + at, mean[g], rstd[g], -rest[g] * rstd[g],
                                  OP(factors_of)(a.gamma, c, a.span > 1, 1, copies[0]),
                                  OP(factors_of)(a.beta, c, a.span > 1, 0, copies[1]), a.streams);
            }
        }
    if (a.streams) OP(stream_end)();
}

// Sums over n neighbours of x - mean, of dy gamma, and of their product.
FBP_INLINE void OP(gradient_run_sums)(fbp_size n, const real *x, const real *dy, real mean, OP(factors) gamma,
                                      real *sums) {
    group rest = OP(group_of)(0), sum = rest, dot = rest;
    for (fbp_size j = 0; j < n; j += GROUP_LANES) {
        const group v = OP(group_load)(x + j, n - j, mean), d = OP(group_load)(dy + j, n - j, 0);
        group scale;
        if (gamma.each)
            scale = OP(group_load)(gamma.first + j, n - j, 1);
        else
            scale = OP(group_of)(*gamma.first);
        EACH_PART {
            const vreal g_dy = d.v[g] * scale.v[g], apart = v.v[g] - mean;
            rest.v[g] += apart;
            sum.v[g] += g_dy;
            dot.v[g] = vfma(g_dy, apart, dot.v[g]);
        }
    }
    sums[0] += OP(group_sum)(rest), sums[1] += OP(group_sum)(sum), sums[2] += OP(group_sum)(dot);
}

// What a group's gradient is made of: xhat = (x - mean) rstd + shift, dx = rstd gamma dy + b (x - mean) + c.
typedef struct {
    real mean, rstd, shift, b, c;
} OP(group_factors);

// The factors of a group of n elements, from its sums of x - mean, of dy gamma and of their product.
FBP_INLINE OP(group_factors)
    OP(group_factors_of)(const fbp_norm *a, fbp_size at, fbp_size n, real mean, const real *sums) {
    const real share = (real)1 / (real)n, rstd = ((const real *)a->rstd)[at], rest = a->centered ? sums[0] * share : 0;
    const real dot = (sums[2] - rest * sums[1]) * rstd, slope = -rstd * (rstd * (dot * share));
    return (OP(group_factors)){mean, rstd, -rest * rstd, slope,
                               a->centered ? -rstd * (sums[1] * share) - slope * rest : 0};
}

// dx of `rows` rows of lanes [j, j + n) of a group, and, if they are wanted, their parts of dgamma and dbeta.
FBP_INLINE void OP(gradient_piece)(fbp_size rows, fbp_size j, fbp_size n, const real *x, fbp_size x_stride,
                                   const real *dy, fbp_size dy_stride, real *dx, fbp_size dx_stride,
                                   const OP(group_factors) *f, OP(factors) gamma, real *dgamma, real *dbeta) {
    const vreal scale = OP(factor)(gamma, j, n);
    vreal by_gamma = {0}, by_beta = {0}, result[GRADIENT_ROWS] = {{0}};
#pragma GCC unroll 4
    for (fbp_size r = 0; r < rows; r++) {
        const vreal apart = vload_upto(x + r * x_stride + j, n) - f[r].mean, d = vload_upto(dy + r * dy_stride + j, n);
        by_gamma = vfma(d, vfma(apart, vset(f[r].rstd), vset(f[r].shift)), by_gamma), by_beta += d;
        result[r] = vfma(vset(f[r].rstd) * scale, d, vfma(vset(f[r].b), apart, vset(f[r].c)));
    }
    if (dgamma) vstore_upto(dgamma + j, vload_upto(dgamma + j, n) + by_gamma, n);
    if (dbeta) vstore_upto(dbeta + j, vload_upto(dbeta + j, n) + by_beta, n);
#pragma GCC unroll 4
    for (fbp_size r = 0; r < rows; r++) vstore_upto(dx + r * dx_stride, result[r], n);
}

// The same on n neighbours.
FBP_INLINE void OP(gradient_run)(const fbp_norm *a, fbp_size rows, fbp_size n, const real *x, const real *dy, real *dx,
                                 const OP(group_factors) *f, OP(factors) gamma, real *dgamma, real *dbeta) {
    real pieces[GRADIENT_ROWS][NORM_CHUNK];
    const fbp_size step = a->streams ? NORM_CHUNK : n, stride = a->streams ? NORM_CHUNK : a->y_stride;
    for (fbp_size at = 0; at < n; at += step) {
        const fbp_size end = smaller(at + step, n);
        real *out = a->streams ? pieces[0] : dx + at;
        fbp_size j = at;
        for (; rows == GRADIENT_ROWS && j + LANES <= end; j += LANES)
            OP(gradient_piece)(GRADIENT_ROWS, j, LANES, x, a->x_stride, dy, a->dy_stride, out + j - at, stride, f,
                               gamma, dgamma, dbeta);
        for (; j < end; j += LANES)
            OP(gradient_piece)(rows, j, smaller(LANES, end - j), x, a->x_stride, dy, a->dy_stride, out + j - at, stride,
                               f, gamma, dgamma, dbeta);
        for (fbp_size r = 0; a->streams && r < rows; r++) OP(stream)(end - at, pieces[r], dx + r * a->y_stride + at);
    }
}

// Group k of `rows` rows from row i on, at most GRADIENT_ROWS: dx, and its part of dgamma and dbeta.
FBP_INLINE void OP(group_gradient)(const fbp_norm *a, fbp_size i, fbp_size rows, fbp_size k) {
    const fbp_size n = a->channels * a->span, first = k * a->channels, run = a->span == 1 ? n : a->span;
    const real *x = (const real *)a->x + i * a->x_stride + k * n, *dy = (const real *)a->dy + i * a->dy_stride + k * n;
    real *dx = (real *)a->y + i * a->y_stride + k * n, copies[LANES];
    real *dgamma = a->dgamma ? (real *)a->dgamma + first : NULL, *dbeta = a->dbeta ? (real *)a->dbeta + first : NULL;
    OP(group_factors) f[GRADIENT_ROWS];
    for (fbp_size r = 0; r < rows; r++) {
        const fbp_size at = (i + r) * a->groups + k;
        const real mean = a->centered ? ((const real *)a->mean)[at] : 0, *x_r = x + r * a->x_stride,
                   *dy_r = dy + r * a->dy_stride;
        real sums[3] = {0}, apart[3];
        for (fbp_size c = first, j = 0; j < n; c++, j += run)
            OP(gradient_run_sums)(run, x_r + j, dy_r + j, mean, OP(factors_of)(a->gamma, c, a->span > 1, 1, copies),
                                  sums);
        f[r] = OP(group_factors_of)(a, at, n, mean, sums);
        // a channel of several elements has one dgamma and one dbeta
        for (fbp_size c = 0; a->span > 1 && dgamma && c < a->channels; c++) {
            apart[0] = apart[1] = apart[2] = 0;
            OP(gradient_run_sums)(run, x_r + c * run, dy_r + c * run, mean, OP(factors_of)(NULL, 0, 1, 1, copies),
                                  apart);
            dgamma[c] += apart[2] * f[r].rstd + apart[1] * f[r].shift;
            if (dbeta) dbeta[c] += apart[1];
        }
    }
    for (fbp_size c = first, j = 0; j < n; c++, j += run)
        OP(gradient_run)(a, rows, run, x + j, dy + j, dx + j, f, OP(factors_of)(a->gamma, c, a->span > 1, 1, copies),
                         a->span > 1 ? NULL : dgamma, a->span > 1 ? NULL : dbeta);
}

// dgamma and dbeta are sums over these rows alone.
static void OP(group_norm_backward)(const fbp_norm *args) {
    const fbp_norm a = *args;
    for (fbp_size c = 0; c < a.groups * a.channels; c++) {
        if (a.dgamma) ((real *)a.dgamma)[c] = 0;
        if (a.dbeta) ((real *)a.dbeta)[c] = 0;
    }
    for (fbp_size i = 0; i < a.rows; i += GRADIENT_ROWS)
        for (fbp_size k = 0; k < a.groups; k++) OP(group_gradient)(&a, i, smaller(GRADIENT_ROWS, a.rows - i), k);
    if (a.streams) OP(stream_end)();
}
