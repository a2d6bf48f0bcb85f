#include "clusters/grpc_router.h"

#include <google/rpc/status.pb.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/server_posix.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "base/encoding.h"
#include "base/log.h"
#include "base/spark_error.h"

namespace tarn::clusters {
namespace {

constexpr auto kStartTimeout = std::chrono::seconds(60);
constexpr char kClusterHeader[] = "x-databricks-cluster-id";
constexpr char kUserHeader[] = "x-tarn-user-bin";   // connect/authenticator.h: for whom a relay calls

std::string header(const grpc::GenericCallbackServerContext& context, const char* name) {
  auto it = context.client_metadata().find(name);
  return it == context.client_metadata().end() ? "" : std::string(it->second.data(), it->second.size());
}

// Ours, or gRPC's own: never passed on.
bool is_hop_header(const std::string& name) {
  return name.empty() || name[0] == ':' || name == "user-agent" || name == "authorization" || name == kClusterHeader || name == kUserHeader || name == "te" ||
         name == "content-type" || name.starts_with("grpc-");
}

// Calls about what a session has left in a cluster: there is nothing of it in one that does not run, and none is started for them. A client's last
// ReleaseExecute may well come after the cluster was ended.
bool is_about_a_session(const std::string& method) {
  static const std::set<std::string> names = {"ReattachExecute", "ReleaseExecute", "ReleaseSession", "Interrupt", "FetchErrorDetails", "GetStatus", "CloneSession"};
  return names.contains(method.substr(method.rfind('/') + 1));
}

// PySpark runs its operation again when it reads the condition in the details of the status.
grpc::Status no_session(const std::string& cluster) {
  SparkError error(ErrorKind::kSpark, "INVALID_HANDLE.SESSION_NOT_FOUND", {{"handle", "of a session of cluster " + cluster + ", which does not run,"}});
  google::rpc::Status details;
  details.set_code(grpc::StatusCode::INTERNAL);
  details.set_message(error.message());
  return {grpc::StatusCode::INTERNAL, error.message(), details.SerializeAsString()};
}

}  // namespace

class GrpcRouter::Impl {
 public:
  Impl(Supervisor& s, GrpcRouterHooks h) : supervisor(s), hooks(std::move(h)), service(*this) {
    grpc::ServerBuilder builder;
    builder.RegisterCallbackGenericService(&service);
    builder.SetMaxReceiveMessageSize(-1);
    builder.SetMaxSendMessageSize(-1);
    // Sockets come by adopt(); a server without a port wants a queue.
    queue = builder.AddCompletionQueue();
    server = builder.BuildAndStart();
    if (!server) throw std::runtime_error("the gRPC router does not start");
  }

  ~Impl() { stop(); }

  void stop() {
    if (stopped.exchange(true)) return;
    server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(2));
    queue->Shutdown();
    void* tag;
    bool ok;
    while (queue->Next(&tag, &ok)) {}
    server->Wait();
    std::unique_lock lock(mu);
    idle.wait(lock, [&] { return starters == 0; });
  }

  std::shared_ptr<grpc::GenericStub> stub(const Endpoint& endpoint) {
    std::lock_guard lock(mu);
    const std::string key = (endpoint.tls ? "tls " : "") + endpoint.address;
    auto& s = stubs[key];
    if (!s) {
      if (stubs.size() > 200) stubs.clear();  // addresses of clusters long gone
      grpc::ChannelArguments arguments;
      arguments.SetMaxReceiveMessageSize(-1);
      arguments.SetMaxSendMessageSize(-1);
      auto made = std::make_shared<grpc::GenericStub>(grpc::CreateCustomChannel(
          endpoint.address, endpoint.tls ? grpc::SslCredentials({}) : grpc::InsecureChannelCredentials(), arguments));
      stubs[key] = made;
      return made;
    }
    return s;
  }

  class Upstream;

  // The client's side of one call.
  class Downstream : public grpc::ServerGenericBidiReactor {
   public:
    Downstream(Impl& impl, grpc::GenericCallbackServerContext* context) : impl_(impl), context_(context) {}
    void begin();
    void accept();   // throws when nobody can say who calls
    void OnReadDone(bool ok) override;
    void OnWriteDone(bool ok) override;
    void OnCancel() override;
    void OnSendInitialMetadataDone(bool) override {}
    void OnDone() override;

