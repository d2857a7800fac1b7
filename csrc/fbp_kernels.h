// Floor 0. The C interface of the kernels: the only header that Cython sees.
//
// A kernel is a C function that works on plain pointers, on one thread, without Python, OpenMP or malloc. Each is
// compiled once per ISA and per real type (float, double) from one source, and reached through a table, so that the
// code above never branches on either. Matrices are row-major with a row stride counted in elements; where both
// strides are free the argument names say so (`rs`, `cs`).
//
// Contract of every kernel: sizes are >= 0; inputs do not overlap outputs unless they are the same block; outside its
// output nothing is written; the order of every sum is a function of the sizes alone.

#ifndef FBP_KERNELS_H
#define FBP_KERNELS_H
#include <stddef.h>
#include <stdint.h>
#include "fbp_families.h"

typedef ptrdiff_t fbp_size;

// Element types of arrays that cross the edge. The first two are the reals that kernels compute in.
typedef enum { FBP_F32, FBP_F64, FBP_U8, FBP_I32, FBP_U16 } fbp_dtype;

// The families: a row of fbp_families.h is a member. Its enumerator is the family and its name, FBP_ACTIVATION_relu,
// and fbp_activation_names has the name; the function behind it is found by name too (relu_forward, relu_backward).
#define ROW(name, ...) FBP_ACTIVATION_##name,
typedef enum { FBP_ACTIVATIONS(ROW) } fbp_activation;
#undef ROW
#define ROW(name, ...) FBP_FUNCTION_##name,
typedef enum { FBP_FUNCTIONS(ROW) } fbp_function;
#undef ROW
#define ROW(name, ...) FBP_LOSS_##name,
typedef enum { FBP_MEAN_LOSSES(ROW) FBP_ROW_LOSSES(ROW) } fbp_loss_kind;
#undef ROW
#define ROW(name, ...) FBP_METRIC_##name,
typedef enum { FBP_METRICS(ROW) } fbp_metric_kind;
#undef ROW
#define ROW(name, ...) FBP_TALLY_##name,
typedef enum { FBP_TALLIES(ROW) } fbp_tally_kind;
#undef ROW
#define ROW(name, ...) FBP_UPDATE_##name,
typedef enum { FBP_UPDATES(ROW) } fbp_update_kind;
#undef ROW
#define ROW(name) FBP_VECTOR_##name,
typedef enum { FBP_VECTORS(ROW) } fbp_vector_kind;
#undef ROW

// Names by number, NULL behind the last one.
extern const char *const fbp_activation_names[], *const fbp_loss_names[];
extern const char *const fbp_metric_names[], *const fbp_update_names[];
extern const char *const fbp_tally_names[];
extern const char *const fbp_vector_names[];
extern const char *const fbp_function_names[];
extern const int fbp_activation_saves_input[];  // by activation: is the derivative taken from the input?

// A block function works on rows x cols elements that stand at (i, j) of a larger matrix: it reads `src`, writes `dst`
// (both point at the block; they may be the same) and finds its other operands in `args`, by i and j. GEMM calls one on
// each finished block while that is still in L1; an op calls the same one on a whole matrix.
typedef void (*fbp_block_fn)(const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
                             fbp_size src_stride, void *dst, fbp_size dst_stride);

// Softmax and its kin, along rows or down columns, and their gradients from the output y.
typedef void (*fbp_softmax_fn)(fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y,
                               fbp_size y_stride);
typedef void (*fbp_softmax_backward_fn)(fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *y,
                                        fbp_size y_stride, void *dx, fbp_size dx_stride);

// c = finish(start + a @ b).  a: (m, k), b: (k, n), any strides; c: (m, n), rows contiguous.
typedef struct {
    fbp_size m, n, k;
    const void *a;
    fbp_size a_rs, a_cs;
    const void *b;
    fbp_size b_rs, b_cs;
    const void *start;  // (n,), added to every row, or NULL
    void *c;  // OUT, or NULL when `finish` uses up the product block by block (then k <= fbp_kernels.gemm_depth)
    fbp_size c_rs;
    fbp_block_fn finish;    // or NULL
    fbp_block_fn prefetch;  // or NULL: asks for what `finish` will read, before the block is computed
    const void *finish_args;
} fbp_gemm;

// dst = activation(src)
typedef struct {
    fbp_activation activation;
    double alpha;  // leaky_relu: the slope below zero; elu, celu: minus the limit there
} fbp_activation_forward;

