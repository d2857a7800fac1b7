"""What a part was measured on, in words."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import trainers

import fastbp
from fastbp._core import _kernels


def describe() -> dict[str, str]:
    """Processor and software, {what: in words}."""
    try:
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        processor = names[0].partition(":")[2].strip()
    except (OSError, IndexError):
        processor = platform.processor() or platform.machine()
    return {
        "processor": f"{processor}, {os.cpu_count()} cores, {_kernels.isa()} in use",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "packages": ", ".join(f"{name} {number}" for name, number in software().items()),
    }


def software() -> dict[str, str]:
    """Versions of fastbp, what compiled it, and the peers."""
    return {
        "fastbp": fastbp.__version__,
        **{trainers.PEERS[name].short: number for name, number in trainers.versions().items()},
        "built with": _kernels.compiler(),
    }
