"""Peak memory of `sottovoce parse` and the time from import to the first parse, both above a Python that imported numpy.

    python benchmarks/startup.py [--runs 9]

Each figure is the median over fresh processes.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

# VmHWM, not ru_maxrss: a child inherits its parent's ru_maxrss.
_PEAK = "print([line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
_NUMPY = f"import numpy; {_PEAK}"
_PARSE = f"import numpy; from sottovoce.cli import main; main(['parse', 'play some jazz', '--json']); {_PEAK}"
_TIME = """
import time, numpy
start = time.perf_counter()
import sottovoce
sottovoce.IntentParser.from_pretrained('snips-en').parse('play some jazz by miles davis')
print((time.perf_counter() - start) * 1e3)
"""


def median_of(code: str, runs: int) -> float:
    """Return the median of the number that the code's last line prints."""
    outputs = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True) for _ in range(runs)
    ]
    return statistics.median(float(output.stdout.split()[-1]) for output in outputs)


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--runs", type=int, default=9)
    runs = arguments.parse_args().runs
    memory = (median_of(_PARSE, runs) - median_of(_NUMPY, runs)) / 1024
    print(f"peak memory of `sottovoce parse` above a process that imported numpy: {memory:.1f} MB")
    print(f"import + load of snips-en + first parse, after numpy: {median_of(_TIME, runs):.1f} ms")


if __name__ == "__main__":
    main()
