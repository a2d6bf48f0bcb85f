#pragma once
// The answers of one operation between the thread that makes them and the client that reads them.
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace tarn::engine {
class CancelToken;
}

namespace tarn::connect {

// Invariants:
//  - answers are numbered 1, 2, 3 ... and kept in that order; an answer leaves only from the front;
//  - not yet sent: at most max_unsent bytes (or one answer): push() waits, nothing is dropped;
//  - sent but not released by the client: the last one sent and those before it, until they make max_retry bytes, so that a client
//    whose connection broke can ask for them again: what was sent may still lie in the buffers between us and it;
//  - the id of an answer is a UUID that holds its number: finding a position needs no table.
// One producer (plus try_push), one consumer at a time. Thread-safe.
class ReplayBuffer {
 public:
  struct Limits {
    size_t max_unsent = 32 << 20;
    size_t max_retry = 32 << 20;  // more than the network between us and a client holds; 0: nothing is kept once it is sent (an operation that cannot be reattached)
  };
  ReplayBuffer(Limits limits);

  // Appends an answer: a serialised ExecutePlanResponse without its response_id, which is added here. Waits while the client is behind.
  // False if the buffer was closed or the token cancelled: the answer was not taken.
  bool push(const std::vector<grpc::Slice>& message, const engine::CancelToken& cancel);
  // The same, but never waits and also answers false when there is no room.
  bool try_push(const std::vector<grpc::Slice>& message);
  // No more answers: the stream ends with this status after the last one. Later calls change nothing.
  void finish(grpc::Status status);
  // The operation is gone: producer and consumer are let go.
  void close();
  // Makes a waiting push() look at its token again.
  void wake();

  struct Next {
    enum class Kind { kAnswer, kWait, kEnd, kLost } kind = Kind::kWait;
    std::shared_ptr<const grpc::ByteBuffer> answer;  // kAnswer
    size_t bytes = 0;
    grpc::Status status;   // kEnd
  };
  // The answer with this number, for sending. kWait: not there yet, the listener will be called. kLost: no longer kept.
  Next take(uint64_t number);
  // Called (without locks) after something to take has arrived. Replaces the earlier one; nullptr removes it.
  void set_listener(std::function<void()> listener);

  // The number after the answer with this id. SparkError INVALID_CURSOR.POSITION_NOT_FOUND for an id that is not of this operation,
  // INVALID_CURSOR.POSITION_NOT_AVAILABLE if what follows it is no longer kept.
  uint64_t position_after(const std::string& response_id) const;
  // SparkError INVALID_CURSOR.POSITION_NOT_AVAILABLE if the first answer is no longer kept.
  uint64_t position_of_first() const;
  // The client has everything up to this id (included). An unknown id: INVALID_CURSOR.POSITION_NOT_FOUND.
  void release_until(const std::string& response_id);

  bool finished() const;
  uint64_t sent_bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const grpc::ByteBuffer> answer;
    size_t bytes;
  };
  std::string id_of(uint64_t number) const;
  std::optional<uint64_t> number_of(const std::string& response_id) const;
  bool has_room(size_t bytes) const { return unsent_ == 0 || unsent_ + bytes <= limits_.max_unsent; }  // mu_ held
  std::function<void()> append(const std::vector<grpc::Slice>& message, size_t bytes);                 // mu_ held; call the result after
  void drop_front(uint64_t up_to);                                                                     // mu_ held

  const Limits limits_;
  std::string seed_;  // the first 24 characters of every id
  mutable std::mutex mu_;
  std::condition_variable room_;
  std::deque<Entry> entries_;            // guarded by mu_
  uint64_t first_ = 1;                   // guarded by mu_: number of entries_.front()
  uint64_t next_ = 1;                    // guarded by mu_: number of the next answer
  uint64_t sent_ = 0;                    // guarded by mu_: highest number taken
  size_t unsent_ = 0, retry_ = 0;        // guarded by mu_: bytes after and up to sent_
  uint64_t sent_total_ = 0;              // guarded by mu_
  bool finished_ = false, closed_ = false;  // guarded by mu_
  grpc::Status status_;                  // guarded by mu_
  std::function<void()> listener_;       // guarded by mu_
};

}  // namespace tarn::connect
