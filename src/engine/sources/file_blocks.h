#pragma once
// A file as a sequence of blocks that end with a record, and many files' blocks for several threads.
#include <atomic>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "engine/sources/byte_stream.h"
#include "engine/sources/scan.h"

namespace tarn::engine::sources {

// Not thread-safe.
class FileBlocks {
 public:
  // The length of the longest prefix that ends with a record; 0: none.
  using Cut = std::function<size_t(std::string_view)>;
  FileBlocks(std::string path, std::string charset, Cut cut) : path_(std::move(path)), charset_(std::move(charset)), cut_(std::move(cut)) {}
  // nullptr at the end of the file. Throws StreamError and IoError, but only after the whole records before the damage.
  BlockPtr next();
  bool done() const { return done_; }
  size_t produced() const { return produced_; }

 private:
  std::string path_, charset_, carry_;
  Cut cut_;
  std::unique_ptr<ByteStream> stream_;
  std::exception_ptr failure_;
  bool done_ = false;
  size_t produced_ = 0;
};

// Gives every block of the files to one of some threads: body(worker, block). What a worker throws ends all and is rethrown here.
// Damaged and missing files are errors or skipped, as the settings say.
void for_each_block(const std::vector<DataFile>& files, const std::string& charset, const FileBlocks::Cut& cut, const ScanSettings& settings,
                    size_t workers, const std::function<bool(size_t worker, const BlockPtr& block)>& body);
size_t inference_workers(const std::vector<DataFile>& files);

// The lines of a block one after the other.
class BlockLines {
 public:
  BlockLines(const BlockPtr& block, const std::string& separator) : p_(block->data.get()), end_(p_ + block->size), separator_(separator) {}
  bool next(std::string_view& line);

 private:
  const char *p_, *end_;
  const std::string& separator_;
};

}  // namespace tarn::engine::sources
