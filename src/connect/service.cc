#include "connect/service.h"

#include <google/protobuf/arena.h>
#include <grpcpp/grpcpp.h>
#include <malloc.h>
#include <spark/connect/base.grpc.pb.h>

#include <condition_variable>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <thread>

#include "base/ids.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/spark_error.h"
#include "connect/artifact_receiver.h"
#include "connect/authenticator.h"
#include "connect/config_handler.h"
#include "connect/error_status.h"
#include "connect/execute_stream.h"
#include "connect/fair_scheduler.h"
#include "connect/operation.h"
#include "connect/plan_decoder.h"
#include "connect/session_registry.h"
#include "connect/worker_pool.h"
#include "engine/session.h"
#include "plan/session_conf.h"

namespace sc = spark::connect;
using grpc::CallbackServerContext;

namespace tarn::connect {
namespace {

SparkError invalid_handle(const char* why, const std::string& handle) {
  return SparkError(ErrorKind::kSpark, std::string("INVALID_HANDLE.") + why, {{"handle", handle}});
}

// Every plan that an analysis request holds.
void for_each_plan(sc::AnalyzePlanRequest* request, const std::function<void(sc::Plan*)>& f) {
  switch (request->analyze_case()) {
    case sc::AnalyzePlanRequest::kSchema: return f(request->mutable_schema()->mutable_plan());
    case sc::AnalyzePlanRequest::kExplain: return f(request->mutable_explain()->mutable_plan());
    case sc::AnalyzePlanRequest::kTreeString: return f(request->mutable_tree_string()->mutable_plan());
    case sc::AnalyzePlanRequest::kIsLocal: return f(request->mutable_is_local()->mutable_plan());
    case sc::AnalyzePlanRequest::kIsStreaming: return f(request->mutable_is_streaming()->mutable_plan());
    case sc::AnalyzePlanRequest::kInputFiles: return f(request->mutable_input_files()->mutable_plan());
    case sc::AnalyzePlanRequest::kSameSemantics:
      f(request->mutable_same_semantics()->mutable_target_plan());
      return f(request->mutable_same_semantics()->mutable_other_plan());
    case sc::AnalyzePlanRequest::kSemanticHash: return f(request->mutable_semantic_hash()->mutable_plan());
    default: return;
  }
}

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw IoError("cannot read", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// A tag as Spark allows it: not empty, no comma.
void check_tag(const std::string& tag) {
  if (tag.empty()) throw SparkError::Plain(ErrorKind::kIllegalArgument, "Spark Connect tag cannot be an empty string.");
  if (tag.find(',') != std::string::npos) {
    throw SparkError::Plain(ErrorKind::kIllegalArgument, "Spark Connect tag cannot contain ','.");
  }
}

sc::GetStatusResponse_OperationStatus_OperationState wire_state(OperationState state) {
  using Wire = sc::GetStatusResponse_OperationStatus;
  switch (state) {
    case OperationState::kRunning: return Wire::OPERATION_STATE_RUNNING;
    case OperationState::kTerminating: return Wire::OPERATION_STATE_TERMINATING;
    case OperationState::kSucceeded: return Wire::OPERATION_STATE_SUCCEEDED;
    case OperationState::kFailed: return Wire::OPERATION_STATE_FAILED;
    case OperationState::kCancelled: return Wire::OPERATION_STATE_CANCELLED;
  }
  return Wire::OPERATION_STATE_UNKNOWN;
}

}  // namespace

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host == "[::1]" || host.starts_with("127.");
}

// The state behind all calls.
class ConnectServer::Impl {
 public:
  Impl(engine::Engine& engine, ConnectOptions options);
  ~Impl() {
    stop(std::chrono::milliseconds(0));
    pool.reset();  // waits for tasks, which use what is below
  }
  void stop(std::chrono::milliseconds grace);
  ConnectStats stats() const;

  class Service;

  // Who calls; throws the status to answer with.
  std::string user_of(const CallbackServerContext& context, const std::string& claimed);
  void close_session(const std::shared_ptr<SessionState>& session);
  void housekeeping();

  const ConnectOptions options;
  Authenticator authenticator;
  ServiceCounters counters;
  std::unique_ptr<WorkerPool> pool = std::make_unique<WorkerPool>();
  FairScheduler operations, requests;
  SessionRegistry sessions;
  std::atomic<bool> stopping{false};
  int port = 0;
  std::string host;

