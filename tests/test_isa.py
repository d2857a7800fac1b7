"""Instruction sets, threads and forks: what is chosen, what is obeyed, and that none of it changes a bit."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastbp._core import _kernels, _team

HERE = Path(__file__).parent
BUILT = _kernels.isa_available()
WITH_FMA = [isa for isa in BUILT if isa not in ("x86-64", "generic")]
CHOICES = ("FASTBP_ISA", "FASTBP_NUM_THREADS", "OMP_NUM_THREADS")

needs_openmp = pytest.mark.skipif(not _team.has_openmp(), reason="built without OpenMP")


def run(*command, **choices):
    """Run Python in a process of its own with these environment variables and none of the others."""
    environment = {key: value for key, value in os.environ.items() if key not in CHOICES}
    environment |= {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_WAIT_POLICY": "passive", **choices}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, timeout=300)


def output_of(code, **choices):
    done = run("-c", code, **choices)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# ---- instruction sets


@pytest.mark.parametrize("isa", BUILT)
def test_the_isa_asked_for_is_the_one_in_use(isa):
    assert output_of("from fastbp._core import _kernels; print(_kernels.isa())", FASTBP_ISA=isa) == isa


def test_the_best_isa_of_this_cpu_is_chosen_and_never_one_that_is_for_tests():
    chosen = output_of("from fastbp._core import _kernels; print(_kernels.isa())")
    assert chosen == [isa for isa in BUILT if not isa.endswith("-wide")][-1]


@pytest.mark.parametrize("wrong", ["x86-64-v9", "AVX2", *({"x86-64-v4", "neon"} - set(BUILT))])
def test_an_isa_that_this_cpu_lacks_or_nobody_has_is_one_clear_error(wrong):
    done = run("-c", "import fastbp; fastbp.show_config()", FASTBP_ISA=wrong)
    assert done.returncode == 1
    says = f"ImportError: FASTBP_ISA: expected one of {', '.join(BUILT)} on this CPU, got {wrong!r}"
    assert done.stderr.splitlines()[-1] == says


@pytest.mark.parametrize("isa", [isa for isa in BUILT if isa != _kernels.isa()])
def test_the_grid_of_kernels_passes_on_every_isa(isa):
    """Every op and size in the layouts that are hardest on the ends of rows; the others differ above the kernels."""
    chosen = "(padded or reversed or numpy_does or overflows or huge or keep) and not (reversed and float64)"
    grid = [str(HERE / "test_kernels.py"), "-k", chosen, "-q", "-p", "no:cacheprovider", "--no-header", "--tb=short"]
    done = run("-m", "pytest", "-c", str(HERE.parent / "pyproject.toml"), *grid, FASTBP_ISA=isa)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert int(done.stdout.split(" passed")[0].split()[-1]) > 100


@pytest.mark.parametrize("isa", [isa for isa in BUILT if isa != _kernels.isa()])
def test_kernels_of_penalties_and_constraints_pass_on_every_isa(isa):
    chosen = "penalty_of_a_weight or gradient_of_a_penalty or norms"
    grid = [str(HERE / "test_regularizers_constraints.py"), "-k", chosen, "-q", "-p", "no:cacheprovider", "--tb=short"]
    done = run("-m", "pytest", "-c", str(HERE.parent / "pyproject.toml"), *grid, FASTBP_ISA=isa)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


# ---- the same bits

TRAIN = """
import hashlib, itertools, json, sys
import numpy as np, fastbp as fb