    Impl& impl_;
    grpc::GenericCallbackServerContext* context_;
    grpc::ByteBuffer from_client_;
    std::string cluster_, user_;
    std::shared_ptr<Upstream> upstream_;    // guarded by mu_
    std::mutex mu_;
    bool finished_ = false;                 // guarded by mu_
    bool cancelled_ = false;                // guarded by mu_
    // The way up. Whoever closes it lets go of the upstream's second hold; nobody writes after.
    bool up_open_ = false;                  // guarded by mu_
    bool up_writing_ = false;               // guarded by mu_: a message is on its way
    bool up_answered_ = false;              // guarded by mu_: the cluster has sent its last message

    // Once only.
    void finish(const grpc::Status& status) {
      {
        std::lock_guard lock(mu_);
        if (finished_) return;
        finished_ = true;
      }
      Finish(status);
    }
    void connect(const Endpoint& endpoint);
  };

  // The cluster's side. Kept alive by itself until OnDone.
  class Upstream : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
   public:
    Upstream(Downstream& downstream, std::shared_ptr<grpc::GenericStub> stub) : down_(downstream), stub_(std::move(stub)) {}
    void OnReadInitialMetadataDone(bool ok) override {
      if (ok) {
        for (const auto& [name, value] : context_.GetServerInitialMetadata()) {
          std::string n(name.data(), name.size());
          if (!is_hop_header(n)) down_.context_->AddInitialMetadata(n, std::string(value.data(), value.size()));
        }
      }
    }
    void OnReadDone(bool ok) override {
      if (!ok) {
        // The cluster is done. A client that still waits to send is not waited for.
        bool close = false;
        {
          std::lock_guard lock(down_.mu_);
          down_.up_answered_ = true;
          if (down_.up_open_ && !down_.up_writing_) close = true, down_.up_open_ = false;
        }
        if (close) RemoveHold();
        RemoveHold();  // the hold of the reads
        return;
      }
      if (client_gone_) {
        StartRead(&from_cluster_);
        return;
      }
      down_.StartWrite(&from_cluster_);
    }
    void client_wrote(bool ok) {  // the answer went out, or the client is gone
      if (!ok) {
        client_gone_ = true;
        context_.TryCancel();
      }
      StartRead(&from_cluster_);
    }
    void OnWriteDone(bool ok) override {
      bool close = false;
      {
        std::lock_guard lock(down_.mu_);
        down_.up_writing_ = false;
        if (!ok || down_.up_answered_) close = true, down_.up_open_ = false;
      }
      if (close) RemoveHold();
      else down_.StartRead(&down_.from_client_);
    }
    void OnWritesDoneDone(bool) override {}
    void OnDone(const grpc::Status& status) override {
      for (const auto& [name, value] : context_.GetServerTrailingMetadata()) {
        std::string n(name.data(), name.size());
        if (n != "grpc-status" && n != "grpc-message") down_.context_->AddTrailingMetadata(n, std::string(value.data(), value.size()));
      }
      down_.finish(status);
    }

    Downstream& down_;
    std::shared_ptr<grpc::GenericStub> stub_;
    grpc::ClientContext context_;
    grpc::ByteBuffer from_cluster_;
    std::atomic<bool> client_gone_{false};
  };

  class Service : public grpc::CallbackGenericService {
   public:
    explicit Service(Impl& impl) : impl_(impl) {}
    grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
      ++impl_.calls;
      ++impl_.open;
      auto* call = new Downstream(impl_, context);
      call->begin();
      return call;
    }

   private:
    Impl& impl_;
  };

  Supervisor& supervisor;
  GrpcRouterHooks hooks;
  Service service;
  std::unique_ptr<grpc::ServerCompletionQueue> queue;
  std::unique_ptr<grpc::Server> server;
  std::atomic<uint64_t> calls{0}, open{0};
  std::atomic<bool> stopped{false};
  std::mutex mu;
  std::condition_variable idle;
  std::map<std::string, std::shared_ptr<grpc::GenericStub>> stubs;  // guarded by mu
  int starters = 0;                                                 // guarded by mu: threads that wait for a cluster
};

void GrpcRouter::Impl::Downstream::begin() {
  try {
    accept();
  } catch (const std::exception& e) {   // the database does not answer
    log::error("grpc_call_failed", {{"error", e.what()}});
    finish({grpc::StatusCode::UNAVAILABLE, "The workspace cannot take the call now."});
  }
}

