// What happens, as it happens: WebSockets with a cluster's states, events and log, and with the output of a command that runs.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "clusters/families.h"

namespace tarn::clusters {
namespace {

using http::Call;
using http::invalid_parameter;
using http::Response;
using identity::AccessControl;

constexpr int kEventsAtOnce = 100;
constexpr int64_t kLogAtOnce = 64 << 10;   // also how much of the log's past comes without a position
constexpr int64_t kLongestSecret = 128 << 10;
constexpr size_t kMaxQueued = 32 << 20;    // an event has two whole specs at most

std::string text_of(const Json& j) { return j.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Where a stream of a cluster stands: the last event, and bytes of the log.
struct Position {
  int64_t event = 0, log = 0;
  std::string text() const { return std::to_string(event) + "-" + std::to_string(log); }
  static Position parse(const std::string& text) {
    Position p;
    const char *begin = text.data(), *end = begin + text.size();
    auto event = std::from_chars(begin, end, p.event);
    bool good = event.ec == std::errc() && event.ptr != end && *event.ptr == '-';
    auto log = good ? std::from_chars(event.ptr + 1, end, p.log) : event;
    if (!good || log.ec != std::errc() || log.ptr != end || p.event < 0 || p.log < 0) throw invalid_parameter("The position is not one of this stream.");
    return p;
  }
};

// What the feeds of one cluster look at in one round, looked up once for all of them. Used by the feeds' thread alone.
class Glances {
 public:
  explicit Glances(const ClusterStore& store) : store_(store) {}
  struct Glance {
    uint64_t tick = 0;
    std::optional<Cluster> cluster;
    int64_t last_event = 0;
  };
  const Glance& at(const std::string& id, uint64_t tick) {
    if (tick != tick_) glances_.clear(), tick_ = tick;
    Glance& g = glances_[id];
    if (g.tick != tick) {
      auto last = store_.last_events(id, 1);
      g = {tick, store_.get(id), last.empty() ? 0 : last.back().seq};
    }
    return g;
  }

 private:
  const ClusterStore& store_;
  uint64_t tick_ = 0;
  std::map<std::string, Glance> glances_;
};

class ClusterFeed : public LiveFeed {
 public:
  ClusterFeed(const ClusterStore& store, const AccessControl& access, const secrets::Redactor& redactor, std::shared_ptr<Glances> glances, std::string id,
              std::string log, int64_t caller, std::set<std::string> kinds, std::optional<Position> position)
      : store_(store), access_(access), redactor_(redactor), glances_(std::move(glances)), id_(std::move(id)), log_(std::move(log)),
        audiences_{"cluster/" + id_, "user/" + std::to_string(caller)}, kinds_(std::move(kinds)), position_(position.value_or(Position())), from_the_past_(!position) {}

  bool allowed(const http::Principal& caller) override {
    require_cluster(store_, access_, caller, id_, "CAN_ATTACH_TO");
    return true;
  }

  void poll(http::Socket& socket, uint64_t tick) override {
    if (socket.queued() >= kEnough) return;
    const auto& glance = glances_->at(id_, tick);
    if (!glance.cluster) return socket.close(1000, "the cluster was deleted");
    auto values = redactor_.values(audiences_);
    if (kinds_.contains("log")) send_log(socket, values);
    if (kinds_.contains("event") && (glance.last_event > position_.event || from_the_past_)) {
      for (auto& e : from_the_past_ ? store_.last_events(id_, kEventsAtOnce) : store_.events_after(id_, position_.event, kEventsAtOnce)) {
        Json event = {{"cluster_id", id_}, {"timestamp", e.timestamp_ms}, {"type", e.type}, {"details", std::move(e.details)}};
        values.redact(&event["details"]);
        position_.event = e.seq;
        send(socket, "event", {{"event", std::move(event)}});
        if (socket.queued() >= kEnough) break;
      }
    }
    from_the_past_ = false;
    if (kinds_.contains("state")) {
      const Cluster& c = *glance.cluster;
      Json state = {{"state", state_name(c.state)}, {"state_message", c.message}};
      if (!c.reason.is_null()) state["termination_reason"] = c.reason;
      if (state == state_) return;
      state_ = state;
      values.redact(&state);
      state["cluster_id"] = id_;
      send(socket, "state", std::move(state));
    }
  }

 private:
  void send(http::Socket& socket, const char* type, Json message) {
    message["type"] = type;
    message["position"] = position_.text();
    socket.send(text_of(message));
  }

  // Whole lines that have come to the log. Reading begins before what is shown, by as much as a secret can be long: one that reaches over the
  // beginning is seen whole.
  void send_log(http::Socket& socket, const secrets::Redactor::Values& values) {
    struct File {
      int fd;
      ~File() { if (fd >= 0) ::close(fd); }
    } file{::open(log_.c_str(), O_RDONLY | O_CLOEXEC)};
    struct stat st{};
    if (file.fd < 0 || ::fstat(file.fd, &st) != 0) return;
    const int64_t size = st.st_size;
    if (size < position_.log) position_.log = 0, shown_from_ = -1;   // another file than the one that was read
    if (shown_from_ < 0) {
      shown_from_ = from_the_past_ ? std::max<int64_t>(0, size - kLogAtOnce) : position_.log;
      position_.log = std::max<int64_t>(0, shown_from_ - kLongestSecret);
    }
    int64_t piece = kLogAtOnce;
    while (position_.log < size && socket.queued() < kEnough) {
      const bool before = position_.log < shown_from_;
      std::string text(static_cast<size_t>(std::min(piece, (before ? shown_from_ : size) - position_.log)), '\0');
      ssize_t n = ::pread(file.fd, text.data(), text.size(), position_.log);
      if (n <= 0) return;
      text.resize(static_cast<size_t>(n));
      size_t take = values.safe_prefix(text, '\n');
      if (take == 0) {
        if (before) {   // a line, or a secret, reaches over the beginning
          shown_from_ = position_.log;
          continue;
        }
        if (n < piece) return;   // the rest of the line is to come
        if (piece == kLogAtOnce) {
          piece += kLongestSecret;
          continue;
        }
        take = values.safe_prefix(text);   // a very long line comes in pieces
        if (take == 0) take = text.size();
      }
      piece = kLogAtOnce;
      position_.log += static_cast<int64_t>(take);
      if (before) continue;
      text = values.redact(text.substr(0, take));
      Json lines = Json::array();
      for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
      }
      send(socket, "log", {{"lines", std::move(lines)}});
    }
  }

  const ClusterStore& store_;
  const AccessControl& access_;
  const secrets::Redactor& redactor_;
  std::shared_ptr<Glances> glances_;
  const std::string id_, log_;
  const std::vector<std::string> audiences_;
  const std::set<std::string> kinds_;
  Position position_;
  int64_t shown_from_ = -1;   // of the log; -1: not decided
  bool from_the_past_;     // no position was given: the last of everything comes first
  Json state_;             // that the client knows
};

// The output of one command, then its results and the end.
class CommandFeed : public LiveFeed {
 public:
  CommandFeed(const ClusterStore& store, const AccessControl& access, const ExecutionContexts& contexts, http::Principal caller, std::string cluster,
              std::string context, std::string command, size_t from)
      : store_(store), access_(access), contexts_(contexts), caller_(std::move(caller)), cluster_(std::move(cluster)), context_(std::move(context)),
        command_(std::move(command)), from_(from) {}

