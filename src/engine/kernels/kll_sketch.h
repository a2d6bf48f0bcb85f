#pragma once
// The quantile sketch of Karnin, Lang and Liberty as Apache DataSketches keeps and writes it: levels of sorted items, an item of level i
// standing for 2^i values; a full level passes every second of its items, from the first or the second on by chance, to the next one.
// Source: the KLL family of DataSketches.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace tarn::engine::kernels {

constexpr int kKllM = 8;

// Items that level `height` of `levels` holds before it is full.
uint32_t kll_level_capacity(int k, int levels, int height);
// The error of ranks, or of the mass between two points, that a sketch of size k promises.
double kll_rank_error(int k, bool mass);

template <class T> class KllSketch {
 public:
  explicit KllSketch(int k) : k_(k), min_k_(k), levels_{static_cast<uint32_t>(k), static_cast<uint32_t>(k)}, items_(static_cast<size_t>(k)) {}

  int k() const { return k_; }
  int min_k() const { return min_k_; }
  uint64_t n() const { return n_; }
  size_t levels() const { return levels_.size() - 1; }
  size_t retained() const { return levels_.back() - levels_.front(); }
  size_t capacity() const { return levels_.back(); }
  size_t free_space() const { return levels_.front(); }
  bool level_zero_sorted() const { return sorted_; }
  T min() const { return min_; }
  T max() const { return max_; }

  void add(T x) {
    if constexpr (std::is_floating_point_v<T>)
      if (std::isnan(x)) return;
    if (n_ == 0) min_ = max_ = x;
    min_ = std::min(min_, x);
    max_ = std::max(max_, x);
    put(x);
  }

  void merge(const KllSketch& o) {
    if (o.n_ == 0) return;
    if (n_ == 0) min_ = o.min_, max_ = o.max_;
    min_ = std::min(min_, o.min_);
    max_ = std::max(max_, o.max_);
    const uint64_t total = n_ + o.n_;
    for (uint32_t i = o.levels_[0]; i < o.levels_[1]; ++i) put(o.items_[i]);
    if (o.levels() > 1) merge_higher_levels(o);
    n_ = total;
    if (o.levels() > 1) min_k_ = std::min(min_k_, o.min_k_);
  }

  // The value at a rank in [0, 1], counting the value itself.
  T quantile(double rank) const {
    auto view = sorted_view();
    double natural = rank * static_cast<double>(n_);
    if (n_ <= 10000000) natural = std::round(natural * 1e7) / 1e7;
    const auto want = static_cast<uint64_t>(std::ceil(natural));
    for (const auto& [item, cumulative] : view)
      if (cumulative >= want) return item;
    return view.back().first;
  }
  // The share of values up to and including x.
  double rank(T x) const {
    uint64_t below = 0;
    for (const auto& [item, cumulative] : sorted_view())
      if (item <= x) below = cumulative;
    return static_cast<double>(below) / static_cast<double>(n_);
  }

  std::string write() const {
    std::string out;
    auto put_bytes = [&](auto v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); };
    const bool single = n_ == 1;
    const uint8_t flags = static_cast<uint8_t>((n_ == 0 ? 1 : 0) | (sorted_ ? 2 : 0) | (single ? 4 : 0));
    for (uint8_t b : {static_cast<uint8_t>(n_ > 1 ? 5 : 2), static_cast<uint8_t>(single ? 2 : 1), uint8_t{15}, flags}) out += static_cast<char>(b);
    put_bytes(static_cast<uint16_t>(k_));
    out += static_cast<char>(kKllM);
    out += '\0';
    if (n_ == 0) return out;
    if (!single) {
      put_bytes(n_);
      put_bytes(static_cast<uint16_t>(min_k_));
      out += static_cast<char>(levels());
      out += '\0';
      for (size_t i = 0; i < levels(); ++i) put_bytes(levels_[i]);
      put_bytes(min_);
      put_bytes(max_);
    }
    for (uint32_t i = levels_.front(); i < levels_.back(); ++i) put_bytes(items_[i]);
    return out;
  }

  static std::optional<KllSketch> read(std::string_view in) {
    size_t at = 0;
    bool short_of = false;
    auto take = [&](auto& v) {
      if (at + sizeof v > in.size()) short_of = true;
      else std::memcpy(&v, in.data() + at, sizeof v);
      at += sizeof v;
    };
    uint8_t ints = 0, version = 0, family = 0, flags = 0, m = 0, unused = 0;
    uint16_t k = 0;
    take(ints), take(version), take(family), take(flags), take(k), take(m), take(unused);
    if (short_of || family != 15 || version < 1 || version > 2 || m != kKllM || k < 8) return std::nullopt;
    KllSketch s(k);
    s.sorted_ = flags & 2;
    if (flags & 1) return s;
    if (flags & 4) {
      T x{};
      take(x);
      if (short_of) return std::nullopt;
      bool sorted = s.sorted_;
      s.add(x);
      s.sorted_ = sorted;
      return s;
    }
    uint16_t min_k = 0;
    uint8_t levels = 0;
    take(s.n_), take(min_k), take(levels), take(unused);
    if (short_of || levels == 0 || levels > 60) return std::nullopt;
    s.min_k_ = min_k;
    s.levels_.assign(levels, 0);
    for (auto& l : s.levels_) take(l);
    uint32_t top = 0;
    for (int i = 0; i < levels; ++i) top += kll_level_capacity(k, levels, i);
    s.levels_.push_back(top);
    if (short_of || !std::is_sorted(s.levels_.begin(), s.levels_.end())) return std::nullopt;
    take(s.min_), take(s.max_);
    if (short_of || (in.size() - at) / sizeof(T) < s.retained()) return std::nullopt;
    s.items_.assign(top, T{});
    for (uint32_t i = s.levels_.front(); i < top; ++i) take(s.items_[i]);
    return s;
  }

 private:
  using Level = std::vector<T>;

  static bool coin() {
    static thread_local std::mt19937_64 random{std::random_device{}()};
    return random() & 1;
  }

  void put(T x) {
    if (levels_[0] == 0) compress();
    ++n_;
    sorted_ = false;
    items_[--levels_[0]] = x;
  }

  Level level(size_t i) const { return Level(items_.begin() + levels_[i], items_.begin() + levels_[i + 1]); }

  // The levels back into one array, free space at its beginning.
  void lay_out(const std::vector<Level>& all) {
    const int count = static_cast<int>(all.size());
    uint32_t capacity = 0, used = 0;
    for (int i = 0; i < count; ++i) capacity += kll_level_capacity(k_, count, i);
    for (const auto& l : all) used += static_cast<uint32_t>(l.size());
    items_.assign(capacity, T{});
    levels_.assign(1, capacity - used);
    uint32_t at = capacity - used;
    for (const auto& l : all) {
      std::copy(l.begin(), l.end(), items_.begin() + at);
      at += static_cast<uint32_t>(l.size());
      levels_.push_back(at);
    }
  }

  // Half of the level goes up; an odd item stays.
  static void halve(std::vector<Level>& all, size_t i, bool first_sorted) {
    if (i + 1 == all.size()) all.emplace_back();
    Level& from = all[i];
    // The item that stays is the first one in memory, before sorting.
    Level rest;
    size_t begin = from.size() % 2;
    if (begin) rest.push_back(from[0]);
    if (i == 0 && !first_sorted) std::sort(from.begin() + static_cast<std::ptrdiff_t>(begin), from.end());
    Level up;
    for (size_t j = begin + (coin() ? 1 : 0); j < from.size(); j += 2) up.push_back(from[j]);
    Level merged;
    std::merge(up.begin(), up.end(), all[i + 1].begin(), all[i + 1].end(), std::back_inserter(merged));
    all[i + 1] = std::move(merged);
    all[i] = std::move(rest);
  }

  void compress() {
    std::vector<Level> all;
    for (size_t i = 0; i < levels(); ++i) all.push_back(level(i));
    size_t i = 0;
    while (all[i].size() < kll_level_capacity(k_, static_cast<int>(levels()), static_cast<int>(i))) ++i;
    halve(all, i, sorted_);
    lay_out(all);
  }

  void merge_higher_levels(const KllSketch& o) {
    std::vector<Level> all;
    for (size_t i = 0; i < std::max(levels(), o.levels()); ++i) {
      Level mine = i < levels() ? level(i) : Level{}, theirs = i > 0 && i < o.levels() ? o.level(i) : Level{}, both;
      if (i == 0) both = std::move(mine);
      else std::merge(mine.begin(), mine.end(), theirs.begin(), theirs.end(), std::back_inserter(both));
      all.push_back(std::move(both));
    }
    auto total_capacity = [&] {
      uint32_t c = 0;
      for (size_t i = 0; i < all.size(); ++i) c += kll_level_capacity(k_, static_cast<int>(all.size()), static_cast<int>(i));
      return c;
    };
    auto total = [&] {
      size_t n = 0;
      for (const auto& l : all) n += l.size();
      return n;
    };
    for (size_t i = 0; i < all.size(); ++i)
      if (total() >= total_capacity() && all[i].size() >= kll_level_capacity(k_, static_cast<int>(all.size()), static_cast<int>(i))) halve(all, i, false);
    sorted_ = false;
    lay_out(all);
  }

  std::vector<std::pair<T, uint64_t>> sorted_view() const {
    std::vector<std::pair<T, uint64_t>> view;
    for (size_t l = 0; l < levels(); ++l)
      for (uint32_t i = levels_[l]; i < levels_[l + 1]; ++i) view.emplace_back(items_[i], uint64_t{1} << l);
    std::sort(view.begin(), view.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    uint64_t sum = 0;
    for (auto& v : view) v.second = sum += v.second;
    return view;
  }

  int k_, min_k_;
  uint64_t n_ = 0;
  bool sorted_ = false;
  T min_{}, max_{};
  std::vector<uint32_t> levels_;  // level i is items_[levels_[i], levels_[i + 1])
  std::vector<T> items_;
};

}  // namespace tarn::engine::kernels
