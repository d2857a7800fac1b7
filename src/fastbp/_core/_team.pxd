# Floor 1. Running one function on a team of threads.

cdef extern from "threads.h" nogil:
    ctypedef struct fbp_counter:
        pass
    unsigned long long fbp_read(const fbp_counter* c)
    void fbp_write(fbp_counter* c, unsigned long long v)
    unsigned long long fbp_add_one(fbp_counter* c)
    int fbp_swap_if(fbp_counter* c, unsigned long long expected, unsigned long long desired)
    void fbp_pause()
    void fbp_yield()
    double fbp_seconds()
    ctypedef struct fbp_float_mode:
        pass
    fbp_float_mode fbp_current_mode()
    fbp_float_mode fbp_flushing(fbp_float_mode mode)
    void fbp_set_mode(fbp_float_mode mode)
    int omp_get_max_threads()
    int FBP_HAS_OPENMP

# Run by the caller, rank 0, and by those of `size` - 1 other threads that come in time, each with its rank.
ctypedef void (*TeamFn)(void* context, int rank) noexcept nogil

cdef int team_size() noexcept nogil
cdef int enter_team(int wanted) noexcept nogil
cdef void leave_team() noexcept nogil
cdef void run_team(TeamFn body, void* context, int size) noexcept nogil
