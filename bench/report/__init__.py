"""Results kept as JSON, and the page and pictures made from them: docs/performance.md and the folder beside it.

Every part has its own date, machine and peak, so a part can be measured again alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, FOLDER = DOCS / "performance.md", DOCS / "performance"
RESULTS = FOLDER / "results.json"


def kept() -> dict[str, Any]:
    """Results by part, as they were last kept."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def keep(part: str, result: dict[str, Any]) -> None:
    """Put the result of a part in place of the one before."""
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(rounded(kept() | {part: result}), indent=1, sort_keys=True, ensure_ascii=False)
    RESULTS.write_text(text + "\n", encoding="utf-8")


def rounded(value: Any) -> Any:
    """With numbers to five digits: no measurement here has more."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def render() -> None:
    """Write the page and its pictures."""
    from . import page, pictures

    results = kept()
    pictures.draw(results, FOLDER)
    PAGE.write_text(page.text(results), encoding="utf-8")