 private:
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::mutex mu_;
  std::condition_variable cv_;
  bool ended_ = false;      // guarded by mu_
  bool impatient_ = false;  // guarded by mu_: do not wait for running operations
  std::mutex stop_mu_;
  std::thread housekeeper_;
};

namespace {

// A call that is refused before its session is known.
struct Refused {
  grpc::Status status;
};

// What a handler works with.
struct Call {
  std::string user;
  std::shared_ptr<SessionState> session;  // once known: errors are kept there
};

grpc::Status current_error(const Call& call) {
  try {
    throw;
  } catch (const Refused& r) {
    return r.status;
  } catch (...) {
    auto error = std::current_exception();
    log::info("request_failed", {{"condition", error_condition(error)}, {"session", call.session ? call.session->id() : ""}});
    bool enrich = call.session && call.session->session().conf().flag("spark.sql.connect.enrichError.enabled");
    return to_status(error, enrich ? call.session->keep_error(error) : "");
  }
}

template <class Message>
std::string observed(const Message& request) {
  return request.has_client_observed_server_side_session_id() ? request.client_observed_server_side_session_id() : "";
}

}  // namespace

using Base = sc::SparkConnectService::Service;
using S = sc::SparkConnectService;

class ConnectServer::Impl::Service final
    : public S::WithRawCallbackMethod_ExecutePlan<S::WithRawCallbackMethod_AnalyzePlan<S::WithCallbackMethod_Config<
          S::WithCallbackMethod_AddArtifacts<S::WithCallbackMethod_ArtifactStatus<S::WithCallbackMethod_Interrupt<
              S::WithRawCallbackMethod_ReattachExecute<S::WithCallbackMethod_ReleaseExecute<S::WithCallbackMethod_ReleaseSession<
                  S::WithCallbackMethod_FetchErrorDetails<S::WithCallbackMethod_CloneSession<S::WithCallbackMethod_GetStatus<Base>>>>>>>>>>>> {
 public:
  explicit Service(Impl& impl) : impl_(impl) {}

  grpc::ServerWriteReactor<grpc::ByteBuffer>* ExecutePlan(CallbackServerContext* context, const grpc::ByteBuffer* bytes) override {
    Call call;
    try {
      sc::ExecutePlanRequest request;
      begin_raw(*context, *bytes, &request, &call);
      call.session = impl_.sessions.get_or_create(call.user, request.session_id(), observed(request));
      OperationSpec spec = spec_of(request, *call.session);
      if (impl_.stopping) throw Refused{{grpc::StatusCode::UNAVAILABLE, "the server is shutting down"}};
      auto [operation, added] = call.session->find_or_add(spec.id, [&] {
        auto plan = std::make_unique<sc::Plan>();
        plan->Swap(request.mutable_plan());
        return std::make_shared<Operation>(call.session, spec, std::move(plan), impl_.counters);
      });
      if (added) {
        try {
          operation->start(impl_.operations);
        } catch (...) {
          operation->remove(false);
          throw;
        }
      } else if (!operation->same_plan(request.plan())) {
        throw invalid_handle("OPERATION_ALREADY_EXISTS", spec.id);
      } else if (!operation->reattachable()) {
        throw SparkError(ErrorKind::kSpark, "INVALID_CURSOR.NOT_REATTACHABLE");
      }
      return ExecuteStream::open(operation, added ? 1 : operation->buffer().position_of_first(), stream_limits());
    } catch (...) {
      return ExecuteStream::fail(current_error(call));
    }
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* ReattachExecute(CallbackServerContext* context, const grpc::ByteBuffer* bytes) override {
    Call call;
    try {
      sc::ReattachExecuteRequest request;
      begin_raw(*context, *bytes, &request, &call);
      call.session = impl_.sessions.get(call.user, request.session_id(), observed(request));
      auto operation = call.session->find(request.operation_id());
      if (!operation) {
        throw invalid_handle(call.session->abandoned(request.operation_id()) ? "OPERATION_ABANDONED" : "OPERATION_NOT_FOUND",
                             request.operation_id());
      }
      if (!operation->reattachable()) throw SparkError(ErrorKind::kSpark, "INVALID_CURSOR.NOT_REATTACHABLE");
      uint64_t from = request.has_last_response_id() ? operation->buffer().position_after(request.last_response_id())
                                                     : operation->buffer().position_of_first();
      return ExecuteStream::open(operation, from, stream_limits());
    } catch (...) {
      return ExecuteStream::fail(current_error(call));
    }
  }

  grpc::ServerUnaryReactor* AnalyzePlan(CallbackServerContext* context, const grpc::ByteBuffer* bytes, grpc::ByteBuffer* out) override {
    auto* reactor = context->DefaultReactor();
    auto call = std::make_shared<Call>();
    auto request = std::make_shared<sc::AnalyzePlanRequest>();
    try {
      begin_raw(*context, *bytes, request.get(), call.get());
      call->session = impl_.sessions.get_or_create(call->user, request->session_id(), observed(*request));
      impl_.requests.submit(owner(*call), [call, request, reactor, out] {
        grpc::Status status;
        try {
          for_each_plan(request.get(), [](sc::Plan* plan) { decompress_plan(plan); });
          sc::AnalyzePlanResponse response;
          call->session->session().analyze(*request, &response);
          response.set_session_id(call->session->id());
          response.set_server_side_session_id(call->session->server_side_id());
          grpc::Slice slice(response.SerializeAsString());
          *out = grpc::ByteBuffer(&slice, 1);
        } catch (...) {
          status = current_error(*call);
        }
        reactor->Finish(status);
      });
    } catch (...) {
      reactor->Finish(current_error(*call));
    }
    return reactor;
  }

  grpc::ServerUnaryReactor* Config(CallbackServerContext* context, const sc::ConfigRequest* request, sc::ConfigResponse* response) override {
    return inline_call(context, *request, [&](Call& call) {
      call.session = impl_.sessions.get_or_create(call.user, request->session_id(), observed(*request));
      answer(call, response);
      handle_config(request->operation(), call.session->session().conf(), response);
    });
  }

  grpc::ServerReadReactor<sc::AddArtifactsRequest>* AddArtifacts(CallbackServerContext* context, sc::AddArtifactsResponse* response) override;

  grpc::ServerUnaryReactor* ArtifactStatus(CallbackServerContext* context, const sc::ArtifactStatusesRequest* request,
                                           sc::ArtifactStatusesResponse* response) override {
    return inline_call(context, *request, [&](Call& call) {
      call.session = impl_.sessions.get_or_create(call.user, request->session_id(), observed(*request));
      answer(call, response);
      for (const auto& name : request->names()) {
        // As in Spark, only cached data can be asked for.
        bool exists = name.starts_with("cache/") && call.session->session().artifacts().has(name);
        (*response->mutable_statuses())[name].set_exists(exists);
      }
    });
  }

  grpc::ServerUnaryReactor* Interrupt(CallbackServerContext* context, const sc::InterruptRequest* request,
                                      sc::InterruptResponse* response) override {
    return inline_call(context, *request, [&](Call& call) {
      call.session = impl_.sessions.get_or_create(call.user, request->session_id(), observed(*request));
      answer(call, response);
      auto missing = [](const char* why, const char* parameter) {
        return SparkError(ErrorKind::kSpark, std::string("INVALID_PARAMETER_VALUE.") + why,
                          {{"parameter", parameter}, {"functionName", "interrupt"}});
      };
      std::function<bool(const Operation&)> wanted;
      switch (request->interrupt_type()) {
        case sc::InterruptRequest::INTERRUPT_TYPE_ALL: wanted = [](const Operation&) { return true; }; break;
        case sc::InterruptRequest::INTERRUPT_TYPE_TAG:
          if (!request->has_operation_tag()) throw missing("INTERRUPT_TYPE_TAG_REQUIRES_TAG", "operation_tag");
          wanted = [&](const Operation& o) {
            return std::find(o.tags().begin(), o.tags().end(), request->operation_tag()) != o.tags().end();
          };
          break;
        case sc::InterruptRequest::INTERRUPT_TYPE_OPERATION_ID:
          if (!request->has_operation_id()) throw missing("INTERRUPT_TYPE_OPERATION_ID_REQUIRES_ID", "operation_id");
          wanted = [&](const Operation& o) { return o.id() == request->operation_id(); };
          break;
        default:
          throw SparkError(ErrorKind::kSpark, "UNSUPPORTED_FEATURE.INTERRUPT_TYPE",
                           {{"interruptType", sc::InterruptRequest_InterruptType_Name(request->interrupt_type())}});
      }
      for (const auto& operation : call.session->operations()) {
        if (wanted(*operation) && operation->interrupt()) response->add_interrupted_ids(operation->id());
      }
    });
  }

  grpc::ServerUnaryReactor* ReleaseExecute(CallbackServerContext* context, const sc::ReleaseExecuteRequest* request,
                                           sc::ReleaseExecuteResponse* response) override {
    return inline_call(context, *request, [&](Call& call) {
      call.session = impl_.sessions.get(call.user, request->session_id(), "");
      answer(call, response);
      auto operation = call.session->find(request->operation_id());
      if (!operation) return;  // already gone: nothing is left to release
      if (!operation->reattachable()) throw SparkError(ErrorKind::kSpark, "INVALID_CURSOR.NOT_REATTACHABLE");
      response->set_operation_id(operation->id());
      if (request->has_release_all()) {
        operation->remove(false);
      } else if (request->has_release_until()) {
        operation->buffer().release_until(request->release_until().response_id());
      } else {
        throw SparkError::Plain(ErrorKind::kUnsupported, "Unknown ReleaseExecute type!");
      }
    });
  }

  grpc::ServerUnaryReactor* ReleaseSession(CallbackServerContext* context, const sc::ReleaseSessionRequest* request,
                                           sc::ReleaseSessionResponse* response) override {
    return background_call(context, *request, [this, request, response](Call& call) {
      response->set_session_id(request->session_id());
      auto session = impl_.sessions.remove(call.user, request->session_id(), request->allow_reconnect());
      if (!session) return;
      response->set_server_side_session_id(session->server_side_id());
      impl_.close_session(session);
    });
  }

  grpc::ServerUnaryReactor* FetchErrorDetails(CallbackServerContext* context, const sc::FetchErrorDetailsRequest* request,
                                              sc::FetchErrorDetailsResponse* response) override {
    return inline_call(context, *request, [&](Call& call) {
      call.session = impl_.sessions.get_or_create(call.user, request->session_id(), observed(*request));
      call.session->take_error(request->error_id(), response);
      answer(call, response);
    });
  }

  grpc::ServerUnaryReactor* CloneSession(CallbackServerContext* context, const sc::CloneSessionRequest* request,
                                         sc::CloneSessionResponse* response) override {
    return background_call(context, *request, [this, request, response](Call& call) {
      call.session = impl_.sessions.get(call.user, request->session_id(), observed(*request));
      std::string new_id = request->new_session_id().empty() ? random_uuid() : request->new_session_id();
      auto cloned = impl_.sessions.clone(*call.session, new_id);
      answer(call, response);
      response->set_new_session_id(cloned->id());
      response->set_new_server_side_session_id(cloned->server_side_id());
    });
  }

  grpc::ServerUnaryReactor* GetStatus(CallbackServerContext* context, const sc::GetStatusRequest* request,
                                      sc::GetStatusResponse* response) override {
    return inline_call(context, *request, [&](Call& call) {
      call.session = impl_.sessions.get(call.user, request->session_id(), observed(*request));
      answer(call, response);
      if (!request->has_operation_status()) return;
      std::map<std::string, OperationState> states;
      for (const auto& [id, state] : call.session->ended()) states[id] = state;
      for (const auto& operation : call.session->operations()) states.emplace(operation->id(), operation->state());
      auto add = [&](const std::string& id) {
        auto* status = response->add_operation_statuses();
        status->set_operation_id(id);
        auto it = states.find(id);
        status->set_state(it == states.end() ? sc::GetStatusResponse_OperationStatus::OPERATION_STATE_UNKNOWN : wire_state(it->second));
      };
      if (request->operation_status().operation_ids().empty()) {
        for (const auto& [id, state] : states) add(id);
      } else {
        for (const auto& id : request->operation_status().operation_ids()) add(id);
      }
    });
  }

 private:
  class ArtifactStream;

  // Who calls, before the request is looked at: without a right token not even its size matters.
  template <class Request>
  void begin_raw(const CallbackServerContext& context, const grpc::ByteBuffer& bytes, Request* request, Call* call) {
    ++impl_.counters.requests;
    impl_.user_of(context, "");
    parse_request(bytes, request);
    call->user = impl_.user_of(context, request->user_context().user_id());
  }

  template <class Request>
  void begin(const CallbackServerContext& context, const Request& request, Call* call) {
    ++impl_.counters.requests;
    call->user = impl_.user_of(context, request.user_context().user_id());
  }

  // Work of microseconds, done where the call arrives.
  template <class Request, class F>
  grpc::ServerUnaryReactor* inline_call(CallbackServerContext* context, const Request& request, F handle) {
    auto* reactor = context->DefaultReactor();
    Call call;
    grpc::Status status;
    try {
      begin(*context, request, &call);
      handle(call);
    } catch (...) {
      status = current_error(call);
    }
    reactor->Finish(status);
    return reactor;
  }

  // Work that may take longer.
  template <class Request, class F>
  grpc::ServerUnaryReactor* background_call(CallbackServerContext* context, const Request& request, F handle) {
    auto* reactor = context->DefaultReactor();
    auto call = std::make_shared<Call>();
    try {
      begin(*context, request, call.get());
      impl_.requests.submit(call->user + "\n" + request.session_id(), [call, reactor, handle] {
        grpc::Status status;
        try {
          handle(*call);
        } catch (...) {
          status = current_error(*call);
        }
        reactor->Finish(status);
      });
    } catch (...) {
      reactor->Finish(current_error(*call));
    }
    return reactor;
  }

  template <class Response>
  static void answer(const Call& call, Response* response) {
    response->set_session_id(call.session->id());
    response->set_server_side_session_id(call.session->server_side_id());
  }

  static std::string owner(const Call& call) { return call.user + "\n" + call.session->id(); }

  StreamLimits stream_limits() const { return {impl_.options.max_stream_duration, impl_.options.max_stream_bytes}; }

  OperationSpec spec_of(const sc::ExecutePlanRequest& request, const SessionState& session) const {
    OperationSpec spec;
    spec.id = request.has_operation_id() ? request.operation_id() : random_uuid();
    if (!is_uuid(spec.id)) throw invalid_handle("FORMAT", spec.id);
    for (const auto& tag : request.tags()) {
      check_tag(tag);
      spec.tags.push_back(tag);
    }
    spec.limits.max_unsent = impl_.options.max_unsent_bytes;
    int64_t preferred = 0;
    for (const auto& option : request.request_options()) {
      if (option.has_reattach_options()) spec.reattachable = option.reattach_options().reattachable();
      if (option.has_result_chunking_options()) {
        spec.chunking.allowed = option.result_chunking_options().allow_arrow_batch_chunking();
        preferred = option.result_chunking_options().preferred_arrow_chunk_size();
      }
    }
    if (!spec.reattachable) spec.limits.max_retry = 0;
    if (spec.chunking.allowed) {
      int64_t max = session.session().conf().integer("spark.connect.session.resultChunking.maxChunkSize");
      spec.chunking.allowed = max > 0;
      spec.chunking.chunk_bytes = preferred >= 1024 && preferred <= max ? preferred : max;
    }
    return spec;
  }

  Impl& impl_;
};

// The incoming stream of AddArtifacts.
class ConnectServer::Impl::Service::ArtifactStream final : public grpc::ServerReadReactor<sc::AddArtifactsRequest> {
 public:
  ArtifactStream(Service& service, CallbackServerContext* context, sc::AddArtifactsResponse* response)
      : service_(service), context_(context), response_(response) {
    ++service_.impl_.counters.requests;
    StartRead(&request_);
  }

 private:
  void OnReadDone(bool ok) override {
    try {
      if (!ok) {
        if (!receiver_) throw SparkError::Plain(ErrorKind::kIllegalArgument, "AddArtifacts needs at least one message");
        receiver_->finish();
        service_.answer(call_, response_);
        return Finish(grpc::Status::OK);
      }
      if (!receiver_) {
        call_.user = service_.impl_.user_of(*context_, request_.user_context().user_id());
        call_.session = service_.impl_.sessions.get_or_create(call_.user, request_.session_id(), observed(request_));
        receiver_ = std::make_unique<ArtifactReceiver>(call_.session);
      }
      receiver_->receive(request_, response_);
      StartRead(&request_);
    } catch (...) {
      response_->Clear();
      Finish(current_error(call_));
    }
  }
  void OnDone() override { delete this; }

  Service& service_;
  CallbackServerContext* context_;
  sc::AddArtifactsResponse* response_;
  sc::AddArtifactsRequest request_;
  Call call_;
  std::unique_ptr<ArtifactReceiver> receiver_;
};

grpc::ServerReadReactor<sc::AddArtifactsRequest>* ConnectServer::Impl::Service::AddArtifacts(CallbackServerContext* context,
                                                                                             sc::AddArtifactsResponse* response) {
  return new ArtifactStream(*this, context, response);
}

ConnectServer::Impl::Impl(engine::Engine& engine, ConnectOptions given)
    : options(std::move(given)),
      operations(*pool, options.max_operations ? options.max_operations : std::max(16u, 4 * std::thread::hardware_concurrency())),
      requests(*pool, std::max(8u, 2 * std::thread::hardware_concurrency())),
      sessions(engine),
      service_(std::make_unique<Service>(*this)) {
  size_t colon = options.listen.rfind(':');
  if (colon == std::string::npos || colon == 0) throw std::invalid_argument("--listen wants HOST:PORT, not " + options.listen);
  host = options.listen.substr(0, colon);
  if (!options.token_file.empty()) authenticator = Authenticator::from_file(options.token_file);
  if (!authenticator.required() && !is_loopback(host)) {
    throw std::invalid_argument("listening on " + host + " without a token would let everybody in: give --token-file, or listen on 127.0.0.1");
  }
  if (options.tls_certificate.empty() != options.tls_key.empty()) throw std::invalid_argument("--tls-cert and --tls-key go together");

  grpc::ServerBuilder builder;
  std::shared_ptr<grpc::ServerCredentials> credentials = grpc::InsecureServerCredentials();
  if (!options.tls_certificate.empty()) {
    grpc::SslServerCredentialsOptions tls;
    tls.pem_key_cert_pairs.push_back({read_file(options.tls_key), read_file(options.tls_certificate)});
    credentials = grpc::SslServerCredentials(tls);
  }
  builder.SetMaxReceiveMessageSize(static_cast<int>(kMaxRequestBytes));
  builder.SetMaxSendMessageSize(-1);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);  // a port in use is an error, not a second listener
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 64 << 10);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  // A client whose machine vanished is noticed although nothing is sent.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 120'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddListeningPort(options.listen, credentials, &port);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  if (!server_ || port == 0) {
    throw std::runtime_error("cannot listen on " + options.listen + ": the address is in use, not this machine's, or not allowed" +
                             (options.tls_key.empty() ? "" : ", or the TLS key does not fit the certificate"));
  }
  housekeeper_ = std::thread([this] { housekeeping(); });
}

