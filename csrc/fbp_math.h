// Floor 0. Vector exp, expm1, log, log1p, tanh, sigmoid and erf: one body for float and double, main loop and tail.
//
// Included once a real type, after fbp_simd.h, with the same `real`, `OP(name)` and FBP_REAL_BITS.
//
// Only + - * /, vfma, comparisons and integer bit operations are used, always in the same order, so every ISA with FMA
// gives the same bits. There are no branches (special cases are selected at the end), no tables and no conversions
// between integers and reals: adding a large constant rounds a real to an integer that then sits in its low bits.
//
// All rest on two short polynomials, our own weighted minimax (Remez) fits:
//   q(r) = (e^r - 1 - r) / r^2              on |r| <= ln(2) / 2,  degree 4 (float), 9 (double)
//   p(z) = (log((1+s) / (1-s)) - 2s) / s^3  on |s| <= 0.172, z = s^2,  degree 2, 6
// The weight makes the error small relative to e^r - 1 and to the logarithm, also where they go to zero: below 2^-26
// and 2^-30 (float), 2^-55 and 2^-59 (double). Two more, of the normal distribution, stand with their functions.
//
// "Worst" above a function is the largest error measured, in ulp, with FMA or on plain SSE2 (where vfma rounds twice),
// whichever is larger. Float: every float between 2^-12 and 2^8 and a sample of the others.
// Double: about 1e7 samples each.

#ifndef FBP_MATH_ONCE
#define FBP_MATH_ONCE
#define vuint OP(vuint)
#define vexp_coef OP(vexp_coef)
#define vlog_coef OP(vlog_coef)
#define vpoly OP(vpoly)
#define vclamp OP(vclamp)
#define vwith_sign OP(vwith_sign)
#define vexp_reduce OP(vexp_reduce)
#define vexp_small OP(vexp_small)
#define vexp_finish OP(vexp_finish)
#define verf_coef OP(verf_coef)
#define vtail_coef OP(vtail_coef)
#define vexp_halves OP(vexp_halves)
#define vlog_split OP(vlog_split)
#define vlog_reduced OP(vlog_reduced)
#define vlog_edges OP(vlog_edges)
#define vexp OP(vexp)
#define vexpm1 OP(vexpm1)
#define vlog OP(vlog)
#define vlog1p OP(vlog1p)
#define vlog1p_fraction OP(vlog1p_fraction)
#define vtanh OP(vtanh)
#define vsigmoid OP(vsigmoid)
#define vsigmoid_both OP(vsigmoid_both)
#define verf OP(verf)
#define vnormal_tail OP(vnormal_tail)
#define vnormal_range OP(vnormal_range)
#define vexp_range OP(vexp_range)
#define vfinite OP(vfinite)
#define vabove_minus_inf OP(vabove_minus_inf)
#endif

// MANTISSA, BIAS, EPSILON: the layout of `real`, and 2^-MANTISSA. ROUNDER: 1.5 * 2^MANTISSA; its sum with any small
// real of either sign is an integer. LN2_HI has so few bits that n * LN2_HI is exact for every exponent n, also without
// FMA; LN2_LO is the rest of ln(2). EXP_MIN, EXP_MAX: beyond them exp is 0 or inf. EXPM1_MIN, TANH_MAX: beyond them
// expm1 is -1 and tanh is 1; ERF_MAX, TAIL_MAX: erf is 1, the density of the normal distribution 0. Coefficients are
// stored highest degree first.
#if FBP_REAL_BITS == 32
typedef uint32_t vuint __attribute__((vector_size(FBP_VECTOR_BYTES)));
#define MANTISSA 23
#define BIAS 127
#define EPSILON 0x1p-23f
#define ROUNDER 0x1.8p23f
#define LOG2E 0x1.715476p+0f
#define LN2_HI 0x1.62e4p-1f
#define LN2_LO 0x1.7f7d1cp-20f
#define SQRT_HALF 0x1.6a09e6p-1f
#define SMALLEST_NORMAL 0x1p-126f
#define EXP_MIN (-104.0f)
#define EXP_MAX 89.0f
#define EXPM1_MIN (-20.0f)
#define TANH_MAX 10.0f
#define ERF_MAX 4.0f
#define ERF_SLOPE 0x1.20dd76p+0f
#define TAIL_MAX 14.5f
#define TAIL_MIDDLE 4.0f
#define REAL_MAX 0x1.fffffep127f
static const real vexp_coef[] = {0.00138825236f, 0.00836652052f, 0.0416672006f, 0.166665435f, 0.49999997f};
static const real vlog_coef[] = {0.298710734f, 0.399775684f, 0.666667759f};
static const real verf_coef[] = {-9.26539178e-06f, 0.000117723284f, -0.000633128511f, 0.00166755647f, -0.000160920739f,
                                 -0.0191527829f,   0.102777757f,    0.636619389f,     -5.4121287e-08f};
