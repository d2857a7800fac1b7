"""Peer: JAX.  A whole epoch is one jitted `lax.scan` over the rows of each batch; x and y stay on the device.  Steps on
all rows are one jitted `lax.fori_loop`.  Both give the old state's buffers away (donation).

Tried and left out, without a gain beyond the noise: Adam by hand, an explicit backward pass, shuffling the
epoch before the scan, unrolling it, `fori_loop` for it; one flat parameter vector (30 % slower).  XLA sizes its thread
pool when the CPU client starts, from NPROC: set it before this module is imported (`worker.environment` does).
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax

from .workload import BETA_1, BETA_2, EPSILON, MOMENTUM, VARIANCE_EPSILON, Workload

GENERATOR = "unsafe_rbg"  # of masks

ACTIVATIONS = {
    "relu": jax.nn.relu,
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "softmax": jax.nn.softmax,
    "linear": lambda z: z,
}


class Trainer:
    """See `trainers`.  `threads` is not used: NPROC has said it."""

    def __init__(self, workload: Workload, threads: int, seed: int):
        self.workload = workload
        start = [jnp.array(array) for array in workload.start_weights(seed)]
        hidden = workload.sizes[1:-1] if workload.batch_norm else ()
        params = list(zip(start[::2], start[1::2], strict=True)), [(jnp.ones(n), jnp.zeros(n)) for n in hidden]
        moving = [(jnp.zeros(n), jnp.ones(n)) for n in hidden]
        rate = workload.learning_rate
        self.optimizer = optax.adam(rate, BETA_1, BETA_2, EPSILON) if workload.optimizer == "adam" else optax.sgd(rate)
        self.state = params, self.optimizer.init(params), moving, jax.random.key(seed, impl=GENERATOR)
        self.seen = None, None  # the host arrays that `self.device` holds
        last = ACTIVATIONS[workload.output]
        self.outputs = jax.jit(lambda params, moving, x: last(self._forward(params, x, moving)[0]))

        def scan(state, x, y, order):
            def step(state, rows):
                return self._step(x[rows], y[rows], state), None

            return jax.lax.scan(step, state, order)[0]

        def loop(state, x, y, count):
            return jax.lax.fori_loop(0, count, lambda _, state: self._step(x, y, state), state)

        self.scan, self.loop = (partial(jax.jit, donate_argnums=0)(run) for run in (scan, loop))

    def _forward(self, params, a, moving, masks=None):
        """The last Z, and the moving moments; in training there are masks, one for each hidden layer."""
        activation, (dense, norms) = ACTIVATIONS[self.workload.activation], params
        followed = []
        for k, (w, b) in enumerate(dense[:-1]):
            z = a @ w + b
            if self.workload.batch_norm:
                now = (z.mean(0), z.var(0)) if masks is not None else moving[k]
                followed.append(
                    [MOMENTUM * old + (1 - MOMENTUM) * new for old, new in zip(moving[k], now, strict=True)]
                )
                gamma, beta = norms[k]
                z = (z - now[0]) * jax.lax.rsqrt(now[1] + VARIANCE_EPSILON) * gamma + beta
            a = activation(z)
            if self.workload.dropout and masks is not None:
                a = jnp.where(masks[k], a / (1 - self.workload.dropout), 0)
        w, b = dense[-1]
        return a @ w + b, [tuple(pair) for pair in followed]

    def _masks(self, key, rows):
        """What is kept of each hidden layer, from one draw for all of them."""
        sizes = self.workload.sizes[1:-1]
        if not self.workload.dropout:
            return [None] * len(sizes)
        kept = jax.random.bits(key, (rows, sum(sizes))) >= np.uint32(self.workload.dropout * 2**32)
        return jnp.split(kept, np.cumsum(sizes)[:-1], axis=1)

    def _loss(self, params, x, y, moving, key):
        z, moving = self._forward(params, x, moving, self._masks(key, len(x)))
        if self.workload.output == "softmax":
            return optax.softmax_cross_entropy_with_integer_labels(z, y).mean(), moving
        return jnp.mean((ACTIVATIONS[self.workload.output](z) - y) ** 2), moving

    def _step(self, x, y, state):
        params, moments, moving, key = state
        key, drawn = jax.random.split(key) if self.workload.dropout else (key, key)
        gradient, moving = jax.grad(self._loss, has_aux=True)(params, x, y, moving, drawn)
        updates, moments = self.optimizer.update(gradient, moments, params)
        return optax.apply_updates(params, updates), moments, moving, key

    def _run(self, run, x, y, argument):
        if self.seen[0] is not x or self.seen[1] is not y:
            self.seen, self.device = (x, y), (jnp.asarray(x), jnp.asarray(y))
        self.state = jax.block_until_ready(run(self.state, *self.device, argument))

    def epoch(self, x, y, order):
        order = self.workload.whole_batches(order).reshape(-1, self.workload.batch)
        self._run(self.scan, x, y, order.astype(np.int32))

    def steps(self, x, y, count):
        self._run(self.loop, x, y, count)

    def predict(self, x):
        params, _, moving, _ = self.state
        return np.asarray(self.outputs(params, moving, x))