std::string ConnectServer::Impl::user_of(const CallbackServerContext& context, const std::string& claimed) {
  const auto& metadata = context.client_metadata();
  auto it = metadata.find("authorization");
  std::string header, relayed;
  if (it != metadata.end()) header.assign(it->second.data(), it->second.size());
  auto named = metadata.find(Authenticator::kRelayedUser);
  if (named != metadata.end()) relayed.assign(named->second.data(), named->second.size());
  std::string user;
  const char* reason = nullptr;
  if (!authenticator.check(it == metadata.end() ? nullptr : &header, claimed, named == metadata.end() ? nullptr : &relayed, &user, &reason)) {
    ++counters.requests_refused;
    throw Refused{{grpc::StatusCode::UNAUTHENTICATED, reason}};
  }
  return user;
}

void ConnectServer::Impl::close_session(const std::shared_ptr<SessionState>& session) {
  bool first;
  auto operations = session->close(&first);
  if (!first) return;
  for (const auto& operation : operations) operation->remove(true);
  try {
    session->session().close();
  } catch (const std::exception& e) {
    log::warn("session_close_failed", {{"session", session->id()}, {"reason", e.what()}});
  }
  log::info("session_closed", {{"session", session->id()}, {"user", session->user()}});
}

// glibc keeps freed memory in the arena of the thread that asked for it: after a large aggregation that is as much again as memory_limit.
// What it has given back glibc goes on counting as free.
static void give_back_free_memory(size_t* given_back) {
  constexpr size_t kWorthIt = 256 << 20;
  const size_t free = ::mallinfo2().fordblks;
  *given_back = std::min(*given_back, free);
  if (free - *given_back <= kWorthIt) return;
  ::malloc_trim(0);
  *given_back = ::mallinfo2().fordblks;
}

