#pragma once
// One plan that runs, or has run and still has answers to give.
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "connect/replay_buffer.h"
#include "connect/response_encoder.h"
#include "connect/session_registry.h"
#include "engine/session.h"

namespace spark::connect {
class Plan;
}

namespace tarn::connect {

class ExecuteStream;
class FairScheduler;

struct OperationSpec {
  std::string id;
  std::vector<std::string> tags;
  bool reattachable = false;
  ChunkingOptions chunking;
  ReplayBuffer::Limits limits;
};

// Counters of the whole service.
struct ServiceCounters {
  std::atomic<uint64_t> operations_started{0}, operations_failed{0}, operations_cancelled{0}, rows_sent{0}, streams_opened{0},
      requests{0}, requests_refused{0};
};

// Owned by its session until it is released, abandoned or (not reattachable) its stream ends. Thread-safe.
class Operation : public std::enable_shared_from_this<Operation> {
 public:
  Operation(std::shared_ptr<SessionState> session, OperationSpec spec, std::unique_ptr<spark::connect::Plan> plan,
            ServiceCounters& counters);
  ~Operation();

  const std::string& id() const { return spec_.id; }
  const std::vector<std::string>& tags() const { return spec_.tags; }
  bool reattachable() const { return spec_.reattachable; }
  // Whether a repeated ExecutePlan of this id asks for the same plan.
  bool same_plan(const spark::connect::Plan& plan) const;
  SessionState& session() const { return *session_; }
  ReplayBuffer& buffer() { return buffer_; }

  // Hands it to the scheduler. Once.
  void start(FairScheduler& scheduler);
  // True if it was still running and will now end with OPERATION_CANCELED.
  bool interrupt();
  // Interrupts it and forgets its answers: streams end, the session no longer knows it.
  void remove(bool abandoned);

  // A stream takes over; the one before is told that it was disconnected.
  void attach(const std::shared_ptr<ExecuteStream>& stream);
  void detach(const ExecuteStream* stream);

  OperationState state() const;
  bool running() const { return !buffer_.finished(); }

  // Regularly called: progress for an attached client, the end of a stream that is open for too long.
  void tick(Clock::time_point now);
  // Since when nobody is attached; max() while somebody is.
  Clock::time_point detached_since() const;

 private:
  class Sink;
  void run();
  void execute();
  void end_with(std::exception_ptr error);

  const std::shared_ptr<SessionState> session_;
  const OperationSpec spec_;
  const size_t plan_digest_;
  std::unique_ptr<spark::connect::Plan> plan_;  // until it has run; only run() touches it
  ServiceCounters& counters_;
  engine::CancelToken cancel_;
  ReplayBuffer buffer_;
  ResponseEncoder encoder_;
  std::atomic<bool> interrupted_{false}, failed_{false};
  std::atomic<bool> started_{false};  // the engine has it
  std::atomic<uint64_t> task_{0};
  FairScheduler* scheduler_ = nullptr;

  mutable std::mutex mu_;
  std::shared_ptr<ExecuteStream> stream_;      // guarded by mu_
  Clock::time_point detached_since_;           // guarded by mu_
  Clock::time_point last_progress_;            // guarded by mu_
};

}  // namespace tarn::connect
