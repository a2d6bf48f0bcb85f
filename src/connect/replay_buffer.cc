#include "connect/replay_buffer.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "base/ids.h"
#include "base/spark_error.h"
#include "engine/session.h"

namespace tarn::connect {
namespace {

constexpr size_t kSeedLength = 24;  // "xxxxxxxx-xxxx-4xxx-yxxx-", then twelve digits of the number

// Field 13 (response_id) of ExecutePlanResponse: fields of a message may stand in any order, so it can follow the rest.
grpc::Slice response_id_field(const std::string& id) {
  std::string field = "\x6a";  // 13 << 3 | length-delimited
  field += static_cast<char>(id.size());
  field += id;
  return grpc::Slice(field);
}

}  // namespace

ReplayBuffer::ReplayBuffer(Limits limits) : limits_(limits), seed_(random_uuid().substr(0, kSeedLength)) {}

std::string ReplayBuffer::id_of(uint64_t number) const {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%012" PRIx64, uint64_t{number & 0xffffffffffff});
  return seed_ + digits;
}

std::optional<uint64_t> ReplayBuffer::number_of(const std::string& response_id) const {
  if (!is_uuid(response_id) || response_id.compare(0, kSeedLength, seed_) != 0) return std::nullopt;
  return std::strtoull(response_id.c_str() + kSeedLength, nullptr, 16);
}

std::function<void()> ReplayBuffer::append(const std::vector<grpc::Slice>& message, size_t bytes) {
  std::vector<grpc::Slice> slices = message;
  slices.push_back(response_id_field(id_of(next_)));
  entries_.push_back({std::make_shared<grpc::ByteBuffer>(slices.data(), slices.size()), bytes});
  ++next_;
  unsent_ += bytes;
  return listener_;
}

namespace {
size_t size_of(const std::vector<grpc::Slice>& message) {
  size_t bytes = 0;
  for (const auto& s : message) bytes += s.size();
  return bytes;
}
}  // namespace

bool ReplayBuffer::push(const std::vector<grpc::Slice>& message, const engine::CancelToken& cancel) {
  size_t bytes = size_of(message);
  std::function<void()> listener;
  {
    std::unique_lock lock(mu_);
    room_.wait(lock, [&] { return closed_ || cancel.cancelled() || has_room(bytes); });
    if (closed_ || finished_ || cancel.cancelled()) return false;
    listener = append(message, bytes);
  }
  if (listener) listener();
  return true;
}

bool ReplayBuffer::try_push(const std::vector<grpc::Slice>& message) {
  size_t bytes = size_of(message);
  std::function<void()> listener;
  {
    std::lock_guard lock(mu_);
    if (closed_ || finished_ || !has_room(bytes)) return false;
    listener = append(message, bytes);
  }
  if (listener) listener();
  return true;
}

void ReplayBuffer::finish(grpc::Status status) {
  std::function<void()> listener;
  {
    std::lock_guard lock(mu_);
    if (finished_) return;
    finished_ = true;
    status_ = std::move(status);
    listener = listener_;
  }
  if (listener) listener();
}

void ReplayBuffer::close() {
  std::deque<Entry> dropped;  // ends outside the lock
  std::lock_guard lock(mu_);
  closed_ = true;
  dropped.swap(entries_);
  first_ = next_;
  unsent_ = retry_ = 0;
  room_.notify_all();
}

void ReplayBuffer::wake() {
  std::lock_guard lock(mu_);
  room_.notify_all();
}

void ReplayBuffer::drop_front(uint64_t up_to) {
  while (!entries_.empty() && first_ <= up_to) {
    (first_ <= sent_ ? retry_ : unsent_) -= entries_.front().bytes;
    entries_.pop_front();
    ++first_;
  }
}

ReplayBuffer::Next ReplayBuffer::take(uint64_t number) {
  Next next;
  std::lock_guard lock(mu_);
  if (number < first_) {
    // Nothing was kept, but nothing more is wanted either: the end can still be told.
    if (finished_ && number == next_) {
      next.kind = Next::Kind::kEnd;
      next.status = status_;
    } else {
      next.kind = Next::Kind::kLost;
    }
    return next;
  }
  if (number >= next_) {
    if (finished_) {
      next.kind = Next::Kind::kEnd;
      next.status = status_;
    }
    return next;
  }
  const Entry& entry = entries_[number - first_];
  next.kind = Next::Kind::kAnswer;
  next.answer = entry.answer;
  next.bytes = entry.bytes;
  sent_total_ += entry.bytes;
  while (sent_ < number) {
    ++sent_;
    size_t bytes = entries_[sent_ - first_].bytes;
    unsent_ -= bytes;
    retry_ += bytes;
  }
  if (limits_.max_retry == 0) {
    drop_front(sent_);
  } else {
    while (first_ < sent_ && retry_ - entries_.front().bytes >= limits_.max_retry) drop_front(first_);
  }
  room_.notify_all();
  return next;
}

void ReplayBuffer::set_listener(std::function<void()> listener) {
  std::lock_guard lock(mu_);
  listener_ = std::move(listener);
}

namespace {
SparkError not_found(const std::string& id) {
  return SparkError(ErrorKind::kSpark, "INVALID_CURSOR.POSITION_NOT_FOUND", {{"responseId", id}});
}
SparkError not_available(uint64_t number, const std::string& id) {
  return SparkError(ErrorKind::kSpark, "INVALID_CURSOR.POSITION_NOT_AVAILABLE", {{"index", std::to_string(number)}, {"responseId", id}});
}
}  // namespace

uint64_t ReplayBuffer::position_after(const std::string& response_id) const {
  auto number = number_of(response_id);
  std::lock_guard lock(mu_);
  if (!number || *number == 0 || *number >= next_) throw not_found(response_id);
  if (*number + 1 < first_) throw not_available(*number + 1, id_of(*number + 1));
  return *number + 1;
}

uint64_t ReplayBuffer::position_of_first() const {
  std::lock_guard lock(mu_);
  if (first_ > 1) throw not_available(1, id_of(1));
  return 1;
}

void ReplayBuffer::release_until(const std::string& response_id) {
  auto number = number_of(response_id);
  std::lock_guard lock(mu_);
  if (!number || *number == 0 || *number >= next_) throw not_found(response_id);
  drop_front(std::min(*number, sent_));
}

bool ReplayBuffer::finished() const {
  std::lock_guard lock(mu_);
  return finished_;
}

uint64_t ReplayBuffer::sent_bytes() const {
  std::lock_guard lock(mu_);
  return sent_total_;
}

}  // namespace tarn::connect
