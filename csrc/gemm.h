// Floor 0. GEMM: c = finish(start + a @ b) for one share of c, on one thread.
//
// Why it gives the same bits however it is cut: each output is one chain of fused multiply-adds over k, in order,
// starting from zero or from `start`. Between two blocks of k the chain rests in memory, in the real type itself, so
// nothing is rounded that would not be. Tile shape, block sizes, packing and the share of c are therefore free choices,
// for speed alone.
//
// How it is cut.  A tile of c (some rows, up to tile_vectors[rows] vectors) stays in registers over a block of k.  A
// block of b (k x columns) that fits L2 is swept over all rows of a before the next one is touched; `finish` runs on
// each strip of finished tiles of that sweep, in L1.  b is read where it lies if it is small, or if there are too few
// rows to pay for packing; else, and whenever its columns are not contiguous, it is packed into panels.

#ifndef FBP_GEMM_ONCE
#define FBP_GEMM_ONCE
#define TILE_ROWS 6       // of a whole tile
#define TILE_ROWS_MAX 12  // of a tile of one vector
#define TILE_VECTORS_MAX 8
#define SWEPT_BYTES (128 << 10)    // what a swept block of b may take of L2; a tile's panel of it is in L1
#define STRIP_BYTES 12288          // strip of c, which `finish` finds in L1
#define DIRECT_BYTES 24576         // of b, to be read where it lies by several rows of tiles
#define A_BLOCK_BYTES (192 << 10)  // packed block of a: L2
#define B_BLOCK_BYTES (1 << 20)    // packed block of b: L3
#define DEPTH 256                  // longest block of k when b is packed
#define LEAST_DEPTH 32             // shorter blocks are not worth it when it is not: each reads and writes c
#define ROWS_WORTH_PACKING 48      // of a, for b to be packed where it could be read as it lies
#define PANELS_WORTH_PACKING 32    // of b, for a to be packed

// The tiles that exist, (rows, vectors): accumulators, one row of b and one element of a have to fit the registers.
// clang-format off
#if FBP_AVX512 || FBP_NEON
#define TILE_SHAPES(X)                                                                                          \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8) X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5)     \
    X(2, 6) X(2, 7) X(2, 8) X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(3, 5) X(3, 6) X(4, 1) X(4, 2) X(4, 3) X(4, 4)     \
    X(4, 5) X(4, 6) X(5, 1) X(5, 2) X(5, 3) X(5, 4) X(6, 1) X(6, 2) X(6, 3) X(6, 4) X(7, 1) X(8, 1) X(9, 1)     \
    X(10, 1) X(11, 1) X(12, 1)
static const fbp_size tile_vectors[TILE_ROWS_MAX + 1] = {0, 8, 8, 6, 6, 4, 4, 1, 1, 1, 1, 1, 1};  // the widest of each
#else
#define TILE_SHAPES(X)                                                                                          \
    X(1, 1) X(1, 2) X(1, 3) X(1, 4) X(1, 5) X(1, 6) X(1, 7) X(1, 8) X(2, 1) X(2, 2) X(2, 3) X(2, 4) X(2, 5)     \
    X(2, 6) X(3, 1) X(3, 2) X(3, 3) X(3, 4) X(4, 1) X(4, 2) X(4, 3) X(5, 1) X(5, 2) X(6, 1) X(6, 2) X(7, 1)     \
    X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1)
static const fbp_size tile_vectors[TILE_ROWS_MAX + 1] = {0, 8, 6, 4, 3, 2, 2, 1, 1, 1, 1, 1, 1};  // the widest of each
#endif
// clang-format on
#if FBP_AVX512 || FBP_AVX2
#define HAS_MASKED_LOAD 1
#else
#define HAS_MASKED_LOAD 0
#endif

// reals of the strip in scratch: one tile at least
#define STRIP_ROOM larger(STRIP_BYTES / (fbp_size)sizeof(real), TILE_ROWS_MAX * TILE_VECTORS_MAX * LANES)

FBP_INLINE fbp_size ceil_div(fbp_size a, fbp_size b) { return (a + b - 1) / b; }
// n in equal parts of at most `most`: the size of each but the last, >= 1.
FBP_INLINE fbp_size even_part(fbp_size n, fbp_size most) { return n ? ceil_div(n, ceil_div(n, most)) : 1; }

