"""Kernels as machine code: compiled by numba once a machine, kept as object files, loaded by llvmlite.

A kernel is a Python function of one signature, compiled alone.  Its object file is named after a digest of everything
that decides its bits (source texts, compiler version, processor), so an old file is never taken for a new kernel; the
file carries a checksum, so a damaged one is built again.  Numba (0.5 s to import) is loaded only when something is
missing; loading a kernel that is there costs about a millisecond.  A folder that cannot be written costs time only.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from denpa.durable import cache_folder
from denpa.errors import DenpaError, require

FORMAT = b"denpa kernel 1\n"
_lock = threading.RLock()


@dataclass(frozen=True)
class Kernel:
    """What to compile.  text: the source of a generated kernel; otherwise `name` is a factory in kernels.py.

    arguments: what the factory is called with (names of dtypes, numbers).
    """

    name: str
    arguments: tuple[str | int, ...] = ()
    text: str | None = None

    @property
    def title(self) -> str:
        return "_".join([self.name, *map(str, self.arguments)])


@dataclass
class Statistics:
    """What this process has done so far."""

    compiled: int = 0
    loaded: int = 0
    seconds: float = 0.0


statistics = Statistics()
watchers: list[Callable[[Kernel], None]] = []  # called before a kernel is compiled: the first use shows what it does


@cache
def _llvm() -> Any:
    llvm = require("llvmlite.binding", for_="the native engine", extra="native")
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@cache
def wide_vectors() -> bool:
    """Has the processor 512-bit vectors?"""
    return bool(_llvm().get_host_cpu_features().get("avx512f"))


@cache
def _machine() -> Any:
    llvm = _llvm()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="default",
        codemodel="jitdefault",
        jit=True,
    )


@cache
def _linker() -> Any:
    """The one place of this process where object files become code.  libm's functions are offered by name."""
    import ctypes
    import ctypes.util

    llvm = _llvm()
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    for name in LIBM:
        for full in (name, name + "f"):
            llvm.add_symbol(full, ctypes.cast(getattr(libm, full), ctypes.c_void_p).value)
    memory = ctypes.CDLL(None) if sys.platform != "win32" else ctypes.cdll.msvcrt
    for name in ("memcpy", "memset", "memmove"):
        llvm.add_symbol(name, ctypes.cast(getattr(memory, name), ctypes.c_void_p).value)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())


LIBM = (
    *("exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh", "atan", "erf", "erfc"),
    *("pow", "copysign", "fabs", "fmod", "floor", "ceil", "trunc", "fma", "log2", "exp2", "ldexp"),
)


# The modules that kernels are made of; kernels.py itself counts for the kernels written by hand only.
SOURCES = (
    *("build.py", "intrinsics.py", "vectors.py", "vecbits.py", "vecmath.py", "vecmath_tables.py"),
    *("random.py", "moving.py", "tiles.py"),
)


