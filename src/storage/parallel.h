#pragma once
// Threads that wait for networks: requests in flight at once, and reading ahead.
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/object_store.h"

namespace tarn::storage {

// Runs on one of at most 32 threads of the process. What it throws is in the future. Must not wait for another such task: what may be called
// from one asks in_background() and does its work itself.
std::future<void> run_in_background(std::function<void()> work);
bool in_background();

// Files read whole, one after the other; the next are on their way. Not thread-safe.
class WholeFiles {
 public:
  WholeFiles(ObjectStore& store, std::vector<std::string> paths) : store_(store), paths_(std::move(paths)) {}
  // The content of the next path. Throws IoError.
  std::string next();

 private:
  ObjectStore& store_;
  const std::vector<std::string> paths_;
  size_t at_ = 0, started_ = 0;
  std::deque<std::pair<std::future<void>, std::shared_ptr<std::string>>> running_;
};

// A file from its start to its end; the next blocks are on their way while one is read. Not thread-safe.
class SequentialReader {
 public:
  SequentialReader(std::shared_ptr<RandomReader> file, size_t block = 4 << 20, size_t ahead = 4);
  ~SequentialReader();
  // Up to n bytes, 0 at the end.
  size_t read(char* out, size_t n);

 private:
  struct Block;
  void start_next();
  std::shared_ptr<RandomReader> file_;
  size_t block_, ahead_, at_ = 0;
  uint64_t next_ = 0;
  std::deque<std::shared_ptr<Block>> blocks_;
};

}  // namespace tarn::storage
