// Floor 0. One line a kernel: FBP_KERNEL(result, name, parameters). The struct fbp_kernels and the table of each ISA
// are generated from it. No include guard: it is meant to be included more than once.

FBP_KERNEL(void, gemm,
           (const fbp_gemm *g, fbp_size row_begin, fbp_size row_end, fbp_size col_begin, fbp_size col_end,
            void *scratch))
FBP_KERNEL(fbp_size, gemm_scratch, (fbp_size m, fbp_size n, fbp_size k))
FBP_KERNEL(void, activation_forward,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, column_forward,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, activation_backward,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, function,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, update,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, update_prefetch,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, vector_map,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(double, sum_of_squares, (fbp_size n, const void *x))
FBP_KERNEL(double, sum_of_absolutes, (fbp_size n, const void *x))
FBP_KERNEL(void, limit_norms, (const fbp_limit *args, fbp_size line_begin, fbp_size line_end))
FBP_KERNEL(void, softmax, (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y, fbp_size y_stride))
FBP_KERNEL(void, softmax_backward,
           (fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *y, fbp_size y_stride,
            void *dx, fbp_size dx_stride))
FBP_KERNEL(void, log_softmax,
           (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y, fbp_size y_stride))
FBP_KERNEL(void, log_softmax_backward,
           (fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *y, fbp_size y_stride,
            void *dx, fbp_size dx_stride))
FBP_KERNEL(void, softmax_columns,
           (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y, fbp_size y_stride))
FBP_KERNEL(void, softmax_columns_backward,
           (fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *y, fbp_size y_stride,
            void *dx, fbp_size dx_stride))
FBP_KERNEL(void, log_softmax_columns,
           (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *y, fbp_size y_stride))
FBP_KERNEL(void, log_softmax_columns_backward,
           (fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *y, fbp_size y_stride,
            void *dx, fbp_size dx_stride))
FBP_KERNEL(void, prelu,
           (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, const void *slope, fbp_size slope_step,
            void *y, fbp_size y_stride))
FBP_KERNEL(void, prelu_backward,
           (fbp_size rows, fbp_size cols, const void *dy, fbp_size dy_stride, const void *x, fbp_size x_stride,
            const void *slope, fbp_size slope_step, void *dx, fbp_size dx_stride, void *dslope))
FBP_KERNEL(void, loss, (const fbp_loss *args))
FBP_KERNEL(void, metric, (const fbp_metric *args))
FBP_KERNEL(void, tally, (const fbp_tally *args))
FBP_KERNEL(void, column_sum, (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *out))
FBP_KERNEL(void, add,
           (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, const void *y, fbp_size y_stride, void *out,
            fbp_size out_stride))
FBP_KERNEL(double, sum, (fbp_size n, const void *x))
FBP_KERNEL(void, row_sum, (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *out))
FBP_KERNEL(void, logsumexp, (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *out))
FBP_KERNEL(void, argmax, (fbp_size rows, fbp_size cols, const void *x, fbp_size x_stride, void *out))
FBP_KERNEL(void, stream, (fbp_size n, const void *x, void *out))
FBP_KERNEL(void, stream_end, (void))
FBP_KERNEL(void, gather, (const fbp_gather *args))
FBP_KERNEL(void, gather_indices, (const fbp_gather *args))
FBP_KERNEL(void, gather_sparse, (const fbp_gather *args))
FBP_KERNEL(void, batch_sums, (const fbp_norm *args))
FBP_KERNEL(void, batch_moments, (const fbp_norm *args))
FBP_KERNEL(void, running_factors, (const fbp_norm *args))
FBP_KERNEL(void, batch_apply, (const fbp_norm *args))
FBP_KERNEL(void, batch_gradient_sums, (const fbp_norm *args))
FBP_KERNEL(void, batch_gradient_factors, (const fbp_norm *args))
FBP_KERNEL(void, batch_gradient_apply, (const fbp_norm *args))
FBP_KERNEL(void, group_norm, (const fbp_norm *args))
FBP_KERNEL(void, group_norm_backward, (const fbp_norm *args))
FBP_KERNEL(void, dropout,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, noise,
           (const void *args, fbp_size i, fbp_size j, fbp_size rows, fbp_size cols, const void *src,
            fbp_size src_stride, void *dst, fbp_size dst_stride))
FBP_KERNEL(void, random_bits, (const fbp_random *from, fbp_size begin, fbp_size n, uint32_t *out))
FBP_KERNEL(double, fma_chains, (fbp_size iterations))