static const real vtail_coef[] = {-0.000130769389f, 0.000179635113f, 0.00156633044f, -0.00351467775f, -0.00752337743f,
                                  0.0604050383f,    -0.186523795f,   0.387136698f,   -0.607896566f,   0.755285144f};
#else
typedef uint64_t vuint __attribute__((vector_size(FBP_VECTOR_BYTES)));
#define MANTISSA 52
#define BIAS 1023
#define EPSILON 0x1p-52
#define ROUNDER 0x1.8p52
#define LOG2E 0x1.71547652b82fep+0
#define LN2_HI 0x1.62e42fefa38p-1
#define LN2_LO 0x1.ef35793c7673p-45
#define SQRT_HALF 0x1.6a09e667f3bcdp-1
#define SMALLEST_NORMAL 0x1p-1022
#define EXP_MIN (-746.0)
#define EXP_MAX 710.0
#define EXPM1_MIN (-40.0)
#define TANH_MAX 20.0
#define ERF_MAX 6.0
#define ERF_SLOPE 0x1.20dd750429b6dp+0
#define TAIL_MAX 38.7
#define TAIL_MIDDLE 5.0
#define REAL_MAX 0x1.fffffffffffffp1023
static const real vexp_coef[] = {
    0x1.ae6ba92ca961ap-26, 0x1.28a1dfeb8d0a1p-22, 0x1.71de8805ea661p-19, 0x1.a019a76f56a09p-16, 0x1.a01a01751541p-13,
    0x1.6c16c17edba46p-10, 0x1.1111111118fa9p-7,  0x1.55555555522b8p-5,  0x1.5555555555539p-3,  0x1.0000000000005p-1};
static const real vlog_coef[] = {0x1.2f03b80eadc8ep-3, 0x1.39a1e7b4e6eaep-3, 0x1.74663d0eebca4p-3, 0x1.c71c5212eeb9cp-3,
                                 0x1.24924941e4a24p-2, 0x1.999999997fea8p-2, 0x1.5555555555592p-1};
static const real verf_coef[] = {
    0x1.ca1ddd67a1b65p-51,  -0x1.5f3305efaf9d9p-45, 0x1.f7666a7dbf6a8p-41,  -0x1.bfdc883677afep-37,
    0x1.14b557cda81d3p-33,  -0x1.f6a597ab8dc00p-31, 0x1.59627ca082764p-28,  -0x1.69e36f44126f0p-26,
    0x1.1b90e6bda9fffp-24,  -0x1.31d4ee137d1d7p-23, 0x1.291e273f88977p-23,  0x1.67598ea0063c7p-22,
    -0x1.d2f7a58aae25dp-20, 0x1.7c48809ce770dp-19,  0x1.c97e65a475e35p-19,  -0x1.f2b319fddcbd3p-16,
    0x1.0e7ffa00bb013p-14,  0x1.b22b43228b016p-16,  -0x1.35654ea116792p-11, 0x1.bca67bbc1a0e1p-10,
    -0x1.b6b68bdcd8384p-13, -0x1.39668593d9d4bp-6,  0x1.a4f4e2a1b20b2p-4,   0x1.45f306dc9c897p-1,
    0x1.680ae4d7dc754p-57};
static const real vtail_coef[] = {
    -0x1.1fe1813517f72p-32, 0x1.a70ba379d6068p-30, 0x1.0f0d2450af946p-27,  -0x1.28aa330117ce4p-27,
    -0x1.1bd5de41551d0p-24, 0x1.6320917f4b41dp-25, 0x1.d10a9ea711cf7p-22,  -0x1.68a8cedbd78cfp-22,
    -0x1.73abfdbba6218p-19, 0x1.0b2159dee9b7bp-18, 0x1.17dd0a13361cbp-16,  -0x1.a170987c7be1cp-15,
    -0x1.f214602bcae8dp-15, 0x1.1daf1c8ee74d3p-11, -0x1.a25037d565067p-11, -0x1.88590ea5335bbp-9,
    0x1.54b4d4f4b4630p-6,   -0x1.1b1c254c9d461p-4, 0x1.51f6329f01b0ep-3,   -0x1.410ed5f875a1cp-2,
    0x1.fb31653876f7bp-2,   -0x1.54ad03f27ca17p-1, 0x1.89d3abe1f95aep-1};
