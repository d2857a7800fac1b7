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
#define NORM_ROWS 8     // rows whose moments are made in registers
#define APPLY_ROWS 4    // rows that share a load of their columns' factors
#define NORM_BYTES 2048  // columns at a time: their factors stay in L1
#define NORM_CHUNK (NORM_BYTES / (fbp_size)sizeof(real))
#define EACH_PIECE(j, n, cols) \
    for (fbp_size j = 0, n = smaller(LANES, cols); j < (cols); j += LANES, n = smaller(LANES, (cols) - j))
#define NORM_CHAINS 4  // groups of a row that are added up side by side
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

// Sum and sum of squared deviations of each of n columns, from the first row, over `rows` rows, at most NORM_ROWS.
FBP_INLINE void OP(block_moments)(const real *x, fbp_size stride, fbp_size rows, fbp_size n, vreal from, vreal *sum,
                                  vreal *m2) {
    vreal d[NORM_ROWS], sums[2] = {{0}}, squares[2] = {{0}};  // two chains each
    for (fbp_size r = 0; r < rows; r++) d[r] = vload_upto(x + r * stride, n) - from, sums[r % 2] += d[r];
    *sum = sums[0] + sums[1];
    const vreal mean = *sum * vset((real)1 / (real)rows);
    for (fbp_size r = 0; r < rows; r++) d[r] -= mean, squares[r % 2] = vfma(d[r], d[r], squares[r % 2]);
    *m2 = squares[0] + squares[1];
}

// Sums and sums of squared deviations of columns over all rows: blocks of rows, merged by the formula of Chan, Golub &
// LeVeque (1983).
FBP_INLINE void OP(column_moments)(fbp_size rows, fbp_size cols, const real *x, fbp_size stride, real *sum, real *m2) {
    for (fbp_size j = 0; j < cols; j += LANES) vstore(sum + j, vset(0)), vstore(m2 + j, vset(0));
    for (fbp_size i = 0; i < rows; i += NORM_ROWS) {
        const fbp_size height = smaller(NORM_ROWS, rows - i);
        const real before = (real)i, here = (real)height;
        const vreal per_before = vset(i ? 1 / before : 0), per_here = vset(1 / here);
        const vreal weight = vset(before * (here / (before + here)));
        EACH_PIECE(j, n, cols) {
            const vreal from = OP(origin)(vload_upto(x + j, n));
            const real *block = x + i * stride + j;
            vreal s, q;
            if (height == NORM_ROWS && n == LANES)
                OP(block_moments)(block, stride, NORM_ROWS, LANES, from, &s, &q);
            else
                OP(block_moments)(block, stride, height, n, from, &s, &q);
            const vreal all = vload(sum + j), squares = vload(m2 + j);
            const vreal apart = s * per_here - all * per_before;
            vstore(sum + j, all + s);
            vstore(m2 + j, vfma(apart * apart, weight, squares + q));
        }
    }
}

// y = (x - mean) scale + shift, one of each a column, in `height` rows of n columns. All loads come before all stores:
// rows may lie on top of one another in L1.
FBP_INLINE void OP(scale_block)(fbp_size height, fbp_size n, const real *x, fbp_size x_stride, vreal mean, vreal scale,
                                vreal shift, real *y, fbp_size y_stride) {
    vreal v[APPLY_ROWS];
    for (fbp_size r = 0; r < height; r++) v[r] = vload_upto(x + r * x_stride, n);
    for (fbp_size r = 0; r < height; r++) vstore_upto(y + r * y_stride, vfma(v[r] - mean, scale, shift), n);
}

