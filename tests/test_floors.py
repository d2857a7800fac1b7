"""The house: who may import whom, what `import fastbp` must not load, and what never appears in the source."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastbp.compiler import schedule
from fastbp.compiler.kinds import KINDS

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "fastbp"

# Every module, lowest first: a file imports only from files before it in this list. A folder's __init__ comes after the
# files that it gathers. A new file gets its place here.
ORDER = {
    1: """_core._kernels _core._team _core._ops _core._dense _core._embedding _core._penalty _core._python _core._rows
        _core._losses _core._columns _core._norm _core._vectors _core._memory _core._program _core.__init__""",
    2: """_version config random registry utils
        ops.edge ops.target ops.activation ops.activation_backward ops.softmax ops.prelu ops.elementary ops.reduce
        ops.clip ops.dense ops.dropout ops.gather ops.loss ops.cross_entropy ops.metric ops.norm ops.batch_norm
        ops.update ops.__init__
        activations constraints initializers regularizers losses
        metrics.base metrics.accuracy metrics.regression metrics.outcomes metrics.auc metrics.__init__ schedules
        optimizers.base optimizers.sgd optimizers.adam optimizers.adaptive optimizers.__init__
        layers.variable layers.symbol layers.base layers.activation layers.dense layers.dropout layers.embedding
        layers.norm layers.rescaling layers.merge layers.input layers.reshape layers.residual layers.__init__""",
    3: """compiler.tape compiler.adjoints compiler.opkind compiler.user compiler.kinds compiler.fuse compiler.schedule
        compiler.listing compiler.profile compiler.executable compiler.__init__
        graph summary network tables data streams compiled
        callbacks.base callbacks.monitor callbacks.history callbacks.progress callbacks.stopping callbacks.rates
        callbacks.checkpoint callbacks.logging callbacks.gradient_flow callbacks.__init__
        sources trainer checkpoint model sequential models testing _config_report __init__""",
    4: """datasets._idx datasets.digits datasets.mnist datasets.moons datasets.__init__ datasets.files datasets.task
        plots.figure plots.curves plots.regions plots.confusion plots.filters plots.flow plots.layout plots.diagram
        plots.__init__ sklearn.network sklearn.checks sklearn.training sklearn.lbfgs sklearn.perceptron sklearn.patching
        sklearn.__init__ sklearn.__main__ cli __main__""",
}
MODULES = [module for modules in ORDER.values() for module in modules.split()]
FLOOR = {module: floor for floor, modules in ORDER.items() for module in modules.split()}
LAZY = {"__init__"}  # names its modules in a table and loads them when asked


def path_of(module):
    path = PACKAGE / module.replace(".", "/")
    return next(p for p in (path.with_suffix(".py"), path.with_suffix(".pyx")) if p.exists())


def is_module(name):
    return name in FLOOR or f"{name}.__init__" in FLOOR


def in_table(name):
    """The entry of ORDER for a dotted name below fastbp."""
    return name if name in FLOOR else f"{name}.__init__" if name else "__init__"


def of_package(module, node):
    """Modules of fastbp that an import statement of `module` names."""
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names if alias.name.split(".")[0] == "fastbp"]
        return [in_table(name.removeprefix("fastbp").removeprefix(".")) for name in names]
    if node.level:
        folders = module.split(".")
        base = ".".join([*folders[: len(folders) - node.level], *([node.module] if node.module else [])])
    elif node.module == "fastbp" or (node.module or "").startswith("fastbp."):
        base = node.module.removeprefix("fastbp").removeprefix(".")
    else:
        return []
    inner = [f"{base}.{alias.name}".removeprefix(".") for alias in node.names]
    return [in_table(name) if is_module(name) else in_table(base) for name in inner]


def type_checking_only(tree):
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING"]
    return {inner for block in blocks for inner in ast.walk(block)}


def imports_of(module):
    path = path_of(module)
    if path.suffix == ".pyx":
        text = path.read_text() + (path.with_suffix(".pxd").read_text() if path.with_suffix(".pxd").exists() else "")
        names = re.findall(r"^from (?:fastbp\._core)?\.(\w+) c?import", text, re.M)
        lines = re.findall(r"^from (?:\.|fastbp\._core) c?import (.+)$", text, re.M)
        names += [name for line in lines for name in line.split(", ")]
        return [f"_core.{name}" for name in names if f"_core.{name}" != module]
    tree = ast.parse(path.read_text())
    skipped = type_checking_only(tree)
    nodes = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and n not in skipped]
    return [name for node in nodes for name in of_package(module, node)]


def first_line(path):
    return path.read_text().lstrip('#/" ').split("\n", 1)[0]


def test_the_order_lists_every_module_once():
    there = [p.relative_to(PACKAGE).with_suffix("") for p in PACKAGE.rglob("*.py*") if p.suffix in (".py", ".pyx")]
    assert sorted(MODULES) == sorted(".".join(path.parts) for path in there)


@pytest.mark.parametrize("module", MODULES)
def test_a_file_imports_only_from_files_below_it(module):
    for name in imports_of(module):
        assert name in FLOOR, f"{module} imports {name}, which is no file"
        if FLOOR[module] == 4 and name == "__init__":
            continue  # the doors use the package as a user does
        assert MODULES.index(name) < MODULES.index(module), f"{module} imports {name}, which is above it"


def test_the_reading_of_imports_finds_the_known_ones():
    assert set(imports_of("compiler.listing")) == {"compiler.kinds", "compiler.schedule"}
    assert {"_core._memory", "_core._ops", "compiler.tape"} <= set(imports_of("compiler.schedule"))
    assert {"_core._ops", "_core._team", "_core._memory"} == set(imports_of("_core._program"))
    assert "callbacks.__init__" in imports_of("model")
    assert "utils" in imports_of("losses")


def test_every_op_that_is_recorded_has_a_row_in_the_table_of_kinds_and_every_row_is_recorded():
    texts = [path.read_text() for path in (PACKAGE / "compiler").glob("*.py")]
    recorded = {name for text in texts for name in re.findall(r'\b(?:emit|Op)\(\s*"(\w+)"', text)}
    assert recorded | set(schedule.PARTIAL.values()) == set(KINDS)


@pytest.mark.parametrize("module", MODULES)
def test_the_first_line_says_the_floor(module):
    assert first_line(path_of(module)).startswith(f"Floor {FLOOR[module]}. ")


@pytest.mark.parametrize("path", sorted((ROOT / "csrc").iterdir()), ids=lambda path: path.name)
def test_the_first_line_of_a_kernel_file_says_floor_0(path):
    assert first_line(path).startswith("Floor 0. ")


HEADERS = {"assert", "stddef", "stdint", "string", "math", "immintrin", "arm_neon"}


def test_kernels_know_nothing_of_python_threads_or_the_heap():
    for path in (ROOT / "csrc").iterdir():
        text = re.sub(r"//.*", "", path.read_text())
        assert not re.search(r"#pragma omp|\b(malloc|calloc|realloc|free|alloca|exit|printf)\s*\(", text)
        assert set(re.findall(r"#include <(.+?)\.h>", text)) <= HEADERS


def test_only_one_file_of_the_kernels_asks_which_isa_it_is():
    asking = [p.name for p in (ROOT / "csrc").iterdir() if re.search(r"defined\(__(AVX|SSE|ARM)", p.read_text())]
    assert asking == ["fbp_simd.h"]


EXTRAS = {"scipy", "sklearn", "matplotlib", "pooch", "pandas", "pyarrow", "torch", "jax", "mpi4py", "onnx"}
LATER = {"rich", "threadpoolctl", "safetensors"}


@pytest.mark.parametrize("use", ["pass", "fb.Sequential; fb.ops; fb.layers; fb.optimizers; fb.callbacks; fb.datasets"])
def test_import_fastbp_loads_no_extra_and_nothing_that_is_only_used_later(use, tmp_path):
    code = (
        f"import sys, fastbp as fb\n{use}\nprint(sorted({{n.split('.')[0] for n in sys.modules}} & {EXTRAS | LATER!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def sources():
    folders = [ROOT / "csrc", PACKAGE, ROOT / "bench", ROOT / "examples"]
    kinds = {".py", ".pyx", ".pxd", ".pyi", ".c", ".h"}
    found = [p for folder in folders for p in folder.rglob("*") if p.suffix in kinds]
    return [*found, ROOT / "setup.py", ROOT / "pyproject.toml"]


def code_of(path):
    """The text without comments, where words may be spoken of that must not be used."""
    return re.sub(r"(#(?!include|define|if|pragma)|//).*", "", path.read_text())


@pytest.mark.parametrize(
    "never",
    ["march=native", "mtune=native", "ffast-math", "Ofast", "funsafe-math", "ffp-contract=fast", r"\bpickle\b"],
)
def test_never_in_the_source(never):
    allowed = r"allow_pickle=False"
    guilty = [str(p) for p in sources() if re.search(never, code_of(p).replace(allowed, ""))]
    assert not guilty


def test_no_file_is_loaded_in_a_way_that_could_run_code():
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                assert name not in ("eval", "exec", "pickle.load", "pickle.loads", "marshal.loads"), path
                if name == "np.load":
                    assert "allow_pickle=False" in ast.unparse(node), path
