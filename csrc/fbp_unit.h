// Floor 0. Everything that exists once per real type, in the order of dependence. Included twice by kernels.c.

#include "fbp_simd.h"
#include "fbp_math.h"
#include "reduce.h"
#include "activation.h"
#include "prelu.h"
#include "softmax.h"
#include "softmax_columns.h"
#include "loss.h"
#include "tally.h"
#include "update.h"
#include "vector.h"
#include "constraint.h"
#include "gather.h"
#include "norm.h"
#include "random.h"
#include "gemm.h"

// Runs a dozen independent chains of fused multiply-adds, from registers alone: what the FMA units can do at most.
// Returns the number of floating-point operations done.
static double OP(fma_chains)(fbp_size iterations) {
    enum { CHAINS = 12 };
    vreal acc[CHAINS];
    const vreal x = vset((real)0.999), y = vset((real)1e-3);
    for (int c = 0; c < CHAINS; c++) acc[c] = vset((real)c);
    for (fbp_size i = 0; i < iterations; i++) {
#pragma GCC unroll 16
        for (int c = 0; c < CHAINS; c++) acc[c] = vfma(acc[c], x, y);
    }
    for (int c = 1; c < CHAINS; c++) acc[0] += acc[c];
    volatile real sink = acc[0][0];
    (void)sink;
    return 2.0 * CHAINS * (double)LANES * (double)iterations;
}
