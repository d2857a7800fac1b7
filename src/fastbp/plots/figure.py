"""Floor 4. Figures: made without pyplot, so that no window opens, no global state changes, and any thread may draw."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from fastbp.utils import check_writable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    FilePath = str | os.PathLike[str]


def check_path(path: FilePath) -> None:
    """Raise now what saving a figure to `path` would raise later: for programs that compute for long before they draw.

    Parameters
    ----------
    path : path-like
        Where a figure will be written.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If matplotlib cannot write files with this suffix.
    OSError
        If the folder does not exist or is not writable, or `path` is a folder.

    Examples
    --------
    >>> check_path("curves.docx")
    Traceback (most recent call last):
        ...
    ValueError: curves.docx: expected a picture file (.png, .svg, .pdf, ...), got '.docx'
    """
    path = Path(path)
    known = new_figure(1, 1).canvas.get_supported_filetypes()
    if path.suffix.lower().lstrip(".") not in known:
        raise ValueError(f"{path}: expected a picture file (.png, .svg, .pdf, ...), got {path.suffix or 'no suffix'!r}")
    check_writable(path)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of that size in inches, or an error that says what to install."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("plots need matplotlib: pip install 'fastbp[plot]'") from None
    return Figure(figsize=(width, height), layout="constrained")


def saved(figure: Figure, path: FilePath | None) -> Figure:
    """The figure, written to a file if one is named."""
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure
