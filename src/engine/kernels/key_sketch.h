#pragma once
// Sketches of distinct keys with a summary each, as Apache DataSketches keeps them: a sample of the smallest hashes, all of them below
// theta. Theta sketches have no summary (NoSummary), tuple sketches a number. Source: the Theta and Tuple families of DataSketches.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn::engine::kernels {

// The hash of a key: 63 bits of MurmurHash3 with DataSketches' seed.
uint64_t sketch_hash(std::string_view bytes);
constexpr uint16_t kSketchSeedHash = 0x93CC;
constexpr uint64_t kMaxTheta = INT64_MAX;

struct NoSummary {};

// The modes in the order of their numbers in serialized sketches.
enum class SummaryMode : uint8_t { kSum, kMin, kMax, kAlwaysOne };
std::optional<SummaryMode> summary_mode(std::string_view name);

template <class T> struct Summary {
  T value;
  SummaryMode mode;
};

// What a sketch is once it is written: its entries in order.
template <class S> struct CompactSketch {
  bool empty = true;
  uint64_t theta = kMaxTheta;
  std::vector<std::pair<uint64_t, S>> entries;
  bool estimates() const { return !empty && theta < kMaxTheta; }
  double theta_fraction() const { return static_cast<double>(theta) / 9223372036854775808.0; }
  double estimate() const { return static_cast<double>(entries.size()) / (estimates() ? theta_fraction() : 1.0); }
};

// The (rank + 1)-th smallest hash.
template <class S> uint64_t nth_hash(const std::vector<std::pair<uint64_t, S>>& entries, size_t rank) {
  std::vector<uint64_t> hashes;
  hashes.reserve(entries.size());
  for (const auto& e : entries) hashes.push_back(e.first);
  std::nth_element(hashes.begin(), hashes.begin() + static_cast<std::ptrdiff_t>(rank), hashes.end());
  return hashes[rank];
}

// A hash table with open addressing that grows eightfold; at its full size it drops the larger hashes. The order of its slots is the
// order of entries in serialized tuple sketches.
template <class S> class KeySketch {
 public:
  explicit KeySketch(int lg_nominal) : lg_nominal_(lg_nominal) {
    int target = lg_nominal + 1;
    lg_size_ = target <= kMinLgSize ? kMinLgSize : (target - kMinLgSize) % 3 + kMinLgSize;
    resize_table(lg_size_);
  }

  size_t nominal() const { return size_t{1} << lg_nominal_; }
  bool empty() const { return empty_; }
  void set_not_empty() { empty_ = false; }

  // join(old) gives the summary of a key that is there, make() that of a new one.
  template <class Make, class Join> void add(uint64_t hash, Make make, Join join) {
    empty_ = false;
    if (hash == 0 || hash >= theta_) return;
    size_t at = slot(hash);
    if (hashes_[at] == hash) {
      join(summaries_[at]);
      return;
    }
    hashes_[at] = hash;
    summaries_[at] = make();
    ++count_;
    if (count_ > threshold()) {
      if (lg_size_ <= lg_nominal_) grow();
      else shrink_theta();
    }
  }
  template <class Join> void merge(const CompactSketch<S>& other, Join join) {
    if (other.empty) return;
    empty_ = false;
    union_theta_ = std::min(union_theta_, other.theta);
    for (const auto& [hash, summary] : other.entries) {
      if (hash >= union_theta_) continue;
      add(hash, [&] { return summary; }, [&](S& mine) { mine = join(mine, summary); });
    }
    union_theta_ = std::min(union_theta_, theta_);
  }

  // At most nominal() entries, in the order of the table.
  CompactSketch<S> result() const {
    CompactSketch<S> out;
    out.empty = empty_;
    out.theta = std::min(theta_, union_theta_);
    for (size_t i = 0; i < hashes_.size(); ++i)
      if (hashes_[i] && hashes_[i] < out.theta) out.entries.emplace_back(hashes_[i], summaries_[i]);
    if (out.entries.size() > nominal()) {
      out.theta = nth_hash(out.entries, nominal());
      std::erase_if(out.entries, [&](const auto& e) { return e.first >= out.theta; });
    }
    return out;
  }

  static int lg_size_for(size_t count) {
    int lg = kMinLgSize;
    while (static_cast<double>(size_t{1} << lg) < static_cast<double>(count) / 0.75) ++lg;
    return lg;
  }

 private:
  static constexpr int kMinLgSize = 5;

  size_t slot(uint64_t hash) const {
    size_t mask = hashes_.size() - 1, at = hash & mask, stride = 2 * ((hash >> lg_size_) & 127) + 1;
    while (hashes_[at] && hashes_[at] != hash) at = (at + stride) & mask;
    return at;
  }
  size_t threshold() const { return static_cast<size_t>((lg_size_ <= lg_nominal_ ? 0.5 : 15.0 / 16.0) * static_cast<double>(hashes_.size())); }
  void resize_table(int lg) {
    lg_size_ = lg;
    hashes_.assign(size_t{1} << lg, 0);
    summaries_.assign(size_t{1} << lg, S{});
  }
  void rehash(int lg) {
    auto hashes = std::move(hashes_);
    auto summaries = std::move(summaries_);
    resize_table(lg);
    count_ = 0;
    for (size_t i = 0; i < hashes.size(); ++i) {
      if (!hashes[i] || hashes[i] >= theta_) continue;
      size_t at = slot(hashes[i]);
      hashes_[at] = hashes[i];
      summaries_[at] = summaries[i];
      ++count_;
    }
  }
  void grow() { rehash(std::min(lg_size_ + 3, lg_nominal_ + 1)); }
  void shrink_theta() {
    std::vector<uint64_t> hashes;
    for (uint64_t h : hashes_)
      if (h) hashes.push_back(h);
    std::nth_element(hashes.begin(), hashes.begin() + static_cast<std::ptrdiff_t>(nominal()), hashes.end());
    theta_ = hashes[nominal()];
    rehash(lg_size_);
  }

  int lg_nominal_, lg_size_ = 0;
  uint64_t theta_ = kMaxTheta, union_theta_ = kMaxTheta;
  size_t count_ = 0;
  bool empty_ = true;
  std::vector<uint64_t> hashes_;
  std::vector<S> summaries_;
};

