#include "storage/parallel.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

namespace tarn::storage {
namespace {

thread_local bool background_thread = false;

class Background {
 public:
  std::future<void> run(std::function<void()> work) {
    std::packaged_task<void()> task(std::move(work));
    auto future = task.get_future();
    std::lock_guard lock(mu_);
    tasks_.push_back(std::move(task));
    if (idle_ > 0) {
      ready_.notify_one();
    } else if (threads_ < kMaxThreads) {
      ++threads_;
      std::thread([this] { serve(); }).detach();
    }
    return future;
  }

 private:
  static constexpr int kMaxThreads = 32;
  void serve() {
    background_thread = true;
    std::unique_lock lock(mu_);
    for (;;) {
      ++idle_;
      ready_.wait(lock, [&] { return !tasks_.empty(); });
      --idle_;
      auto task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
      task = {};
      lock.lock();
    }
  }
  std::mutex mu_;
  std::condition_variable ready_;
  std::deque<std::packaged_task<void()>> tasks_;  // guarded by mu_
  int threads_ = 0, idle_ = 0;                    // guarded by mu_
};

}  // namespace

std::future<void> run_in_background(std::function<void()> work) {
  static auto& background = *new Background;  // lives as long as its threads: to the end of the process
  return background.run(std::move(work));
}

std::string WholeFiles::next() {
  constexpr size_t kAhead = 16;
  if (store_.is_local() || paths_.size() == 1) return store_.read(paths_.at(at_++));
  while (started_ < paths_.size() && running_.size() < kAhead) {
    auto content = std::make_shared<std::string>();
    running_.emplace_back(run_in_background([&store = store_, path = paths_[started_], content] { *content = store.read(path); }), content);
    ++started_;
  }
  auto [done, content] = std::move(running_.front());
  running_.pop_front();
  ++at_;
  done.get();
  return std::move(*content);
}

bool in_background() { return background_thread; }

void InFlight::start(std::function<void()> task) {
  if (in_background()) return task();
  wait_for(at_once_ - 1);
  running_.push_back(run_in_background(std::move(task)));
}

void InFlight::wait() { wait_for(0); }

void InFlight::wait_for(size_t left) {
  while (running_.size() > left) {
    auto first = std::move(running_.front());
    running_.pop_front();
    first.get();
  }
}

void InFlight::stop() noexcept {
  for (auto& task : running_) task.wait();
  running_.clear();
}

void PartUpload::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (buffer_.size() >= part_size_) send_part(buffer_.size());
    size_t take = std::min(bytes.size(), part_size_ - buffer_.size());
    buffer_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
  }
}

void PartUpload::flush(size_t unit) {
  size_t n = buffer_.empty() || unit == 0 ? buffer_.size() : (buffer_.size() - 1) / unit * unit;
  if (n > 0) send_part(n);
  running_.wait();
}

void PartUpload::send_part(size_t n) {
  if (parts_ == 0) begin_();
  auto part = std::make_shared<std::string>(std::exchange(buffer_, {}));
  buffer_.assign(*part, n);
  part->resize(n);
  uint64_t offset = std::exchange(sent_, sent_ + n);
  size_t index = parts_++;
  running_.start([&send = send_, index, offset, part] { send(index, offset, *part); });
  // A long file gets longer parts, so that it fits into the number that the store allows.
  if (grow_every_ && parts_ % grow_every_ == 0) part_size_ = std::min<size_t>(part_size_ * 2, 512 << 20);
}

struct SequentialReader::Block {
  std::string data;
  std::future<void> done;
};

SequentialReader::SequentialReader(std::shared_ptr<RandomReader> file, size_t block, size_t ahead)
    : file_(std::move(file)), block_(block), ahead_(ahead) {}

// Blocks on their way belong to their tasks: nobody waits for them.
SequentialReader::~SequentialReader() = default;

void SequentialReader::start_next() {
  uint64_t size = file_->info().size;
  if (next_ >= size) return;
  auto block = std::make_shared<Block>();
  auto n = static_cast<size_t>(std::min<uint64_t>(block_, size - next_));
  block->done = run_in_background([block = block, file = file_, offset = next_, n] {
    block->data.resize(n);
    file->read(offset, block->data.data(), n);
  });
  next_ += n;
  blocks_.push_back(std::move(block));
}

size_t SequentialReader::read(char* out, size_t n) {
  while (blocks_.size() < ahead_ && next_ < file_->info().size) start_next();
  if (blocks_.empty()) return 0;
  Block& first = *blocks_.front();
  if (first.done.valid()) first.done.get();
  size_t take = std::min(n, first.data.size() - at_);
  std::memcpy(out, first.data.data() + at_, take);
  at_ += take;
  if (at_ == first.data.size()) {
    blocks_.pop_front();
    at_ = 0;
  }
  return take;
}

}  // namespace tarn::storage
