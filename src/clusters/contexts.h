#pragma once
// Execution contexts: for a user, on a cluster, a Python process that keeps its variables from command to command. They end with the cluster.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "clusters/environments.h"
#include "clusters/interpreter.h"
#include "clusters/supervisor.h"
#include "http/principal.h"
#include "secrets/redactor.h"

namespace tarn::clusters {

struct ContextHooks {
  // A connection to this workspace for code that runs as this user on this cluster: {host, token, remote, facts}. *token_id names the token.
  std::function<Json(const http::Principal& caller, const std::string& cluster, std::string* token_id)> connect;
  std::function<void(const std::string& token_id)> disconnect;
};

struct CommandState {
  enum class Status { kQueued, kRunning, kCancelling, kFinished, kCancelled, kError };
  Status status = Status::kQueued;
  Json results;   // null until it has ended; as API 1.2 has them, without secrets
};

const char* status_name(CommandState::Status status);   // as API 1.2 has it

// What a command has printed from a position on, without secrets; next: the position behind it (bytes of what was shown).
struct CommandOutput {
  std::string text;
  size_t next = 0;
  CommandState state;
};

// Thread-safe. A context is its owner's: to everybody else it does not exist.
class ExecutionContexts : public ClusterWatcher {
 public:
  ExecutionContexts(Supervisor& supervisor, Environments& environments, secrets::Redactor& redactor, ContextHooks hooks);
  ~ExecutionContexts();

  // The id of a new one on a running cluster. RestError if there are too many.
  std::string create(const http::Principal& caller, const Cluster& cluster, const std::string& language);
  Interpreter::State state(const http::Principal& caller, const std::string& cluster, const std::string& context, std::string* why) const;
  void destroy(const http::Principal& caller, const std::string& cluster, const std::string& context);

  // The id of the command. language: "" is the context's.
  std::string execute(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& language, std::string code);
  CommandState command(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& command) const;
  CommandOutput output(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& command, size_t from) const;
  void cancel(const http::Principal& caller, const std::string& cluster, const std::string& context, const std::string& command);

  void ended(const std::string& cluster) override;
  size_t count() const;
  void stop();

 private:
  struct Context;
  class Command;
  void end(Context& context);
  std::shared_ptr<Context> require(const http::Principal& caller, const std::string& cluster, const std::string& context) const;
  std::shared_ptr<Command> require_command(const Context& context, const std::string& command) const;
  Supervisor& supervisor_;
  Environments& environments_;
  secrets::Redactor& redactor_;
  const ContextHooks hooks_;
  mutable std::mutex mu_;
  std::map<std::string, std::shared_ptr<Context>> contexts_;   // guarded by mu_
};

}  // namespace tarn::clusters
