#pragma once
// The set of deleted rows of a data file. Source: Delta PROTOCOL.md, "Deletion Vector Format".
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "delta/actions.h"

namespace tarn::delta {

// A set of row positions. Move-only; reading is thread-safe once it is built.
class RowSet {
 public:
  RowSet();
  ~RowSet();
  RowSet(RowSet&&) noexcept;
  RowSet& operator=(RowSet&&) noexcept;

  bool contains(uint64_t row) const;
  // True if any row of [begin, end) is in the set.
  bool intersects(uint64_t begin, uint64_t end) const;
  void add(uint64_t row);
  void merge(const RowSet& other);     // union
  void subtract(const RowSet& other);  // rows of this that are not in other
  uint64_t count() const;

  // The bytes of the portable format (magic 1681511377 and buckets), without size and checksum.
  std::string serialize() const;
  // Either magic. Throws IoError naming `source` if the bytes are damaged.
  static RowSet deserialize(std::string_view bytes, const std::string& source);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads a vector; checks version byte, size, CRC and cardinality. Throws IoError.
RowSet read_deletion_vector(const std::string& table_path, const DeletionVectorDescriptor& descriptor);
// Writes a new file "deletion_vector_UUID.bin" into the table's directory, durably, and describes it.
DeletionVectorDescriptor write_deletion_vector(const std::string& table_path, const RowSet& rows);
// Where the vector's file is; empty for inline ones. Throws IoError for a bad descriptor.
std::string deletion_vector_path(const std::string& table_path, const DeletionVectorDescriptor& descriptor);

// Base 85 as ZeroMQ's RFC 32 has it; the text's length is a multiple of 5. decode throws IoError.
std::string z85_encode(std::string_view bytes);
std::string z85_decode(std::string_view text);

}  // namespace tarn::delta
