"""Floor 4. The command `fastbp`: `train` a network on a data set or a file, or show `info` on this installation."""

import argparse
import difflib
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

import fastbp as fb
from fastbp.datasets.task import Task, load_task

EPOCHS = {"digits": 30, "mnist": 10}
OTHER_EPOCHS = 50
BAD_INPUT, INTERRUPTED = 2, 130  # exit codes; 130 is the shell's for SIGINT

TRAIN_HELP = """\
data:
  digits    1,797 images of 8x8 pixels, inside the package (the default)
  moons     2,000 points of the plane in two classes
  mnist     70,000 images of 28x28 pixels, from FASTBP_DATA_DIR or downloaded
  FILE.npz  arrays x_train, y_train, x_test, y_test, or x, y (or X, Y)
  FILE.csv  numeric features, last column the target; a header line is recognised

Integers, text, booleans or one-hot rows as targets are classes, learnt with
cross-entropy. Floats (12.0, not 12) are a regression, learnt with the mean
squared error. A file without test rows keeps a fifth of its rows for testing.
Bytes are scaled by the largest one, other features to mean 0 and deviation 1.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments after the program's name; those of the process by default.

    Returns
    -------
    int
        Exit code: 0, 2 for bad arguments or files, 130 if interrupted from the keyboard.

    Examples
    --------
    >>> from fastbp.cli import main
    >>> main(["train", "digits", "--epochs", "1", "--batch-size", "64"])  # doctest: +SKIP
    0
    """
    args = _parser().parse_args(argv)
    try:
        args.run(args)
    except KeyboardInterrupt:
        print("fastbp: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (ValueError, TypeError, OSError, ImportError, MemoryError) as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"fastbp {args.command}: {message}", file=sys.stderr)
        return BAD_INPUT
    return 0


def train(args: argparse.Namespace) -> None:
    """Train as the arguments say; print the summary, the progress, the test result and the speed."""
    optimizer = fb.optimizers.get(args.optimizer)
    if args.learning_rate is not None:
        optimizer.learning_rate = args.learning_rate
    fb.activations.get(args.activation)
    if args.plot:
        fb.plots.check_path(args.plot)
    if args.threads:
        fb.set_num_threads(args.threads)
    fb.utils.set_random_seed(args.seed)

    task = load_task(args.data, args.seed, args.dtype)
    rows = _rows_to_train_on(task, args.validation_split)
    model = _build(task, args)
    *_, loss, metric = task.head
    model.compile(optimizer, loss, metrics=[metric])
    print(f"{args.data}: {_describe(task)}")
    model.summary()

    epochs = args.epochs or EPOCHS.get(args.data, OTHER_EPOCHS)
    start = time.perf_counter()
    history = model.fit(
        task.x_train,
        task.y_train,
        epochs=epochs,
        batch_size=args.batch_size,
        validation_split=args.validation_split,
    )
    seconds = time.perf_counter() - start
    print(_test_result(model, task))
    print(
        f"{epochs * rows / seconds:,.0f} rows a second ({epochs * rows:,} rows in {seconds:.2f} s, validation included)"
    )
    if args.plot:
        fb.plots.history(history, args.plot)
        print(f"curves: {args.plot}")


def info(args: argparse.Namespace) -> None:
    """Print what `fastbp.show_config` knows."""
    fb.show_config()


def _rows_to_train_on(task: Task, validation_split: float) -> int:
    """The rows that the validation split leaves; checked here, before anything is printed."""
    rows = len(task.x_train)
    left = math.floor(rows * (1 - validation_split))
    if left == 0 or (validation_split and left == rows):
        raise ValueError(f"expected --validation-split to leave rows on both sides, got {validation_split} of {rows}")
    return left


def _build(task: Task, args: argparse.Namespace) -> Any:
    """Hidden layers as asked for, then the layer that suits the target."""
    units, activation, *_ = task.head
    return fb.Sequential(
        [
            fb.Input(task.x_train.shape[1:], scale=task.scale),
            *(fb.Dense(width, args.activation, dtype=args.dtype) for width in args.hidden),
            fb.Dense(units, activation, dtype=args.dtype),
        ]
    )


def _describe(task: Task) -> str:
    target = "regression" if task.classes is None else f"{len(task.classes)} classes"
    rows, columns = task.x_train.shape
    return f"{rows:,} training rows, {len(task.x_test):,} test rows, {columns:,} columns, {target}"


def _test_result(model: Any, task: Task) -> str:
    """Accuracy on the test rows; for a regression the error in the target's own units."""
    if task.deviation is not None:
        errors = model.predict(task.x_test, verbose=0) - task.y_test
        root = np.sqrt(np.mean(np.square(errors, dtype=np.float64), axis=0)) * task.deviation
        spread = np.square(task.y_test - task.y_test.mean(axis=0)).sum()
        explained = f", R^2 {1 - np.square(errors).sum() / spread:.4f}" if spread else ""
        return f"test root mean squared error {', '.join(f'{value:.4g}' for value in root)}{explained}"
    result = model.evaluate(task.x_test, task.y_test, verbose=0, return_dict=True)
    return f"test accuracy {result['accuracy']:.4f}, loss {result['loss']:.4f}"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"{self.prog}: {message}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = list(map(str, action.choices))
            near = difflib.get_close_matches(str(value), known, n=1)
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise argparse.ArgumentError(action, f"unknown {value!r}{hint} (known: {', '.join(known)})")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fastbp", description="Train networks by back-propagation, fast, on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastbp {fb.__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="{train,info}")

    add = commands.add_parser(
        "train",
        help="train a network on digits, moons, mnist or a file",
        epilog=TRAIN_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add.set_defaults(run=train)
    argument = add.add_argument
    argument("data", nargs="?", default="digits", help="data set or file, see below (digits)")
    argument("--hidden", type=_widths, default="128,64", metavar="N,N", help="hidden layers, or none (128,64)")
    argument("--activation", default="relu", metavar="NAME", help="of the hidden layers (relu)")
    argument("--optimizer", default="adam", metavar="NAME", help="sgd or adam (adam)")
    argument("--learning-rate", type=_real(0, math.inf), metavar="X", help="step size (the optimizer's own)")
    argument("--epochs", type=_whole(1), metavar="N", help="passes over the rows (digits 30, mnist 10, others 50)")
    argument("--batch-size", type=_whole(1), default=32, metavar="N", help="rows a step (32)")
    argument("--validation-split", type=_real(0, 1), default=0.1, metavar="X", help="share of training rows (0.1)")
    argument("--seed", type=_whole(0), default=0, metavar="N", help="of weights, shuffles and splits (0)")
    argument("--threads", type=_whole(1), metavar="N", help="threads to use (as many as there are cores)")
    argument("--dtype", choices=("float32", "float64"), default="float32", help="of weights and arithmetic (float32)")
    argument("--plot", metavar="FILE", help="draw the loss and the metric over the epochs to a .png, .svg or .pdf")

    show = commands.add_parser("info", help="show version, instruction set, compiler and threads")
    show.set_defaults(run=info)
    return parser


def _widths(text: str) -> tuple[int, ...]:
    """Widths of the hidden layers: "128,64"; none for a single layer."""
    if text in ("", "none"):
        return ()
    whole = _whole(1)
    return tuple(whole(part) for part in text.split(","))


def _whole(minimum: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {minimum}, got {text!r}")
        return value

    return parse


def _real(low: float, high: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and low <= value < high):
            below = f" and below {high:g}" if math.isfinite(high) else ""
            raise argparse.ArgumentTypeError(f"expected a finite number of at least {low:g}{below}, got {text!r}")
        return value

    return parse


if __name__ == "__main__":
    sys.exit(main())
