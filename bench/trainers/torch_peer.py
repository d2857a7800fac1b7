"""Peer: PyTorch, eager.  The epoch's rows are shuffled once into a kept tensor; no DataLoader; one fused optimizer.

Tried once each on a busy machine, without a gain beyond its noise, and left out: gathering batch by batch,
torch.compile of forward and loss, zero_grad(set_to_none=False).
"""

from __future__ import annotations

import torch
from torch import nn

from .workload import BETA_1, BETA_2, EPSILON, MOMENTUM, VARIANCE_EPSILON, Workload

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class Trainer:
    """See `trainers`."""

    def __init__(self, workload: Workload, threads: int, seed: int):
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)  # as fastbp and JAX do
        self.workload = workload
        self.loss = nn.functional.cross_entropy if workload.output == "softmax" else nn.functional.mse_loss
        start = [torch.from_numpy(array) for array in workload.start_weights(seed)]
        modules: list[nn.Module] = []
        for (fan_in, fan_out), w, b in zip(workload.layers, start[::2], start[1::2], strict=True):
            dense = nn.Linear(fan_in, fan_out)
            dense.load_state_dict({"weight": w.T, "bias": b})
            modules += [dense, *self._behind(fan_out)]
        del modules[modules.index(dense) + 1 :]
        modules += [ACTIVATIONS[workload.output]()] if workload.output in ACTIVATIONS else []
        self.net = nn.Sequential(*modules)
        rate = workload.learning_rate
        if workload.optimizer == "adam":
            betas = (BETA_1, BETA_2)
            self.optimizer = torch.optim.Adam(self.net.parameters(), rate, betas, EPSILON, fused=True)
        else:
            self.optimizer = torch.optim.SGD(self.net.parameters(), rate, fused=True)
        self.shuffled = [torch.empty(0), torch.empty(0)]  # x and y in the order of the epoch

    def _behind(self, size):
        """What comes behind the product of a hidden layer."""
        workload = self.workload
        normal = [nn.BatchNorm1d(size, VARIANCE_EPSILON, 1 - MOMENTUM)] if workload.batch_norm else []
        dropout = [nn.Dropout(workload.dropout)] if workload.dropout else []
        return [*normal, ACTIVATIONS[workload.activation](), *dropout]

    def epoch(self, x, y, order):
        order = torch.from_numpy(self.workload.whole_batches(order))
        batches = [
            self._shuffle(k, torch.from_numpy(data), order).split(self.workload.batch) for k, data in enumerate((x, y))
        ]
        for x_batch, y_batch in zip(*batches, strict=True):
            self._step(x_batch, y_batch)

    def steps(self, x, y, count):
        x, y = torch.from_numpy(x), torch.from_numpy(y)
        for _ in range(count):
            self._step(x, y)

    def _step(self, x, y):
        self.optimizer.zero_grad(set_to_none=True)
        self.loss(self.net(x), y).backward()
        self.optimizer.step()

    def _shuffle(self, k, data, order):
        """data[order] in the k-th kept tensor, which is made anew when rows or type change."""
        kept = self.shuffled[k]
        if len(kept) != len(order) or kept.dtype != data.dtype:
            kept = self.shuffled[k] = data.new_empty((len(order), *data.shape[1:]))
        return torch.index_select(data, 0, order, out=kept)

    @torch.inference_mode()
    def predict(self, x):
        z = self.net.eval()(torch.from_numpy(x))
        self.net.train()
        return (z.softmax(1) if self.workload.output == "softmax" else z).numpy()
