# Floor 1. The C interface of floor 0, as Cython sees it.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t

cdef extern from "fbp_kernels.h" nogil:
    ctypedef Py_ssize_t fbp_size

    ctypedef enum fbp_dtype:
        FBP_F32
        FBP_F64
        FBP_U8
        FBP_I32
        FBP_U16

    ctypedef int fbp_activation
    ctypedef int fbp_function
    ctypedef int fbp_loss_kind
    ctypedef int fbp_metric_kind
    ctypedef int fbp_tally_kind
    ctypedef int fbp_update_kind
    ctypedef int fbp_vector_kind

    const char* const fbp_activation_names[]
    const char* const fbp_function_names[]
    const char* const fbp_loss_names[]
    const char* const fbp_metric_names[]
    const char* const fbp_tally_names[]
    const char* const fbp_update_names[]
    const char* const fbp_vector_names[]
    const int fbp_activation_saves_input[]

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

    ctypedef struct fbp_column_forward:
        const void* bias
        fbp_activation_forward forward

    ctypedef struct fbp_activation_backward:
        const void* saved
        fbp_size stride
        fbp_activation activation
        double alpha

    ctypedef struct fbp_update:
        fbp_update_kind kind
        void* weight
        void* state[3]
        fbp_size stride
        double rate, gradient_rate, correction, shrink
        double scale, keep, overwrite
        double multiplier
        double momentum, decay, epsilon
        double l1, l2, clip
        void* average
        int options

    ctypedef struct fbp_vector:
        fbp_vector_kind kind
        const void* other
        fbp_size stride
        double a, b

    ctypedef struct fbp_limit:
        void* weight
        fbp_size length, line_step, step
        double low, high, rate

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
        double scale, alpha, smoothing, limit
        const void* weight
        const void* variance
        void* variance_gradient
        fbp_size variance_stride, variance_gradient_stride

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
        const void* weight

    ctypedef struct fbp_tally:
        fbp_tally_kind kind
        fbp_size rows, cols
        const void* prediction
        fbp_size prediction_stride
        const void* target
        fbp_size target_stride
        const int32_t* labels
        const void* weight
        fbp_size steps
        const double* thresholds
        double* sums

    ctypedef struct fbp_norm:
        fbp_size rows, groups, channels, span
        const void* x
        fbp_size x_stride
        const void* dy
        fbp_size dy_stride
        const void* gamma
        const void* beta
        void* mean
        void* rstd
        void* running_mean
        void* running_variance
        void* sums
        fbp_size sums_stride, block
        const void* first
        void* y
        fbp_size y_stride
        void* dgamma
        void* dbeta
        int centered
        int streams
        double epsilon, momentum

    ctypedef struct fbp_random:
        uint64_t seed
        uint64_t counter[2]
        uint32_t word

    ctypedef struct fbp_dropout:
        fbp_random from_ "from"
        fbp_size row_length
        uint32_t threshold
        double scale, shift, fill

    ctypedef struct fbp_noise:
        fbp_random from_ "from"
        fbp_size row_length
        double stddev
        int multiplies

    ctypedef struct fbp_gather:
        fbp_dtype src_dtype
        const void* src
        fbp_size src_rows, src_rs, src_cs
        const int64_t* index
        const int64_t* starts
        const int32_t* columns
        fbp_size first_column
        fbp_size rows, cols
        void* dst
        fbp_size dst_stride
        double scale
        const void* scales
        const void* shifts

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
        fbp_block_fn column_forward
        fbp_block_fn activation_backward
        fbp_block_fn function
        fbp_block_fn update
        fbp_block_fn update_prefetch
        fbp_block_fn vector_map
        double (*sum_of_squares)(fbp_size n, const void* x) noexcept nogil
        double (*sum_of_absolutes)(fbp_size n, const void* x) noexcept nogil
        void (*limit_norms)(const fbp_limit* args, fbp_size line_begin, fbp_size line_end) noexcept nogil
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
        void (*tally)(const fbp_tally* args) noexcept nogil
        void (*add)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, const void* y, fbp_size y_stride,
                    void* out, fbp_size out_stride) noexcept nogil
        void (*column_sum)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, void* out) noexcept nogil
        double (*sum)(fbp_size n, const void* x) noexcept nogil
        void (*row_sum)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, void* out) noexcept nogil
        void (*logsumexp)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, void* out) noexcept nogil
        void (*argmax)(fbp_size rows, fbp_size cols, const void* x, fbp_size x_stride, void* out) noexcept nogil
        void (*stream)(fbp_size n, const void* x, void* out) noexcept nogil
        void (*stream_end)() noexcept nogil
        void (*gather)(const fbp_gather* args) noexcept nogil
        void (*gather_indices)(const fbp_gather* args) noexcept nogil
        void (*gather_sparse)(const fbp_gather* args) noexcept nogil
        void (*batch_sums)(const fbp_norm* args) noexcept nogil
        void (*batch_moments)(const fbp_norm* args) noexcept nogil
        void (*running_factors)(const fbp_norm* args) noexcept nogil
        void (*batch_apply)(const fbp_norm* args) noexcept nogil
        void (*batch_gradient_sums)(const fbp_norm* args) noexcept nogil
        void (*batch_gradient_factors)(const fbp_norm* args) noexcept nogil
        void (*batch_gradient_apply)(const fbp_norm* args) noexcept nogil
        void (*group_norm)(const fbp_norm* args) noexcept nogil
        void (*group_norm_backward)(const fbp_norm* args) noexcept nogil
        fbp_block_fn dropout
        fbp_block_fn noise
        void (*random_bits)(const fbp_random* place, fbp_size begin, fbp_size n, uint32_t* out) noexcept nogil
        double (*fma_chains)(fbp_size iterations) noexcept nogil

    int fbp_isa_count()
    const char* fbp_isa_name(int isa)
    int fbp_isa_supported(int isa)
    int fbp_isa_best()
    const fbp_kernels* fbp_isa_kernels(int isa, fbp_dtype real_type)
    const char* fbp_compiler()

cdef const fbp_kernels* kernels_of(int real_type) noexcept nogil