FBP_INLINE void OP(scale_columns)(const fbp_norm *a, fbp_size at, fbp_size cols, const real *mean, const real *scale,
                                  const real *shift) {
    const fbp_size x_stride = a->x_stride, rows = a->rows, whole = cols / LANES * LANES;
    const int streams = a->streams;
    real pieces[APPLY_ROWS][NORM_CHUNK];
    // from the last rows, which were read last and are still in cache, to the first
    for (fbp_size i = (rows - 1) / APPLY_ROWS * APPLY_ROWS; i >= 0; i -= APPLY_ROWS) {
        const fbp_size height = smaller(APPLY_ROWS, rows - i), out_stride = streams ? NORM_CHUNK : a->y_stride;
        const real *x = (const real *)a->x + i * x_stride + at;
        real *y = (real *)a->y + i * a->y_stride + at, *out = streams ? pieces[0] : y;
        fbp_size j = 0;
        for (; height == APPLY_ROWS && j < whole; j += LANES)
            OP(scale_block)(APPLY_ROWS, LANES, x + j, x_stride, vload(mean + j), vload(scale + j), vload(shift + j),
                            out + j, out_stride);
        for (; j < cols; j += LANES) {
            const fbp_size n = smaller(LANES, cols - j);
            OP(scale_block)(height, n, x + j, x_stride, vload_upto(mean + j, n), vload(scale + j), vload(shift + j),
                            out + j, out_stride);
        }
        for (fbp_size r = 0; streams && r < height; r++) OP(stream)(cols, pieces[r], y + r * a->y_stride);
    }
}

FBP_INLINE void OP(run_average)(void *running, fbp_size j, fbp_size n, vreal momentum, vreal one_minus, vreal now) {
    if (!running) return;
    real *average = (real *)running + j;
    vstore_upto(average, vfma(one_minus, now, momentum * vload_upto(average, n)), n);
}

// Normalises each column by its own moments over the rows, which it leaves in mean and rstd.
static void OP(batch_norm)(const fbp_norm *a) {
    const vreal epsilon = vset((real)a->epsilon), per_row = vset((real)1 / (real)a->rows);
    const vreal momentum = vset((real)a->momentum), one_minus = vset((real)(1 - a->momentum));
    real scale[NORM_CHUNK], shift[NORM_CHUNK];
    for (fbp_size at = 0; at < a->channels; at += NORM_CHUNK) {
        const fbp_size cols = smaller(NORM_CHUNK, a->channels - at);
        const real *x = (const real *)a->x + at;
        OP(column_moments)(a->rows, cols, x, a->x_stride, scale, shift);
        EACH_PIECE(j, n, cols) {
            const vreal from = OP(origin)(vload_upto(x + j, n)), variance = vload(shift + j) * per_row;
            vreal mean;
            const vreal rest = OP(two_sum)(from, vload(scale + j) * per_row, &mean);
            const vreal rstd = vset(1) / vsqrt(variance + epsilon);
            const vreal factor = rstd * OP(part_or)(a->gamma, at + j, n, 1);
            vstore(scale + j, factor);
            vstore(shift + j, vfma(-rest, factor, OP(part_or)(a->beta, at + j, n, 0)));
            vstore_upto((real *)a->mean + at + j, mean, n);
            vstore_upto((real *)a->rstd + at + j, rstd, n);
            OP(run_average)(a->running_mean, at + j, n, momentum, one_minus, mean);
            OP(run_average)(a->running_variance, at + j, n, momentum, one_minus, variance);
        }
        OP(scale_columns)(a, at, cols, (const real *)a->mean + at, scale, shift);
    }
}

// Normalises each column by its running moments; without a running mean nothing is subtracted.
static void OP(batch_norm_apply)(const fbp_norm *a) {
    const vreal epsilon = vset((real)a->epsilon);
    real mean[NORM_CHUNK], scale[NORM_CHUNK], shift[NORM_CHUNK];
    for (fbp_size at = 0; at < a->channels; at += NORM_CHUNK) {
        const fbp_size cols = smaller(NORM_CHUNK, a->channels - at);
        EACH_PIECE(j, n, cols) {
            const vreal rstd = vset(1) / vsqrt(vload_upto((const real *)a->running_variance + at + j, n) + epsilon);
            vstore(mean + j, OP(part_or)(a->running_mean, at + j, n, 0));
            vstore(scale + j, rstd * OP(part_or)(a->gamma, at + j, n, 1));
            vstore(shift + j, OP(part_or)(a->beta, at + j, n, 0));
        }
        OP(scale_columns)(a, at, cols, mean, scale, shift);
    }
}

