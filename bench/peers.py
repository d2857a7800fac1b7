"""The benchmark: fastbp against NumPy, PyTorch, JAX and scikit-learn, in one run, part by part.

    python bench/peers.py                     everything, printed as it comes
    python bench/peers.py headline predict    these parts alone
    python bench/peers.py --write             also into docs/performance.md, its pictures and results.json
    python bench/peers.py --quick             a smoke run: do all parts still work?  Its figures mean little

MNIST is taken from the folder that FASTBP_DATA_DIR names, or downloaded.  The extra `bench` has what is needed; a peer
that is not installed is left out.  How it measures is said in docs/performance.md and in the modules under parts/.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from datetime import UTC, datetime

import report
from parts import PARTS, Run, part
from report import tables
from report.machine import describe


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--threads", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="a smoke run")
    parser.add_argument("--write", action="store_true", help="keep the results, and renew the page and its pictures")
    parser.add_argument("--render", action="store_true", help="measure nothing; renew them from the results kept")
    args = parser.parse_args()
    if unknown := set(args.parts) - set(PARTS):
        parser.error(f"expected parts among {', '.join(PARTS)}, got {', '.join(sorted(unknown))}")
    if args.threads < 1:
        parser.error(f"expected at least one thread, got {args.threads}")
    run, failed = Run(args.threads, args.quick), False
    for name in [] if args.render else args.parts or PARTS:
        try:
            result = part(name)(run)
        except Exception:  # a part that fails must not cost us the others
            failed = True
            print(f"{name} failed:", traceback.format_exc(), sep="\n", file=sys.stderr)
            continue
        result |= {"date": f"{datetime.now(UTC):%Y-%m-%d}", "threads": run.threads, "quick": run.quick}
        result = json.loads(json.dumps(result | {"machine": describe()}))  # as it will be read again
        print(f"\n## {name}\n", *tables.lines(name, result), sep="\n", flush=True)
        if args.write:
            report.keep(name, result)
    if args.write or args.render:
        report.render()
    return failed


if __name__ == "__main__":
    sys.exit(main())
