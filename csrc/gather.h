// Floor 0. The gather of a shuffled batch: rows of the caller's array, in any of the element types that cross the edge,
// converted and scaled on the way into the batch's own buffer.

#ifndef FBP_GATHER_ONCE
#define FBP_GATHER_ONCE
#define FBP_GATHER_LIST(ROW)    \
    ROW(FBP_F32, float)         \
    ROW(FBP_F64, double)        \
    ROW(FBP_U8, uint8_t)        \
    ROW(FBP_I32, int32_t)
#endif

#define ROW(id, type)                                                                                 \
    static void OP(gather_##id)(const fbp_gather *a) {                                                \
        const real scale = (real)a->scale;                                                            \
        for (fbp_size i = 0; i < a->rows; i++) {                                                      \
            const fbp_size cs = a->src_cs, cols = a->cols;                                            \
            const type *src = (const type *)a->src + (a->index ? (fbp_size)a->index[i] : i) * a->src_rs; \
            real *dst = (real *)a->dst + i * a->dst_stride;                                           \
            if (cs == 1)                                                                              \
                for (fbp_size j = 0; j < cols; j++) dst[j] = (real)src[j] * scale;                    \
            else                                                                                      \
                for (fbp_size j = 0; j < cols; j++) dst[j] = (real)src[j * cs] * scale;               \
        }                                                                                             \
    }
FBP_GATHER_LIST(ROW)
#undef ROW

static void OP(gather)(const fbp_gather *a) {
    switch (a->src_dtype) {
#define ROW(id, type)            \
    case id:                     \
        OP(gather_##id)(a); \
        break;
        FBP_GATHER_LIST(ROW)
#undef ROW
    }
}

// Labels have no real type: they are moved as they are.
static void OP(gather_labels)(const fbp_gather *a) {
    for (fbp_size i = 0; i < a->rows; i++) {
        const fbp_size row = a->index ? (fbp_size)a->index[i] : i;
        ((int32_t *)a->dst)[i * a->dst_stride] = ((const int32_t *)a->src)[row * a->src_rs];
    }
}
