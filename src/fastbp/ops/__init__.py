"""Floor 2. The functional face: each kernel as a function on NumPy arrays.

A call runs a program of one op, the same op that a model's program is made of. Arrays of float32 and float64 are used
where they lie; anything else that is real is converted once, to float64.
"""

from fastbp.ops.activation import (leaky_relu, leaky_relu_backward, relu, relu_backward, sigmoid, sigmoid_backward, softmax, softmax_backward, tanh, tanh_backward,)
from fastbp.ops.clip import (clip_by_global_norm, clip_by_norm, clip_by_value, ema, global_norm,)
from fastbp.ops.cross_entropy import (binary_cross_entropy, categorical_cross_entropy, kl_divergence, sigmoid_binary_cross_entropy, softmax_cross_entropy,)
from fastbp.ops.dense import (dense, dense_backward, matmul,)
from fastbp.ops.dropout import (alpha_dropout, alpha_dropout_backward, dropout, dropout_backward, random_bits,)
from fastbp.ops.gather import (gather_rows,)
from fastbp.ops.loss import (cosine_similarity, gaussian_nll, hinge, huber, log_cosh, mean_absolute_error, mean_squared_error, poisson, quantile, squared_hinge,)
from fastbp.ops.metric import (accuracy, confusion_counts, one_hot, top_k_accuracy,)
from fastbp.ops.norm import (batch_norm, batch_norm_backward, group_norm, group_norm_backward, layer_norm, layer_norm_backward, rms_norm, rms_norm_backward,)
from fastbp.ops.reduce import (column_sum, argmax, logsumexp, row_sum,)
from fastbp.ops.update import (adadelta, adagrad, adam, adamw, amsgrad, lion, momentum, nadam, rmsprop, sgd,)

__all__ = [
    "accuracy",
    "adadelta",
    "adagrad",
    "adam",
    "adamw",
    "alpha_dropout",
    "alpha_dropout_backward",
    "amsgrad",
    "argmax",
    "batch_norm",
    "batch_norm_backward",
    "binary_cross_entropy",
    "categorical_cross_entropy",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "column_sum",
    "confusion_counts",
    "cosine_similarity",
    "dense",
    "dense_backward",
    "dropout",
    "dropout_backward",
    "ema",
    "gather_rows",
    "gaussian_nll",
    "global_norm",
    "group_norm",
    "group_norm_backward",
    "hinge",
    "huber",
    "kl_divergence",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "lion",
    "log_cosh",
    "logsumexp",
    "matmul",
    "mean_absolute_error",
    "mean_squared_error",
    "momentum",
    "nadam",
    "one_hot",
    "poisson",
    "quantile",
    "random_bits",
    "relu",
    "relu_backward",
    "rms_norm",
    "rms_norm_backward",
    "rmsprop",
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
