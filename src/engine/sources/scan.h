#pragma once
// The frame around the row formats (csv, json, text, binaryFile): one DuckDB table function that hands blocks of files to decoders.
// Files are read and decompressed under the lock of the file, block by block, cut at the ends of records; decoding happens outside, so
// the threads of a query share even a single compressed file. Block numbers are DuckDB's batch indexes: the order of rows is kept.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sources/file_index.h"
#include "base/spark_error.h"
#include "engine/sources/source.h"

namespace duckdb {
class DataChunk;
}

namespace tarn::engine::sources {

// Bytes shared by the vectors that point into them. Followed by kPadding bytes that may be read.
struct BlockBuffer {
  static constexpr size_t kPadding = 64;
  std::unique_ptr<char[]> data;
  size_t size = 0;
  explicit BlockBuffer(size_t capacity) : data(new char[capacity + kPadding]) {}
  BlockBuffer(const BlockBuffer&) = delete;
  std::string_view view() const { return {data.get(), size}; }
};
using BlockPtr = std::shared_ptr<BlockBuffer>;

// Bytes [from, to) of a file.
struct FileSplit {
  uint64_t from = 0, to = 0;
};

// Decodes records into the columns of chunks. One per thread.
class RowDecoder {
 public:
  virtual ~RowDecoder() = default;
  // Whole records; first: the start of the file. utf8: the bytes are valid UTF-8 (else the format asked to see them as they are).
  virtual void start_block(const BlockPtr& block, const DataFile& file, bool first, bool utf8) = 0;
  // Formats that are not cut into blocks read the file themselves: what begins in the split.
  virtual void start_file(const DataFile& file, const FileSplit& split) = 0;
  // Fills rows 0.. of the chunk's data columns; 0 = the block or file is done. At most STANDARD_VECTOR_SIZE.
  virtual size_t decode(duckdb::DataChunk& chunk) = 0;
};

// What a query wants: field `field` of the data schema in column `slot` of the chunk.
struct WantedColumn {
  size_t field = 0, slot = 0;
};

// A row format, immutable.
class RowFormat {
 public:
  virtual ~RowFormat() = default;
  virtual bool in_blocks() const = 0;
  // How long the splits of a file are that several threads read, where it is not cut into blocks; 0: one thread reads all of it.
  virtual uint64_t split_size() const { return 0; }
  virtual std::string charset() const { return "UTF-8"; }
  // Replace what is no UTF-8 by U+FFFD before the decoder sees it.
  virtual bool repair_utf8() const { return true; }
  // The length of the longest prefix that ends with a record; 0: none ends here.
  virtual size_t complete_prefix(std::string_view bytes) const = 0;
  virtual std::unique_ptr<RowDecoder> decoder(const std::vector<WantedColumn>& columns) const = 0;
};

// The end of the last line in the bytes: after \n, \r\n or \r (separator empty), or after the separator. 0: none.
size_t complete_lines(std::string_view bytes, std::string_view separator);

// Replaces invalid sequences by U+FFFD.
std::string repair_utf8(std::string_view bytes);

struct FileSchema {
  plan::DataType data;                   // what the files hold
  plan::DataType full;                   // with partition columns
  std::vector<int> data_index;           // per field of full: index into data, or -1
  std::vector<int> partition_index;      // per field of full: index into partition fields, or -1
};
// Spark's mergeDataAndPartitionSchema: partition columns take the place and win the type of data columns of their name.
FileSchema merge_schema(plan::DataType data, const std::vector<plan::StructField>& partition_fields, bool case_sensitive);

// Every field, element and value may be null: what files hold is never trusted.
plan::DataType as_nullable(const plan::DataType& type);

struct ScanSettings {
  bool ignore_corrupt = false, ignore_missing = false;
  std::string zone;
  std::string identity;   // of the relation: what was asked for
};

std::shared_ptr<FileRelation> make_row_relation(std::string format, FileIndex index, FileSchema schema, std::shared_ptr<const RowFormat> rows,
                                                ScanSettings settings, const plan::SessionConf& conf);

plan::StructField metadata_field(bool with_row_index);

// As an exception that DuckDB carries to the client.
[[noreturn]] void throw_in_scan(const SparkError& error);
// What went wrong with a file's content while it was read, as Spark's attachFilePath has it: FAILED_READ_FILE.NO_HINT that names the
// file, around the cause. An upgrade question and what already says that reading failed stay as they are.
[[noreturn]] void throw_in_file(const DataFile& file, const SparkError& cause);
// FAILED_READ_FILE.NO_HINT / FILE_NOT_EXIST naming the file.
SparkError read_failed(const DataFile& file, const std::string& why, bool missing);

void register_row_scan(duckdb::DatabaseInstance& database);

}  // namespace tarn::engine::sources