  bool allowed(const http::Principal& caller) override {
    require_cluster(store_, access_, caller, cluster_, "CAN_ATTACH_TO");
    return true;
  }

  void poll(http::Socket& socket, uint64_t) override {
    if (socket.queued() >= kEnough) return;
    CommandOutput output;
    try {
      output = contexts_.output(caller_, cluster_, context_, command_, from_);
    } catch (const http::RestError&) {
      return socket.close(1000, "the context has ended");
    }
    size_t end = output.text.size();
    if (end > kEnough) {
      for (end = kEnough; end > 0 && (output.text[end] & 0xC0) == 0x80;) --end;   // between characters
      output.text.resize(end);
    }
    bool all = from_ + end >= output.next;
    if (end > 0) {
      from_ += end;
      socket.send(text_of({{"type", "output"}, {"position", std::to_string(from_)}, {"text", output.text}}));
    }
    const char* status = status_name(output.state.status);
    if (status != status_) {
      status_ = status;
      if (output.state.results.is_null()) socket.send(text_of({{"type", "status"}, {"status", status}}));
    }
    if (!all || output.state.results.is_null()) return;
    socket.send(text_of({{"type", "results"}, {"status", status}, {"results", output.state.results}}));
    socket.close(1000, "the command has ended");
  }

 private:
  const ClusterStore& store_;
  const AccessControl& access_;
  const ExecutionContexts& contexts_;
  const http::Principal caller_;
  const std::string cluster_, context_, command_;
  size_t from_;
  std::string_view status_;
};

std::set<std::string> kinds_of(Call& call) {
  std::set<std::string> kinds;
  std::string wanted = call.text("kinds", "state,event,log");
  for (size_t at = 0; at <= wanted.size();) {
    size_t end = std::min(wanted.find(',', at), wanted.size());
    std::string kind = wanted.substr(at, end - at);
    if (kind != "state" && kind != "event" && kind != "log") throw invalid_parameter("kinds is a list of state, event and log.");
    kinds.insert(std::move(kind));
    at = end + 1;
  }
  return kinds;
}

}  // namespace

void add_stream_routes(http::RouteTable& table, const ClusterStore& store, const ExecutionContexts& contexts, const identity::AccessControl& access,
                       const secrets::Redactor& redactor, LiveFeeds& feeds, const std::string& home) {
  auto glances = std::make_shared<Glances>(store);
  table.socket("/api/*/tarn/clusters/{cluster_id}/stream", [&, glances, home](Call& call) {
    Cluster c = require_cluster(store, access, call.caller, call.in_path("cluster_id"), "CAN_ATTACH_TO");
    std::optional<Position> position;
    if (call.has("position")) position = Position::parse(call.text("position"));
    auto feed = std::make_shared<ClusterFeed>(store, access, redactor, glances, c.id, home + "/clusters/" + c.id + "/logs/driver.log", call.caller.id, kinds_of(call), position);
    feed->max_queued = kMaxQueued;
    feeds.add(feed);
    Response r;
    r.socket = std::move(feed);
    return r;
  });
  table.socket("/api/*/tarn/clusters/{cluster_id}/contexts/{context_id}/commands/{command_id}/stream", [&](Call& call) {
    Cluster c = require_cluster(store, access, call.caller, call.in_path("cluster_id"), "CAN_ATTACH_TO");
    std::string context = call.in_path("context_id"), command = call.in_path("command_id");
    int64_t from = call.integer("position", 0);
    if (from < 0) throw invalid_parameter("The position is not one of this stream.");
    contexts.command(call.caller, c.id, context, command);   // RestError if it is not the caller's
    auto feed = std::make_shared<CommandFeed>(store, access, contexts, call.caller, c.id, context, command, static_cast<size_t>(from));
    feed->max_queued = 128 << 20;   // the results come in one message, which the interpreter bounds
    feeds.add(feed);
    Response r;
    r.socket = std::move(feed);
    return r;
  });
}

}  // namespace tarn::clusters
