"""Floor 1. Typed Cython over the C kernels: threads, memory, ops and the program that runs them."""
