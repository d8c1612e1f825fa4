"""What kernels need beyond plain Python: views of memory, calls through an address, selection without a branch."""

from __future__ import annotations

from typing import Any

from denpa.errors import require

numba = require("numba", for_="compiling a kernel of the native engine", extra="native")
ir = require("llvmlite.ir", for_="compiling a kernel of the native engine", extra="native")
arrayobj = require("numba.np.arrayobj", for_="compiling a kernel of the native engine", extra="native")
cgutils = require("numba.core.cgutils", for_="compiling a kernel of the native engine", extra="native")
extending = require("numba.extending", for_="compiling a kernel of the native engine", extra="native")

types = numba.types
float32, float64 = types.float32, types.float64
int32, int64, uint8, uint64 = types.int32, types.int64, types.uint8, types.uint64
POINTER = types.CPointer(types.int64)
CONSTANTS = types.CPointer(types.float64)
POINTERS = 40  # arrays of a generated loop, scalars included
SIGNATURE = types.void(types.int64, POINTER, CONSTANTS)  # arena, instruction, constants
CODES = {"float32": float32, "float64": float64, "int64": int64, "int32": int32, "bool": uint8, "uint8": uint8}
CODES |= {"uint64": uint64}


@extending.intrinsic
def view(context: Any, address: Any, n: Any, dtype: Any) -> Any:
    """n contiguous elements at an address, as an array that knows its bounds."""
    array = types.Array(dtype.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        made = context.make_array(array)(context, builder)
        size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(array.dtype)))
        pointer = builder.inttoptr(arguments[0], context.get_data_type(array.dtype).as_pointer())
        arrayobj.populate_array(made, data=pointer, shape=[arguments[1]], strides=[size], itemsize=size, meminfo=None)
        return made._getvalue()

    return array(types.int64, types.int64, dtype), generate


def _scoped(builder: Any, instruction: Any, scope: int) -> None:
    """Tell LLVM that arrays of different numbers never overlap, as the planner has proved: no checks while it runs."""
    module = builder.module
    domain = module.add_metadata([ir.MetaDataString(module, "denpa")])
    scopes = [module.add_metadata([ir.MetaDataString(module, f"p{i}"), domain]) for i in range(POINTERS)]
    instruction.set_metadata("alias.scope", module.add_metadata([scopes[scope]]))
    instruction.set_metadata("noalias", module.add_metadata([s for i, s in enumerate(scopes) if i != scope]))


def _element(context: Any, builder: Any, address: Any, index: Any, dtype: Any) -> Any:
    start = builder.inttoptr(address, context.get_data_type(dtype).as_pointer())
    return builder.gep(start, [index], inbounds=True)


@extending.intrinsic(prefer_literal=True)
def load(context: Any, address: Any, index: Any, dtype: Any, scope: Any) -> Any:
    """Element `index` of the loop's array number `scope`, which starts at that address."""
    kind, number = dtype.dtype, scope.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.load(_element(context, builder, arguments[0], arguments[1], kind))
        _scoped(builder, found, number)
        return found

    return kind(types.int64, types.int64, dtype, scope), generate


@extending.intrinsic(prefer_literal=True)
def put(context: Any, address: Any, index: Any, value: Any, scope: Any) -> Any:
    """Write element `index` of the loop's array number `scope`."""
    kind, number = types.unliteral(value), scope.literal_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _element(context, builder, arguments[0], arguments[1], kind)
        _scoped(builder, builder.store(arguments[2], place), number)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, kind, scope), generate


@extending.intrinsic
def pointer(context: Any, address: Any) -> Any:
    """The int64 numbers at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())

    return POINTER(types.int64), generate


@extending.intrinsic
def number_of(context: Any, numbers: Any) -> Any:
    """The address of int64 numbers."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ptrtoint(arguments[0], ir.IntType(64))

    return types.int64(POINTER), generate


@extending.intrinsic
def advance(context: Any, numbers: Any, count: Any) -> Any:
    """The int64 numbers from the count-th on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return POINTER(POINTER, types.int64), generate


@extending.intrinsic
def call(context: Any, address: Any, arena: Any, code: Any, constants: Any) -> Any:
    """Run the kernel at that address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [a.type for a in arguments[1:]])
        builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, POINTER, CONSTANTS), generate


