"""Floor 2. Layers: what a network is made of, one file each."""

from fastbp.layers.activation import ELU, Activation, LeakyReLU, ReLU, Softmax
from fastbp.layers.base import Layer
from fastbp.layers.dense import Dense
from fastbp.layers.dropout import AlphaDropout, Dropout, GaussianDropout, GaussianNoise
from fastbp.layers.embedding import Embedding
from fastbp.layers.input import Input
from fastbp.layers.merge import Add, Average, Concatenate, Multiply, Subtract
from fastbp.layers.norm import BatchNormalization, LayerNormalization, RMSNormalization
from fastbp.layers.rescaling import Normalization, Rescaling
from fastbp.layers.reshape import Flatten, Reshape
from fastbp.layers.residual import Residual
from fastbp.layers.symbol import Symbol
from fastbp.layers.variable import Variable

__all__ = [
    "ELU",
    "Activation",
    "Add",
    "AlphaDropout",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Input",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Multiply",
    "Normalization",
    "RMSNormalization",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Residual",
    "Softmax",
    "Subtract",
    "Symbol",
    "Variable",
]
