#include "engine/orc/file_tail.h"

#include <algorithm>
#include <optional>

#include "base/spark_error.h"
#include "engine/orc/input.h"
#include "engine/sources/scan.h"
#include "storage/object_store.h"

namespace tarn::engine::orc {
namespace {

constexpr uint64_t kGuess = 16 << 10;      // most tails are shorter
constexpr int kDeepest = 200;              // of nested types
constexpr uint64_t kLongest = 256u << 20;  // of a footer, as protobuf has it

// The fields of a protobuf message one after the other.
class Message {
 public:
  explicit Message(std::string_view bytes) : rest_(bytes) {}
  // To the next field. False: there is none.
  bool next() {
    if (rest_.empty()) return false;
    const uint64_t key = varint();
    field = key >> 3;
    bytes = {};
    number = 0;
    switch (key & 7) {
      case 0: number = varint(); break;
      case 1: take(8); break;
      case 2: bytes = take(varint()); break;
      case 5: take(4); break;
      default: throw Damaged("malformed ORC metadata");
    }
    return true;
  }
  uint64_t field = 0, number = 0;
  std::string_view bytes;

  uint64_t varint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto b = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      v |= uint64_t{b & 0x7fu} << shift;
      if (b < 0x80) return v;
    }
    throw Damaged("malformed ORC metadata");
  }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view take(uint64_t n) {
    if (n > rest_.size()) throw Damaged("malformed ORC metadata");
    std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }
  std::string_view rest_;
};

uint32_t small(uint64_t n) {
  if (n > UINT32_MAX) throw Damaged("malformed ORC metadata");
  return static_cast<uint32_t>(n);
}

Type read_type(std::string_view bytes) {
  Type t;
  for (Message m(bytes); m.next();) {
    switch (m.field) {
      case 1:
        if (m.number > static_cast<uint64_t>(Kind::kTimestampInstant)) throw Damaged("an ORC column is of the unknown kind " + std::to_string(m.number));
        t.kind = static_cast<Kind>(m.number);
        break;
      case 2:
        if (m.bytes.empty()) {
          t.children.push_back(small(m.number));
        } else {
          for (Message packed(m.bytes); !packed.done();) t.children.push_back(small(packed.varint()));
        }
        break;
      case 3: t.names.push_back(sources::repair_utf8(m.bytes)); break;
      case 4: t.length = small(m.number); break;
      case 5: t.precision = small(m.number); break;
      case 6: t.scale = small(m.number); break;
      case 7: {
        std::string_view key, value;
        for (Message pair(m.bytes); pair.next();) (pair.field == 1 ? key : value) = pair.bytes;
        if (key == "spark.sql.catalyst.type") t.catalyst = value;
        break;
      }
    }
  }
  return t;
}

Stripe read_stripe(std::string_view bytes) {
  Stripe s;
  for (Message m(bytes); m.next();) {
    switch (m.field) {
      case 1: s.offset = m.number; break;
      case 2: s.index_length = m.number; break;
      case 3: s.data_length = m.number; break;
      case 4: s.footer_length = m.number; break;
      case 5: s.rows = m.number; break;
    }
  }
  return s;
}

// What everything that follows relies on: children come after their one parent and are there, not too deep, and stripes lie in the file.
void check(const FileTail& tail, uint64_t content) {
  std::vector<int> depth(tail.types.size(), 0);
  for (size_t i = 0; i < tail.types.size(); ++i) {
    const Type& t = tail.types[i];
    for (uint32_t c : t.children) {
      if (c <= i || c >= tail.types.size() || depth[c] != 0 || depth[i] >= kDeepest) throw Damaged("the types of an ORC file contradict each other");
      depth[c] = depth[i] + 1;
    }
    const bool right = t.kind == Kind::kStruct ? t.names.size() == t.children.size()
                       : t.kind == Kind::kList ? t.children.size() == 1
                       : t.kind == Kind::kMap  ? t.children.size() == 2
                                               : t.kind == Kind::kUnion || t.children.empty();
    if (!right) throw Damaged("the types of an ORC file contradict each other");
  }
  if (!tail.types.empty() && tail.types[0].kind != Kind::kStruct) throw Damaged("the columns of an ORC file are no struct");
  for (const Stripe& s : tail.stripes) {
    if (s.offset > content || s.index_length > content || s.data_length > content || s.footer_length > content ||
        s.offset + s.index_length + s.data_length + s.footer_length > content)
      throw Damaged("a stripe lies outside its ORC file");
  }
}

}  // namespace

