// Floor 0. The families of functions that a number chooses between: one row a member. Enumerators, names and dispatch
// are made from these lists; Python reads the names from here too.

#ifndef FBP_FAMILIES_H
#define FBP_FAMILIES_H

// ROW(name, what the derivative is taken from)
#define FBP_ACTIVATIONS(ROW)  \
    ROW(linear, OUTPUT)       \
    ROW(relu, OUTPUT)         \
    ROW(leaky_relu, OUTPUT)   \
    ROW(sigmoid, OUTPUT)      \
    ROW(tanh, OUTPUT)         \
    ROW(elu, OUTPUT)          \
    ROW(selu, OUTPUT)         \
    ROW(celu, OUTPUT)         \
    ROW(hard_sigmoid, OUTPUT) \
    ROW(log_sigmoid, OUTPUT)  \
    ROW(hard_tanh, OUTPUT)    \
    ROW(softplus, OUTPUT)     \
    ROW(softsign, OUTPUT)     \
    ROW(relu6, OUTPUT)        \
    ROW(exponential, OUTPUT)  \
    ROW(gelu, INPUT)          \
    ROW(gelu_tanh, INPUT)     \
    ROW(silu, INPUT)          \
    ROW(mish, INPUT)          \
    ROW(hard_swish, INPUT)

// Functions of fbp_math.h that are given to users as they are, beside the activations that are such functions.
#define FBP_FUNCTIONS(ROW) ROW(expm1) ROW(log) ROW(log1p) ROW(erf)

// Means over the columns of a row, ROW(name); and the losses that see a row as a whole.
#define FBP_MEAN_LOSSES(ROW)                 \
    ROW(mean_squared_error)                  \
    ROW(mean_absolute_error)                 \
    ROW(binary_crossentropy)                 \
    ROW(binary_crossentropy_logits)          \
    ROW(weighted_binary_crossentropy_logits) \
    ROW(huber)                               \
    ROW(log_cosh)                            \
    ROW(hinge)                               \
    ROW(squared_hinge)                       \
    ROW(poisson)                             \
    ROW(poisson_logits)                      \
    ROW(quantile)                            \
    ROW(gaussian_nll)
#define FBP_ROW_LOSSES(ROW)              \
    ROW(categorical_crossentropy)        \
    ROW(categorical_crossentropy_logits) \
    ROW(kl_divergence)                   \
    ROW(cosine_similarity)

// Metrics that are means of a number for each row, and what is summed over rows for the others.
#define FBP_METRICS(ROW) ROW(binary_accuracy) ROW(categorical_accuracy) ROW(top_k_accuracy) ROW(one)
#define FBP_TALLIES(ROW) ROW(outcomes) ROW(confusion) ROW(histogram) ROW(moments)

// ROW(name, arrays of state)
#define FBP_UPDATES(ROW)              \
    ROW(sgd, 0)                       \
    ROW(momentum, 1)                  \
    ROW(nesterov, 1)                  \
    ROW(adam, 2)                      \
    ROW(adamw, 2)                     \
    ROW(nadam, 2)                     \
    ROW(amsgrad, 3)                   \
    ROW(adagrad, 1)                   \
    ROW(adadelta, 2)                  \
    ROW(rmsprop, 1)                   \
    ROW(rmsprop_momentum, 2)          \
    ROW(rmsprop_centered, 2)          \
    ROW(rmsprop_centered_momentum, 3) \
    ROW(lion, 1)

// What is done to vectors beside their update: ROW(name)
#define FBP_VECTORS(ROW) ROW(clip) ROW(scale) ROW(blend) ROW(multiply) ROW(penalty)

#endif