#endif

#define COUNT(array) ((int)(sizeof(array) / sizeof(array)[0]))

// c[0] x^(n-1) + ... + c[n-1], given xx = x^2: pairs c x + c', then Horner in xx. That halves the chain of dependent
// operations for one multiplication more, and the chain is what limits a loop over short polynomials. n is a constant,
// so the compiler unrolls it away.
FBP_INLINE vreal vpoly(const real *c, int n, vreal x, vreal xx) {
    vreal y = n % 2 ? vset(c[0]) : vfma(vset(c[0]), x, vset(c[1]));
    for (int i = 2 - n % 2; i < n; i += 2) y = vfma(y, xx, vfma(vset(c[i]), x, vset(c[i + 1])));
    return y;
}

// x between low and high. NaN stays NaN: vmin and vmax return their second operand then.
FBP_INLINE vreal vclamp(vreal x, real low, real high) { return vmax(vset(low), vmin(vset(high), x)); }

// y with the sign bit of x, where y is not of the other sign already: tells -0.0 from 0.0.
FBP_INLINE vreal vwith_sign(vreal y, vreal x) { return (vreal)((vint)y | ((vint)x & (vint)vset((real)-0.0))); }

// ---- e^x and its relatives

// x = n ln(2) + r, |r| <= ln(2)/2. Returns r; the low bits of *bits hold n + offset, ready to become an exponent.
// Two-part ln(2): n * LN2_HI and its difference to x are exact, so r carries hardly more than the rounding of LN2_LO.
FBP_INLINE vreal vexp_reduce(vreal x, int offset, vint *bits) {
    const vreal rounder = vset(ROUNDER + (real)offset);
    const vreal shifted = vfma(x, vset(LOG2E), rounder), n = shifted - rounder;
    *bits = (vint)shifted;
    return vfma(n, vset(-LN2_LO), vfma(n, vset(-LN2_HI), x));
}

// e^r - 1 = r + r^2 q(r).
FBP_INLINE vreal vexp_small(vreal r) {
    const vreal rr = r * r;
    return vfma(rr, vpoly(vexp_coef, COUNT(vexp_coef), r, rr), r);
}

// From bits of n + 2 BIAS: *a + *b = n, both with the bias of an exponent. 2^n itself may overflow or be subnormal,
// 2^a and 2^b never. The bits of ROUNDER above them are shifted out when a and b are shifted to their place.
FBP_INLINE void vexp_halves(vint bits, vint *a, vint *b) {
    *a = (vint)((vuint)bits >> 1);
    *b = bits - *a;
}

// 2^b (2^a g + 2^a), g = r + r^2 q(r), where bits of n + 2 BIAS come with r. The product by 2^b rounds only a subnormal
// result, once.
FBP_INLINE vreal vexp_finish(vreal r, vint bits) {
    vint a, b;
    const vreal g = vexp_small(r);
    vexp_halves(bits, &a, &b);
    const vreal power = (vreal)(a << MANTISSA);
    return vfma(power, g, power) * (vreal)(b << MANTISSA);
}

// e^x. Worst: 1.07 (float), 1.05 (double).
FBP_INLINE vreal vexp(vreal x) {
    vint bits;
    const vreal r = vexp_reduce(vclamp(x, EXP_MIN, EXP_MAX), 2 * BIAS, &bits);
    return vexp_finish(r, bits);
}

// e^x - 1 = 2 (h g + (h - 1/2)), h = 2^(n-1), g = r + r^2 q(r). Half the result is computed, because 2^n overflows
// before the result does. Where x is tiny the answer is x: it saves the bit that halving a subnormal loses, and -0.0.
// Worst: 1.80 (float), 2.33 (double).
FBP_INLINE vreal vexpm1(vreal x) {
    vint bits;
    const vreal r = vexp_reduce(vclamp(x, EXPM1_MIN, EXP_MAX), BIAS - 1, &bits);
    const vreal g = vexp_small(r), h = (vreal)(bits << MANTISSA);
    const vreal half = vfma(h, g, h - vset((real)0.5));
    return vselect(vabs(x) < vset(EPSILON / 4), x, half + half);
}

