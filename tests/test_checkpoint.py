"""Checkpoints: what is saved comes back, a file runs no code, and a bad one is a ValueError."""

import copy
import errno
import json
import os
import pickle
import stat
import struct
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from test_graph import LABELS, X, Y, two_inputs

import fastbp as fb
from fastbp import checkpoint, registry
from fastbp.checkpoint import KEY, VERSION
from fastbp.layers import Add, Residual

TARGETS = [LABELS, Y[:, :2]]


def compiled_graph(epochs=2):
    model = two_inputs()
    loss = [fb.losses.SparseCategoricalCrossentropy(), "mse"]
    model.compile(fb.optimizers.Adam(0.01, amsgrad=True), loss, [["accuracy"], ["mae", "mse"]], [0.3, 2.0])
    model.fit([X, Y], TARGETS, epochs=epochs, batch_size=8, verbose=0)
    return model


def sequential(optimizer="adam", dtype=None, name=None):
    layers = [
        fb.Input((5,), scale=0.5, dtype=dtype),
        fb.Dense(7, fb.activations.Activation("steep", "leaky_relu", 0.3), kernel_initializer="he_normal"),
        Residual([fb.Dense(4, "relu", use_bias=False), fb.Dense(6)]),
        fb.Activation("tanh"),
        fb.Dense(3, bias_initializer=fb.initializers.Constant([1, 2, 3])),
    ]
    model = fb.Sequential(layers, name)
    model.compile(optimizer, "mse", ["mae"])
    return model


def nested():
    inner = fb.Sequential([fb.Input((5,)), fb.Dense(4, "relu")])
    model = fb.Sequential([fb.Input((5,)), inner, fb.Dense(3)])
    model.compile("sgd", "mse")
    return model


def frozen():
    model = sequential()
    model.layers[0].trainable = False
    model.compile("rmsprop", "mae")
    return model


def no_weights():
    x = fb.Input((5,))
    return fb.Model(x, Add()([x, fb.Activation("tanh")(x)]))


def same_weights(a, b):
    return all(np.array_equal(*pair) for pair in zip(a.get_weights(), b.get_weights(), strict=True))


@pytest.mark.parametrize(
    "make",
    [sequential, lambda: sequential(dtype="float64"), nested, frozen, no_weights, compiled_graph],
    ids=["sequential", "float64", "nested", "frozen", "no weights", "graph"],
)
def test_a_model_comes_back_as_it_was(make, tmp_path):
    model = make()
    x = [X, Y] if len(model.inputs) > 1 else X
    model.save(tmp_path / "model.safetensors")
    again = fb.load(tmp_path / "model.safetensors")
    assert type(again) is type(model)
    assert again.get_config() == model.get_config()
    assert again.get_compile_config() == model.get_compile_config()
    assert [v.path for v in again.trainable_weights] == [v.path for v in model.trainable_weights]
    assert again.dtype == model.dtype
    assert same_weights(model, again)
    for mine, its in zip(model.predict(x), again.predict(x), strict=True):
        np.testing.assert_array_equal(mine, its)
    if model.optimizer:
        y = TARGETS if len(model.outputs) > 1 else Y
        for each in (model, again):
            each.fit(x, y, epochs=3, batch_size=8, verbose=0)
        assert same_weights(model, again)
        assert again.history.history == model.history.history


def test_a_shared_layer_is_still_shared(tmp_path):
    model = two_inputs()
    model.save(tmp_path / "m")
    again = fb.models.load_model(tmp_path / "m")
    shared = again.get_layer("shared")
    assert sum(node.layer is shared for node in again.nodes) == 2
    assert again.count_params() == model.count_params()


def test_a_model_that_is_not_built_comes_back(tmp_path):
    model = fb.Sequential([fb.Dense(3), fb.Dense(2)])
    model.compile("adam", "mse")
    model.save(tmp_path / "m")
    again = fb.load(tmp_path / "m")
    assert not again.built
    again.fit(X, Y[:, :2], verbose=0)
    assert again.count_params() == 26


@pytest.mark.parametrize("optimizer", sorted(fb.optimizers.OPTIMIZERS))
def test_training_goes_on_with_the_same_bits_for_every_optimizer(optimizer, tmp_path):
    model = sequential(optimizer)
    for step in range(9):
        if step == 4:
            model.save(tmp_path / "m")
            again = fb.load(tmp_path / "m")
            assert again.optimizer.iterations == 4
        for each in [model] if step < 4 else [model, again]:
            each.train_on_batch(X[step : step + 20], Y[step : step + 20])
    assert same_weights(model, again)


