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

from .workload import BETA_1, BETA_2, EPSILON, Workload

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
        params = list(zip(start[::2], start[1::2], strict=True))
        rate = workload.learning_rate
        self.optimizer = optax.adam(rate, BETA_1, BETA_2, EPSILON) if workload.optimizer == "adam" else optax.sgd(rate)
        self.state = params, self.optimizer.init(params)
        self.seen = None, None  # the host arrays that `self.device` holds
        last = ACTIVATIONS[workload.output]
        self.outputs = jax.jit(lambda params, x: last(self._forward(params, x)))

        def scan(state, x, y, order):
            def step(state, rows):
                return self._step(x[rows], y[rows], state), None

            return jax.lax.scan(step, state, order)[0]

        def loop(state, x, y, count):
            return jax.lax.fori_loop(0, count, lambda _, state: self._step(x, y, state), state)

        self.scan, self.loop = (partial(jax.jit, donate_argnums=0)(run) for run in (scan, loop))

    def _forward(self, params, a):
        """The last Z."""
        activation = ACTIVATIONS[self.workload.activation]
        for w, b in params[:-1]:
            a = activation(a @ w + b)
        w, b = params[-1]
        return a @ w + b

    def _loss(self, params, x, y):
        z = self._forward(params, x)
        if self.workload.output == "softmax":
            return optax.softmax_cross_entropy_with_integer_labels(z, y).mean()
        return jnp.mean((ACTIVATIONS[self.workload.output](z) - y) ** 2)

    def _step(self, x, y, state):
        params, moments = state
        updates, moments = self.optimizer.update(jax.grad(self._loss)(params, x, y), moments, params)
        return optax.apply_updates(params, updates), moments

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
        return np.asarray(self.outputs(self.state[0], x))