// tanh(x) = E / (E + 2), E = e^(2|x|) - 1 = s g + (s - 1), s = 2^n. E is accurate near 0 and E / (E + 2) never above 1.
// Worst: 2.61 (float), 2.60 (double).
FBP_INLINE vreal vtanh(vreal x) {
    vint bits;
    const vreal y = vmin(vset(TANH_MAX), vabs(x)), r = vexp_reduce(y + y, BIAS, &bits);
    const vreal g = vexp_small(r), s = (vreal)(bits << MANTISSA);
    const vreal e = vfma(s, g, s - vset(1));
    return vwith_sign(e / (e + vset(2)), x);
}

// 1 / (1 + e^-x) = e^x / (1 + e^x) = y / (y + 2^-a), y = 2^b g + 2^b, a + b = n. No part overflows or is subnormal, so
// both tails are right without a choice between two formulas. Never above 1.
// Worst: 2.41 (float), 2.37 (double).
FBP_INLINE vreal vsigmoid(vreal x) {
    vint bits, a, b;
    const vreal g = vexp_small(vexp_reduce(vclamp(x, EXP_MIN, -EXP_MIN), 2 * BIAS, &bits));
    vexp_halves(bits, &a, &b);
    const vreal power = (vreal)(b << MANTISSA), y = vfma(power, g, power);
    return y / (y + (vreal)((2 * BIAS - a) << MANTISSA));
}

// The same, and *rest = 1 - sigmoid(x), which is just as accurate where that difference would cancel.
FBP_INLINE vreal vsigmoid_both(vreal x, vreal *rest) {
    vint bits, a, b;
    const vreal g = vexp_small(vexp_reduce(vclamp(x, EXP_MIN, -EXP_MIN), 2 * BIAS, &bits));
    vexp_halves(bits, &a, &b);
    const vreal power = (vreal)(b << MANTISSA), y = vfma(power, g, power), c = (vreal)((2 * BIAS - a) << MANTISSA);
    const vreal w = vset(1) / (y + c);
    *rest = c * w;
    return y * w;
}

// ---- log and log1p

// x = 2^k m, sqrt(1/2) <= m < sqrt(2), for a normal x > 0. Returns m. Moving the bits of x up by the distance from
// sqrt(1/2) to 1 makes their exponent field count from sqrt(1/2). That field becomes a real as the low bits of ROUNDER.
FBP_INLINE vreal vlog_split(vreal x, vreal *k) {
    const vint low = (vint)vset(SQRT_HALF), sign_and_exponent = (vint)vset(-(real)__builtin_inf());
    const vint bits = (vint)x + ((vint)vset(1) - low);
    *k = (vreal)((vint)((vuint)bits >> MANTISSA) | (vint)vset(ROUNDER)) - vset(ROUNDER + BIAS);
    return (vreal)((bits & ~sign_and_exponent) + low);
}

// k ln(2) + log(1 + f). With s = f / (2 + f), log(1 + f) = 2s + s z p(z), z = s^2; since 2s = f - f^2/2 + s f^2/2, it
// is f, which is exact, less a smaller part that carries all the rounding.
FBP_INLINE vreal vlog_reduced(vreal f, vreal k) {
    const vreal s = f / (f + vset(2)), z = s * s, h = vset((real)0.5) * f * f;
    const vreal rest = h - vfma(s, vfma(z, vpoly(vlog_coef, COUNT(vlog_coef), z, z * z), h), k * vset(LN2_LO));
    return vfma(k, vset(LN2_HI), f - rest);
}

// y = log(x) for 0 < x < inf; the other x: inf and NaN give themselves, zeros -inf, negatives NaN (all bits set).
FBP_INLINE vreal vlog_edges(vreal x, vreal y) {
    const vreal zero = vset(0), inf = vset((real)__builtin_inf());
    y = vselect(x < inf, y, x);
    y = vselect(x == zero, -inf, y);
    return vselect(x < zero, (vreal)~(vint){0}, y);
}

// log(x). A subnormal x is made normal first, by a power of two that k then gives back.
// Worst: 0.84 (float), 0.83 (double).
FBP_INLINE vreal vlog(vreal x) {
    vreal k;
    const vint tiny = x < vset(SMALLEST_NORMAL);
    const vreal m = vlog_split(vselect(tiny, x * vset(1 / EPSILON), x), &k);
    k -= vselect(tiny, vset(MANTISSA), vset(0));
    return vlog_edges(x, vlog_reduced(m - vset(1), k));
}

