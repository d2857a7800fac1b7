// Floor 0. Which ISAs were compiled in, and which of them this CPU has.
//
// The build defines FBP_ISA_LIST as rows ROW(identifier, "name") from the plainest to the best. An ISA whose row comes
// behind FBP_TEST_ISA_LIST is never chosen on its own: it is a code path kept for tests.

#include "fbp_kernels.h"

#define ROW(id, name) const fbp_kernels *fbp_kernels_##id(fbp_dtype);
FBP_ISA_LIST FBP_TEST_ISA_LIST
#undef ROW

// clang-format off
#define ROW(id, name) {name, fbp_kernels_##id},
static const struct {
    const char *name;
    const fbp_kernels *(*kernels)(fbp_dtype);
} isas[] = {FBP_ISA_LIST FBP_TEST_ISA_LIST};
#undef ROW
// clang-format on

#define ROW(id, name) +1
enum { COUNT = 0 FBP_ISA_LIST FBP_TEST_ISA_LIST, CHOSEN_FROM = 0 FBP_ISA_LIST };
#undef ROW

int fbp_isa_count(void) { return COUNT; }
const char *fbp_isa_name(int isa) { return isas[isa].name; }
const fbp_kernels *fbp_isa_kernels(int isa, fbp_dtype real_type) { return isas[isa].kernels(real_type); }

// The x86-64 levels, in the order of the list; on aarch64 NEON is always there.
int fbp_isa_supported(int isa) {
#if defined(__x86_64__)
    const int test_only = isa >= CHOSEN_FROM;  // these are built for x86-64-v3
    const int level = test_only ? 1 : isa;
    __builtin_cpu_init();
    const int v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
    const int v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl");
    return level == 0 || (level == 1 && v3) || (level == 2 && v4);
#else
    (void)isa;
    return 1;
#endif
}

int fbp_isa_best(void) {
    int best = 0;
    for (int isa = 0; isa < CHOSEN_FROM; isa++)
        if (fbp_isa_supported(isa)) best = isa;
    return best;
}

const char *fbp_compiler(void) {
#if defined(__clang__)
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