// Adds the sums over up to NORM_ROWS rows of x - mean, of dy and of dy (x - mean) to *sums.
FBP_INLINE void OP(gradient_sums)(const fbp_norm *a, fbp_size i, fbp_size at, fbp_size rows, fbp_size n, vreal mean,
                                  vreal *sums) {
    const real *x = (const real *)a->x + i * a->x_stride + at, *dy = (const real *)a->dy + i * a->dy_stride + at;
    vreal rest = {0}, sum = {0}, dot = {0};
    for (fbp_size r = 0; r < rows; r++) {
        const vreal d = vload_upto(x + r * a->x_stride, n) - mean, g = vload_upto(dy + r * a->dy_stride, n);
        rest += d, sum += g, dot = vfma(g, d, dot);
    }
    sums[0] += rest, sums[1] += sum, sums[2] += dot;
}

// dx = gamma rstd (dy - mean(dy) - xhat mean(dy xhat)), xhat = (x - mean) rstd, as one sum a dy + b (x - mean) + c,
// with a, b, c of each column in abc.
FBP_INLINE void OP(gradient_columns_piece)(fbp_size j, fbp_size n, const real *x, const real *dy, const real *mean,
                                           const real (*abc)[NORM_CHUNK], real *dx) {
    const vreal d = vload_upto(x + j, n) - vload_upto(mean + j, n), g = vload_upto(dy + j, n);
    vstore_upto(dx + j, vfma(vload(abc[0] + j), g, vfma(vload(abc[1] + j), d, vload(abc[2] + j))), n);
}

FBP_INLINE void OP(gradient_columns)(const fbp_norm *a, fbp_size at, fbp_size cols, const real (*abc)[NORM_CHUNK]) {
    const real *mean = (const real *)a->mean + at;
    const fbp_size rows = a->rows, whole = cols / LANES * LANES;
    real piece[NORM_CHUNK];
    for (fbp_size i = rows - 1; i >= 0; i--) {
        const real *x = (const real *)a->x + i * a->x_stride + at, *dy = (const real *)a->dy + i * a->dy_stride + at;
        real *y = (real *)a->y + i * a->y_stride + at, *out = a->streams ? piece : y;
        for (fbp_size j = 0; j < whole; j += LANES) OP(gradient_columns_piece)(j, LANES, x, dy, mean, abc, out);
        if (whole < cols) OP(gradient_columns_piece)(whole, cols - whole, x, dy, mean, abc, out);
        if (a->streams) OP(stream)(cols, piece, y);
    }
}

