"""What the bits of kernels depend on: the compiler that makes them and the processor they are for."""

from __future__ import annotations

import hashlib

from denpa.errors import installed_version as version, require


def about() -> dict[str, str]:
    """compiler: numba and llvmlite with their versions; processor: its name to LLVM and a digest of its features."""
    llvm = require("llvmlite.binding", for_="the native engine", extra="native")
    names = llvm.get_host_cpu_features().flatten().split(",")
    features = sorted(name[1:] for name in names if name.startswith("+"))
    digest = hashlib.sha256(" ".join(features).encode()).hexdigest()[:8]
    return {
        "compiler": f"numba {version('numba')}, llvmlite {version('llvmlite')}",
        "processor": f"{llvm.get_host_cpu_name()} with {len(features)} features ({digest})",
    }
