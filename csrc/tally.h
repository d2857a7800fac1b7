// Floor 0. Tallies: what metrics need that are no means over rows. Outcomes of decisions, pairs of classes, histograms of
// scores, and the moments behind R squared.
//
// Sums are doubles, and every row is added to them in turn. A row of weight 0 is not looked at. A target counts as a one
// above a half; of a label, the label's column does.

#define tally_row OP(tally_row)

// One row, its weight, and where its class is named.
typedef struct {
    const real *p, *t;  // (cols,); t may be NULL
    fbp_size label;
    double weight;
} tally_row;

FBP_INLINE int OP(is_one)(tally_row r, fbp_size j) { return r.t ? r.t[j] > (real)0.5 : r.label == j; }

FBP_INLINE fbp_size OP(class_of)(const fbp_tally *a, tally_row r) { return r.t ? OP(largest)(a->cols, r.t) : r.label; }

// sums (steps, cols, 3): predicted, true, both. By thresholds, or, without, by the largest column (steps is 1).
FBP_INLINE void OP(tally_outcomes)(const fbp_tally *a, tally_row r) {
    if (!a->thresholds) {
        const fbp_size predicted = OP(largest)(a->cols, r.p), label = OP(class_of)(a, r);
        a->sums[3 * predicted] += r.weight;
        a->sums[3 * label + 1] += r.weight;
        if (predicted == label) a->sums[3 * label + 2] += r.weight;
        return;
    }
    for (fbp_size s = 0; s < a->steps; s++) {
        for (fbp_size j = 0; j < a->cols; j++) {
            double *sums = a->sums + 3 * (s * a->cols + j);
            const int predicted = (double)r.p[j] > a->thresholds[s], one = OP(is_one)(r, j);
            if (predicted) sums[0] += r.weight;
            if (one) sums[1] += r.weight;
            if (predicted && one) sums[2] += r.weight;
        }
    }
}

// sums (cols, cols): of each class, what it was taken for
FBP_INLINE void OP(tally_confusion)(const fbp_tally *a, tally_row r) {
    a->sums[OP(class_of)(a, r) * a->cols + OP(largest)(a->cols, r.p)] += r.weight;
}

// sums (cols, 2, steps + 1): scores of zeros and of ones, in bins (k / steps, (k + 1) / steps]; a score of 0 is in the
// first one, and what is not from 0 to 1 in the last.
FBP_INLINE void OP(tally_histogram)(const fbp_tally *a, tally_row r) {
    for (fbp_size j = 0; j < a->cols; j++) {
        const double at = (double)r.p[j] * (double)a->steps;
        fbp_size bin = a->steps;
        if (0 <= at && at <= (double)a->steps) {
            bin = (fbp_size)at;
            if (bin > 0 && (double)bin == at) bin--;
        }
        a->sums[(2 * j + OP(is_one)(r, j)) * (a->steps + 1) + bin] += r.weight;
    }
}

// sums (cols, 5): weight; the first target, about which what follows is taken; sums of t, t^2 and (p - t)^2
FBP_INLINE void OP(tally_moments)(const fbp_tally *a, tally_row r) {
    for (fbp_size j = 0; j < a->cols; j++) {
        double *sums = a->sums + 5 * j;
        const double t = (double)r.t[j], e = (double)r.p[j] - t;
        if (sums[0] == 0) sums[1] = t;
        const double d = t - sums[1];
        sums[0] += r.weight;
        sums[2] += r.weight * d;
        sums[3] += r.weight * d * d;
        sums[4] += r.weight * e * e;
    }
}

static void OP(tally)(const fbp_tally *a) {
    for (fbp_size i = 0; i < a->rows; i++) {
        const tally_row r = {
            .p = (const real *)a->prediction + i * a->prediction_stride,
            .t = a->target ? (const real *)a->target + i * a->target_stride : NULL,
            .label = a->labels ? a->labels[i] : -1,
            .weight = a->weight ? (double)((const real *)a->weight)[i] : 1,
        };
        if (r.weight == 0) continue;
        switch (a->kind) {
#define ROW(f)               \
    case FBP_TALLY_##f:      \
        OP(tally_##f)(a, r); \
        break;
            FBP_TALLIES(ROW)
#undef ROW
        }
    }
}
#undef tally_row
