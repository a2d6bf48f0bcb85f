#include "engine/kernels/frequency_sketch.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <stdexcept>

#include <unicode/unistr.h>

namespace tarn::engine::kernels {
namespace {

constexpr int kLgMin = 3, kLgMost = 21;  // for the 1,000,000 items that may be tracked
constexpr size_t kSamples = 1024;
constexpr uint8_t kVersion = 1, kFamily = 10, kEmpty = 5, kPreambleLongs = 4;

template <class T> T number(std::string_view bytes) {
  T v{};
  std::memcpy(&v, bytes.data(), std::min(sizeof v, bytes.size()));
  return v;
}
template <class T> void put_number(std::string& out, T v) { out.append(reinterpret_cast<const char*>(&v), sizeof v); }

int32_t hash_of_long(int64_t v) { return static_cast<int32_t>(v ^ static_cast<int64_t>(static_cast<uint64_t>(v) >> 32)); }
int32_t hash_of_double(double v) { return hash_of_long(std::isnan(v) ? 0x7ff8000000000000ll : std::bit_cast<int64_t>(v)); }

// scala.math.BigDecimal.hashCode where the value is a whole number or a double says it, which decides nothing but an order of ties.
int32_t hash_of_decimal(double v) {
  if (v == std::trunc(v) && std::fabs(v) < 0x1p63) {
    const auto whole = static_cast<int64_t>(v);
    return whole == static_cast<int32_t>(whole) ? static_cast<int32_t>(whole) : hash_of_long(whole);
  }
  if (v == static_cast<double>(static_cast<float>(v))) return std::bit_cast<int32_t>(static_cast<float>(v));
  return hash_of_double(v);
}

double decimal_value(const ItemKind& kind, std::string_view item) {
  double v = 0;
  if (kind.form == ItemKind::Form::kNumber) v = number<int32_t>(item);
  else if (kind.form == ItemKind::Form::kLong) v = static_cast<double>(number<int64_t>(item));
  else {
    __int128 n = !item.empty() && (item[0] & 0x80) ? -1 : 0;
    for (char c : item) n = n * 256 + static_cast<unsigned char>(c);
    v = static_cast<double>(n);
  }
  return v / std::pow(10.0, kind.scale);
}

int32_t java_hash(const ItemKind& kind, std::string_view item) {
  if (kind.decimal) return hash_of_decimal(decimal_value(kind, item));
  switch (kind.form) {
    case ItemKind::Form::kBoolean: return item[0] ? 1231 : 1237;
    case ItemKind::Form::kLong: return hash_of_long(number<int64_t>(item));
    case ItemKind::Form::kDouble: return hash_of_double(number<double>(item));
    case ItemKind::Form::kNumber:
      if (kind.tag == ItemKind::kByte) return number<int8_t>(item);
      if (kind.tag == ItemKind::kShort) return number<int16_t>(item);
      if (kind.tag == ItemKind::kFloat && std::isnan(number<float>(item))) return 0x7fc00000;
      return number<int32_t>(item);
    default: {
      uint32_t h = 0;
      const auto text = icu::UnicodeString::fromUTF8(icu::StringPiece(item.data(), static_cast<int32_t>(item.size())));
      for (int32_t i = 0; i < text.length(); ++i) h = 31 * h + text[i];
      return static_cast<int32_t>(h);
    }
  }
}

size_t place(const ItemKind& kind, std::string_view item, size_t mask) {
  auto h = static_cast<uint64_t>(static_cast<int64_t>(java_hash(kind, item)));
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdull;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ull;
  h ^= h >> 33;
  return static_cast<uint32_t>(h) & mask;
}

size_t width(const ItemKind& kind) {
  switch (kind.form) {
    case ItemKind::Form::kLong: case ItemKind::Form::kDouble: return 8;
    case ItemKind::Form::kNumber: return kind.tag == ItemKind::kByte ? 1 : kind.tag == ItemKind::kShort ? 2 : 4;
    default: return 1;
  }
}

}  // namespace

std::optional<ItemKind> ItemKind::of(std::string_view type) {
  std::string t;
  for (char c : type) t += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (t == "BOOLEAN") return ItemKind{Form::kBoolean};
  if (t == "TINYINT") return ItemKind{Form::kNumber, kByte};
  if (t == "SMALLINT") return ItemKind{Form::kNumber, kShort};
  if (t == "INT" || t == "DATE") return ItemKind{Form::kNumber, kInteger};
  if (t == "FLOAT") return ItemKind{Form::kNumber, kFloat};
  if (t == "BIGINT" || t == "TIMESTAMP" || t == "TIMESTAMP_NTZ") return ItemKind{Form::kLong};
  if (t == "DOUBLE") return ItemKind{Form::kDouble};
  if (t == "STRING") return ItemKind{Form::kText};
  int precision = 0, scale = 0;
  if (std::sscanf(t.c_str(), "DECIMAL(%d,%d)", &precision, &scale) == 2) {
    if (precision <= 9) return ItemKind{Form::kNumber, kInteger, true, scale};
    return ItemKind{precision <= 18 ? Form::kLong : Form::kDecimal, 0, true, scale};
  }
  return std::nullopt;
}

FrequencySketch::FrequencySketch(ItemKind kind, int64_t max_items) : kind_(kind), cells_(size_t{1} << kLgMin) {
  const auto least = static_cast<uint64_t>(std::ceil(static_cast<double>(max_items) / 0.75));
  while ((uint64_t{1} << lg_max_) < least) ++lg_max_;
}

FrequencySketch::FrequencySketch(ItemKind kind, std::string_view bytes) : kind_(kind), cells_(size_t{1} << kLgMin) {
  auto check = [](bool good) {
    if (!good) throw std::invalid_argument("no sketch of frequent items");
  };
  check(bytes.size() >= 16);
  for (int i = 0; i < 8; ++i) nulls_ = nulls_ << 8 | static_cast<unsigned char>(bytes[bytes.size() - 8 + static_cast<size_t>(i)]);
  bytes.remove_suffix(8);
  const auto preamble = static_cast<uint8_t>(bytes[0]);
  const int lg_max = bytes[3], lg_now = bytes[4];
  check(static_cast<uint8_t>(bytes[1]) == kVersion && static_cast<uint8_t>(bytes[2]) == kFamily && lg_max >= 0 && lg_max <= kLgMost && lg_now >= 0 && lg_now <= kLgMost);
  lg_max_ = std::max(lg_max, kLgMin);
  if (preamble == 1) return;
  check(preamble == kPreambleLongs && bytes.size() >= 32);
  const size_t n = number<uint32_t>(bytes.substr(8));
  check(n <= (bytes.size() - 32) / 8 && n <= (size_t{3} << std::max(lg_max_, lg_now)) / 4);
  cells_.assign(size_t{1} << std::max(lg_now, kLgMin), {});
  std::string_view items = bytes.substr(32 + 8 * n);
  for (size_t i = 0; i < n; ++i) {
    const auto count = number<int64_t>(bytes.substr(32 + 8 * i));
    check(count >= 0);
    std::string_view item;
    switch (kind.form) {
      case ItemKind::Form::kBoolean: {
        check(i / 8 < items.size());
        add(std::string(1, static_cast<char>((items[i / 8] >> (i % 8)) & 1)), count);
        continue;
      }
      case ItemKind::Form::kText: case ItemKind::Form::kDecimal: {
        check(items.size() >= 4);
        const size_t length = number<uint32_t>(items);
        check(length <= items.size() - 4);
        item = items.substr(4, length);
        items.remove_prefix(4 + length);
        break;
      }
      case ItemKind::Form::kNumber:
        check(!items.empty() && static_cast<uint8_t>(items[0]) == kind.tag);
        items.remove_prefix(1);
        [[fallthrough]];
      default:
        check(items.size() >= width(kind));
        item = items.substr(0, width(kind));
        items.remove_prefix(width(kind));
    }
    add(std::string(item), count);
  }
  weight_ = number<int64_t>(bytes.substr(16));
  offset_ = number<int64_t>(bytes.substr(24));
}

void FrequencySketch::put(const std::string& item, int64_t count) {
  const size_t mask = cells_.size() - 1;
  size_t at = place(kind_, item, mask);
  int16_t drift = 1;
  for (; cells_[at].drift != 0 && cells_[at].item != item; at = (at + 1) & mask) ++drift;
  if (cells_[at].drift != 0) {
    cells_[at].count += count;
    return;
  }
  cells_[at] = {item, count, drift};
  ++active_;
}

void FrequencySketch::add(const std::string& item, int64_t count) {
  if (count == 0) return;
  weight_ += count;
  put(item, count);
  if (active_ <= capacity()) return;
  if (cells_.size() < (size_t{1} << lg_max_)) {
    std::vector<Cell> old(2 * cells_.size());
    old.swap(cells_);
    active_ = 0;
    for (const Cell& c : old)
      if (c.drift) put(c.item, c.count);
  } else {
    offset_ += purge();
  }
}

// Takes the median of a sample off all counts and forgets the items that have none left.
int64_t FrequencySketch::purge() {
  std::vector<int64_t> samples;
  const size_t limit = std::min({kSamples, (size_t{3} << lg_max_) / 4, active_});
  for (size_t i = 0; samples.size() < limit; ++i)
    if (cells_[i].drift) samples.push_back(cells_[i].count);
  auto middle = samples.begin() + static_cast<std::ptrdiff_t>(limit / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  const int64_t median = *middle;
  for (Cell& c : cells_) c.count -= median;
  // From the back, beginning behind a gap, so that no cluster is cut.
  size_t gap = cells_.size() - 1;
  while (cells_[gap].drift > 0) --gap;
  auto drop = [&](size_t i) {
    if (cells_[i].drift > 0 && cells_[i].count <= 0) {
      erase(i);
      --active_;
    }
  };
  for (size_t i = gap; i-- > 0;) drop(i);
  for (size_t i = cells_.size(); i-- > gap;) drop(i);
  return median;
}

// Empties a cell and moves up what had drifted past it.
void FrequencySketch::erase(size_t cell) {
  const size_t mask = cells_.size() - 1;
  cells_[cell].drift = 0;
  int16_t drift = 1;
  for (size_t at = (cell + 1) & mask; cells_[at].drift != 0; at = (at + 1) & mask, ++drift) {
    if (cells_[at].drift <= drift) continue;
    cells_[cell].item = std::move(cells_[at].item);
    cells_[cell].count = cells_[at].count;
    cells_[cell].drift = static_cast<int16_t>(cells_[at].drift - drift);
    cells_[at].drift = 0;
    cell = at;
    drift = 0;
  }
}

template <class F> void FrequencySketch::each(F f) const {
  const size_t stride = static_cast<size_t>(static_cast<double>(cells_.size()) * ((std::sqrt(5.0) - 1) / 2)) | 1, mask = cells_.size() - 1;
  for (size_t seen = 0, i = 0; seen < active_; i = (i + stride) & mask) {
    if (cells_[i].drift == 0) continue;
    ++seen;
    f(cells_[i]);
  }
}

void FrequencySketch::merge(const FrequencySketch& other) {
  nulls_ += other.nulls_;
  if (other.active_ == 0) return;
  const int64_t weight = weight_ + other.weight_;
  other.each([&](const Cell& c) { add(c.item, c.count); });
  offset_ += other.offset_;
  weight_ = weight;
}

std::vector<std::pair<std::optional<std::string>, int64_t>> FrequencySketch::top(size_t k) const {
  std::vector<std::pair<std::optional<std::string>, int64_t>> rows;
  each([&](const Cell& c) {
    if (c.count >= offset_) rows.emplace_back(c.item, c.count + offset_);
  });
  std::stable_sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  if (nulls_ > 0) {
    auto at = std::find_if(rows.begin(), rows.end(), [&](const auto& r) { return r.second < nulls_; });
    rows.insert(at, {std::nullopt, nulls_});
  }
  if (rows.size() > k) rows.resize(k);
  return rows;
}

std::string FrequencySketch::bytes() const {
  std::string out;
  const bool empty = active_ == 0;
  for (int v : {empty ? 1 : int{kPreambleLongs}, int{kVersion}, int{kFamily}, lg_max_, std::countr_zero(cells_.size()), empty ? int{kEmpty} : 0, 0, 0}) out += static_cast<char>(v);
  if (!empty) {
    put_number<uint64_t>(out, active_);
    put_number(out, weight_);
    put_number(out, offset_);
    std::string items;
    size_t n = 0;
    for (const Cell& c : cells_) {
      if (!c.drift) continue;
      put_number(out, c.count);
      if (kind_.form == ItemKind::Form::kBoolean) {
        if (n % 8 == 0) items += '\0';
        items.back() = static_cast<char>(items.back() | (c.item[0] << (n % 8)));
      } else {
        if (kind_.form == ItemKind::Form::kNumber) items += static_cast<char>(kind_.tag);
        if (kind_.form == ItemKind::Form::kText || kind_.form == ItemKind::Form::kDecimal) put_number(items, static_cast<uint32_t>(c.item.size()));
        items += c.item;
      }
      ++n;
    }
    out += items;
  }
  for (int shift = 56; shift >= 0; shift -= 8) out += static_cast<char>(static_cast<uint64_t>(nulls_) >> shift);
  return out;
}

}  // namespace tarn::engine::kernels
