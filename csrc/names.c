// Floor 0. The names of the members of each family, by number, and what else Python has to know of them.

#include "fbp_kernels.h"

#define ROW(name, ...) #name,
const char *const fbp_activation_names[] = {FBP_ACTIVATIONS(ROW) 0};
const char *const fbp_function_names[] = {FBP_FUNCTIONS(ROW) 0};
const char *const fbp_loss_names[] = {FBP_MEAN_LOSSES(ROW) FBP_ROW_LOSSES(ROW) 0};
const char *const fbp_metric_names[] = {FBP_METRICS(ROW) 0};
const char *const fbp_tally_names[] = {FBP_TALLIES(ROW) 0};
const char *const fbp_update_names[] = {FBP_UPDATES(ROW) 0};
const char *const fbp_vector_names[] = {FBP_VECTORS(ROW) 0};
#undef ROW

enum { OUTPUT, INPUT };
#define ROW(name, saved) saved,
const int fbp_activation_saves_input[] = {FBP_ACTIVATIONS(ROW)};
#undef ROW
