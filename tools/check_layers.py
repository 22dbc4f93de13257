#!/usr/bin/env python3
"""Check that dependencies point one way, as docs/architecture.md says: C++ includes by room, and Python imports.

Prints each violation and exits 1; also checks that ISA files include only C headers, intrinsics and their own interface.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Room -> the rooms it may include.
ROOMS: dict[str, set[str]] = {
    "base": set(),
    "kernels": {"base"},
    "artifact": {"base"},
    "audio": {"base"},
    "text": {"base"},
    "search": {"base"},
    "nn": {"base", "kernels"},
    "models": {"base", "kernels", "nn", "artifact"},
    "pipeline": {"base", "models", "nn", "artifact", "audio", "text", "search", "kernels"},
    "capi": {"base", "pipeline", "sottovoce"},
    "bindings": {"base", "kernels", "artifact", "audio", "text", "nn", "models", "search", "pipeline"},
}
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
ISA_FILE = re.compile(r"_(avx2|avx512vnni|neon|neondot)\.cc$")
C_HEADERS = {
    "assert.h",
    "float.h",
    "limits.h",
    "math.h",
    "stddef.h",
    "stdint.h",
    "string.h",
    "immintrin.h",
    "nmmintrin.h",
    "arm_neon.h",
    "arm_acle.h",
}


def check_cpp() -> list[str]:
    """Return the C++ violations."""
    problems = []
    for path in sorted((ROOT / "csrc").rglob("*")):
        if path.suffix not in {".cc", ".h", ".inc"} or "include" in path.parts:
            continue
        room = path.relative_to(ROOT / "csrc").parts[0]
        for quote, target in INCLUDE.findall(path.read_text()):
            where = f"{path.relative_to(ROOT)}: includes {target}"
            if quote == '"':
                other = target.split("/")[0]
                if other != room and other not in ROOMS[room]:
                    problems.append(f"{where}: {room} may include only {', '.join(sorted(ROOMS[room])) or 'itself'}")
            elif ISA_FILE.search(path.name) and target not in C_HEADERS:
                problems.append(f"{where}: a C++ header in an ISA file leaks its instructions into the whole program")
    return problems


def imported_modules(path: Path) -> set[str]:
    """Return the absolute names that a Python file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return names


def check_python() -> list[str]:
    """Return the Python violations: the SDK needs numpy only, and never imports the server side."""
    problems = []
    allowed = set(sys.stdlib_module_names) | {"numpy", "sottovoce"}
    for path in sorted((ROOT / "sdk" / "sottovoce").rglob("*.py")):
        if "export" in path.relative_to(ROOT / "sdk" / "sottovoce").parts:
            continue
        for name in sorted(imported_modules(path)):
            if name.split(".")[0] not in allowed or name.startswith("sottovoce.export"):
                problems.append(f"{path.relative_to(ROOT)}: imports {name}: the SDK may import numpy and itself only")
    return problems


def main() -> int:
    """Print the violations."""
    problems = check_cpp() + check_python()
    print("\n".join(problems) if problems else "layers: every dependency points one way")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
