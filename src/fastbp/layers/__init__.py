"""Floor 2. Layers: what a network is made of, one file each."""

from fastbp.layers.activation import Activation
from fastbp.layers.base import Layer
from fastbp.layers.dense import Dense
from fastbp.layers.input import Input
from fastbp.layers.variable import Variable

__all__ = ["Activation", "Dense", "Input", "Layer", "Variable"]