// How many rows of a matrix are worth a block of k when they start `stride` bytes apart and are read where they lie.
// L1's 64 sets of 8 lines are chosen by the line's address: rows a power of two apart share few of them. L2 gives three
// times as many fast enough, and a longer block reads and writes c less often.
FBP_INLINE fbp_size rows_near(fbp_size stride) {
    const fbp_size lines = stride / 64, sharing = smaller(lines & -lines, 64);
    return stride % 64 || !sharing ? DEPTH : smaller(DEPTH, 24 * 64 / sharing);
}
#endif

#define tile_args OP(tile_args)
#define gemm_plan OP(gemm_plan)

typedef struct {
    fbp_size k;
    const real *a;
    fbp_size a_rs, a_cs;
    const real *b;
    fbp_size b_rs;
    real *c;
    fbp_size c_rs;
    const real *start;  // what the chains start from: c, or zeros
    fbp_size start_rs;
    fbp_size tail;  // columns of the last vector
} tile_args;

static const real OP(zeros)[TILE_VECTORS_MAX * FBP_VECTOR_BYTES / sizeof(real)] = {0};

// The micro-kernel, for constant `rows`, `vectors` and `partial` (is the last vector a partial one?); k >= 1.
FBP_INLINE void OP(tile)(const tile_args *t, const int rows, const int vectors, const int partial) {
    vreal acc[TILE_ROWS_MAX][TILE_VECTORS_MAX], bv[TILE_VECTORS_MAX];
    const vtail tail = vtail_of(partial ? t->tail : LANES);
    const fbp_size a_rs = t->a_rs, a_cs = t->a_cs, b_rs = t->b_rs, c_rs = t->c_rs;
    const real *a = t->a, *b = t->b;
    real *c = t->c;
#define EACH_ROW _Pragma("GCC unroll 12") for (int r = 0; r < rows; r++)
#define EACH_VECTOR _Pragma("GCC unroll 8") for (int v = 0; v < vectors; v++)
#define IS_TAIL (partial && v == vectors - 1)
    EACH_ROW EACH_VECTOR {
        const real *at = t->start + r * t->start_rs + v * LANES;
        acc[r][v] = IS_TAIL ? vload_tail(at, tail) : vload(at);
    }
    fbp_size steps = t->k;
    do {
        EACH_VECTOR bv[v] = IS_TAIL && HAS_MASKED_LOAD ? vload_tail(b + v * LANES, tail) : vload(b + v * LANES);
        EACH_ROW {
            const vreal av = vset(a[r * a_rs]);
            EACH_VECTOR acc[r][v] = vfma(av, bv[v], acc[r][v]);
        }
        a += a_cs, b += b_rs;
    } while (--steps);
    EACH_ROW EACH_VECTOR {
        real *at = c + r * c_rs + v * LANES;
        if (IS_TAIL)
            vstore_tail(at, acc[r][v], tail);
        else
            vstore(at, acc[r][v]);
    }
#undef EACH_ROW
#undef EACH_VECTOR
#undef IS_TAIL
}

