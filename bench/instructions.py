"""Count the instructions of the kernels, and compare with the recorded numbers in bench/instructions.json.

    python bench/instructions.py            # exits with 1 if something takes more than 3 % more instructions
    python bench/instructions.py --record   # writes the numbers of today as the new baseline

A clock on a shared machine cannot tell 5 % from noise; a count can, for it is the same on a busy machine.  It catches a
kernel that is no longer inlined, vectorised or fused, and work that is done twice.  It says nothing about caches or
threads, and nothing about AVX-512, which valgrind does not know: all counts are of x86-64-v3 code on one thread.

All cases run in one process under callgrind, which writes a part of its profile whenever `os.getppid` calls into libc.
Each case is called twice, and its part is the second call.  Of a part only the instructions inside the compiled modules
of fastbp count: Python, NumPy and libc differ from machine to machine, and the C library picks its memcpy by the
processor.  The compiler matters, so its version is kept with the baseline; with another one the table is for reading.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

import fastbp as fb
from fastbp._core import _dense, _kernels, _program

BASELINE = Path(__file__).with_suffix(".json")
TOLERANCE = 0.03
ISA = "x86-64-v3"
ENVIRONMENT = {"FASTBP_ISA": ISA, "FASTBP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
OURS = "/fastbp/_core/"  # in the path of a compiled module of the package


def weight_gradient_with_adam(rows: int, fan_in: int, fan_out: int) -> Callable[[], object]:
    """The one fused op of a training step that fastbp.ops has no function for."""
    x, dz = np.ones((rows, fan_in), np.float32), np.ones((rows, fan_out), np.float32)
    weight, m, v = np.zeros((3, fan_in, fan_out), np.float32)
    rule = _dense.Rule("adam", weight, [m, v], momentum=0.9, decay=0.999, epsilon=1e-7)
    op = _dense.WeightGradient(x, dz, None, rule)
    return partial(_program.run_op, op, rows, 0.0, 0.001)


def training(steps: int) -> Callable[[], object]:
    """An epoch of the headline model, in batches of 32."""
    fb.utils.set_random_seed(0)
    x, y = np.ones((32 * steps, 784), np.float32), np.arange(32 * steps) % 10
    model = fb.Sequential([fb.Input((784,)), fb.Dense(128, "relu"), fb.Dense(64, "relu"), fb.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return partial(model.fit, x, y, batch_size=32, verbose=0)


def cases() -> dict[str, Callable[[], object]]:
    """What is counted."""
    rng = np.random.default_rng(0)

    def normal(*shape: int, dtype: str = "float32") -> np.ndarray:
        return rng.normal(size=shape).astype(dtype)

    x, w, b = normal(32, 784), normal(784, 128), normal(128)
    m, v = np.zeros((2, 784, 128), np.float32)
    logits, labels = normal(256, 10), rng.integers(0, 10, 256)
    images, order = rng.integers(0, 256, (512, 784), np.uint8), rng.permutation(512)[:256]
    double = partial(normal, dtype="float64")
    return {
        "matmul, one row, 1 x 784 x 128": partial(fb.ops.matmul, x[:1], w),
        "matmul, both packed, 128 x 300 x 600": partial(fb.ops.matmul, normal(128, 300), normal(300, 600)),
        "matmul, odd, b transposed, 33 x 65 x 77": partial(fb.ops.matmul, normal(33, 65), normal(77, 65).T),
        "matmul, float64, 96 x 200 x 130": partial(fb.ops.matmul, double(96, 200), double(200, 130)),
        "dense, bias, relu, 32 x 784 x 128": partial(fb.ops.dense, x, w, b, "relu"),
        "weight gradient and adam, 32 x 784 x 128": weight_gradient_with_adam(32, 784, 128),
        "adam, 784 x 128": partial(fb.ops.adam, w.copy(), normal(784, 128), m, v, 10),
        "column_sum, 256 x 128": partial(fb.ops.column_sum, normal(256, 128)),
        "sigmoid, 256 x 100": partial(fb.ops.sigmoid, normal(256, 100)),
        "tanh, 256 x 100": partial(fb.ops.tanh, normal(256, 100)),
        "softmax, 256 x 10": partial(fb.ops.softmax, logits),
        "softmax_cross_entropy, labels, 256 x 10": partial(fb.ops.softmax_cross_entropy, logits, labels),
        "gather_rows, uint8, 256 x 784": partial(fb.ops.gather_rows, images, order, 1 / 255),
        "4 training steps, 784-128-64-10, adam": training(4),
    }


def run_cases() -> None:
    """What runs under callgrind: of each case a call to warm up, then one that is a part of the profile."""
    for call in cases().values():
        call()
        os.getppid()
        call()
        os.getppid()


def native_instructions(part: Path) -> int:
    """Instructions of one part of a profile that were executed in fastbp's own modules.

    A line `ob=(number) path` says whose the lines that follow are; `cob=`, whose function they call. The path is only
    there at its number's first mention. A line of cost is a position and a count; the one behind `calls=` is what the
    callee took, which has lines of its own.
    """
    ours: dict[str, bool] = {}
    total, here, of_callee = 0, False, False
    for line in part.read_text().splitlines():
        if mention := re.match(r"(c?)ob=(\(\d+\))(?: (.+))?", line):
            callee, number, path = mention.groups()
            if path:
                ours[number] = OURS in path
            here = here if callee else ours[number]
        elif here and not of_callee and re.match(r"[-+*\d]", line):
            total += int(line.split()[1])
        of_callee = line.startswith("calls=")
    return total


def count() -> dict[str, int]:
    """Instructions of each case."""
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile")
        options = ["-q", "--tool=callgrind", "--dump-before=getppid", f"--callgrind-out-file={profile}"]
        python = [sys.executable, __file__, "--run"]
        subprocess.run(["valgrind", *options, *python], env={**os.environ, **ENVIRONMENT}, check=True)
        parts = sorted(profile.parent.glob("profile.*"), key=lambda part: int(part.suffix[1:]))
        names = list(cases())
        if len(parts) != 2 * len(names):
            raise SystemExit(f"expected {2 * len(names)} parts of a profile, two a case, got {len(parts)}")
        counts = dict(zip(names, map(native_instructions, parts[1::2]), strict=True))
    if not all(counts.values()):
        raise SystemExit(f"expected instructions in modules below {OURS}, got {counts}")
    return counts


def compare(counts: dict[str, int], baseline: dict[str, int]) -> bool:
    """Print the table; whether nothing takes more than it may."""
    print(f"{'':<42} {'baseline':>11} {'now':>11} {'ratio':>7}")
    fine = True
    for name, now in counts.items():
        before = baseline[name]
        ratio = now / before
        worse, better = ratio > 1 + TOLERANCE, ratio < 1 - TOLERANCE
        verdict = "MORE" if worse else "fewer: record the new baseline" if better else "same"
        print(f"{name:<42} {before:>11,} {now:>11,} {ratio:>7.3f}  {verdict}")
        fine = fine and not worse
    return fine


def obstacle() -> str | None:
    """Why nothing can be counted here."""
    if not shutil.which("valgrind"):
        return "valgrind is not installed"
    return None if ISA in _kernels.isa_available() else f"this processor has no {ISA}"


def check() -> None:
    """Compare with the baseline; exits with 1 if that fails."""
    baseline = json.loads(BASELINE.read_text())
    if baseline["instructions"].keys() != cases().keys():
        raise SystemExit(f"the cases are not those of {BASELINE.name}: record the new baseline")
    fine = compare(count(), baseline["instructions"])
    if _kernels.compiler() != baseline["compiler"]:
        print(f"no verdict: the baseline is of {baseline['compiler']}, this build of {_kernels.compiler()}")
    elif not fine:
        raise SystemExit(f"more than {TOLERANCE:.0%} more instructions than in {BASELINE.name}")


def record() -> None:
    """Write the baseline."""
    recorded = {"compiler": _kernels.compiler(), "instructions": count()}
    BASELINE.write_text(json.dumps(recorded, indent=2) + "\n")
    print(f"{BASELINE.name}: {len(recorded['instructions'])} counts of {recorded['compiler']}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="write the counts as the new baseline")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)  # the process under callgrind
    arguments = parser.parse_args()
    if arguments.run:
        run_cases()
    elif reason := obstacle():
        print(f"instruction counts: skipped, {reason}")
        sys.exit(arguments.record)
    elif arguments.record:
        record()
    else:
        check()


if __name__ == "__main__":
    main()
