# Floor 1. An op that calls Python: how layers and losses that a user wrote take part in a program.
#
# Design
# (a) One thread of the run takes the GIL and calls; the caller of the run has let go of it, so this cannot be a deadlock.
#     The others do what else the phase has, and wait for its end as for any other.
# (b) An exception goes to where the share says; the program ends the run and raises it.

from cpython.ref cimport Py_INCREF, PyObject

from ._ops cimport *


cdef struct Call:
    PyObject* function            # takes the rows of the batch


cdef void call(const void* args, const Share* share) noexcept nogil:
    if share.index == 0 and not share.error[0]:
        with gil:
            call_python(<const Call*> args, share)


cdef void call_python(const Call* p, const Share* share) noexcept:
    try:
        (<object> p.function)(share.rows)
    except BaseException as error:
        Py_INCREF(error)
        share.error[0] = <PyObject*> error


cdef class Python(Op):
    """function(rows), once a step, while it holds the GIL."""

    cdef Call p

    def __init__(self, function not None):
        self.by_rows = False
        self.fn, self.args = call, &self.p
        self.arrays = function
        self.p.function = <PyObject*> function
