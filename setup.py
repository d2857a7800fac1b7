"""The build: C kernels once per ISA, then the Cython modules of floor 1. Everything else is in pyproject.toml.

FASTBP_DEBUG=1 builds with assertions, bounds checks and symbols.
"""

import os
import platform
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError, LinkError

DEBUG = os.environ.get("FASTBP_DEBUG", "0") not in ("", "0")
CORE = Path("src/fastbp/_core")
COMPILED = [*sorted(CORE.glob("*.pyx")), *sorted(Path("src/fastbp/ops").glob("*.pyx"))]
SOURCES = Path("csrc")

# No -march=native, no -ffast-math: the same wheel, hence the same bits, everywhere. Contraction is off because fused
# multiply-adds are written out (vfma); the compiler must not choose where else to round once.
C_FLAGS = ["-std=gnu11", "-fPIC", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra"]
C_FLAGS += ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-g0", "-DNDEBUG"]

# (identifier, name, flags, vector bytes), from the plainest to the best. TEST_ISAS are never chosen on their own.
if platform.machine() in ("x86_64", "AMD64"):
    ISAS = [
        ("x86_64", "x86-64", ["-march=x86-64"], 16),
        ("x86_64_v3", "x86-64-v3", ["-march=x86-64-v3"], 32),
        ("x86_64_v4", "x86-64-v4", ["-march=x86-64-v4", "-mprefer-vector-width=512"], 64),
    ]
    TEST_ISAS = [("x86_64_v3_wide", "x86-64-v3-wide", ["-march=x86-64-v3", "-O1"], 64)]
elif platform.machine() in ("aarch64", "arm64"):
    ISAS, TEST_ISAS = [("neon", "neon", [], 16)], []
else:
    ISAS, TEST_ISAS = [("generic", "generic", [], 16)], []


def rows(isas):
    """The ISAs as a C macro: ROW(identifier, "name") each."""
    return " ".join(f'ROW({identifier}, "{name}")' for identifier, name, _, _ in isas)


class BuildKernels(build_ext):
    """Compiles csrc/kernels.c once per ISA and links the objects into fastbp._core._kernels."""

    def build_extensions(self):
        openmp = self.openmp_flags()
        for extension in self.extensions:
            extension.extra_compile_args += [*C_FLAGS, *openmp, "-pthread", "-Wno-unused-function"]
            extension.extra_link_args += [*openmp, "-pthread"]
        kernels = next(e for e in self.extensions if e.name.endswith("_kernels"))
        kernels.extra_objects += self.kernel_objects()
        super().build_extensions()

    def kernel_objects(self):
        lists = [("FBP_ISA_LIST", rows(ISAS)), ("FBP_TEST_ISA_LIST", rows(TEST_ISAS))]
        sources = [str(SOURCES / "dispatch.c"), str(SOURCES / "names.c")]
        objects = self.compiler.compile(sources, output_dir=self.build_temp, macros=lists, extra_postargs=C_FLAGS)
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # a compiler for each ISA, side by side
            return sum(pool.map(self.objects_of_isa, ISAS + TEST_ISAS), objects)

    def objects_of_isa(self, isa):
        identifier, name, flags, width = isa
        return self.compiler.compile(
            [str(SOURCES / "kernels.c")],
            output_dir=os.path.join(self.build_temp, identifier),
            macros=[("FBP_ISA", identifier), ("FBP_ISA_NAME", f'"{name}"'), ("FBP_VECTOR_BYTES", str(width))],
            include_dirs=[str(SOURCES)],
            extra_postargs=[*C_FLAGS, "-Wno-psabi", *flags],
        )

    def openmp_flags(self):
        """The flags of OpenMP if the compiler can build with them, else none and a warning."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "openmp.c")
            source.write_text("#include <omp.h>\nint main(void) { return omp_get_max_threads() < 1; }\n")
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=["-fopenmp"])
                self.compiler.link_executable(objects, str(Path(folder, "openmp")), extra_postargs=["-fopenmp"])
            except (CompileError, LinkError):
                self.warn("OpenMP was not found: fastbp is built for one thread")
                return []
        return ["-fopenmp"]


extensions = [
    Extension(
        ".".join(path.with_suffix("").parts[1:]),
        [str(path)],
        include_dirs=[str(SOURCES), str(CORE), numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
        depends=[str(path) for folder in (SOURCES, CORE) for path in sorted(folder.glob("*.[ch]"))],
    )
    for path in COMPILED
]
if not extensions:
    raise SystemExit(f"expected the Cython sources in {CORE}, found none: this source tree is incomplete")

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "freethreading_compatible": False,
            "boundscheck": DEBUG,
            "wraparound": False,
            "initializedcheck": DEBUG,
            "cdivision": True,
        },
    ),
    cmdclass={"build_ext": BuildKernels},
)
