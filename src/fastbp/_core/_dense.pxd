# Floor 1. How a parameter changes, for all ops that make a gradient. See _dense.pyx for the design.

from ._kernels cimport fbp_kernels, fbp_update
from ._ops cimport Share

cdef class Rule:
    cdef fbp_update update
    cdef const fbp_kernels* kernels
    cdef readonly object arrays
    cdef bint keeps_untouched     # a gradient of zero changes nothing

# The numbers that change from step to step. Those of the rule stay where the step has none but its size.
cdef inline void set_step(fbp_update* update, const Share* share) noexcept nogil:
    update.rate = share.rate
    if share.numbers:
        update.shrink, update.gradient_rate = share.numbers.shrink, share.numbers.gradient_rate
        update.correction = share.numbers.correction
        update.keep, update.overwrite = share.numbers.keep, share.numbers.overwrite
        update.l1 *= share.numbers.penalty
        update.l2 *= share.numbers.penalty
