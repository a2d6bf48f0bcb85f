#pragma once
// The stream of one ExecutePlan or ReattachExecute call: sends what the operation's replay buffer has.
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <mutex>

#include "connect/session_registry.h"

namespace tarn::connect {

class Operation;

struct StreamLimits {
  std::chrono::milliseconds max_duration{120'000};  // spark.connect.execute.reattachable.senderMaxStreamDuration
  uint64_t max_bytes = 1 << 30;                     // spark.connect.execute.reattachable.senderMaxStreamSize
};

// Lives until gRPC is done with the call. Never blocks; holds no thread while it waits for answers or for the client.
class ExecuteStream final : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // Attaches to the operation and sends from this number on. The reactor is gRPC's from then on.
  static ExecuteStream* open(std::shared_ptr<Operation> operation, uint64_t first, StreamLimits limits);
  // A call that fails at once.
  static ExecuteStream* fail(grpc::Status status);

  // Sends the next answer if there is one and nothing is being sent. Thread-safe.
  void pump();
  // Another stream took over, or the operation is gone: ends with INVALID_CURSOR.DISCONNECTED.
  void disconnect();
  // A stream that is open too long ends without ResultComplete: the client attaches again.
  void check_limits(Clock::time_point now);

 private:
  explicit ExecuteStream(StreamLimits limits);
  void end(grpc::Status status);  // now, or once the write that is under way is done
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  std::shared_ptr<Operation> operation_;  // null for a failed call
  const StreamLimits limits_;
  const Clock::time_point opened_ = Clock::now();
  std::mutex mu_;
  std::shared_ptr<ExecuteStream> self_;                       // until OnDone
  std::shared_ptr<const grpc::ByteBuffer> sending_;           // guarded by mu_
  uint64_t next_ = 1, sent_bytes_ = 0;                        // guarded by mu_
  bool writing_ = false, ending_ = false, finished_ = false;  // guarded by mu_
  grpc::Status status_;                                       // guarded by mu_
};

}  // namespace tarn::connect
