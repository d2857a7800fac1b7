"""Floor 2. The functional face: each kernel as a function on NumPy arrays.

A call runs a program of one op, the same op that a model's program is made of. Arrays of float32 and float64 are used
where they lie; anything else that is real is converted once, to float64.
"""

from fastbp.ops.activation import (
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)
from fastbp.ops.cross_entropy import (
    binary_cross_entropy,
    categorical_cross_entropy,
    kl_divergence,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from fastbp.ops.dense import column_sum, dense, dense_backward, matmul
from fastbp.ops.loss import (
    cosine_similarity,
    gaussian_nll,
    hinge,
    huber,
    log_cosh,
    mean_absolute_error,
    mean_squared_error,
    poisson,
    quantile,
    squared_hinge,
)
from fastbp.ops.metric import accuracy, confusion_counts, one_hot, top_k_accuracy
from fastbp.ops.reduce import argmax, logsumexp, row_sum
from fastbp.ops.update import adam, gather_rows, momentum, sgd

__all__ = [
    "accuracy",
    "adam",
    "argmax",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "column_sum",
    "confusion_counts",
    "cosine_similarity",
    "dense",
    "dense_backward",
    "gather_rows",
    "gaussian_nll",
    "hinge",
    "huber",
    "kl_divergence",
    "leaky_relu",
    "leaky_relu_backward",
    "log_cosh",
    "logsumexp",
    "matmul",
    "mean_absolute_error",
    "mean_squared_error",
    "momentum",
    "one_hot",
    "poisson",
    "quantile",
    "relu",
    "relu_backward",
    "row_sum",
    "sgd",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_binary_cross_entropy",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "squared_hinge",
    "tanh",
    "tanh_backward",
    "top_k_accuracy",
]