// The entries of b that a has too.
template <class S, class T, class Join> CompactSketch<S> intersect(const CompactSketch<S>& a, const CompactSketch<T>& b, Join join) {
  CompactSketch<S> out;
  out.empty = a.empty || b.empty;
  if (out.empty) return out;
  out.theta = std::min(a.theta, b.theta);
  std::vector<std::pair<uint64_t, const S*>> mine;
  for (const auto& [hash, summary] : a.entries) mine.emplace_back(hash, &summary);
  std::sort(mine.begin(), mine.end(), [](const auto& x, const auto& y) { return x.first < y.first; });
  for (const auto& [hash, summary] : b.entries) {
    if (hash >= out.theta) continue;
    auto it = std::lower_bound(mine.begin(), mine.end(), hash, [](const auto& x, uint64_t h) { return x.first < h; });
    if (it != mine.end() && it->first == hash) out.entries.emplace_back(hash, join(*it->second, summary));
  }
  return out;
}

// The entries in the order of a table that was filled with them.
template <class S> void order_as_table(CompactSketch<S>& sketch) {
  int lg = KeySketch<S>::lg_size_for(sketch.entries.size());
  size_t mask = (size_t{1} << lg) - 1;
  std::vector<const std::pair<uint64_t, S>*> table(mask + 1, nullptr);
  for (const auto& e : sketch.entries) {
    size_t at = e.first & mask, stride = 2 * ((e.first >> lg) & 127) + 1;
    while (table[at]) at = (at + stride) & mask;
    table[at] = &e;
  }
  std::vector<std::pair<uint64_t, S>> ordered;
  for (const auto* e : table)
    if (e) ordered.push_back(*e);
  sketch.entries = std::move(ordered);
}

// The entries of a that b has not.
template <class S, class T> CompactSketch<S> subtract(const CompactSketch<S>& a, const CompactSketch<T>& b) {
  CompactSketch<S> out;
  if (a.empty) return out;
  out.theta = std::min(a.theta, b.theta);
  std::vector<uint64_t> theirs;
  for (const auto& [hash, summary] : b.entries) theirs.push_back(hash);
  std::sort(theirs.begin(), theirs.end());
  for (const auto& e : a.entries)
    if (e.first < out.theta && !std::binary_search(theirs.begin(), theirs.end(), e.first)) out.entries.push_back(e);
  out.empty = out.entries.empty() && out.theta == kMaxTheta;
  return out;
}

// ---- serialized forms. Reading gives nullopt if the bytes are no such sketch.
enum class SketchFamily : uint8_t { kTheta = 3, kTuple = 9 };
// The name of the family that the bytes claim ("COMPACT", "KLL" …); nullopt if there is none.
std::optional<std::string> sketch_family_name(std::string_view bytes);

std::string write_theta(CompactSketch<NoSummary> sketch);
std::optional<CompactSketch<NoSummary>> read_theta(std::string_view bytes);
template <class T> std::string write_tuple(const CompactSketch<Summary<T>>& sketch);
template <class T> std::optional<CompactSketch<Summary<T>>> read_tuple(std::string_view bytes);

}  // namespace tarn::engine::kernels
