// Floor 0. The unit that is compiled once per ISA: every kernel, for float and for double, and the table of each.
//
// FBP_ISA is the ISA's name as an identifier (x86_64_v3), FBP_ISA_NAME as a string, FBP_VECTOR_BYTES its vector width.

#include <math.h>
#include "fbp_kernels.h"

#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

#define real float
#define FBP_REAL_BITS 32
#define OP(name) name##_f32
#include "fbp_unit.h"
#undef real
#undef FBP_REAL_BITS
#undef OP

#define real double
#define FBP_REAL_BITS 64
#define OP(name) name##_f64
#include "fbp_unit.h"

#define FBP_KERNEL(result, name, parameters) .name = name##_f32,
static const fbp_kernels table_f32 = {
    .isa = FBP_ISA_NAME,
    .vector_bytes = FBP_VECTOR_BYTES,
    .gemm_rows = TILE_ROWS,
    .gemm_direct = DIRECT_BYTES,
    .gemm_depth = DEPTH,
#include "fbp_kernel_list.h"
};
#undef FBP_KERNEL

#define FBP_KERNEL(result, name, parameters) .name = name##_f64,
static const fbp_kernels table_f64 = {
    .isa = FBP_ISA_NAME,
    .vector_bytes = FBP_VECTOR_BYTES,
    .gemm_rows = TILE_ROWS,
    .gemm_direct = DIRECT_BYTES,
    .gemm_depth = DEPTH,
#include "fbp_kernel_list.h"
};
#undef FBP_KERNEL

const fbp_kernels *PASTE(fbp_kernels_, FBP_ISA)(fbp_dtype real_type) {
    return real_type == FBP_F64 ? &table_f64 : &table_f32;
}