// dst = activation(src + bias), where each row has its own bias: samples stand in columns.
typedef struct {
    const void *bias;  // (rows,) or NULL
    fbp_activation_forward forward;
} fbp_column_forward;

// dst = src * activation'(.), the derivative taken from the activation's output, or from its input
typedef struct {
    const void *saved;  // (rows, cols)
    fbp_size stride;
    fbp_activation activation;
    double alpha;
} fbp_activation_backward;

// weight -= f(gradient, state); src is the gradient, dst is not used. Each rule reads the constants that it has a use
// for.
typedef struct {
    fbp_update_kind kind;
    void *weight;     // IN OUT (rows, cols)
    void *state[3];   // IN OUT (rows, cols), as many as the rule has; NULL behind them
    fbp_size stride;  // of weight and state
    // of the step
    double rate;           // step size, with the bias corrections of the Adam family in it
    double gradient_rate;  // nadam: that of the gradient itself; `rate` is the first moment's
    double correction;     // nadam: 1 / (1 - decay^t), of the second moment
    double shrink;         // weight decay: the share of the weight that is taken off first
    double scale;          // factor of the gradient, from clipping by a norm
    double keep;           // share of the average that is kept
    double overwrite;      // not 0: the weight becomes its average
    // of the rule
    double multiplier;  // factor of rate, gradient_rate and shrink
    double momentum;  // share of the first moment, or of the velocity, that is kept (beta_1)
    double decay;     // share of the second moment that is kept (beta_2, rho)
    double epsilon;
    // of the gradient, before the rule sees it; read, as are shrink, scale and the average, where `options` is not 0
    double l1, l2;  // + l2 weight + l1 sign(weight)
    double clip;    // then cut to [-clip, clip]; INFINITY: not at all
    void *average;  // IN OUT (rows, cols), a moving average of the weight, or NULL
    int options;
} fbp_update;

// One row of loss and gradient for each row of predictions, both times the row's weight. A row of weight 0 gives zeros
// and is not looked at.
typedef struct {
    fbp_loss_kind kind;
    fbp_size rows, cols;
    const void *prediction;  // (rows, cols): outputs, or logits for the _LOGITS kinds
    fbp_size prediction_stride;
    const void *target;  // (rows, cols), or NULL when labels are given
    fbp_size target_stride;
    const int32_t *labels;  // (rows,) class indices, or NULL
    void *value;            // OUT (rows,) or NULL
    void *gradient;         // OUT (rows, cols) or NULL: d value / d prediction times scale
    fbp_size gradient_stride;
    double scale;
    double alpha;        // huber: delta; quantile: q; weighted_binary_...: weight of a 1; gaussian_nll: least variance
    double smoothing;    // cross-entropies: the target's part that is shared out evenly
    double limit;        // cross-entropies from logits: the most that one class can cost, as if p were clipped
    const void *weight;  // (rows,) or NULL
    const void *variance;     // gaussian_nll: (rows, cols)
    void *variance_gradient;  // gaussian_nll: OUT (rows, cols) or NULL: d value / d variance times scale
    fbp_size variance_stride, variance_gradient_stride;
} fbp_loss;

// One number for each row of predictions: 1 for a right one, else 0 (binary: the share of right columns; one: always 1),
// times the row's weight. A row of weight 0 gives 0 and is not looked at.
typedef struct {
    fbp_metric_kind kind;
    fbp_size rows, cols;
    const void *prediction;  // (rows, cols)
    fbp_size prediction_stride;
    const void *target;  // (rows, cols) or NULL
    fbp_size target_stride;
    const int32_t *labels;  // (rows,) or NULL
    void *value;            // OUT (rows,)
    double threshold;       // binary: predictions above it count as 1; top_k: right if fewer columns are larger
    const void *weight;     // (rows,) or NULL
} fbp_metric;

// Sums over rows of several numbers. tally.h has the shape of `sums` for each kind.
typedef struct {
    fbp_tally_kind kind;
    fbp_size rows, cols;
    const void *prediction;  // (rows, cols)
    fbp_size prediction_stride;
    const void *target;  // (rows, cols) or NULL
    fbp_size target_stride;
    const int32_t *labels;     // (rows,) or NULL
    const void *weight;        // (rows,) or NULL
    fbp_size steps;            // outcomes: thresholds; histogram: bins
    const double *thresholds;  // (steps,) or NULL
    double *sums;              // IN OUT
} fbp_tally;