@extending.intrinsic
def atomic_read(context: Any, address: Any) -> Any:
    """An int64 that other threads write."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), generate


@extending.intrinsic
def atomic_write(context: Any, address: Any, value: Any) -> Any:
    """Write an int64 that other threads read, after everything written before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        builder.store_atomic(arguments[1], place, "seq_cst", 8)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@extending.intrinsic
def atomic_add(context: Any, address: Any, value: Any) -> Any:
    """Add to an int64; returns what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.atomic_rmw(
            "add", builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()), arguments[1], "seq_cst"
        )

    return types.int64(types.int64, types.int64), generate


@extending.intrinsic
def atomic_swap(context: Any, address: Any, old: Any, new: Any) -> Any:
    """Write `new` if `old` is there; returns whether it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
        result = builder.cmpxchg(place, arguments[1], arguments[2], "seq_cst")
        return builder.extract_value(result, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@extending.intrinsic
def rest(context: Any, give_way: Any, spins: Any) -> Any:
    """A moment's pause in a loop that waits; now and then others run, by the function at `give_way`."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wait, n = arguments
        many = builder.icmp_unsigned("==", builder.urem(n, ir.IntType(64)(1000)), ir.IntType(64)(999))
        with cgutils.if_likely(builder, builder.not_(many)):
            if ir_triple().startswith("x86"):
                kind = ir.FunctionType(ir.VoidType(), [])
                builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.sse2.pause"), [])
        with builder.if_then(many, likely=False):
            builder.call(builder.inttoptr(wait, ir.FunctionType(ir.IntType(32), []).as_pointer()), [])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


def ir_triple() -> str:
    binding = require("llvmlite.binding", for_="compiling a kernel of the native engine", extra="native")
    return str(binding.get_process_triple())


@extending.intrinsic
def select(context: Any, condition: Any, x: Any, y: Any) -> Any:
    """x if condition else y, both computed, without a branch: LLVM vectorises it, and neither side can trap."""
    if x != y:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(builder.trunc(arguments[0], ir.IntType(1)), arguments[1], arguments[2])

    return x(types.boolean, x, x), generate


@extending.intrinsic
def float_from_bits(context: Any, bits: Any, dtype: Any) -> Any:
    """The floating-point number with these bits; both of one size."""
    kind = dtype.dtype

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_data_type(kind))

    return kind({32: int32, 64: int64}[kind.bitwidth], dtype), generate


@extending.intrinsic
def cblas_gemm(
    context: Any, address: Any, flags: Any, sizes: Any, alpha: Any, a: Any, b: Any, beta: Any, c: Any
) -> Any:
    """C ← alpha·op(A)·op(B) + beta·C through the C interface of a BLAS with 64-bit integers.

    flags (order, transpose a, transpose b), sizes (m, n, k, lda, ldb, ldc); alpha decides the dtype.
    """
    if alpha not in (types.float32, types.float64):
        return None
    signature = types.void(types.int64, flags, sizes, alpha, types.int64, types.int64, alpha, types.int64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        where, flag, size, al, pa, pb, be, pc = arguments
        i32, i64 = ir.IntType(32), ir.IntType(64)
        order = [builder.trunc(builder.extract_value(flag, i), i32) for i in range(3)]
        m, n, k, lda, ldb, ldc = [builder.extract_value(size, i) for i in range(6)]
        values = [*order, m, n, k, al, pa, lda, pb, ldb, be, pc, ldc]
        kind = ir.FunctionType(ir.VoidType(), [v.type for v in values])
        assert all(v.type == i64 for v in (m, n, k, pa, pb, pc))
        builder.call(builder.inttoptr(where, kind.as_pointer()), values)
        return context.get_dummy_value()

    return signature, generate


INLINE = {"error_model": "numpy", "forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
inlined = numba.njit(**INLINE)  # a function for use in kernels only: without wrappers it compiles in half the time


@numba.njit(fastmath={"reassoc", "contract"}, **INLINE)
def plus(total: Any, x: Any) -> Any:
    """total + x in any order: the one operation whose order the compiler may change, so that sums are vectorised."""
    return total + x


@numba.njit(fastmath={"reassoc", "contract"}, **INLINE)
def plus_product(total: Any, x: Any, y: Any) -> Any:
    """total + x·y in any order."""
    return total + x * y