// Progress messages, streams that are open too long, operations nobody reads, sessions nobody uses, memory nobody needs.
void ConnectServer::Impl::housekeeping() {
  auto next_sweep = Clock::now();
  size_t given_back = 0;
  for (;;) {
    {
      std::unique_lock lock(mu_);
      if (cv_.wait_for(lock, std::chrono::milliseconds(250), [&] { return ended_; })) return;
    }
    auto now = Clock::now();
    bool sweep = now >= next_sweep;
    if (sweep) {
      next_sweep = now + std::chrono::seconds(10);
      give_back_free_memory(&given_back);
    }
    for (const auto& session : sessions.all()) {
      auto operations = session->operations();
      for (const auto& operation : operations) {
        operation->tick(now);
        auto since = operation->detached_since();
        if (since != Clock::time_point::max() && now - since > options.detached_timeout) {
          log::info("operation_abandoned", {{"operation", operation->id()}, {"session", session->id()}});
          operation->remove(true);
        }
      }
      if (!sweep) continue;
      session->forget_old_tombstones();
      if (operations.empty() && options.session_timeout.count() >= 0 && now - session->last_access() > options.session_timeout) {
        if (sessions.remove(session->user(), session->id(), false)) {
          requests.submit("", [this, session] { close_session(session); });
        }
      }
    }
  }
}

