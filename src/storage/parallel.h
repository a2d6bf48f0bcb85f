#pragma once
// Threads that wait for networks: requests in flight at once, and reading ahead.
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/object_store.h"

namespace tarn::storage {

// Runs on one of at most 32 threads of the process. What it throws is in the future. Must not wait for another such task: what may be called
// from one asks in_background() and does its work itself.
std::future<void> run_in_background(std::function<void()> work);
bool in_background();

// Tasks of one owner on their way, at most so many at once. Not thread-safe. On a background thread a task runs before start() returns.
class InFlight {
 public:
  explicit InFlight(size_t at_once) : at_once_(at_once) {}
  ~InFlight() { stop(); }
  InFlight(const InFlight&) = delete;
  // Waits for room. Throws what an earlier task has thrown; the new one has not begun then.
  void start(std::function<void()> task);
  // Until all have ended; throws what the first that failed has thrown.
  void wait();
  // Until all have ended, whatever they threw.
  void stop() noexcept;

 private:
  void wait_for(size_t left);
  const size_t at_once_;
  std::deque<std::future<void>> running_;
};

// A file that goes up in parts, which travel while the next is filled. Not thread-safe.
class PartUpload {
 public:
  // Sends a part. Runs in the background, several at once if at_once says so; else in order.
  using Send = std::function<void(size_t index, uint64_t offset, std::string_view part)>;
  // begin: once, before the first part is sent, by the thread that writes. grow_every: the parts double after so many of them, up to 512 MiB;
  // 0: never.
  PartUpload(size_t part_size, size_t at_once, size_t grow_every, std::function<void()> begin, Send send)
      : part_size_(part_size), grow_every_(grow_every), begin_(std::move(begin)), send_(std::move(send)), running_(at_once) {}
  void write(std::string_view bytes);
  // Sends what is left and waits for all. unit: only whole units of it, and never the last byte.
  void flush(size_t unit = 0);
  // To be called before what `send` uses is gone.
  void stop() noexcept { running_.stop(); }
  const std::string& rest() const { return buffer_; }  // not sent yet; not empty before flush(), unless nothing was written
  size_t parts() const { return parts_; }              // sent, or on their way
  uint64_t size() const { return sent_ + buffer_.size(); }

 private:
  void send_part(size_t n);
  size_t part_size_;
  const size_t grow_every_;
  const std::function<void()> begin_;
  const Send send_;
  std::string buffer_;
  size_t parts_ = 0;
  uint64_t sent_ = 0;
  InFlight running_;
};

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

// The file is about to be opened, and its end, where footers lie, to be read: a store behind HTTP fetches it in the background.
void expect(ObjectStore& store, const FileInfo& file);

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