@cache
def _foundation() -> bytes:
    """Digest of what all kernels are built with: compiler, processor, and the modules kernels are made of."""
    llvm = _llvm()
    version = require("llvmlite", for_="the native engine", extra="native").__version__
    parts = [version, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), sys.platform]
    parts += [os.environ.get(name, "") for name in ("NUMBA_BOUNDSCHECK", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")]
    digest = hashlib.sha256("\0".join(parts).encode())
    for file in SOURCES:
        path = Path(__file__).with_name(file)
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.digest()


@cache
def _builtin_text() -> bytes:
    return Path(__file__).with_name("kernels.py").read_bytes()


def _digest(kernel: Kernel) -> str:
    digest = hashlib.sha256(_foundation())
    digest.update(repr((kernel.name, kernel.arguments)).encode())
    digest.update(_builtin_text() if kernel.text is None else kernel.text.encode())
    return digest.hexdigest()


_addresses: dict[Kernel, int] = {}


def address(kernel: Kernel) -> int:
    """Where the kernel's code is in this process, compiled or loaded when it is not there yet.  Thread-safe."""
    found = _addresses.get(kernel)
    if found is None:
        with _lock:
            found = _addresses.get(kernel) or _addresses.setdefault(kernel, _load(kernel))
    return found


@contextmanager
def asking(ask: Callable[[], None]) -> Iterator[None]:
    """In this block and thread, `ask` is called before each kernel that is compiled, and may raise to end it there.

    A first use on a machine compiles for many seconds: a signal must not wait for all of it.
    """
    thread = threading.get_ident()

    def watch(_: Kernel) -> None:
        if threading.get_ident() == thread:
            ask()

    watchers.append(watch)
    try:
        yield
    finally:
        watchers.remove(watch)


def _load(kernel: Kernel) -> int:
    start = time.perf_counter()
    digest = _digest(kernel)
    symbol = f"denpa_{digest[:32]}"
    path = cache_folder() / "kernels" / f"{digest}.o"
    code = _read(path)
    if code is None:
        for watch in watchers:
            watch(kernel)
        code, alone = _compile(kernel, symbol)
        statistics.compiled += 1
        if alone:
            _write(path, code, kernel.text)
    llvm, linker = _llvm(), _linker()
    linker.add_object_file(llvm.ObjectFileRef.from_data(code))
    linker.finalize_object()
    found = int(linker.get_function_address(symbol))
    if not found:
        raise DenpaError(f"kernel {kernel.title} could not be loaded", where=str(path), fix=f"delete {path.parent}")
    statistics.loaded += 1
    statistics.seconds += time.perf_counter() - start
    return found


def _read(path: Path) -> bytes | None:
    """The object code in a cache file that is whole and ours; None otherwise."""
    try:
        if hasattr(os, "getuid") and path.parent.stat().st_uid != os.getuid():
            return None  # code from another user's folder is not run
        content = path.read_bytes()
    except OSError:
        return None
    code = content[len(FORMAT) + 32 :]
    head = FORMAT + hashlib.sha256(code).digest()
    return code if content.startswith(head) else None


def _write(path: Path, code: bytes, text: str | None) -> None:
    """Written beside and renamed: who reads at the same time sees all of it or nothing.  Failure costs time only."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        contents = {path: FORMAT + hashlib.sha256(code).digest() + code}
        if text is not None:
            contents[path.with_suffix(".py")] = text.encode()  # for the reader; it is never imported
        for target, content in contents.items():
            handle, name = tempfile.mkstemp(dir=path.parent)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(content)
                os.replace(name, target)
            except OSError:
                os.unlink(name)
                raise
    except OSError:
        return


def _compile(kernel: Kernel, symbol: str) -> tuple[bytes, bool]:
    """Object code with one exported function of that name, and whether other processes can use it, too."""
    numba = require("numba", for_="compiling a kernel of the native engine", extra="native")
    from denpa.engine.native import intrinsics

    if kernel.text is None:
        from denpa.engine.native import kernels

        function = kernels.FACTORIES[kernel.name](*kernel.arguments)
        signature = kernels.SIGNATURES.get(kernel.name, intrinsics.SIGNATURE)
        compiled = _cfunc(numba, signature, function)
    else:
        compiled = _compile_text(kernel, numba, intrinsics)
    llvm = _llvm()
    module = llvm.parse_assembly(compiled.inspect_llvm())
    for value in (*module.functions, *module.global_variables):
        if value.name == compiled.native_name:
            value.name = symbol
        elif not value.is_declaration:
            value.linkage = "internal"  # numba's names repeat between processes; only ours is seen by other kernels
    _without_errors(llvm, module)
    missing = [f.name for f in module.functions if f.is_declaration and not _known(f.name)]
    if missing and not bounds_checked():
        raise DenpaError(f"kernel {kernel.title} calls what is not there", got=", ".join(missing))
    return bytes(_machine().emit_object(module)), not missing


def _without_errors(llvm: Any, module: Any) -> None:
    """Drop numba's error reports: kernels raise nothing, and once only one function is visible LLVM can see it."""
    passes = llvm.create_new_module_pass_manager()
    passes.add_ipsccp_pass()
    passes.add_simplify_cfg_pass()
    passes.add_global_dead_code_eliminate_pass()
    passes.add_strip_dead_prototype_pass()
    passes.run(module, llvm.create_pass_builder(_machine(), llvm.create_pipeline_tuning_options()))


def bounds_checked() -> bool:
    """Does numba check each index (NUMBA_BOUNDSCHECK=1)?  An error then calls Python and numba, so that a kernel
    which checks something is built in the process that runs it, and goes to `sys.unraisablehook`."""
    return os.environ.get("NUMBA_BOUNDSCHECK", "0") not in ("", "0")


def _known(name: str) -> bool:
    base = name.removesuffix("f")
    return name.startswith("llvm.") or base in LIBM or name in LIBM or name in ("memcpy", "memset", "memmove")


def _cfunc(numba: Any, signature: Any, function: Callable[..., Any]) -> Any:
    # error_model="numpy": the check for a division by zero would stop LLVM from vectorising.  "contract" allows a fused
    # multiply-add, which is more exact; nothing that would change NaN, inf or the order of operations is allowed here.
    return numba.cfunc(signature, error_model="numpy", fastmath={"contract"})(function)


def _compile_text(kernel: Kernel, numba: Any, intrinsics: Any) -> Any:
    """A generated kernel goes through a file of its own in a private folder: numba compiles functions of files."""
    import importlib.util

    with tempfile.TemporaryDirectory(prefix="denpa-") as folder:  # mode 0700
        path = Path(folder, "generated.py")
        path.write_text(kernel.text or "", encoding="utf-8")
        spec = importlib.util.spec_from_file_location("denpa_generated", path)
        if spec is None or spec.loader is None:
            raise DenpaError("a generated kernel cannot be read back", where=str(path))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        compiled = _cfunc(numba, intrinsics.SIGNATURE, module.kernel)
        compiled.inspect_llvm()
        return compiled