// Normalisation. A row of x is `groups` groups of `channels` channels of `span` elements, all of them neighbours; gamma
// and beta have one element a channel. Of a row of batch_norm each element is a channel: groups and span are 1.
typedef struct {
    fbp_size rows, groups, channels, span;
    const void *x;  // (rows, groups * channels * span)
    fbp_size x_stride;
    const void *dy;  // like x; backward only
    fbp_size dy_stride;
    const void *gamma, *beta;  // (groups * channels,) or NULL: 1 and 0
    void *mean, *rstd;  // by group (rows, groups), by column (channels,); OUT forward, IN backward; mean may be NULL
    void *running_mean, *running_variance;  // (channels,) or NULL; IN OUT of batch_moments, IN of running_factors
    // by column: what blocks of `block` rows leave for the next stage, (blocks, 2, sums_stride), of the gradient (blocks, 3,
    // sums_stride); and the first row of x
    void *sums;
    fbp_size sums_stride, block;
    const void *first;
    void *y;                                // OUT like x: y, or dx
    fbp_size y_stride;
    void *dgamma, *dbeta;  // OUT (groups * channels,) or NULL
    int centered;          // subtract the mean? (group_norm and its gradient)
    int streams;           // y goes past the caches
    double epsilon, momentum;
} fbp_norm;

// A place in the words of Philox4x32-10: word `word` (0 to 3) of the 128-bit counter, low half first, under the key
// `seed`.
typedef struct {
    uint64_t seed, counter[2];
    uint32_t word;
} fbp_random;

// dst = src * scale + shift where the element's word is not below threshold, else fill. Element (i, j) of the whole
// array has the word i * row_length + j behind `from`.
typedef struct {
    fbp_random from;
    fbp_size row_length;
    uint32_t threshold;
    double scale, shift, fill;
} fbp_dropout;

// dst = src + stddev noise, or src (1 + stddev noise); noise is standard normal, its words are placed as those of dropout.
typedef struct {
    fbp_random from;
    fbp_size row_length;
    double stddev;
    int multiplies;
} fbp_noise;

// dst = f(src, other)
typedef struct {
    fbp_vector_kind kind;
    const void *other;  // (rows, cols), or NULL
    fbp_size stride;
    double a, b;  // clip: from a to b; scale: a src; blend: a other + b src; penalty: src + a sign(other) + b other
} fbp_vector;

// Norms of lines of a weight, cut to [low, high]: all the way, or by the share `rate` of it.
typedef struct {
    void *weight;             // IN OUT
    fbp_size length;          // of a line
    fbp_size line_step, step; // elements from line to line, and from element to element of one
    double low, high, rate;
} fbp_limit;

// dst[i, j] = src[index[i], j] * scale, converted; or * scales[j] + shifts[j].  index NULL means rows 0, 1, 2, ...
typedef struct {
    fbp_dtype src_dtype;
    const void *src;  // (src_rows, cols)
    fbp_size src_rows, src_rs, src_cs;
    const int64_t *index;  // (rows,) or NULL
    // gather_sparse: the numbers of row i are src[starts[i]] ... src[starts[i + 1] - 1], in these columns of the source,
    const int64_t *starts;   // (src_rows + 1,)
    const int32_t *columns;  // (stored,)
    fbp_size first_column;   // of which dst has `cols` from this one on
    fbp_size rows, cols;
    void *dst;
    fbp_size dst_stride;
    double scale;
    const void *scales, *shifts;  // (cols,) both, or both NULL
} fbp_gather;

// One table per ISA and real type. fbp_kernel_list.h has one line a kernel.
typedef struct {
    const char *isa;
    fbp_size vector_bytes;
    fbp_size gemm_rows;    // tile height: shares of rows are best cut at its multiples
    fbp_size gemm_direct;  // bytes of b up to which it is never packed
    fbp_size gemm_depth;   // largest k that fbp_gemm takes with c == NULL
#define FBP_KERNEL(result, name, parameters) result(*name) parameters;
#include "fbp_kernel_list.h"
#undef FBP_KERNEL
} fbp_kernels;

// dispatch.c
int fbp_isa_count(void);
const char *fbp_isa_name(int isa);
int fbp_isa_supported(int isa);  // does this CPU have it?
int fbp_isa_best(void);
const fbp_kernels *fbp_isa_kernels(int isa, fbp_dtype real_type);
const char *fbp_compiler(void);

#endif
