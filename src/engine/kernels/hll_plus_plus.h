#pragma once
// The estimate of HyperLogLog++ from what its registers hold. Source: "HyperLogLog in Practice" and its appendix, in the form of
// Spark's HyperLogLogPlusPlusHelper: 64-bit hashes, dense registers, six neighbours for the bias.
#include <cstdint>
#include <span>

namespace tarn::engine::kernels {

inline constexpr int kHllLeastPrecision = 4, kHllGreatestBiasPrecision = 18;

// precision: the registers are 2^precision. empty: registers that are 0. inverse_sum: the sum of 2^-register over all of them.
int64_t hll_estimate(int precision, int64_t empty, double inverse_sum);

// The appendix's table for a precision of kHllLeastPrecision to kHllGreatestBiasPrecision: estimates, and the bias of each.
std::span<const double> hll_raw_estimates(int precision);
std::span<const double> hll_biases(int precision);

}  // namespace tarn::engine::kernels
