"""The judge of other people's code: layers, functions and their derivatives, autograd functions, primitives."""
