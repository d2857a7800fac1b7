# Floor 2. The functional face: each kernel as a function. A call runs a program of one op, the same op that a model's
# program is made of.
"""The kernels of fastbp as functions on NumPy arrays, for models that you have written yourself.

Activations, losses with their gradients, normalisation, dropout, products and optimizer updates: replace lines of
NumPy by calls, and keep your arrays and your loop. Arrays of float32 and float64 are used where they lie, in any
strides; other real numbers are converted once, to float64. `out=` says where a result goes. Functions that end in
_backward take the gradient of the result first.

>>> import numpy as np
>>> from fastbp import ops
>>> x, w, b = np.array([[1.0, -2.0]]), np.eye(2), np.zeros(2)
>>> a = ops.dense(x, w, b, "relu")
>>> a
array([[1., 0.]])
>>> ops.relu_backward(np.ones((1, 2)), a)
array([[1., 0.]])
"""

from typing import NoReturn

from fastbp.ops.activation import (
    celu,
    elu,
    exponential,
    gelu,
    hard_sigmoid,
    hard_swish,
    hard_tanh,
    leaky_relu,
    log_sigmoid,
    mish,
    relu,
    relu6,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
)
from fastbp.ops.activation_backward import (
    celu_backward,
    elu_backward,
    exponential_backward,
    gelu_backward,
    hard_sigmoid_backward,
    hard_swish_backward,
    hard_tanh_backward,
    leaky_relu_backward,
    log_sigmoid_backward,
    mish_backward,
    relu6_backward,
    relu_backward,
    selu_backward,
    sigmoid_backward,
    silu_backward,
    softplus_backward,
    softsign_backward,
    tanh_backward,
)
from fastbp.ops.batch_norm import (
    batch_norm,
    batch_norm_backward,
)
from fastbp.ops.clip import (
    clip_by_global_norm,
    clip_by_norm,
    clip_by_value,
    ema,
    global_norm,
)
from fastbp.ops.cross_entropy import (
    binary_cross_entropy,
    categorical_cross_entropy,
    kl_divergence,
    sigmoid_binary_cross_entropy,
    softmax_cross_entropy,
)
from fastbp.ops.dense import (
    dense,
    dense_backward,
    matmul,
)
from fastbp.ops.dropout import (
    alpha_dropout,
    alpha_dropout_backward,
    dropout,
    dropout_backward,
    random_bits,
)
from fastbp.ops.elementary import (
    erf,
    exp,
    expit,
    expm1,
    log,
    log1p,
)
from fastbp.ops.gather import (
    gather_rows,
)
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
from fastbp.ops.metric import (
    accuracy,
    confusion_counts,
    one_hot,
    top_k_accuracy,
)
from fastbp.ops.norm import (
    group_norm,
    group_norm_backward,
    layer_norm,
    layer_norm_backward,
    rms_norm,
    rms_norm_backward,
)
from fastbp.ops.prelu import (
    prelu,
    prelu_backward,
)
from fastbp.ops.reduce import (
    argmax,
    column_sum,
    logsumexp,
    row_sum,
)
from fastbp.ops.softmax import (
    log_softmax,
    log_softmax_backward,
    softmax,
    softmax_backward,
)
from fastbp.ops.update import (
    adadelta,
    adagrad,
    adam,
    adamw,
    amsgrad,
    lion,
    momentum,
    nadam,
    rmsprop,
    sgd,
)
from fastbp.utils import suggestion

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
    "celu",
    "celu_backward",
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
    "elu",
    "elu_backward",
    "ema",
    "erf",
    "exp",
    "expit",
    "expm1",
    "exponential",
    "exponential_backward",
    "gather_rows",
    "gaussian_nll",
    "gelu",
    "gelu_backward",
    "global_norm",
    "group_norm",
    "group_norm_backward",
    "hard_sigmoid",
    "hard_sigmoid_backward",
    "hard_swish",
    "hard_swish_backward",
    "hard_tanh",
    "hard_tanh_backward",
    "hinge",
    "huber",
    "kl_divergence",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "lion",
    "log",
    "log1p",
    "log_cosh",
    "log_sigmoid",
    "log_sigmoid_backward",
    "log_softmax",
    "log_softmax_backward",
    "logsumexp",
    "matmul",
    "mean_absolute_error",
    "mean_squared_error",
    "mish",
    "mish_backward",
    "momentum",
    "nadam",
    "one_hot",
    "poisson",
    "prelu",
    "prelu_backward",
    "quantile",
    "random_bits",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "rms_norm",
    "rms_norm_backward",
    "rmsprop",
    "row_sum",
    "selu",
    "selu_backward",
    "sgd",
    "sigmoid",
    "sigmoid_backward",
    "sigmoid_binary_cross_entropy",
    "silu",
    "silu_backward",
    "softmax",
    "softmax_backward",
    "softmax_cross_entropy",
    "softplus",
    "softplus_backward",
    "softsign",
    "softsign_backward",
    "squared_hinge",
    "tanh",
    "tanh_backward",
    "top_k_accuracy",
]


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(f"module 'fastbp.ops' has no function {name!r}{suggestion(__all__, name)}")
