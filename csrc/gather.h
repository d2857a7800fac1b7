// Floor 0. The gather of a shuffled batch: rows of the caller's array, in any of the element types that cross the edge,
// converted and scaled on the way into the batch's own buffer.

#ifndef FBP_GATHER_ONCE
#define FBP_GATHER_ONCE
#define FBP_GATHER_LIST(ROW) \
    ROW(FBP_F32, float)      \
    ROW(FBP_F64, double)     \
    ROW(FBP_U8, uint8_t)     \
    ROW(FBP_I32, int32_t)    \
    ROW(FBP_U16, uint16_t)
#endif

// dst[j] = src[j * stride] * scale
#define ROW(id, type)                                                                                        \
    static void OP(row_of_##id)(real *dst, const void *source, fbp_size stride, fbp_size cols, real scale) { \
        const type *src = source;                                                                            \
        if (stride == 1)                                                                                     \
            for (fbp_size j = 0; j < cols; j++) dst[j] = (real)src[j] * scale;                               \
        else                                                                                                 \
            for (fbp_size j = 0; j < cols; j++) dst[j] = (real)src[j * stride] * scale;                      \
    }
FBP_GATHER_LIST(ROW)
#undef ROW

// dst[j] = src[j * stride] * scales[j] + shifts[j], with two roundings
#define ROW(id, type)                                                                                               \
    static void OP(line_of_##id)(real *dst, const void *source, fbp_size stride, fbp_size cols, const real *scales, \
                                 const real *shifts) {                                                              \
        const type *src = source;                                                                                   \
        if (stride == 1)                                                                                            \
            for (fbp_size j = 0; j < cols; j++) dst[j] = (real)src[j] * scales[j] + shifts[j];                      \
        else                                                                                                        \
            for (fbp_size j = 0; j < cols; j++) dst[j] = (real)src[j * stride] * scales[j] + shifts[j];             \
    }
FBP_GATHER_LIST(ROW)
#undef ROW

#define ROW(id, type) [id] = {OP(row_of_##id), OP(line_of_##id), sizeof(type)},
static const struct {
    void (*row)(real *dst, const void *source, fbp_size stride, fbp_size cols, real scale);
    void (*line)(real *dst, const void *source, fbp_size stride, fbp_size cols, const real *scales, const real *shifts);
    fbp_size size;
} OP(sources)[] = {FBP_GATHER_LIST(ROW)};
#undef ROW

// Rows in random order come from memory, and nothing but their list foretells them: the caches are asked for a row, or
// for several short ones, ahead of their turn.
static void OP(gather)(const fbp_gather *a) {
    const fbp_size size = OP(sources)[a->src_dtype].size, row_bytes = a->src_cs == 1 ? a->cols * size : size;
    const fbp_size ahead = 1 + smaller(1024 / larger(row_bytes, 1), 16);
    for (fbp_size i = 0; i < a->rows; i++) {
        const fbp_size row = a->index ? (fbp_size)a->index[i] : i;
        assert(0 <= row && row < a->src_rows);
        const char *src = (const char *)a->src + row * a->src_rs * size;
        if (a->index && i + ahead < a->rows) {
            const char *later = (const char *)a->src + (fbp_size)a->index[i + ahead] * a->src_rs * size;
            for (fbp_size b = 0; b < row_bytes; b += 64) __builtin_prefetch(later + b, 0, 3);
        }
        real *dst = (real *)a->dst + i * a->dst_stride;
        if (a->scales)
            OP(sources)[a->src_dtype].line(dst, src, a->src_cs, a->cols, a->scales, a->shifts);
        else
            OP(sources)[a->src_dtype].row(dst, src, a->src_cs, a->cols, (real)a->scale);
    }
}

// Rows of a matrix in compressed sparse rows, of which src holds the numbers that are stored, in this unit's real type;
// what is stored twice is added.
static void OP(gather_sparse)(const fbp_gather *a) {
    const real *values = a->src, *scales = a->scales, *shifts = a->shifts, scale = (real)a->scale;
    for (fbp_size i = 0; i < a->rows; i++) {
        const fbp_size row = a->index ? (fbp_size)a->index[i] : i;
        assert(0 <= row && row < a->src_rows);
        real *dst = (real *)a->dst + i * a->dst_stride;
        if (scales)
            memcpy(dst, shifts, a->cols * sizeof(real));
        else
            memset(dst, 0, a->cols * sizeof(real));
        for (int64_t k = a->starts[row]; k < a->starts[row + 1]; k++) {
            const fbp_size j = a->columns[k] - a->first_column;
            if (0 <= j && j < a->cols) dst[j] += values[k] * (scales ? scales[j] : scale);
        }
    }
}

// Indices, of classes or of a table's rows, have no real type: they are moved as they are.
static void OP(gather_indices)(const fbp_gather *a) {
    for (fbp_size i = 0; i < a->rows; i++) {
        const fbp_size row = a->index ? (fbp_size)a->index[i] : i;
        assert(0 <= row && row < a->src_rows);
        const int32_t *src = (const int32_t *)a->src + row * a->src_rs;
        int32_t *dst = (int32_t *)a->dst + i * a->dst_stride;
        for (fbp_size j = 0; j < a->cols; j++) dst[j] = src[j * a->src_cs];
    }
}