// log(1 + x). 1 + x = u + lost exactly (the larger summand comes first); then f = 2^-k (u + lost) - 1 is rounded once
// and is x itself near 0. 2^-k comes from the bits of m / u; for a huge u it is dropped, because it leaves the
// range there.
// Worst: 1.40 (float), 1.39 (double).
FBP_INLINE vreal vlog1p(vreal x) {
    vreal k;
    const vreal one = vset(1), large = vmax(one, x), small = vmin(one, x);
    const vreal u = large + small, lost = small - (u - large), m = vlog_split(u, &k);
    const vint scale = (vint)m - (vint)u + (vint)one;
    const vreal f = vfma(lost, (vreal)(scale & (vint)(u < vset((real)0x1p64))), m - one);
    return vwith_sign(vlog_edges(u, vlog_reduced(f, k)), x);
}

// log(1 + x) for 0 <= x <= 1, where 1 + x = 2^k (1 + f) with k = 0 or 1 and f needs no bits of the sum: less than half
// the work of vlog1p.
// Worst: 1.39 (float), 1.39 (double).
FBP_INLINE vreal vlog1p_fraction(vreal x) {
    const vreal one = vset(1);
    const vint upper = x > vset((real)0.41421356237309504880);
    const vreal f = vselect(upper, (x - one) * vset((real)0.5), x);
    return vlog_reduced(f, (vreal)(upper & (vint)one));
}

// ---- the normal distribution

// erf(x) = 1 - e^-q with q(|x|) = -log(erfc(|x|)), which starts like x at 0: so one formula is accurate relative to erf
// everywhere. q = ERF_SLOPE x + x p(x) is fitted with the weight of its error in erf: below 2^-27 (float), 2^-57
// (double). Never above 1. Worst: 2.27 (float), 2.23 (double).
FBP_INLINE vreal verf(vreal x) {
    vint bits;
    const vreal y = vmin(vset(ERF_MAX), vabs(x)), p = vpoly(verf_coef, COUNT(verf_coef), y, y * y);
    const vreal g = vexp_small(vexp_reduce(-vfma(y, vset(ERF_SLOPE), y * p), BIAS, &bits));
    const vreal s = (vreal)(bits << MANTISSA);
    return vwith_sign(vfma(-s, g, vset(1) - s), x);
}

// P(X > t) of a standard normal X, 0 <= t <= TAIL_MAX, and *gauss = e^(-t^2/2). The first is the second times
// w p(u), w = 1 / (t + c), u = (t - c) w, c = TAIL_MIDDLE: fitted relative to its value, below 2^-25 (float), 2^-55
// (double). What squaring t rounds off is given back to the exponential, whose relative error it would be; without FMA
// it is lost.
// Worst, with FMA: 5.48 (float), 6.83 (double), where the result is normal.
FBP_INLINE vreal vnormal_tail(vreal t, vreal *gauss) {
    vint bits;
    const vreal half = vset((real)0.5), square = t * t, lost = vfma(t, t, -square);
    const vreal r = vexp_reduce(-half * square, 2 * BIAS, &bits);
    *gauss = vexp_finish(vfma(-half, lost, r), bits);
    const vreal w = vset(1) / (t + vset(TAIL_MIDDLE)), u = (t - vset(TAIL_MIDDLE)) * w;
    return *gauss * (w * vpoly(vtail_coef, COUNT(vtail_coef), u, u * u));
}

// ---- arguments, moved to where nothing changes any more or nothing overflows; NaN stays NaN

// Beyond this range the normal distribution is 0 or 1.
FBP_INLINE vreal vnormal_range(vreal x) { return vclamp(x, -TAIL_MAX, TAIL_MAX); }

// Beyond this range one of e^x and e^-x is 0.
FBP_INLINE vreal vexp_range(vreal x) { return vclamp(x, EXP_MIN, -EXP_MIN); }

FBP_INLINE vreal vfinite(vreal x) { return vclamp(x, -REAL_MAX, REAL_MAX); }

// So that x times a factor that vanishes for small x has its limit there, and not the NaN of inf times 0.
FBP_INLINE vreal vabove_minus_inf(vreal x) { return vmax(vset(-REAL_MAX), x); }

#undef MANTISSA
#undef BIAS
#undef EPSILON
#undef ROUNDER
#undef LOG2E
#undef LN2_HI
#undef LN2_LO
#undef SQRT_HALF
#undef SMALLEST_NORMAL
#undef EXP_MIN
#undef EXP_MAX
#undef EXPM1_MIN
#undef TANH_MAX
#undef ERF_MAX
#undef ERF_SLOPE
#undef TAIL_MAX
#undef TAIL_MIDDLE
#undef REAL_MAX
#undef COUNT