#define TILE(r, v)                                                                  \
    FBP_LOCAL void OP(tile_##r##x##v)(const tile_args *t) { OP(tile)(t, r, v, 0); } \
    FBP_LOCAL void OP(tile_##r##x##v##_tail)(const tile_args *t) { OP(tile)(t, r, v, 1); }
TILE_SHAPES(TILE)
#undef TILE
#define TILE(r, v) [r][v] = {OP(tile_##r##x##v), OP(tile_##r##x##v##_tail)},
static void (*const OP(tiles)[TILE_ROWS_MAX + 1][TILE_VECTORS_MAX + 1][2])(const tile_args *) = {TILE_SHAPES(TILE)};
#undef TILE

// How one call is cut.
typedef struct {
    const fbp_gemm *g;
    fbp_size tile_rows, panel;        // rows and columns of a tile
    fbp_size depth, rows, cols;       // blocks of k, m and n
    int pack_a, pack_b;
    real *a_pack, *b_pack, *strip;    // scratch
} gemm_plan;

// What is being multiplied now: rows [i, i + m) by columns [j, j + n), over k steps.
typedef struct {
    fbp_size i, m, j, n, k;
    const real *a;  // at (i, 0)
    fbp_size a_rs, a_cs;
    const real *b;  // at (0, j), or its panels
    int first, last;  // block of k
} OP(block);

static gemm_plan OP(plan_gemm)(const fbp_gemm *g, fbp_size m, fbp_size n, real *scratch) {
    const fbp_size size = sizeof(real);
    gemm_plan plan = {.g = g};
    plan.tile_rows = even_part(m, n <= LANES ? TILE_ROWS_MAX : TILE_ROWS);
    plan.panel = tile_vectors[plan.tile_rows] * LANES;
    const int readable = g->b_cs == 1 && (HAS_MASKED_LOAD || n % LANES == 0);
    const fbp_size stride = g->b_rs < 0 ? -g->b_rs : g->b_rs;
    // loads that cross cache lines take twice as long; where there are many, it pays to pack b for that alone
    const int aligned = n <= plan.panel || ((uintptr_t)g->b | (uintptr_t)(g->b_rs * size)) % FBP_VECTOR_BYTES == 0;
    const int once = m <= plan.tile_rows, stays = once || (aligned && g->k * stride * size <= DIRECT_BYTES);
    const fbp_size near = rows_near(stride * size);
    const int worth_it = aligned && near >= LEAST_DEPTH && m < ROWS_WORTH_PACKING && (g->c || g->k <= near);
    plan.pack_b = !(readable && (stays || worth_it));
    plan.depth = plan.pack_b ? even_part(g->k, DEPTH) : stays ? g->k : even_part(g->k, near);
    plan.rows = larger(m, 1), plan.cols = larger(n, 1);
    if (plan.pack_b) {
        const fbp_size panels = larger(B_BLOCK_BYTES / size / (plan.depth * plan.panel), 1);
        plan.cols = smaller(panels, ceil_div(plan.cols, plan.panel)) * plan.panel;
        const int apart = g->a_rs == 1 && rows_near(g->a_cs * size) < plan.depth;  // its columns, as those of a transpose
        plan.pack_a = m > plan.tile_rows && (apart || n >= PANELS_WORTH_PACKING * plan.panel);
        if (plan.pack_a) plan.rows = larger(A_BLOCK_BYTES / size / plan.depth / plan.tile_rows, 1) * plan.tile_rows;
    }
    plan.strip = scratch;
    plan.a_pack = plan.strip + STRIP_ROOM;
    plan.b_pack = plan.a_pack + (plan.pack_a ? plan.depth * smaller(plan.rows, m) : 0);
    return plan;
}

// a[0:m, 0:k] to panels of `height` rows, each k steps of `height` neighbours. Contiguous columns are read one by one.
static void OP(pack_a)(real *to, const real *a, fbp_size a_rs, fbp_size a_cs, fbp_size m, fbp_size k, fbp_size height) {
    const fbp_size whole = a_rs == 1 && height == TILE_ROWS ? m / TILE_ROWS * TILE_ROWS : 0;
    for (fbp_size p = 0; whole && p < k; p++)
        for (fbp_size i = 0; i < whole; i += TILE_ROWS)
            memcpy(to + i * k + p * TILE_ROWS, a + i + p * a_cs, TILE_ROWS * sizeof(real));
    to += whole * k;
    for (fbp_size i = whole; i < m; i += height) {
        const fbp_size h = smaller(height, m - i);
        for (fbp_size p = 0; p < k; p++)
            for (fbp_size r = 0; r < h; r++) to[p * h + r] = a[(i + r) * a_rs + p * a_cs];
        to += k * h;
    }
}

// One panel of b whose rows are contiguous: `width` columns, zeros behind the last one up to whole vectors.
static void OP(pack_rows)(real *to, const real *b, fbp_size b_rs, fbp_size k, fbp_size n, fbp_size width) {
    const fbp_size whole = n / LANES * LANES, filled = ceil_div(n, LANES) * LANES;
    for (fbp_size p = 0; p < k; p++, b += b_rs, to += width) {
        for (fbp_size q = 0; q < whole; q += LANES) vstore(to + q, vload(b + q));
        if (whole < filled) vstore(to + whole, vload_tail(b + whole, vtail_of(n - whole)));
    }
}

// The same for a b whose columns are contiguous (or neither): blocks of LANES x LANES are transposed in registers.
static void OP(pack_columns)(real *to, const real *b, fbp_size b_rs, fbp_size b_cs, fbp_size k, fbp_size n,
                             fbp_size width) {
    const fbp_size blocked = b_rs == 1 ? k / LANES * LANES : 0;
    for (fbp_size q = 0; q < n; q += LANES) {
        const fbp_size w = smaller(LANES, n - q);
        const real *from = b + q * b_cs;
        vreal block[64 / sizeof(real)];
        for (fbp_size p = 0; p < blocked; p += LANES) {
#pragma GCC unroll 16
            for (fbp_size l = 0; l < LANES; l++) block[l] = l < w ? vload(from + p + l * b_cs) : (vreal){0};
            OP(transpose)(block);
#pragma GCC unroll 16
            for (fbp_size l = 0; l < LANES; l++) vstore(to + (p + l) * width + q, block[l]);
        }
        for (fbp_size p = blocked; p < k; p++)
            for (fbp_size l = 0; l < LANES; l++) to[p * width + q + l] = l < w ? from[p * b_rs + l * b_cs] : 0;
    }
}

// b[0:k, 0:n] to panels of `width` columns, each k rows of `width` neighbours.
static void OP(pack_b)(real *to, const real *b, fbp_size b_rs, fbp_size b_cs, fbp_size k, fbp_size n, fbp_size width) {
    for (fbp_size j = 0; j < n; j += width, to += k * width, b += width * b_cs) {
        if (b_cs == 1)
            OP(pack_rows)(to, b, b_rs, k, smaller(width, n - j), width);
        else
            OP(pack_columns)(to, b, b_rs, b_cs, k, smaller(width, n - j), width);
    }
}

// One row of tiles: rows [i, i + h) of the block, `w` columns from the sweep's column j on, to c.
FBP_INLINE void OP(row_of_tiles)(const gemm_plan *plan, const OP(block) *at, fbp_size i, fbp_size h, fbp_size j,
                                 fbp_size w, real *c, fbp_size c_rs) {
    const fbp_gemm *g = plan->g;
    const real *start = g->start ? (const real *)g->start + at->j + j : OP(zeros);
    tile_args t = {.k = at->k, .a = at->a + i * at->a_rs, .a_rs = at->a_rs, .a_cs = at->a_cs, .c_rs = c_rs};
    if (plan->pack_a) t.a = at->a + i * at->k, t.a_rs = 1, t.a_cs = h;
    t.b_rs = plan->pack_b ? plan->panel : g->b_rs;
    t.start_rs = at->first ? 0 : c_rs;
    for (fbp_size q = 0; q < w; q += plan->panel) {
        const fbp_size width = smaller(plan->panel, w - q), vectors = ceil_div(width, LANES);
        t.tail = width - (vectors - 1) * LANES;
        t.b = plan->pack_b ? at->b + (j + q) * at->k : at->b + j + q;
        t.c = c + q;
        t.start = !at->first ? t.c : g->start ? start + q : start;
        OP(tiles)[h][vectors][t.tail < LANES](&t);
    }
}

// One strip: rows [i, i + h) of the sweep's columns [j, j + w), tile by tile, then `finish`.
static void OP(strip)(const gemm_plan *plan, const OP(block) *at, fbp_size i, fbp_size h, fbp_size j, fbp_size w) {
    const fbp_gemm *g = plan->g;
    real *c = g->c ? (real *)g->c + (at->i + i) * g->c_rs + at->j + j : plan->strip;
    const fbp_size c_rs = g->c ? g->c_rs : w;
    if (at->last && g->prefetch) g->prefetch(g->finish_args, at->i + i, at->j + j, h, w, c, c_rs, c, c_rs);
    for (fbp_size r = 0; r < h; r += plan->tile_rows)
        OP(row_of_tiles)(plan, at, i + r, smaller(plan->tile_rows, h - r), j, w, c + r * c_rs, c_rs);
    if (at->last && g->finish) g->finish(g->finish_args, at->i + i, at->j + j, h, w, c, c_rs, c, c_rs);
}

// Multiplies one block of a by one of b: as much of b at a time as fits L2, in strips of c that fit L1.
static void OP(sweep)(const gemm_plan *plan, const OP(block) *at) {
    const fbp_size strip = STRIP_BYTES / (fbp_size)sizeof(real) / plan->tile_rows;  // columns, or rows of one column
    fbp_size step = at->n;
    if (step > plan->panel) {
        const fbp_size fits = SWEPT_BYTES / (fbp_size)sizeof(real) / at->k;
        step = smaller(larger(smaller(fits, strip) / plan->panel, 1) * plan->panel, at->n);
    }
    const fbp_size rows = larger(strip / step, 1) * plan->tile_rows;
    for (fbp_size j = 0; j < at->n; j += step) {
        const fbp_size w = smaller(step, at->n - j);
        for (fbp_size i = 0; i < at->m; i += rows) OP(strip)(plan, at, i, smaller(rows, at->m - i), j, w);
    }
}

// Whether the share that is written overlaps `other` (debug builds). Views of one array that interleave have its
// stride.
FBP_LOCAL int OP(overlaps)(const fbp_gemm *g, fbp_size row_begin, fbp_size row_end, fbp_size col_begin,
                           fbp_size col_end, const real *other, fbp_size other_end) {
    const real *begin = (const real *)g->c + row_begin * g->c_rs + col_begin;
    const real *end = (const real *)g->c + (row_end - 1) * g->c_rs + col_end;
    return g->c && g->c_rs != g->b_rs && begin < other + other_end && other < end;
}

static void OP(gemm)(const fbp_gemm *g, fbp_size row_begin, fbp_size row_end, fbp_size col_begin, fbp_size col_end,
                     void *scratch) {
    if (row_begin >= row_end || col_begin >= col_end) return;
    assert(0 <= row_begin && row_end <= g->m && 0 <= col_begin && col_end <= g->n);
    assert(g->c || (g->finish && g->k <= DEPTH));
    assert(g->m == 1 || !g->c || g->c_rs >= g->n);
    assert(g->k == 0 || g->b_rs < 0 || g->b_cs < 0 ||
           !OP(overlaps)(g, row_begin, row_end, col_begin, col_end, g->b,
                         (g->k - 1) * g->b_rs + (g->n - 1) * g->b_cs + 1));
    if (g->k == 0) {  // a sum of nothing: one step over zeros, so that `finish` still runs
        fbp_gemm nothing = *g;
        nothing.k = 1, nothing.a = nothing.b = OP(zeros), nothing.a_rs = nothing.a_cs = nothing.b_rs = nothing.b_cs = 0;
        OP(gemm)(&nothing, row_begin, row_end, col_begin, col_end, scratch);
        return;
    }
    const gemm_plan plan = OP(plan_gemm)(g, row_end - row_begin, col_end - col_begin, scratch);
    const real *a = g->a, *b = g->b;
    OP(block) at = {0};
    for (at.j = col_begin; at.j < col_end; at.j += plan.cols) {
        at.n = smaller(plan.cols, col_end - at.j);
        for (fbp_size p = 0; p < g->k; p += plan.depth) {
            at.k = smaller(plan.depth, g->k - p);
            at.first = p == 0;
            at.last = p + plan.depth >= g->k;
            at.b = b + p * g->b_rs + at.j * g->b_cs;
            if (plan.pack_b) {
                OP(pack_b)(plan.b_pack, at.b, g->b_rs, g->b_cs, at.k, at.n, plan.panel);
                at.b = plan.b_pack;
            }
            for (at.i = row_begin; at.i < row_end; at.i += plan.rows) {
                at.m = smaller(plan.rows, row_end - at.i);
                at.a = a + at.i * g->a_rs + p * g->a_cs;
                at.a_rs = g->a_rs, at.a_cs = g->a_cs;
                if (plan.pack_a) {
                    OP(pack_a)(plan.a_pack, at.a, at.a_rs, at.a_cs, at.m, at.k, plan.tile_rows);
                    at.a = plan.a_pack;
                }
                OP(sweep)(&plan, &at);
            }
        }
    }
}

// Bytes of scratch that a share of at most m x n of a product over k can need.
static fbp_size OP(gemm_scratch)(fbp_size m, fbp_size n, fbp_size k) {
    const fbp_size size = sizeof(real), widest = TILE_VECTORS_MAX * LANES, depth = smaller(larger(k, 1), DEPTH);
    const fbp_size a = smaller(depth * m, A_BLOCK_BYTES / size + depth * TILE_ROWS_MAX);
    const fbp_size most = B_BLOCK_BYTES / size / larger(depth, 1);
    const fbp_size b = depth * (smaller(ceil_div(n, widest) * widest, most) + widest);
    return (STRIP_ROOM + a + b) * size;
}

#undef tile_args
#undef gemm_plan
