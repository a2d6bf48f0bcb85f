#include "engine/sources/file_blocks.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "engine/sources/line_source.h"
#include "engine/sources/vector_bytes.h"
#include "storage/settings.h"

namespace tarn::engine::sources {
namespace {
constexpr size_t kBlock = 1 << 20;
constexpr size_t kLongestRecord = 1 << 30;
}

BlockPtr FileBlocks::next() {
  if (failure_) {
    done_ = true;
    stream_.reset();
    std::rethrow_exception(std::exchange(failure_, nullptr));
  }
  if (done_) return nullptr;
  if (!stream_) stream_ = open_file(path_, charset_);
  size_t capacity = kBlock + carry_.size();
  auto block = std::make_shared<BlockBuffer>(capacity);
  memcpy(block->data.get(), carry_.data(), carry_.size());
  size_t used = carry_.size(), searched = 0;
  carry_.clear();
  auto finish = [&](size_t size) -> BlockPtr {
    if (size == 0) return nullptr;
    block->size = size;
    memset(block->data.get() + size, '\n', BlockBuffer::kPadding);
    ++produced_;
    return block;
  };
  for (;;) {
    bool end = false;
    try {
      while (used < capacity && !end) {
        size_t got = stream_->read(block->data.get() + used, capacity - used);
        end = got == 0;
        used += got;
      }
    } catch (const StreamError&) {
      // The records before the damage count; the cut-off one after them does not.
      failure_ = std::current_exception();
      size_t cut = cut_({block->data.get(), used});
      return cut ? finish(cut) : next();
    }
    if (end) {
      done_ = true;
      stream_.reset();
      return finish(used);
    }
    size_t cut = cut_({block->data.get() + searched, used - searched});
    if (cut > 0) {
      cut += searched;
      carry_.assign(block->data.get() + cut, used - cut);
      return finish(cut);
    }
    searched = used > 256 ? used - 256 : 0;  // one record longer than the block
    if (capacity >= kLongestRecord) throw StreamError("a record longer than 1 GiB");
    capacity *= 2;
    auto larger = std::make_shared<BlockBuffer>(capacity);
    memcpy(larger->data.get(), block->data.get(), used);
    block = std::move(larger);
  }
}

size_t inference_workers(const std::vector<DataFile>& files) {
  uint64_t bytes = 0;
  for (const auto& f : files) bytes += static_cast<uint64_t>(f.size);
  return static_cast<size_t>(std::clamp<uint64_t>(bytes / (kBlock / 2), 1, std::max(1u, std::thread::hardware_concurrency())));
}

void for_each_block(const std::vector<DataFile>& files, const std::string& charset, const FileBlocks::Cut& cut, const ScanSettings& settings,
                    size_t workers, const std::function<bool(size_t, const BlockPtr&)>& body) {
  struct Shared {
    std::mutex mu;
    FileBlocks blocks;  // guarded by mu
    std::atomic<bool> done{false};
    Shared(const DataFile& f, const std::string& charset, const FileBlocks::Cut& cut) : blocks(f.path, charset, cut) {}
  };
  std::vector<std::unique_ptr<Shared>> open;
  for (const auto& f : files) open.push_back(std::make_unique<Shared>(f, charset, cut));
  std::atomic<bool> stop{false};
  std::mutex error_mu;
  std::exception_ptr error;  // guarded by error_mu
  auto work = [&](size_t worker) {
    try {
      while (!stop) {
        // A file that nobody reads from now, else the first that has more.
        size_t at = files.size();
        std::unique_lock<std::mutex> lock;
        for (size_t i = 0; i < open.size() && !lock.owns_lock(); ++i) {
          if (open[i]->done) continue;
          if (at == files.size()) at = i;
          std::unique_lock<std::mutex> attempt(open[i]->mu, std::try_to_lock);
          if (attempt.owns_lock()) {
            at = i;
            lock = std::move(attempt);
          }
        }
        if (at == files.size()) return;
        if (!lock.owns_lock()) lock = std::unique_lock<std::mutex>(open[at]->mu);
        if (open[at]->done) continue;
        BlockPtr block;
        try {
          block = open[at]->blocks.next();
        } catch (const std::exception&) {
          open[at]->done = true;
          handle_read_error(files[at], settings);
          continue;
        }
        if (open[at]->blocks.done()) open[at]->done = true;
        lock.unlock();
        if (block && !body(worker, block)) stop = true;
      }
    } catch (...) {
      std::lock_guard guard(error_mu);
      if (!error) error = std::current_exception();
      stop = true;
    }
  };
  std::vector<std::thread> threads;
  for (size_t i = 1; i < workers; ++i) {
    threads.emplace_back([&, i, settings = storage::current_settings()] {
      storage::SettingsScope scope(settings);
      work(i);
    });
  }
  work(0);
  for (auto& t : threads) t.join();
  if (error) std::rethrow_exception(error);
}

bool BlockLines::next(std::string_view& line) {
  if (p_ >= end_) return false;
  if (!separator_.empty()) {
    std::string_view rest(p_, static_cast<size_t>(end_ - p_));
    size_t at = rest.find(separator_);
    line = rest.substr(0, at);
    p_ = at == std::string_view::npos ? end_ : p_ + at + separator_.size();
    return true;
  }
  const char* stop = find_line_end(p_, end_);
  line = {p_, static_cast<size_t>(stop - p_)};
  p_ = stop;
  if (p_ < end_) p_ += *p_ == '\r' && p_ + 1 < end_ && p_[1] == '\n' ? 2 : 1;
  return true;
}

}  // namespace tarn::engine::sources
