# Floor 1. The table of kernels in use.
#
# Design
# (a) The C objects of every ISA are linked into this module alone; the others reach them through kernels_of(), so there
#     is one copy and one choice in a process.
# (b) The choice is made once, at import: the best ISA this CPU has, or the one FASTBP_ISA names. An override that the
#     CPU cannot run is an error here, not an illegal instruction later.
# (c) The families of kernels (activations, losses, metrics, updates) are listed in C; the names come from there.

import os

cdef int _isa = -1


def isa_available():
    """Names of the ISAs that were compiled in and that this CPU can run."""
    return [fbp_isa_name(i).decode() for i in range(fbp_isa_count()) if fbp_isa_supported(i)]


def isa():
    """Name of the ISA in use."""
    return fbp_isa_name(_isa).decode()


def compiler():
    """Name and version of the C compiler that built the kernels."""
    return fbp_compiler().decode()


cdef const fbp_kernels* kernels_of(int real_type) noexcept nogil:
    return fbp_isa_kernels(_isa, <fbp_dtype> real_type)


cdef dict _numbers(const char* const* names):
    cdef int i = 0
    cdef dict numbers = {}
    while names[i] != NULL:
        numbers[names[i].decode()] = i
        i += 1
    return numbers


# The members of each family by name: their numbers.
ACTIVATIONS = _numbers(fbp_activation_names)
FUNCTIONS = _numbers(fbp_function_names)
LOSSES = _numbers(fbp_loss_names)
METRICS = _numbers(fbp_metric_names)
TALLIES = _numbers(fbp_tally_names)
UPDATES = _numbers(fbp_update_names)
VECTORS = _numbers(fbp_vector_names)
# Activations whose derivative is taken from the input.
FROM_INPUT = frozenset(name for name, i in ACTIVATIONS.items() if fbp_activation_saves_input[<int> i])


def _choose():
    global _isa
    wanted = os.environ.get("FASTBP_ISA")
    if not wanted:
        _isa = fbp_isa_best()
        return
    for i in range(fbp_isa_count()):
        if fbp_isa_name(i).decode() == wanted and fbp_isa_supported(i):
            _isa = i
            return
    raise ImportError(f"FASTBP_ISA: expected one of {', '.join(isa_available())} on this CPU, got {wanted!r}")


_choose()