void GrpcRouter::Impl::Downstream::accept() {
  std::string authorization = header(*context_, "authorization");
  bool bearer = authorization.size() > 7 && lower_ascii(authorization.substr(0, 7)) == "bearer ";
  auto caller = bearer ? impl_.hooks.authenticate(authorization.substr(7)) : std::nullopt;
  if (!caller) return finish({grpc::StatusCode::UNAUTHENTICATED, "Credential was not sent, has expired or is not valid."});
  std::string id = header(*context_, kClusterHeader);
  if (id.empty()) return finish({grpc::StatusCode::INVALID_ARGUMENT, "The connection string needs x-databricks-cluster-id."});
  auto running = impl_.supervisor.running_endpoint(id);
  std::string why;
  if (!impl_.hooks.may_use(*caller, id, !running, &why)) return finish({grpc::StatusCode::PERMISSION_DENIED, why});
  if (!running && is_about_a_session(context_->method())) return finish(no_session(id));
  cluster_ = id;
  user_ = caller->name;
  impl_.supervisor.begin_use(id);
  if (running) return connect(*running);
  {
    std::lock_guard lock(impl_.mu);
    if (impl_.starters >= 64) return finish({grpc::StatusCode::RESOURCE_EXHAUSTED, "Too many calls wait for clusters to start."});
    ++impl_.starters;
  }
  // The reactor lives until finish(), and nothing finishes it before this thread has.
  std::thread([this, id] {
    std::string reason;
    std::optional<Endpoint> endpoint;
    try {
      endpoint = impl_.supervisor.endpoint(id, kStartTimeout, &reason);
    } catch (const std::exception& e) {
      log::error("grpc_call_failed", {{"cluster", id}, {"error", e.what()}});
      reason = "The workspace cannot start the cluster now.";
    }
    Impl& impl = impl_;
    if (endpoint) connect(*endpoint);
    else finish({grpc::StatusCode::UNAVAILABLE, reason});
    std::lock_guard lock(impl.mu);
    --impl.starters;
    impl.idle.notify_all();
  }).detach();
}

void GrpcRouter::Impl::Downstream::connect(const Endpoint& endpoint) {
  auto upstream = std::make_shared<Upstream>(*this, impl_.stub(endpoint));
  for (const auto& [name, value] : context_->client_metadata()) {
    std::string n(name.data(), name.size());
    if (!is_hop_header(n)) upstream->context_.AddMetadata(n, std::string(value.data(), value.size()));
  }
  if (!endpoint.token.empty()) upstream->context_.AddMetadata("authorization", "Bearer " + endpoint.token);
  // Sessions belong to whom the token says, whatever user id the messages carry.
  if (endpoint.relays) upstream->context_.AddMetadata(kUserHeader, user_);
  if (context_->deadline() != std::chrono::system_clock::time_point::max()) upstream->context_.set_deadline(context_->deadline());
  {
    std::lock_guard lock(mu_);
    upstream_ = upstream;
    up_open_ = true;
    if (cancelled_) upstream->context_.TryCancel();
  }
  upstream->stub_->PrepareBidiStreamingCall(&upstream->context_, context_->method(), grpc::StubOptions(), upstream.get());
  // One for the reads, one for the writes: else the call ends while its last message is still on its way.
  upstream->AddMultipleHolds(2);
  upstream->StartRead(&upstream->from_cluster_);
  upstream->StartCall();
  StartRead(&from_client_);
}

void GrpcRouter::Impl::Downstream::OnReadDone(bool ok) {
  {
    std::lock_guard lock(mu_);
    if (!up_open_) return;   // the cluster has answered
    if (ok) up_writing_ = true;
    else up_open_ = false;
  }
  if (ok) {
    upstream_->StartWrite(&from_client_);
    return;
  }
  upstream_->StartWritesDone();
  upstream_->RemoveHold();
}

void GrpcRouter::Impl::Downstream::OnWriteDone(bool ok) { upstream_->client_wrote(ok); }

void GrpcRouter::Impl::Downstream::OnCancel() {
  std::lock_guard lock(mu_);
  cancelled_ = true;
  if (upstream_) upstream_->context_.TryCancel();
}

void GrpcRouter::Impl::Downstream::OnDone() {
  if (!cluster_.empty()) impl_.supervisor.end_use(cluster_);
  --impl_.open;
  delete this;
}

GrpcRouter::GrpcRouter(Supervisor& supervisor, GrpcRouterHooks hooks) : impl_(std::make_unique<Impl>(supervisor, std::move(hooks))) {}
GrpcRouter::~GrpcRouter() = default;
void GrpcRouter::adopt(int fd) {
  if (impl_->stopped) ::close(fd);
  else grpc::AddInsecureChannelFromFd(impl_->server.get(), fd);
}
uint64_t GrpcRouter::calls() const { return impl_->calls; }
uint64_t GrpcRouter::open() const { return impl_->open; }
void GrpcRouter::stop() { impl_->stop(); }

}  // namespace tarn::clusters
