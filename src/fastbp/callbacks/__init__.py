"""Floor 3. Callbacks: what happens beside training, a file for each concern."""

from fastbp.callbacks.base import Callback, CallbackList, LambdaCallback, Logs, check_callbacks
from fastbp.callbacks.checkpoint import ModelCheckpoint
from fastbp.callbacks.gradient_flow import GradientFlow
from fastbp.callbacks.history import History
from fastbp.callbacks.logging import CSVLogger, TensorBoard
from fastbp.callbacks.progress import ProgressBar
from fastbp.callbacks.rates import LearningRateScheduler, ReduceLROnPlateau
from fastbp.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "GradientFlow",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "Logs",
    "ModelCheckpoint",
    "ProgressBar",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
    "check_callbacks",
]
