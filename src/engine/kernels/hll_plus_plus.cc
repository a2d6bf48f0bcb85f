#include "engine/kernels/hll_plus_plus.h"

#include <algorithm>
#include <cmath>

namespace tarn::engine::kernels {
namespace {

// Below these estimates counting empty registers is the more precise way; for precisions from kHllLeastPrecision on.
constexpr double kLinearLimits[] = {10, 20, 40, 80, 220, 400, 900, 1800, 3100, 6500, 15500, 20000, 50000, 120000, 350000};
constexpr size_t kNeighbours = 6;

double alpha(int precision, double registers) {
  switch (precision) {
    case 4: return 0.673;
    case 5: return 0.697;
    case 6: return 0.709;
    default: return 0.7213 / (1 + 1.079 / registers);
  }
}

// As java.util.Arrays.binarySearch looks, which decides where the table does not ascend: the place of the value or where it would stand.
size_t search(std::span<const double> values, double wanted) {
  size_t low = 0, high = values.size();
  while (low < high) {
    const size_t middle = (low + high - 1) / 2;
    if (values[middle] < wanted) low = middle + 1;
    else if (values[middle] > wanted) high = middle;
    else return middle;
  }
  return low;
}

// The mean bias of the measured estimates nearest to this one.
double bias(int precision, double estimate) {
  const auto estimates = hll_raw_estimates(precision), biases = hll_biases(precision);
  const size_t nearest = search(estimates, estimate);
  auto distance = [&](size_t i) { return (estimate - estimates[i]) * (estimate - estimates[i]); };
  size_t low = nearest + 1 > kNeighbours ? nearest + 1 - kNeighbours : 0;
  size_t high = std::min(low + kNeighbours, estimates.size());
  while (high < estimates.size() && distance(high) < distance(low)) ++low, ++high;
  double sum = 0;
  for (size_t i = low; i < high; ++i) sum += biases[i];
  return sum / static_cast<double>(high - low);
}

}  // namespace

int64_t hll_estimate(int precision, int64_t empty, double inverse_sum) {
  const auto registers = static_cast<double>(int64_t{1} << precision);
  const double raw = alpha(precision, registers) * registers * registers / inverse_sum;
  const bool corrects = precision <= kHllGreatestBiasPrecision;
  double estimate = corrects && raw < 5 * registers ? raw - bias(precision, raw) : raw;
  if (empty > 0) {
    const double linear = registers * std::log(registers / static_cast<double>(empty));
    if ((corrects && linear <= kLinearLimits[precision - kHllLeastPrecision]) || raw <= 2.5 * registers) estimate = linear;
  }
  return static_cast<int64_t>(std::floor(estimate + 0.5));
}

}  // namespace tarn::engine::kernels