activations = ["relu", "leaky_relu", "sigmoid", "tanh", "softmax"]
cases = {  # name: (dtype, batch, optimizer, loss, last layer)
    "float32, batch 32": ("float32", 32, "adam", "sparse_categorical_crossentropy", (7, "softmax")),
    "float64, batch 32": ("float64", 32, fb.optimizers.SGD(0.01, momentum=0.9), "mse", (7, "linear")),
    "float32, batch 300": ("float32", 300, fb.optimizers.SGD(0.1, momentum=0.9, nesterov=True), "bce", (1, "sigmoid")),
    "float64, batch 300": ("float64", 300, "adam", "categorical_crossentropy", (7, "softmax")),
    "sums in halves": ("float32", 20, "adam", "sparse_categorical_crossentropy", (7, "softmax")),
}
rng = np.random.default_rng(0)
x = rng.normal(size=(700, 101))
labels = rng.integers(0, 7, 700)
targets = {"sparse_categorical_crossentropy": labels, "bce": labels > 3}
result = {}
for name, threads in itertools.product(cases, map(int, sys.argv[1:])):
    dtype, batch, optimizer, loss, last = cases[name]
    if not isinstance(optimizer, str):
        optimizer = type(optimizer)(**{k: v for k, v in optimizer.get_config().items() if k != "name"})
    fb.set_num_threads(threads)
    fb.config.set_floatx(dtype)
    fb.utils.set_random_seed(5)
    first = 500 if name == "sums in halves" else 67
    layers = [fb.Dense(units, a) for units, a in zip((first, 64, 33, 40, 19), activations)]
    model = fb.Sequential([fb.Input((101,)), *layers, fb.Dense(*last)])
    model.compile(optimizer, loss, metrics=["accuracy"])
    y = targets.get(loss, np.eye(7)[labels])
    history = model.fit(x, y, epochs=2, batch_size=batch, verbose=0)
    assert batch == 32 or model.program("train", batch).threads >= 4, "too small to be shared"
    assert ("partial_affine" in model.program("train", batch).describe()) == (first == 500)
    bits = b"".join(w.tobytes() for w in model.get_weights()) + repr(history.history).encode()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    result.setdefault(name, []).append(hashlib.sha256(bits + model.predict(x).tobytes()).hexdigest())
print(json.dumps(result))
"""


@functools.cache
def trained(isa):
    return json.loads(output_of(TRAIN.replace("sys.argv[1:]", "'1234'"), FASTBP_ISA=isa))


@pytest.mark.parametrize("isa", BUILT)
def test_training_gives_the_same_bits_with_1_2_3_and_4_threads(isa):
    for name, bits in trained(isa).items():
        assert len(bits) == 4
        assert len(set(bits)) == 1, name


@pytest.mark.skipif(len(WITH_FMA) < 2, reason="one ISA with FMA on this CPU")
def test_training_gives_the_same_bits_on_every_isa_with_fma():
    results = {isa: {name: bits[0] for name, bits in trained(isa).items()} for isa in WITH_FMA}
    for isa in WITH_FMA[1:]:
        assert results[isa] == results[WITH_FMA[0]], isa


OPS = """
import hashlib, numpy as np, fastbp as fb
rng, bits = np.random.default_rng(1), hashlib.sha256()
for dtype in ("f4", "f8"):
    x = rng.normal(size=(61, 1031)) * 10.0 ** rng.integers(-30, 30, (61, 1031))
    x = np.clip(x, -1e30, 1e30).astype(dtype)
    y = rng.normal(size=(61, 1031)).astype(dtype)
    for result in (
        fb.ops.sigmoid(x), fb.ops.tanh(x), fb.ops.softmax(x), fb.ops.softmax(y), fb.ops.column_sum(y),
        fb.ops.softmax_backward(y, fb.ops.softmax(y)), fb.ops.sigmoid_backward(x, y), fb.ops.tanh_backward(x, y),
        fb.ops.matmul(y, y.T), fb.ops.matmul(y.T, y[:, :100]), *fb.ops.softmax_cross_entropy(x, np.arange(61)),
        *fb.ops.softmax_cross_entropy(y, abs(y)), *fb.ops.sigmoid_binary_cross_entropy(x, abs(np.tanh(y))),
        *fb.ops.mean_squared_error(y, y[::-1]), fb.ops.adam(y.copy(), y, y * 0, y * y, 3),
        fb.ops.momentum(y.copy(), y, y * 2, nesterov=True), fb.ops.gather_rows(y, np.arange(61)[::-1], 1 / 3),
        *fb.ops.huber(x, y), *fb.ops.log_cosh(y, y[::-1]), *fb.ops.squared_hinge(y, x), *fb.ops.quantile(x, y, 0.3),
        *fb.ops.poisson(abs(y), abs(x)), *fb.ops.kl_divergence(abs(y), abs(np.tanh(x))),
        *fb.ops.cosine_similarity(y, y[::-1]), *fb.ops.gaussian_nll(y, y[::-1], abs(x)),
        *fb.ops.sigmoid_binary_cross_entropy(y, abs(np.tanh(y)), pos_weight=3.0),
        *fb.ops.softmax_cross_entropy(y, np.arange(61), label_smoothing=0.1, sample_weight=np.arange(61.0)),
        fb.ops.row_sum(y), fb.ops.logsumexp(x), fb.ops.argmax(y),
    ):
        bits.update(np.ascontiguousarray(result).tobytes())
