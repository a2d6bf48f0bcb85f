#include "engine/python/state/state_server.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <utility>

#include <org/apache/spark/sql/execution/streaming/StateMessage.pb.h>
#include <spark/connect/types.pb.h>

#include "base/log.h"
#include "base/spark_error.h"
#include "engine/python/state/value_codec.h"
#include "python/pickle.h"
#include "python/task_header.h"
#include "sql/parser.h"

namespace tarn::engine::python_functions {

namespace pb = org::apache::spark::sql::execution::streaming::state;
using plan::DataType;
using plan::Value;
using Variable = StatefulProcessor::Variable;

namespace {

constexpr uint32_t kMostBytes = 256 << 20;     // of a message
enum Status : int { kGood = 0, kFailed = 1, kNothing = 2 };

std::string pickled(const Value& row, const DataType& type) {
  python::Pickle out;
  pickle(row, type, out);
  return out.take();
}

// What an iterator of the worker has not been given yet.
template <class T> struct Cursor {
  std::vector<T> items;
  size_t at = 0;
};
template <class T> using Cursors = std::map<std::string, Cursor<T>>;

// One conversation: answers requests in turn.
class Conversation {
 public:
  Conversation(const StatefulOperator& op, StateStore& store) : processor_(op, store) {}

  bool closed() const { return processor_.state() == StatefulProcessor::State::kClosed; }

  std::string answer(const pb::StateRequest& request) {
    switch (request.method_case()) {
      case pb::StateRequest::kStatefulProcessorCall: return call(request.statefulprocessorcall());
      case pb::StateRequest::kStateVariableRequest: return variable(request.statevariablerequest());
      case pb::StateRequest::kImplicitGroupingKeyRequest: {
        const auto& key = request.implicitgroupingkeyrequest();
        // Iterators end with their key.
        rows_.clear();
        times_.clear();
        if (key.has_setimplicitkey()) processor_.set_key(unpickled_row(key.setimplicitkey().key(), processor_.op().key));
        else processor_.remove_key();
        return plain();
      }
      case pb::StateRequest::kTimerRequest: return timer(request.timerrequest());
      case pb::StateRequest::kUtilsRequest: {
        pb::StateResponseWithStringTypeVal response;
        response.set_value(DataType::from_proto(sql::parse_ddl(request.utilsrequest().parsestringschema().schema(), {})).json());
        return response.SerializeAsString();
      }
      default: throw SparkError::Plain(ErrorKind::kIllegalArgument, "Invalid method call");
    }
  }

  static std::string plain(Status status = kGood, const std::string& message = {}, std::string value = {}) {
    pb::StateResponse response;
    response.set_statuscode(status);
    if (status != kGood) response.set_errormessage(message);
    response.set_value(std::move(value));
    return response.SerializeAsString();
  }

 private:
  [[noreturn]] static void invalid() { throw SparkError::Plain(ErrorKind::kIllegalArgument, "Invalid method call"); }

  std::string call(const pb::StatefulProcessorCall& c) {
    using Call = pb::StatefulProcessorCall;
    switch (c.method_case()) {
      case Call::kSetHandleState: {
        using State = StatefulProcessor::State;
        switch (c.sethandlestate().state()) {
          case pb::PRE_INIT: processor_.set_state(State::kPreInit); break;
          case pb::CREATED: processor_.set_state(State::kCreated); break;
          case pb::INITIALIZED: processor_.set_state(State::kInitialized); break;
          case pb::DATA_PROCESSED: processor_.set_state(State::kDataProcessed); break;
          case pb::TIMER_PROCESSED: processor_.set_state(State::kTimerProcessed); break;
          case pb::CLOSED: processor_.set_state(State::kClosed); break;
          default: break;
        }
        return plain();
      }
      case Call::kGetValueState: return declare(c.getvaluestate(), Variable::Kind::kValue, "Value");
      case Call::kGetListState: return declare(c.getliststate(), Variable::Kind::kList, "List");
      case Call::kGetMapState: return declare(c.getmapstate(), Variable::Kind::kMap, "Map");
      case Call::kTimerStateCall: {
        const auto& t = c.timerstatecall();
        if (t.has_register_()) processor_.register_timer(t.register_().expirytimestampms());
        else if (t.has_delete_()) processor_.delete_timer(t.delete_().expirytimestampms());
        else if (t.has_list()) {
          return next<pb::StateResponseWithTimer>(
              times_, t.list().iteratorid(), [&] { return processor_.timers(); }, "List timer iterator doesn't contain any value.",
              [](int64_t ms, pb::StateResponseWithTimer& out) { out.add_timer()->set_timestampms(ms); });
        } else {
          invalid();
        }
        return plain();
      }
      case Call::kDeleteIfExists: processor_.delete_if_exists(c.deleteifexists().statename()); return plain();
      default: invalid();
    }
  }