def test_loading_and_saving_leave_the_global_generator_alone(tmp_path):
    model = sequential()
    fb.utils.set_random_seed(3)
    expected = fb.random._global.bit_generator.state
    model.save(tmp_path / "m")  # with a seed that its generator has not followed yet
    again = fb.load(tmp_path / "m")
    assert fb.random._global.bit_generator.state == expected
    for each in (model, again):
        each.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    assert same_weights(model, again)


def test_the_default_dtype_of_the_reader_does_not_matter(tmp_path):
    model = sequential()
    model.save(tmp_path / "m")
    fb.config.set_floatx("float64")
    try:
        assert fb.load(tmp_path / "m").dtype == np.float32
        assert fb.Sequential.from_config(model.get_config()).dtype == np.float32
    finally:
        fb.config.set_floatx("float32")


def test_a_diverged_model_can_be_saved(tmp_path):
    model = sequential(fb.optimizers.SGD(1e30))
    model.fit(X, Y, epochs=3, batch_size=8, verbose=0)
    model.save(tmp_path / "m")
    assert not np.isfinite(fb.load(tmp_path / "m").get_weights()[0]).all()


@pytest.mark.parametrize("make", [compiled_graph, sequential, nested])
def test_copies_train_on_by_themselves(make):
    model = make()
    x, y = ([X, Y], TARGETS) if len(model.inputs) > 1 else (X, Y)
    model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    copies = [copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    for each in [model, *copies]:
        each.fit(x, y, epochs=4, batch_size=8, verbose=0, resume=True)
    for each in copies:
        assert same_weights(model, each)
        assert each.history.epoch == [2, 3]


def test_a_copy_knows_classes_that_are_not_registered():
    class Halves(fb.initializers.Initializer):
        def draw(self, shape, rng):
            return np.full(shape, 0.5)

    model = fb.Sequential([fb.Dense(2, kernel_initializer=Halves(), input_shape=(3,))])
    assert isinstance(copy.deepcopy(model).layers[0].kernel_initializer, Halves)


# -- weights alone


def test_weights_come_back_by_path_from_both_kinds_of_file(tmp_path):
    model, other = compiled_graph(), two_inputs()
    for layer, twin in zip(model.layers, other.layers, strict=True):
        twin.name = layer.name
    config = model.get_config()
    model.save(tmp_path / "all")
    model.save_weights(tmp_path / "weights")
    for name in ("all", "weights"):
        again = fb.Model.from_config(config)
        assert not same_weights(model, again)
        again.load_weights(tmp_path / name)
        assert same_weights(model, again)
    assert set(load_file(tmp_path / "weights")) == {variable.path for variable in model.weights}


def test_weights_that_do_not_fit_change_nothing(tmp_path):
    model = fb.Sequential([fb.Input((5,)), fb.Dense(4, name="a"), fb.Dense(2, name="b")])
    model.save_weights(tmp_path / "w")
    other = fb.Sequential([fb.Input((5,)), fb.Dense(4, name="a"), fb.Dense(2, name="c")])
    before = other.get_weights()
    with pytest.raises(ValueError, match="missing c/kernel, c/bias; unexpected b/bias, b/kernel"):
        other.load_weights(tmp_path / "w")
    wider = fb.Sequential([fb.Input((5,)), fb.Dense(4, name="a"), fb.Dense(3, name="b")])
    first = wider.get_weights()
    with pytest.raises(ValueError, match=r"b/kernel with shape \(4, 3\), got \(4, 2\)"):
        wider.load_weights(tmp_path / "w")
    assert all(map(np.array_equal, before, other.get_weights()))
    assert all(map(np.array_equal, first, wider.get_weights()))
    with pytest.raises(ValueError, match="expected a built model"):
        fb.Sequential([fb.Dense(2)]).load_weights(tmp_path / "w")
    with pytest.raises(ValueError, match=r"got none of model.*see load_weights"):
        fb.load(tmp_path / "w")


# -- classes of the user's own


class Tenths(fb.initializers.Initializer):
    def __init__(self, count=1, seed=None):
        super().__init__(seed)
        self.count = count

    def draw(self, shape, rng):
        return np.full(shape, self.count / 10)


class Wide(fb.Dense):
    def __init__(self, units, factor=2, **options):
        super().__init__(units, **options)
        self.factor = factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def test_a_class_of_the_users_own_has_to_be_named(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    model = fb.Sequential([fb.Input((5,)), Wide(3, factor=4, kernel_initializer=Tenths(7))])
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"unknown class 'Wide'.*utils\.register\('Wide'\).*custom_objects=\{'Wide'"):
        fb.load(tmp_path / "m")
    again = fb.load(tmp_path / "m", custom_objects={"Wide": Wide, "Tenths": Tenths})
    assert type(again.layers[0]) is Wide
    assert again.get_config() == model.get_config()
    fb.utils.register("mine.Wide")(Wide)
    fb.utils.register("mine.Tenths")(Tenths)
    model.save(tmp_path / "m")
    layer = fb.load(tmp_path / "m").layers[0]
    assert (layer.factor, layer.kernel_initializer.count) == (4, 7)
    assert fb.Dense(2, kernel_initializer="mine.Tenths").kernel_initializer.count == 1


def test_a_function_that_is_registered_is_passed_on_but_never_called(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    called = []
    call = fb.utils.register("mine.call")(called.append)
    data = registry.encode([call, Tenths])
    assert data == [{"function": "mine.call"}, {"function": "Tenths"}]
    assert registry.decode(data[:1]) == [call]
    with pytest.raises(ValueError, match=r"unknown class 'mine\.call'"):
        registry.decode({"class": "mine.call", "config": {"object": 1}})
    with pytest.raises(ValueError, match=r"unknown class 'layers\.Dense'"):
        registry.decode({"function": "layers.Dense"})
    assert not called


class Noam(fb.schedules.LearningRateSchedule):
    def __init__(self, warmup):
        self.warmup = warmup

    def rates(self, steps):
        return np.minimum((steps + 1) ** -0.5, (steps + 1) * self.warmup**-1.5)


def rmse(targets, predictions):
    return np.sqrt(np.mean((targets - predictions) ** 2))


def test_schedules_and_functions_of_the_users_own_come_back(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    model = fb.Sequential([fb.Input((5,)), fb.Dense(3)])
    model.compile(fb.optimizers.SGD(Noam(7)), "mse", [rmse])
    model.save(tmp_path / "m")
    with pytest.raises(ValueError, match=r"'(Noam|rmse)'"):
        fb.load(tmp_path / "m")
    again = fb.load(tmp_path / "m", {"Noam": Noam, "rmse": rmse})
    fb.utils.register("mine.Noam")(Noam)
    fb.utils.register("mine.rmse")(rmse)
    model.save(tmp_path / "m")
    for each in (again, fb.load(tmp_path / "m"), copy.deepcopy(model)):
        assert each.optimizer.schedule.warmup == 7
        assert each.evaluate(X, Y, return_dict=True) == model.evaluate(X, Y, return_dict=True)
    model.compile(fb.optimizers.SGD(lambda step: 0.1), "mse")
    with pytest.raises(TypeError, match="LearningRateSchedule to be saved"):
        model.save(tmp_path / "m")


@pytest.mark.parametrize("name", ["", 3, "layers.Dense", "metrics.Mine"])
def test_names_that_cannot_be_registered(name):
    with pytest.raises(ValueError, match="none of fastbp's own"):
        fb.utils.register(name)


def test_what_is_no_class_cannot_be_registered_and_a_lambda_not_saved():
    with pytest.raises(TypeError, match="a class or a function to register"):
        fb.utils.register("mine")(3)
    with pytest.raises(TypeError, match="a function with a name"):
        registry.encode({"function": lambda x: x})
    with pytest.raises(TypeError, match="options by name"):
        registry.encode({1: 2})
    with pytest.raises(TypeError, match="objects with get_config"):
        registry.encode(object())


@fb.utils.register("tests.share_of_zeros")
def share_of_zeros(y_true, y_pred):
    return float((y_pred == 0).mean())


def of_family(module):
    for name in dir(module):
        if (cls := registry.public_class(f"{module.__name__.split('.')[1]}.{name}")) is not None:
            yield cls


ARGUMENTS = {
    "Constant": [0.5],
    "Dense": [3],
    "Activation": ["relu"],
    "Input": [4],
    "Residual": [[fb.Dense(2)]],
    "Dropout": [0.5],
    "AlphaDropout": [0.5],
    "GaussianDropout": [0.5],
    "GaussianNoise": [0.1],
    "Function": [share_of_zeros],
    "MeanLoss": ["mse"],
    "Embedding": [5, 2],
    "Rescaling": [0.5],
    "Reshape": [(2, -1)],
}
FAMILIES = [fb.layers, fb.optimizers, fb.losses, fb.metrics, fb.initializers]


@pytest.mark.parametrize("cls", [cls for each in FAMILIES for cls in of_family(each)], ids=lambda cls: cls.__name__)
def test_every_public_class_comes_back_from_its_config(cls):
    if cls.__name__ in ("Optimizer", "Initializer"):
        pytest.skip("a base")
    made = cls(*ARGUMENTS.get(cls.__name__, []))
    data = json.loads(json.dumps(registry.encode(made)))
    again = registry.decode(data)
    assert type(again) is cls
    assert registry.encode(again) == data
    assert registry.encode(cls.from_config(data["config"])) == data


# -- files


def test_layers_inside_layers_have_names_of_their_own():
    with pytest.raises(ValueError, match="two with weights 'a/kernel'"):
        fb.Sequential([fb.Input((3,)), Residual([fb.Dense(3, name="a")]), fb.Dense(2, name="a")])


def test_a_path_that_cannot_be_written_is_an_error(tmp_path):
    model = sequential()
    with pytest.raises(FileNotFoundError, match=r"cannot save to .*missing/m: No such file"):
        model.save(tmp_path / "missing" / "m")
    with pytest.raises(ValueError, match="expected the path of a file"):
        model.save(tmp_path)
    with pytest.raises(ValueError, match="expected the path of a file"):
        model.save("/dev/null")
    with pytest.raises(FileNotFoundError):
        fb.load(tmp_path / "missing")
    with pytest.raises(ValueError, match="this is no file"):
        fb.load(tmp_path)
    with pytest.raises(TypeError):
        model.save(3.5)


@pytest.mark.parametrize("name", ["m.h5", "m.weights.HDF5", "m.keras"])
def test_a_file_does_not_get_the_name_of_what_it_is_not(name, tmp_path):
    for save in (sequential().save, sequential().save_weights):
        with pytest.raises(ValueError, match=r"expected a path that ends in \.safetensors"):
            save(tmp_path / name)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match="cannot save to"):
            sequential().save(tmp_path / "m")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_old_checkpoint_and_nothing_else(call, tmp_path, monkeypatch):
    path = tmp_path / "m"
    sequential().save(path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match=r"cannot save to .*m: No space left on device") as caught:
        sequential().save(path)
    assert caught.value.errno == errno.ENOSPC
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m"]


@pytest.mark.parametrize("call", ["open", "fsync"])
def test_a_folder_that_cannot_be_synced_is_no_failure(call, tmp_path, monkeypatch):
    path, real = tmp_path / "m", getattr(os, call)

    def refuse_folders(what, *rest):
        if stat.S_ISDIR(os.stat(what).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        return real(what, *rest)

    model = sequential()
    monkeypatch.setattr(os, call, refuse_folders)
    model.save(path)
    monkeypatch.undo()
    assert same_weights(fb.load(path), model)
    assert os.listdir(tmp_path) == ["m"]


def test_a_full_disk_leaves_the_old_checkpoint_and_nothing_else(tmp_path):
    code = """
import resource, signal, sys, fastbp as fb
model = fb.Sequential([fb.Input((50,)), fb.Dense(50)])
model.save("m")
before = open("m", "rb").read()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
try:
    model.save("m")
except OSError as error:
    print(error)
assert open("m", "rb").read() == before
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "cannot save to m: File too large" in done.stdout, done.stderr
    assert done.returncode == 0, done.stderr
    assert os.listdir(tmp_path) == ["m"]


def test_a_link_stays_a_link_and_the_umask_counts(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "m")
    model = sequential()
    model.save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "m").stat().st_mode & 0o777 == 0o666 & ~mask
    assert fb.load(tmp_path / "link").name == model.name


def test_text_that_is_too_long_or_no_json_is_not_written(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "LARGEST_TEXT", 1000)
        with pytest.raises(ValueError, match="at most 1000 characters"):
            sequential().save(tmp_path / "m")
    with pytest.raises(ValueError, match="not JSON compliant"):
        fb.Sequential([fb.Dense(2, kernel_initializer=fb.initializers.Constant(np.inf))]).save(tmp_path / "m")
    assert os.listdir(tmp_path) == []


# -- hostile files


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A checkpoint in the middle of an epoch: its path, tensors and description."""
    folder = tmp_path_factory.mktemp("good")
    model = compiled_graph()
    interrupt(model, [X, Y], TARGETS, steps=2, epochs=9, batch_size=8)
    model.save(folder / "m")
    content = (folder / "m").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    description = json.loads(json.loads(content[8 : 8 + length])["__metadata__"][KEY])
    return folder / "m", load_file(folder / "m"), description


def interrupt(model, x, y, *, steps, **options):
    """Train and be interrupted in the middle of the next epoch, after some steps."""

    class Interrupt(fb.callbacks.Callback):
        def on_chunk(self, done, logs):
            if done >= steps:
                raise KeyboardInterrupt

    fb.trainer = sys.modules["fastbp.trainer"]
    seconds, fb.trainer.CHUNK_SECONDS = fb.trainer.CHUNK_SECONDS, 0
    try:
        with pytest.raises(KeyboardInterrupt):
            model.fit(x, y, verbose=0, callbacks=[Interrupt()], resume=True, **options)
    finally:
        fb.trainer.CHUNK_SECONDS = seconds
    assert model.progress.step == steps


def at(path, value):
    """An edit that sets what is at a path of keys."""

    def edit(tensors, description):
        for key in path[:-1]:
            description = description[key]
        if value is DELETED:
            del description[path[-1]]
        else:
            description[path[-1]] = value

    return edit


def tensor(name, value):
    """An edit that sets a tensor, or takes it away."""

    def edit(tensors, description):
        tensors[name] = value
        if value is DELETED:
            del tensors[name]

    return edit


def deep(levels):
    layer = {"class": "layers.Dense", "config": {"units": 5}}
    for _ in range(levels):
        layer = {"class": "layers.Residual", "config": {"layers": [layer]}}
    return layer


DELETED = object()
GRAPH = ("model", "config")
LAYER = (*GRAPH, "layers", 0, "config")
CYCLE = [[0, [0]], [1, [1]], [0, [3]], [2, [2, 4]], [3, [2, 10]], [4, [5, 6, 1]], [5, [7]], [6, [7]], [7, [9]]]
HOSTILE = {
    "newer": (at(["version"], VERSION + 1), "format 2, of fastbp .*; this is"),
    "no version": (at(["version"], DELETED), "the number of a format, got None"),
    "bool version": (at(["version"], True), "the number of a format, got True"),
    "no model": (at(["model"], DELETED), "got none of model"),
    "model is a list": (at(["model"], [1]), r"expected a model, got \[1\]"),
    "model is a layer": (at(["model"], deep(0)), "expected a model, got <Dense"),
    "model is None": (at(["model"], None), "expected a model, got None"),
    "foreign class": (at(["model", "class"], "os.system"), "unknown class 'os.system'"),
    "private class": (at([*GRAPH, "layers", 0, "class"], "layers._Elementwise"), "unknown class"),
    "module attribute": (at([*GRAPH, "layers", 0, "class"], "layers.base"), "unknown class"),
    "class of no config": (at([*GRAPH, "layers", 0, "class"], "layers.Variable"), "unknown class"),
    "class is a list": (at([*GRAPH, "layers", 0, "class"], ["layers.Dense"]), "unknown class"),
    "wrong family": (
        at([*GRAPH, "layers", 0], {"class": "losses.MeanSquaredError", "config": {}}),
        "expected layers in",
    ),
    "input among layers": (at([*GRAPH, "layers", 0], {"class": "layers.Input", "config": {"shape": [5]}}), "layers in"),
    "function": (at([*GRAPH, "layers", 0], {"function": "print"}), "unknown class 'print'"),
    "unknown option": (at([*LAYER, "evil"], 1), "expected options of Dense"),
    "options are a list": (at(LAYER, [3]), "expected the options of Dense by name"),
    "no options": (at(LAYER, {}), "expected options of Dense:"),
    "units text": (at([*LAYER, "units"], "5"), "units as a whole number"),
    "units list": (at([*LAYER, "units"], [5]), "units as a whole number"),
    "units huge": (at([*LAYER, "units"], 10**12), "expected.*"),
    "units beyond numbers": (at([*LAYER, "units"], 10**4000), "cannot load"),
    "name a number": (at([*LAYER, "name"], 3), "name as a string"),
    "name twice": (at([*LAYER, "name"], "widen"), "different names"),
    "dtype": (at([*LAYER, "dtype"], "float64"), "one dtype in all layers"),
    "dtype of the model": (at([*GRAPH, "dtype"], "int8"), "expected dtype 'float32' or 'float64'"),
    "name of the model": (at([*GRAPH, "name"], ["m"]), "name as a string"),
    "activation": (at([*LAYER, "activation"], "evil"), "unknown activation"),
    "activation fields": (at([*LAYER, "activation"], {"name": "relu"}), "cannot load"),
    "activation alpha": (
        at([*LAYER, "activation"], {"name": "x", "kernel": "elu", "alpha": -1}),
        "alpha as a finite number",
    ),
    "activation kernel": (at([*LAYER, "activation"], {"name": "x", "kernel": "x", "alpha": 0}), "unknown kernel"),
    "initializer": (at([*LAYER, "kernel_initializer"], {"name": ["zeros"]}), "cannot load"),
    "trainable": (at([*LAYER, "trainable"], "no"), "trainable as True or False"),
    "cycle": (at([*GRAPH, "calls"], CYCLE), "numbers of tensors there are so far"),
    "negative tensor": (at([*GRAPH, "calls", 0], [0, [-1]]), "numbers of tensors"),
    "no such layer": (at([*GRAPH, "calls", 0], [99, [0]]), "numbers of layers"),
    "call of nothing": (at([*GRAPH, "calls", 0], [0, []]), "cannot load"),
    "call is a number": (at([*GRAPH, "calls", 0], 7), "numbers of layers"),
    "layer by truth": (at([*GRAPH, "calls", 0], [True, [0]]), "numbers of layers"),
    "no calls": (at([*GRAPH, "calls"], []), "cannot load"),
    "calls are text": (at([*GRAPH, "calls"], "evil"), "calls as a list"),
    "no outputs": (at([*GRAPH, "outputs"], []), "at least one of outputs"),
    "outputs before": (at([*GRAPH, "outputs"], [0, 1]), "cannot load"),
    "no inputs": (at([*GRAPH, "inputs"], []), "cannot load"),
    "shape": (at([*GRAPH, "inputs", 0, "config", "shape"], [5, "x"]), "axes of a row"),
    "huge shape": (at([*GRAPH, "inputs", 1, "config", "shape"], [10**13]), "cannot load"),
    "huge shape of no weights": (
        at(
            ["model"],
            {
                "class": "models.Model",
                "config": {
                    "name": "m",
                    "dtype": "float32",
                    "inputs": [{"class": "layers.Input", "config": {"shape": [10**6]}}],
                    "layers": [{"class": "layers.Concatenate", "config": {"name": f"c{k}"}} for k in range(99)],
                    "calls": [[k, [k, k]] for k in range(99)],
                    "outputs": [99],
                },
            },
        ),
        "at most 1099511627776 columns",
    ),
    "optimizer": (at(["compiled", "optimizer"], deep(0)), "cannot load.*optimizer"),
    "no optimizer": (at(["compiled", "optimizer"], DELETED), "configuration of optimizer"),
    "learning rate": (at(["compiled", "optimizer", "config", "learning_rate"], "x"), "learning_rate as a number"),
    "losses": (at(["compiled", "losses"], []), "losses for classes, numbers"),
    "loss": (at(["compiled", "losses", 0], 3), "cannot load.*loss"),
    "metrics": (at(["compiled", "metrics", 0], {"a": 1}), "cannot load"),
    "loss weights": (at(["compiled", "loss_weights"], [-1, 1]), "loss_weights"),
    "not compiled": (at(["compiled"], None), "compiled and built"),
    "batches": (at(["batches"], -1), "batches as a whole number"),
    "many batches": (at(["batches"], 10**30), "batches of at most"),
    "state without steps": (at(["batches"], None), "unexpected optimizer/0"),
    "random": (at(["random"], {"bit_generator": "MT19937"}), "state of a PCG64"),
    "random text": (at(["random"], "PCG64"), "state of a PCG64"),
    "random size": (at(["random", "state", "state"], 2**200), "state of a PCG64"),
    "random sign": (at(["random", "state", "inc"], -1), "state of a PCG64"),
    "random type": (at(["random", "state", "state"], "x"), "state of a PCG64"),
    "random of the epoch": (at(["progress", "random"], {}), "state of a PCG64"),
    "progress": (at(["progress"], []), "progress of a training"),
    "rate of the epoch": (at(["progress", "rate"], -1.0), "rate as a finite number"),
    "no epoch": (at(["progress", "epoch"], DELETED), "progress of a training"),
    "step too far": (at(["progress", "step"], 99), "a step of the epoch"),
    "shuffle": (at(["progress", "shuffle"], 1), "shuffle as True or False"),
    "missing weight": (tensor("shared/kernel", DELETED), "an array for shared/kernel"),
    "missing state": (tensor("optimizer/1/shared/bias", DELETED), "optimizer/1/shared/bias"),
    "missing totals": (tensor("progress/totals", DELETED), "progress/totals"),
    "totals shape": (tensor("progress/totals", np.zeros((2, 2))), "progress/totals as float64"),
    "extra": (tensor("evil", np.zeros(3, "f4")), "unexpected evil"),
    "shape of a weight": (tensor("shared/kernel", np.zeros((4, 5), "f4")), r"of shape \(5, 4\), got .*\(4, 5\)"),
    "dtype of a weight": (tensor("shared/kernel", np.zeros((5, 4), "f8")), "shared/kernel as float32"),
    "shape of state": (tensor("optimizer/1/shared/bias", np.zeros(5, "f4")), "optimizer/1/shared/bias as float32"),
    "deep": (at([*GRAPH, "layers", 0], deep(150)), "cannot load"),
    "deeper": (lambda tensors, description: "[" * 100_000, "cannot load"),
    "infinite": (lambda tensors, description: '{"version": Infinity}', "finite numbers, got Infinity"),
    "no JSON": (lambda tensors, description: "{", "cannot load"),
    "other JSON": (lambda tensors, description: "[]", "the number of a format"),
    "no text": (lambda tensors, description: None, "no text of fastbp's"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_file_is_a_clear_error(what, good, tmp_path):
    (edit, words), (_, tensors, description) = HOSTILE[what], good
    tensors, description = dict(tensors), copy.deepcopy(description)
    text = edit(tensors, description)
    metadata = {KEY: text if isinstance(text, str) else json.dumps(description)}
    save_file(tensors, tmp_path / "m", None if what == "no text" else metadata)
    with pytest.raises(ValueError, match=words) as caught:
        fb.load(tmp_path / "m")
    assert str(tmp_path / "m") in str(caught.value)
    assert len(str(caught.value)) < 5000


def test_bytes_that_are_no_file_of_safetensors_are_a_clear_error(good, tmp_path):
    content, path = good[0].read_bytes(), tmp_path / "m"
    (length,) = struct.unpack("<Q", content[:8])
    header, bad = content[8 : 8 + length], b"x" * length
    for wrong in (
        b"",
        b"PK\x03\x04",
        content[:7],
        content[:100],
        content[:-1],
        content + b"x",
        struct.pack("<Q", 2**63) + content[8:],
        struct.pack("<Q", length + 8) + content[8:],
        content[:8] + bad + content[8 + length :],
        content[:8] + header.replace(b'"F32"', b'"F64"') + content[8 + length :],
        content[:8] + header.replace(b'"F32"', b'"X32"') + content[8 + length :],
        content[:8] + header.replace(b"[5,4]", b"[4,5]") + content[8 + length :],
        content[:8] + header.replace(b"[5,4]", b"[5,9]") + content[8 + length :],
    ):
        assert wrong != content
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="cannot load"):
            fb.load(path)
        if len(wrong) < len(content):
            with pytest.raises(ValueError, match="cannot load"):
                two_inputs().load_weights(path)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_damaged_file_is_a_value_error_or_still_a_model(data, good, tmp_path_factory):
    content = bytearray(good[0].read_bytes())
    (length,) = struct.unpack("<Q", content[:8])
    places = st.one_of(st.integers(0, 8 + length - 1), st.integers(0, len(content) - 1))
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(places)] = data.draw(st.sampled_from(b'0123456789-.eE"[]{}:,abcxyz \x00\xff'))
    end = data.draw(st.one_of(st.just(len(content)), places))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content[:end])
    try:
        model = fb.load(path)
    except ValueError:
        return
    assert isinstance(model, fb.Model)
    assert model.predict(
        {name: np.ones((2, *s.shape)) for name, s in zip(model.input_names, model.inputs, strict=True)}
    )