print(bits.hexdigest())
"""


@pytest.mark.skipif(len(WITH_FMA) < 2, reason="one ISA with FMA on this CPU")
@pytest.mark.filterwarnings("ignore")
def test_every_op_gives_the_same_bits_on_every_isa_with_fma():
    assert len({output_of(OPS, FASTBP_ISA=isa) for isa in WITH_FMA}) == 1


# ---- the number of threads

THREADS = "import fastbp; print(fastbp.get_num_threads())"


@needs_openmp
@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        ({"FASTBP_NUM_THREADS": "3"}, "3"),
        ({"OMP_NUM_THREADS": "3"}, "3"),
        ({"FASTBP_NUM_THREADS": "3", "OMP_NUM_THREADS": "1"}, "3"),
        ({"FASTBP_NUM_THREADS": "1", "OMP_NUM_THREADS": "3"}, "1"),
        ({"FASTBP_NUM_THREADS": "", "OMP_NUM_THREADS": "3"}, "3"),
        ({}, str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count())),
    ],
)
def test_threads_follow_the_environment_and_our_own_variable_first(choices, expected):
    assert output_of(THREADS, **choices) == expected


@needs_openmp
def test_set_num_threads_comes_before_the_environment_and_none_returns_to_it():
    code = """
import fastbp as fb
fb.set_num_threads(2)
print(fb.get_num_threads())
fb.set_num_threads(None)
print(fb.get_num_threads())
"""
    assert output_of(code, FASTBP_NUM_THREADS="3") == "2\n3"


@needs_openmp
@pytest.mark.parametrize("wanted", [None, 3])
def test_a_limit_of_threadpoolctl_is_a_ceiling_while_it_lasts(wanted):
    code = f"""
import fastbp as fb, threadpoolctl
fb.set_num_threads({wanted})
print(fb.get_num_threads())
with threadpoolctl.threadpool_limits(1):
    print(fb.get_num_threads())
with threadpoolctl.threadpool_limits(2, user_api="openmp"):
    print(fb.get_num_threads())
print(fb.get_num_threads())
"""
    assert output_of(code, OMP_NUM_THREADS="3").split() == ["3", "1", "2", "3"]


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5", "9999999999999"])
def test_a_bad_number_of_threads_in_the_environment_is_one_clear_error(value):
    done = run("-c", THREADS, FASTBP_NUM_THREADS=value)
    assert done.returncode == 1
    says = f"ImportError: FASTBP_NUM_THREADS: expected an integer between 1 and 1024, got {value!r}"
    assert done.stderr.splitlines()[-1] == says


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (-1, ValueError), (2000, ValueError), (1.5, TypeError), ("2", TypeError)]
)
def test_a_bad_number_of_threads_is_refused_and_the_old_one_stays(value, error):
    before = _team.get_num_threads()
    with pytest.raises(error, match="number of threads"):
        _team.set_num_threads(value)
    assert _team.get_num_threads() == before


# ---- forks

FORK = """
import os, signal, sys
import numpy as np, fastbp as fb

fb.set_num_threads(2)
a = np.random.default_rng(0).normal(size=(400, 400))
if sys.argv[1] == "used":
    fb.ops.matmul(a, a)             # the pool has threads now, which a child does not inherit
reader, writer = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(60)
    os.write(writer, fb.ops.matmul(a, a).tobytes()[:4096])
    os._exit(0)
got = os.read(reader, 4096)
assert os.waitpid(child, 0)[1] == 0, "the child died"
assert got == fb.ops.matmul(a, a).tobytes()[:4096]
assert fb.get_num_threads() == 2    # the parent keeps its threads
print("same bits")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.parametrize("pool", ["used", "unused"])
def test_a_forked_child_computes_the_same_bits_and_the_parent_goes_on(pool):
    done = run("-c", FORK, pool)
    assert done.stdout.strip() == "same bits", done.stderr
