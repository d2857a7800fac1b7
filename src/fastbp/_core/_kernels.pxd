# Floor 1. The C interface of floor 0, as Cython sees it.

from libc.stdint cimport int32_t, int64_t

cdef extern from "fbp_kernels.h" nogil:
    ctypedef Py_ssize_t fbp_size

    ctypedef enum fbp_dtype:
        FBP_F32
        FBP_F64
        FBP_U8
        FBP_I32

    ctypedef int fbp_activation
    ctypedef int fbp_function
    ctypedef int fbp_loss_kind
    ctypedef int fbp_metric_kind
    ctypedef int fbp_update_kind

    const char* const fbp_activation_names[]
    const char* const fbp_function_names[]
    const char* const fbp_loss_names[]
    const char* const fbp_metric_names[]
    const char* const fbp_update_names[]
    const int fbp_activation_saves_input[]
    const int fbp_update_states[]

    ctypedef void (*fbp_block_fn)(const void* args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols,
                                  const void* src, fbp_size src_stride, void* dst, fbp_size dst_stride) noexcept nogil

    ctypedef void (*fbp_softmax_fn)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, void* y,
                                    fbp_size y_stride) noexcept nogil
    ctypedef void (*fbp_softmax_backward_fn)(fbp_size rows, fbp_size cols, const void* dy, fbp_size dy_stride,
                                             const void* y, fbp_size y_stride, void* dx,
                                             fbp_size dx_stride) noexcept nogil

    ctypedef struct fbp_gemm:
        fbp_size m, n, k
        const void* a
        fbp_size a_rs, a_cs
        const void* b
        fbp_size b_rs, b_cs
        const void* start
        void* c
        fbp_size c_rs
        fbp_block_fn finish
        fbp_block_fn prefetch
        const void* finish_args

    ctypedef struct fbp_activation_forward:
        fbp_activation activation
        double alpha

    ctypedef struct fbp_activation_backward:
        const void* saved
        fbp_size stride
        fbp_activation activation
        double alpha

    ctypedef struct fbp_update:
        fbp_update_kind kind
        void* weight
        void* state[2]
        fbp_size stride
        double rate, momentum, decay, epsilon

    ctypedef struct fbp_loss:
        fbp_loss_kind kind
        fbp_size rows, cols
        const void* prediction
        fbp_size prediction_stride
        const void* target
        fbp_size target_stride
        const int32_t* labels
        void* value
        void* gradient
        fbp_size gradient_stride
        double scale

    ctypedef struct fbp_metric:
        fbp_metric_kind kind
        fbp_size rows, cols
        const void* prediction
        fbp_size prediction_stride
        const void* target
        fbp_size target_stride
        const int32_t* labels
        void* value
        double threshold

    ctypedef struct fbp_gather:
        fbp_dtype src_dtype
        const void* src
        fbp_size src_rows, src_rs, src_cs
        const int64_t* index
        fbp_size rows, cols
        void* dst
        fbp_size dst_stride
        double scale

    ctypedef struct fbp_kernels:
        const char* isa
        fbp_size vector_bytes
        fbp_size gemm_rows
        fbp_size gemm_direct
        fbp_size gemm_depth
        void (*gemm)(const fbp_gemm* g, fbp_size row_begin, fbp_size row_end, fbp_size col_begin, fbp_size col_end,
                     void* scratch) noexcept nogil
        fbp_size (*gemm_scratch)(fbp_size m, fbp_size n, fbp_size k) noexcept nogil
        fbp_block_fn activation_forward
        fbp_block_fn activation_backward
        fbp_block_fn function
        fbp_block_fn update
        fbp_block_fn update_prefetch
        fbp_softmax_fn softmax
        fbp_softmax_backward_fn softmax_backward
        fbp_softmax_fn log_softmax
        fbp_softmax_backward_fn log_softmax_backward
        fbp_softmax_fn softmax_columns
        fbp_softmax_backward_fn softmax_columns_backward
        fbp_softmax_fn log_softmax_columns
        fbp_softmax_backward_fn log_softmax_columns_backward
        void (*prelu)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, const void* slope,
                      fbp_size slope_step, void* y, fbp_size y_stride) noexcept nogil
        void (*prelu_backward)(fbp_size rows, fbp_size cols, const void* dy, fbp_size dy_stride, const void* x,
                               fbp_size x_stride, const void* slope, fbp_size slope_step, void* dx, fbp_size dx_stride,
                               void* dslope) noexcept nogil
        void (*loss)(const fbp_loss* args) noexcept nogil
        void (*metric)(const fbp_metric* args) noexcept nogil
        void (*add)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, const void* y, fbp_size y_stride,
                    void* out, fbp_size out_stride) noexcept nogil
        void (*column_sum)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, void* out) noexcept nogil
        double (*sum)(fbp_size n, const void* x) noexcept nogil
        void (*stream)(fbp_size n, const void* x, void* out) noexcept nogil
        void (*gather)(const fbp_gather* args) noexcept nogil
        void (*gather_labels)(const fbp_gather* args) noexcept nogil
        double (*fma_chains)(fbp_size iterations) noexcept nogil

    int fbp_isa_count()
    const char* fbp_isa_name(int isa)
    int fbp_isa_supported(int isa)
    int fbp_isa_best()
    const fbp_kernels* fbp_isa_kernels(int isa, fbp_dtype real_type)
    const char* fbp_compiler()

cdef const fbp_kernels* kernels_of(int real_type) noexcept nogil
