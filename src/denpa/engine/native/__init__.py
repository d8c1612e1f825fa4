"""The native engine: a plan's instructions run by kernels compiled for this machine, thousands of steps a call.

build.py       Python function → machine code → file in the user's cache → address; each kernel alone
intrinsics.py  what kernels need beyond Python: views of memory, calls through an address, selection without a branch
kernels.py     the kernels written by hand: gather, products, losses, copies
generate.py    the kernels written by the machine: any chain of elementwise primitives, from their scalar texts
blas.py        where the matrix product of the machine's BLAS is
lower.py       a plan's tasks → numbers that kernels read
program.py     the engine
"""