ConnectStats ConnectServer::Impl::stats() const {
  ConnectStats s;
  for (const auto& session : sessions.all()) {
    ++s.sessions;
    s.operations_held += session->operations().size();
  }
  s.operations_running = operations.running();
  s.operations_waiting = operations.waiting();
  s.operations_started = counters.operations_started;
  s.operations_failed = counters.operations_failed;
  s.operations_cancelled = counters.operations_cancelled;
  s.rows_sent = counters.rows_sent;
  s.streams_opened = counters.streams_opened;
  s.requests = counters.requests;
  s.requests_refused = counters.requests_refused;
  return s;
}

void ConnectServer::Impl::stop(std::chrono::milliseconds grace) {
  if (stopping.exchange(true)) {
    std::lock_guard lock(mu_);
    impatient_ = true;
    cv_.notify_all();
  }
  std::lock_guard only_one(stop_mu_);
  if (!server_) return;
  auto deadline = Clock::now() + grace;
  {
    std::unique_lock lock(mu_);
    while (!impatient_ && Clock::now() < deadline && operations.running() + operations.waiting() > 0) {
      cv_.wait_for(lock, std::chrono::milliseconds(50));
    }
  }
  bool interrupted = false;
  for (const auto& session : sessions.all()) {
    for (const auto& operation : session->operations()) interrupted |= operation->interrupt();
  }
  // Their clients get the error, and a moment to ask for its details.
  if (interrupted) {
    auto end = Clock::now() + std::chrono::seconds(5);
    while (operations.running() > 0 && Clock::now() < end) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(grace.count() ? 1000 : 100));
  {
    std::lock_guard lock(mu_);
    ended_ = true;
    cv_.notify_all();
  }
  if (housekeeper_.joinable()) housekeeper_.join();
  for (const auto& session : sessions.all()) {
    sessions.remove(session->user(), session->id(), true);
    close_session(session);
  }
  server_.reset();
}

ConnectServer::ConnectServer(engine::Engine& engine, ConnectOptions options) : impl_(std::make_unique<Impl>(engine, std::move(options))) {}
ConnectServer::~ConnectServer() = default;
int ConnectServer::port() const { return impl_->port; }
std::string ConnectServer::host() const { return impl_->host; }
ConnectStats ConnectServer::stats() const { return impl_->stats(); }
void ConnectServer::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

}  // namespace tarn::connect