  std::string declare(const pb::StateCallCommand& c, Variable::Kind kind, const char* what) {
    Variable v;
    v.kind = kind;
    v.type = DataType::from_json(c.schema());
    if (kind == Variable::Kind::kMap) v.value_type = DataType::from_json(c.mapstatevalueschema());
    if (c.has_ttl()) v.ttl_ms = c.ttl().durationms();
    return processor_.declare(c.statename(), std::move(v)) ? plain() : plain(kFailed, std::string(what) + " state " + c.statename() + " already exists");
  }

  std::string timer(const pb::TimerRequest& t) {
    if (t.has_timervaluerequest()) {
      const auto& op = processor_.op();
      pb::StateResponseWithLongTypeVal response;
      response.set_value((t.timervaluerequest().has_getwatermark() ? op.watermark_ms : op.batch_timestamp_ms).value_or(-1));
      return response.SerializeAsString();
    }
    if (!t.has_expirytimerrequest()) invalid();
    const auto& request = t.expirytimerrequest();
    return next<pb::StateResponseWithTimer>(
        expired_, request.iteratorid(), [&] { return processor_.expired_timers(request.expirytimestampms()); }, "No expired timer.",
        [&](const std::pair<Value, int64_t>& timer, pb::StateResponseWithTimer& out) {
          auto* info = out.add_timer();
          info->set_key(pickled(timer.first, processor_.op().key));
          info->set_timestampms(timer.second);
        });
  }

  std::string variable(const pb::StateVariableRequest& r) {
    switch (r.method_case()) {
      case pb::StateVariableRequest::kValueStateCall: return with(r.valuestatecall(), Variable::Kind::kValue, "Value", &Conversation::value);
      case pb::StateVariableRequest::kListStateCall: return with(r.liststatecall(), Variable::Kind::kList, "List", &Conversation::list);
      case pb::StateVariableRequest::kMapStateCall: return with(r.mapstatecall(), Variable::Kind::kMap, "Map", &Conversation::map);
      default: invalid();
    }
  }

  template <class C> std::string with(const C& c, Variable::Kind kind, const char* what, std::string (Conversation::*f)(const C&, const Variable&)) {
    auto* v = processor_.find(c.statename(), kind);
    return v ? (this->*f)(c, *v) : plain(kFailed, std::string(what) + " state " + c.statename() + " is not initialized.");
  }

  std::string exists(const std::string& name, const Variable& v) {
    return processor_.exists(name, v) ? plain() : plain(kNothing, "state " + name + " doesn't exist");
  }

  std::string value(const pb::ValueStateCall& c, const Variable& v) {
    using Call = pb::ValueStateCall;
    switch (c.method_case()) {
      case Call::kExists: return exists(c.statename(), v);
      case Call::kGet: {
        auto found = processor_.value(c.statename(), v);
        return plain(kGood, {}, found ? pickled(*found, v.type) : "");
      }
      case Call::kValueStateUpdate: processor_.update(c.statename(), v, unpickled_row(c.valuestateupdate().value(), v.type)); return plain();
      case Call::kClear: processor_.clear(c.statename()); return plain();
      default: invalid();
    }
  }

  template <class L> std::vector<Value> rows_of(const L& list, const Variable& v) {
    // Left of an earlier protocol; the workers' PySpark never does it.
    if (list.fetchwitharrow()) throw not_built("rows of a list state as Arrow");
    std::vector<Value> rows;
    for (const auto& bytes : list.value()) rows.push_back(unpickled_row(bytes, v.type));
    return rows;
  }