FileTail read_file_tail(storage::RandomReader& file) {
  const uint64_t size = file.info().size;
  FileTail tail;
  if (size == 0) return tail;
  std::string end(std::min(size, kGuess), '\0');
  file.read(size - end.size(), end.data(), end.size());
  const size_t post_length = static_cast<uint8_t>(end.back());
  if (post_length + 1 > end.size()) throw Damaged("it is no ORC file (malformed postscript)");
  uint64_t footer_length = 0;
  std::string_view magic;
  for (Message m(std::string_view(end).substr(end.size() - 1 - post_length, post_length)); m.next();) {
    switch (m.field) {
      case 1: footer_length = m.number; break;
      case 2:
        if (m.number > static_cast<uint64_t>(Compression::kBrotli)) throw Damaged("an ORC file with an unknown compression");
        tail.compression = static_cast<Compression>(m.number);
        break;
      case 3: tail.block_size = m.number; break;
      case 8000: magic = m.bytes; break;
    }
  }
  // Files of the oldest writers name the format only at their start.
  if (magic != "ORC") {
    char start[3] = {};
    if (size >= sizeof start) file.read(0, start, sizeof start);
    if (std::string_view(start, sizeof start) != "ORC") throw Damaged("it is no ORC file (invalid postscript)");
  }
  const uint64_t after = post_length + 1;
  if (footer_length > kLongest || footer_length > size - after || tail.block_size > kLongest) throw Damaged("it is no ORC file (malformed postscript)");
  if (footer_length + after > end.size()) {
    end.resize(footer_length + after);
    file.read(size - end.size(), end.data(), end.size());
  }
  const std::string footer = decompress(std::string_view(end).substr(end.size() - after - footer_length, footer_length), tail.compression, tail.block_size);
  for (Message m(footer); m.next();) {
    switch (m.field) {
      case 3: tail.stripes.push_back(read_stripe(m.bytes)); break;
      case 4: tail.types.push_back(read_type(m.bytes)); break;
      case 6: tail.rows = m.number; break;
      case 10: throw not_built("encrypted ORC files");
      case 11: tail.proleptic = m.number == 2; break;
    }
  }
  check(tail, size);
  return tail;
}

StripeFooter read_stripe_footer(storage::RandomReader& file, const FileTail& tail, const Stripe& stripe) {
  std::string stored(stripe.footer_length, '\0');
  file.read(stripe.offset + stripe.index_length + stripe.data_length, stored.data(), stored.size());
  const std::string bytes = decompress(stored, tail.compression, tail.block_size);
  StripeFooter footer;
  uint64_t at = stripe.offset;
  const uint64_t end = stripe.offset + stripe.index_length + stripe.data_length;
  for (Message m(bytes); m.next();) {
    switch (m.field) {
      case 1: {
        Stream s{StreamKind::kPresent, 0, at, 0};
        for (Message field(m.bytes); field.next();) {
          if (field.field == 1) s.kind = static_cast<StreamKind>(small(field.number));
          if (field.field == 2) s.column = small(field.number);
          if (field.field == 3) s.length = field.number;
        }
        if (s.length > end - at) throw Damaged("a stream lies outside its stripe");
        at += s.length;
        footer.streams.push_back(s);
        break;
      }
      case 2: {
        Encoding e;
        for (Message field(m.bytes); field.next();) {
          if (field.field == 1 && field.number > static_cast<uint64_t>(EncodingKind::kDictionaryV2)) throw Damaged("an ORC column has an unknown encoding");
          if (field.field == 1) e.kind = static_cast<EncodingKind>(field.number);
          if (field.field == 2) e.dictionary_size = small(field.number);
        }
        footer.encodings.push_back(e);
        break;
      }
      case 3: footer.zone = m.bytes; break;
    }
  }
  if (footer.encodings.size() < tail.types.size()) throw Damaged("a stripe does not say how its columns are encoded");
  return footer;
}

}  // namespace tarn::engine::orc
