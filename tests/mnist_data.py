"""Whether the real MNIST is at hand: tests that read it are skipped where FASTBP_DATA_DIR has none."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("FASTBP_DATA_DIR") or "/nowhere")
FOUND = any((folder / "train-images-idx3-ubyte.gz").is_file() for folder in (FOLDER, FOLDER / "mnist"))
needs_mnist = pytest.mark.skipif(not FOUND, reason="no MNIST in FASTBP_DATA_DIR")