  std::string list(const pb::ListStateCall& c, const Variable& v) {
    using Call = pb::ListStateCall;
    switch (c.method_case()) {
      case Call::kExists: return exists(c.statename(), v);
      case Call::kListStateGet:
        return next<pb::StateResponseWithListGet>(
            rows_, c.liststateget().iteratorid(), [&] { return processor_.list(c.statename(), v); }, "List state " + c.statename() + " doesn't contain any value.",
            [&](const Value& row, pb::StateResponseWithListGet& out) { out.add_value(pickled(row, v.type)); });
      case Call::kListStatePut: processor_.append(c.statename(), v, rows_of(c.liststateput(), v), true); return plain();
      case Call::kAppendValue: processor_.append(c.statename(), v, {unpickled_row(c.appendvalue().value(), v.type)}, false); return plain();
      case Call::kAppendList: processor_.append(c.statename(), v, rows_of(c.appendlist(), v), false); return plain();
      case Call::kClear: processor_.clear(c.statename()); return plain();
      default: invalid();
    }
  }

  std::string map(const pb::MapStateCall& c, const Variable& v) {
    using Call = pb::MapStateCall;
    const auto& name = c.statename();
    auto key = [&](const std::string& bytes) { return unpickled_row(bytes, v.type); };
    auto some = [&](bool keys) {
      std::vector<Value> out;
      for (auto& [k, value] : processor_.entries(name, v)) out.push_back(std::move(keys ? k : value));
      return out;
    };
    switch (c.method_case()) {
      case Call::kExists: return exists(name, v);
      case Call::kGetValue: {
        auto found = processor_.map_value(name, v, key(c.getvalue().userkey()));
        return plain(kGood, {}, found ? pickled(*found, v.value_type) : "");
      }
      case Call::kContainsKey:
        return processor_.map_value(name, v, key(c.containskey().userkey())) ? plain() : plain(kNothing, "Map state " + name + " doesn't contain the key");
      case Call::kUpdateValue: processor_.put(name, v, key(c.updatevalue().userkey()), unpickled_row(c.updatevalue().value(), v.value_type)); return plain();
      case Call::kIterator:
        return next<pb::StateResponseWithMapIterator>(
            entries_, c.iterator().iteratorid(), [&] { return processor_.entries(name, v); }, "Map state " + name + " doesn't contain any entry.",
            [&](const std::pair<Value, Value>& entry, pb::StateResponseWithMapIterator& out) {
              auto* pair = out.add_kvpair();
              pair->set_key(pickled(entry.first, v.type));
              pair->set_value(pickled(entry.second, v.value_type));
            });
      case Call::kKeys:
        return next<pb::StateResponseWithMapKeysOrValues>(
            rows_, c.keys().iteratorid(), [&] { return some(true); }, "Map state " + name + " doesn't contain any key.",
            [&](const Value& row, pb::StateResponseWithMapKeysOrValues& out) { out.add_value(pickled(row, v.type)); });
      case Call::kValues:
        return next<pb::StateResponseWithMapKeysOrValues>(
            rows_, c.values().iteratorid(), [&] { return some(false); }, "Map state " + name + " doesn't contain any value.",
            [&](const Value& row, pb::StateResponseWithMapKeysOrValues& out) { out.add_value(pickled(row, v.value_type)); });
      case Call::kRemoveKey: processor_.remove(name, v, key(c.removekey().userkey())); return plain();
      case Call::kClear: processor_.clear(name); return plain();
      default: invalid();
    }
  }

  // The next rows of an iterator, which begins with what open() gives.
  template <class Response, class T, class Open, class Add>
  std::string next(Cursors<T>& cursors, const std::string& id, Open&& open, const std::string& nothing, Add&& add) {
    auto [it, fresh] = cursors.try_emplace(id);
    auto& cursor = it->second;
    if (fresh) cursor.items = open();
    Response response;
    if (cursor.at >= cursor.items.size()) {
      cursors.erase(it);
      response.set_statuscode(kNothing);
      response.set_errormessage(nothing);
      return response.SerializeAsString();
    }
    for (int64_t n = 0; n < processor_.op().max_records && cursor.at < cursor.items.size(); ++n) add(cursor.items[cursor.at++], response);
    response.set_requirenextfetch(cursor.at < cursor.items.size());
    if (cursor.at >= cursor.items.size()) cursors.erase(it);
    return response.SerializeAsString();
  }

