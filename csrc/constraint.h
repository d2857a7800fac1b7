// Floor 0. Constraints: lines of a weight, its columns or its rows, brought to a norm.

#ifndef FBP_CONSTRAINT_ONCE
#define FBP_CONSTRAINT_ONCE
enum { LINE_BLOCK = 64 };
#endif

// Some lines of a matrix, LINE_BLOCK at most, whose neighbours are `line_step` elements apart. Squares are added in
// double, each line's from its first element to its last.
FBP_INLINE void OP(limit_block)(const fbp_limit *a, fbp_size first, fbp_size lines, const fbp_size line_step) {
    double factor[LINE_BLOCK] = {0};
    real *w = (real *)a->weight + first * line_step;
    for (fbp_size k = 0; k < a->length; k++)
        for (fbp_size l = 0; l < lines; l++) {
            const double x = w[k * a->step + l * line_step];
            factor[l] += x * x;
        }
    for (fbp_size l = 0; l < lines; l++) {
        const double norm = sqrt(factor[l]), nearest = norm < a->low ? a->low : norm > a->high ? a->high : norm;
        factor[l] = nearest == norm || norm != norm ? 1 : (a->rate * nearest + (1 - a->rate) * norm) / (norm + 1e-7);
    }
    for (fbp_size k = 0; k < a->length; k++)
        for (fbp_size l = 0; l < lines; l++) w[k * a->step + l * line_step] *= (real)factor[l];
}

// Lines [line_begin, line_end), each times wanted / (norm + 1e-7), where wanted = rate clip(norm, low, high) +
// (1 - rate) norm. Those whose norm is from low to high are left as they are.
static void OP(limit_norms)(const fbp_limit *a, fbp_size line_begin, fbp_size line_end) {
    for (fbp_size first = line_begin; first < line_end; first += LINE_BLOCK) {
        const fbp_size lines = smaller(LINE_BLOCK, line_end - first);
        if (a->line_step == 1)
            OP(limit_block)(a, first, lines, 1);
        else
            OP(limit_block)(a, first, lines, a->line_step);
    }
}
