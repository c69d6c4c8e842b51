"""The suite: `python -m benchmarks` lists it, `python -m benchmarks NAME ...` runs one of it.

The same as `python -m benchmarks.NAME ...`; `python -m benchmarks NAME --help` says what there is to choose.
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

SUITE = (
    "throughput", "plain_nest", "published_genn", "brian", "own", "own_simulation", "time_to_solution",
    "bandwidth", "gpu", "kernels", "host", "batch", "realtime", "larva", "schmitt2023", "samplers",
    "recovery", "posterior", "posterior_engines", "statistics", "recordings", "validation", "confirmation",
    "hardening", "faults",
)  # fmt: skip
SHORT = {"plain": "plain_nest", "published": "published_genn", "time-to-solution": "time_to_solution"}


def summary(name: str) -> str:
    """The first sentence of a benchmark's docstring, read without importing it."""
    source = Path(__file__).with_name(f"{name}.py").read_text()
    text = " ".join((ast.get_docstring(ast.parse(source)) or "").split("\n\n")[0].split())
    return text.partition(". ")[0].rstrip(".:")


def main() -> None:
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print("python -m benchmarks NAME [OPTIONS]; --help after NAME says which options\n")
        for name in SUITE:
            print(f"  {name:18} {summary(name)}")
        return
    name = SHORT.get(arguments[0], arguments[0].replace("-", "_"))
    if name not in SUITE:
        raise SystemExit(f"there is no benchmark '{arguments[0]}': {', '.join(SUITE)}")
    sys.argv = [f"python -m benchmarks {arguments[0]}", *arguments[1:]]
    importlib.import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