  StatefulProcessor processor_;
  Cursors<Value> rows_;
  Cursors<std::pair<Value, Value>> entries_;
  Cursors<int64_t> times_;
  Cursors<std::pair<Value, int64_t>> expired_;
};

std::string random_name() {
  std::random_device random;
  std::string name(1, '\0');
  name += "tarn-state-";
  for (int i = 0; i < 32; ++i) name += "0123456789abcdef"[random() % 16];
  return name;
}

}  // namespace

StateServer::StateServer(const StatefulOperator& op, std::unique_ptr<StateStore> store, pid_t worker)
    : op_(op), store_(std::move(store)), worker_(worker), address_(random_name()) {
  listening_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  stop_ = ::eventfd(0, EFD_CLOEXEC);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  if (listening_ < 0 || stop_ < 0 || ::bind(listening_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listening_, 4) != 0) {
    const std::string why = std::strerror(errno);
    if (listening_ >= 0) ::close(listening_);
    if (stop_ >= 0) ::close(stop_);
    throw internal_error("a socket for the state of a Python worker: " + why);
  }
  thread_ = std::thread([this] { run(); });
}

StateServer::~StateServer() {
  const uint64_t one = 1;
  (void)!::write(stop_, &one, sizeof one);
  thread_.join();
  if (listening_ >= 0) ::close(listening_);
  ::close(stop_);
}

bool StateServer::wait(int fd) const {
  pollfd fds[] = {{fd, POLLIN, 0}, {stop_, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0) {
    if (errno != EINTR) return false;
  }
  return fds[1].revents == 0;
}

int StateServer::accept() {
  while (wait(listening_)) {
    int fd = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) continue;
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.pid == worker_) return fd;
    ::close(fd);
  }
  return -1;
}

void StateServer::run() {
  const int fd = accept();
  if (fd < 0) return;
  ::close(std::exchange(listening_, -1));
  std::string received;          // a request mostly comes in one piece
  size_t at = 0;
  auto read = [&](char* to, size_t size) {
    while (received.size() - at < size) {
      received.erase(0, std::exchange(at, 0));
      const size_t had = received.size();
      received.resize(std::max(size, had + (size_t{16} << 10)));
      ssize_t n = -1;
      do {
        n = ::recv(fd, received.data() + had, received.size() - had, MSG_DONTWAIT);
      } while (n < 0 && (errno == EINTR || ((errno == EAGAIN || errno == EWOULDBLOCK) && wait(fd))));
      if (n <= 0) return false;
      received.resize(had + static_cast<size_t>(n));
    }
    std::memcpy(to, received.data() + at, size);
    at += size;
    return true;
  };
  auto number = [&](uint32_t& out) {
    unsigned char b[4];
    if (!read(reinterpret_cast<char*>(b), 4)) return false;
    out = uint32_t{b[0]} << 24 | uint32_t{b[1]} << 16 | uint32_t{b[2]} << 8 | b[3];
    return true;
  };
  auto send = [&](const std::string& response) {
    const std::string bytes = python::Frame().string(response).take();
    for (size_t done = 0; done < bytes.size();) {
      pollfd fds[] = {{fd, POLLOUT, 0}, {stop_, POLLIN, 0}};
      if (::poll(fds, 2, -1) < 0 && errno == EINTR) continue;
      if (fds[1].revents) return false;
      const auto n = ::send(fd, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (n <= 0) return false;
      done += static_cast<size_t>(n);
    }
    return true;
  };
  Conversation conversation(op_, *store_);
  try {
    std::string bytes;
    for (uint32_t version = 0, size = 0; !conversation.closed() && number(version);) {
      if (!number(size) || size > kMostBytes) break;
      bytes.resize(size);
      if (!read(bytes.data(), size)) break;
      std::string response;
      bool failed = false;
      try {
        pb::StateRequest request;
        if (version != 0 || !request.ParseFromString(bytes)) throw SparkError::Plain(ErrorKind::kIllegalArgument, "Invalid method call");
        response = conversation.answer(request);
      } catch (const SparkError& e) {
        response = Conversation::plain(kFailed, e.message());
        failed = true;
      }
      // After an error nothing more is answered, as in Spark.
      if (!send(response) || failed) break;
    }
  } catch (const std::exception& e) {
    log::error("the state of a Python worker: " + std::string(e.what()));
  }
  ::close(fd);
}

}  // namespace tarn::engine::python_functions
