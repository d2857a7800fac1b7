"""Floor 2. The functional face: each kernel as a function on NumPy arrays.

A call runs a program of one op, the same op that a model's program is made of. Arrays of float32 and float64 are used
where they lie; anything else that is real is converted once, to float64.
"""

from fastbp.ops.activation import (leaky_relu, leaky_relu_backward, relu, relu_backward, sigmoid, sigmoid_backward, softmax, softmax_backward, tanh, tanh_backward,)
from fastbp.ops.clip import (clip_by_global_norm, clip_by_norm, clip_by_value, ema, global_norm,)
from fastbp.ops.dense import (column_sum, dense, dense_backward, matmul,)
from fastbp.ops.dropout import (alpha_dropout, alpha_dropout_backward, dropout, dropout_backward, random_bits,)
from fastbp.ops.gather import (gather_rows,)
from fastbp.ops.loss import (mean_squared_error, sigmoid_binary_cross_entropy, softmax_cross_entropy,)
from fastbp.ops.norm import (batch_norm, batch_norm_backward, group_norm, group_norm_backward, layer_norm, layer_norm_backward, rms_norm, rms_norm_backward,)
from fastbp.ops.update import (adadelta, adagrad, adam, adamw, amsgrad, lion, momentum, nadam, rmsprop, sgd,)

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamw",
    "alpha_dropout",
    "alpha_dropout_backward",
    "amsgrad",
    "batch_norm",
    "batch_norm_backward",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "column_sum",
    "dense",
    "dense_backward",
    "dropout",
    "dropout_backward",
    "ema",
    "gather_rows",
    "global_norm",
    "group_norm",
    "group_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "lion",
    "matmul",
    "mean_squared_error",
    "momentum",
    "nadam",
    "random_bits",
    "relu",
    "relu_backward",
    "rms_norm",
    "rms_norm_backward",
    "rmsprop",
    "sgd",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_binary_cross_entropy",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "tanh",
    "tanh_backward",
]