static void OP(batch_norm_backward)(const fbp_norm *a) {
    const vreal per_row = vset((real)1 / (real)a->rows);
    real sums[3][NORM_CHUNK];
    for (fbp_size at = 0; at < a->channels; at += NORM_CHUNK) {
        const fbp_size cols = smaller(NORM_CHUNK, a->channels - at);
        for (fbp_size i = 0; i < a->rows; i += NORM_ROWS) {
            const fbp_size height = smaller(NORM_ROWS, a->rows - i);
            EACH_PIECE(j, n, cols) {
                const vreal mean = vload_upto((const real *)a->mean + at + j, n);
                vreal s[3] = {{0}};
                for (int k = 0; i && k < 3; k++) s[k] = vload(sums[k] + j);
                if (height == NORM_ROWS && n == LANES)
                    OP(gradient_sums)(a, i, at + j, NORM_ROWS, LANES, mean, s);
                else
                    OP(gradient_sums)(a, i, at + j, height, n, mean, s);
                for (int k = 0; k < 3; k++) vstore(sums[k] + j, s[k]);
            }
        }
        EACH_PIECE(j, n, cols) {
            const vreal rstd = vload_upto((const real *)a->rstd + at + j, n), rest = vload(sums[0] + j) * per_row;
            const vreal dbeta = vload(sums[1] + j), dgamma = vfma(-rest, dbeta, vload(sums[2] + j)) * rstd;
            const vreal factor = rstd * OP(part_or)(a->gamma, at + j, n, 1);
            const vreal slope = -factor * (rstd * (dgamma * per_row));
            vstore_upto((real *)a->dgamma + at + j, dgamma, n);
            vstore_upto((real *)a->dbeta + at + j, dbeta, n);
            vstore(sums[0] + j, factor);
            vstore(sums[1] + j, slope);
            vstore(sums[2] + j, vfma(-slope, rest, -factor * (dbeta * per_row)));
        }
        OP(gradient_columns)(a, at, cols, (const real(*)[NORM_CHUNK])sums);
    }
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

// Moments of n neighbours: rest and rstd; and the mean. Without `centered` mean and rest are 0, and rstd is of the
// squares.
FBP_INLINE real OP(moments)(fbp_size n, const real *x, int centered, real epsilon, real *rest, real *rstd) {
    const real share = (real)1 / (real)n;
    real mean = 0;
    *rest = 0;
    if (centered) {
        const real from = x[0] - x[0] == 0 ? x[0] : 0;
        vreal sum;
        *rest = OP(two_sum)(vset(from), vset(OP(sum_of)(OP(add_plain), n, x, from) * share), &sum)[0];
        mean = sum[0];
    }
    const real variance = OP(sum_of)(OP(add_square), n, x, mean) * share - *rest * *rest;
    *rstd = (vset(1) / vsqrt(vset((variance < 0 ? 0 : variance) + epsilon)))[0];
    return mean;
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
    real copies[2][LANES];
    for (fbp_size i = 0; i < a.rows; i++)
        for (fbp_size k = 0; k < a.groups; k++) {
            const real *x = (const real *)a.x + i * a.x_stride + k * n;
            real *y = (real *)a.y + i * a.y_stride + k * n, rest, rstd;
            const real mean = OP(moments)(n, x, a.centered, (real)a.epsilon, &rest, &rstd), shift = -rest * rstd;
            if (a.mean) ((real *)a.mean)[i * a.groups + k] = mean;
            ((real *)a.rstd)[i * a.groups + k] = rstd;
            for (fbp_size at = 0, c = k * a.channels; at < n; at += run, c++)
                OP(scale_run)(run, x + at, y + at, mean, rstd, shift,
                              OP(factors_of)(a.gamma, c, a.span > 1, 1, copies[0]),
                              OP(factors_of)(a.beta, c, a.span > 1, 0, copies[1]), a.streams);
        }
}

// Sums over n neighbours of dy gamma and of dy gamma xhat, xhat = (x - mean) rstd + shift.
FBP_INLINE void OP(gradient_run_sums)(fbp_size n, const real *x, const real *dy, const vreal *m, OP(factors) gamma,
                                      real *sum, real *dot) {
    group sums = OP(group_of)(0), dots = sums;
    for (fbp_size j = 0; j < n; j += GROUP_LANES) {
        const group v = OP(group_load)(x + j, n - j, m[0][0]), d = OP(group_load)(dy + j, n - j, 0);
        group scale;
        if (gamma.each)
            scale = OP(group_load)(gamma.first + j, n - j, 1);
        else
            scale = OP(group_of)(*gamma.first);
        EACH_PART {
            const vreal g_dy = d.v[g] * scale.v[g];
            sums.v[g] += g_dy;
            dots.v[g] = vfma(g_dy, vfma(v.v[g] - m[0], m[1], m[2]), dots.v[g]);
        }
    }
    *sum = OP(group_sum)(sums), *dot = OP(group_sum)(dots);
}

// dx = a gamma dy + b (x - mean) + c, where abc are a, b, c.
FBP_INLINE void OP(gradient_piece)(fbp_size j, fbp_size n, const real *x, const real *dy, real *dx, vreal mean,
                                   const vreal *abc, OP(factors) gamma, fbp_size at) {
    const vreal rest = vfma(abc[1], vload_upto(x + at + j, n) - mean, abc[2]);
    vstore_upto(dx + j, vfma(abc[0] * OP(factor)(gamma, at + j, n), vload_upto(dy + at + j, n), rest), n);
}

FBP_INLINE void OP(gradient_run)(fbp_size n, const real *x, const real *dy, real *dx, vreal mean, const vreal *abc,
                                 OP(factors) gamma, int streams) {
    real piece[NORM_CHUNK];
    const fbp_size step = streams ? NORM_CHUNK : n;
    for (fbp_size at = 0; at < n; at += step) {
        const fbp_size count = smaller(step, n - at), whole = count / LANES * LANES;
        real *out = streams ? piece : dx;
        for (fbp_size j = 0; j < whole; j += LANES) OP(gradient_piece)(j, LANES, x, dy, out, mean, abc, gamma, at);
        if (whole < count) OP(gradient_piece)(whole, count - whole, x, dy, out, mean, abc, gamma, at);
        if (streams) OP(stream)(count, piece, dx + at);
    }
}

// Adds a row's part to dgamma, dy xhat, and to dbeta, dy.
FBP_INLINE void OP(add_parameters)(fbp_size n, const real *x, const real *dy, const vreal *m, real *dgamma,
                                   real *dbeta) {
    EACH_PIECE(j, lanes, n) {
        const vreal xhat = vfma(vload_upto(x + j, lanes) - m[0], m[1], m[2]), d = vload_upto(dy + j, lanes);
        vstore_upto(dgamma + j, vfma(d, xhat, vload_upto(dgamma + j, lanes)), lanes);
        if (dbeta) vstore_upto(dbeta + j, d + vload_upto(dbeta + j, lanes), lanes);
    }
}

// One group: dx, and its part of dgamma and dbeta.
FBP_INLINE void OP(group_gradient)(const fbp_norm *a, fbp_size i, fbp_size k) {
    const fbp_size n = a->channels * a->span, first = k * a->channels, run = a->span == 1 ? n : a->span;
    const real *x = (const real *)a->x + i * a->x_stride + k * n, *dy = (const real *)a->dy + i * a->dy_stride + k * n;
    real *dx = (real *)a->y + i * a->y_stride + k * n, copies[LANES], one[LANES];
    real *dgamma = a->dgamma ? (real *)a->dgamma + first : NULL, *dbeta = a->dbeta ? (real *)a->dbeta + first : NULL;
    const real share = (real)1 / (real)n, rstd = ((const real *)a->rstd)[i * a->groups + k];
    const real mean = a->centered ? ((const real *)a->mean)[i * a->groups + k] : 0;
    const real rest = a->centered ? OP(sum_of)(OP(add_plain), n, x, mean) * share : 0;
    const vreal m[3] = {vset(mean), vset(rstd), vset(-rest * rstd)};
    real sum = 0, dot = 0;
    if (a->span == 1) {
        OP(gradient_run_sums)(n, x, dy, m, OP(factors_of)(a->gamma, first, 0, 1, copies), &sum, &dot);
        if (dgamma) OP(add_parameters)(n, x, dy, m, dgamma, dbeta);
    } else {
        const OP(factors) ones = OP(factors_of)(NULL, 0, 1, 1, one);
        for (fbp_size c = 0, at = 0; c < a->channels; c++, at += run) {
            const real gamma = a->gamma ? ((const real *)a->gamma)[first + c] : 1;
            real sum_c, dot_c;
            OP(gradient_run_sums)(run, x + at, dy + at, m, ones, &sum_c, &dot_c);
            sum += gamma * sum_c, dot += gamma * dot_c;
            if (dgamma) dgamma[c] += dot_c;
            if (dbeta) dbeta[c] += sum_c;
        }
    }
    const real slope = -rstd * (rstd * (dot * share));
    const real shift = a->centered ? -rstd * (sum * share) - slope * rest : 0;
    const vreal abc[3] = {m[1], vset(slope), vset(shift)};
    for (fbp_size at = 0, c = first; at < n; at += run, c++)
        OP(gradient_run)(run, x + at, dy + at, dx + at, m[0], abc, OP(factors_of)(a->gamma, c, a->span > 1, 1, copies),
                         a->streams);
}

// dgamma and dbeta are sums over these rows alone.
static void OP(group_norm_backward)(const fbp_norm *args) {
    const fbp_norm a = *args;
    for (fbp_size c = 0; c < a.groups * a.channels; c++) {
        if (a.dgamma) ((real *)a.dgamma)[c] = 0;
        if (a.dbeta) ((real *)a.dbeta)[c] = 0;
    }
    for (fbp_size i = 0; i < a.rows; i++)
        for (fbp_size k = 0; k < a.groups; k++) OP(group_gradient)(&a, i, k);
}
