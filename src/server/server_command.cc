// `tarn server`: the workspace. Wires the rooms of the control plane to one port.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/metadata.h"
#include "clusters/cluster_store.h"
#include "clusters/families.h"
#include "clusters/grpc_router.h"
#include "clusters/supervisor.h"
#include "connect/service.h"
#include "http/listener.h"
#include "http/openapi.h"
#include "http/outbound.h"
#include "http/router.h"
#include "identity/audit_log.h"
#include "identity/families.h"
#include "secrets/families.h"
#include "server/azure_rooms.h"
#include "server/command.h"
#include "server/database_option.h"
#include "server/own_account.h"
#include "server/pid_file.h"
#include "server/server_lease.h"
#include "server/signals.h"
#include "server/sql_functions.h"
#include "server/workspace_files.h"
#include "unity/families.h"
#include "workspace/families.h"

namespace fs = std::filesystem;

namespace tarn::server {
namespace {

constexpr auto kGrace = std::chrono::seconds(10);
constexpr int64_t kContextTokenSeconds = 30 * 24 * 3600;   // revoked with its context; this is for those that a crash left
constexpr size_t kMaxLibrary = 256 << 20;

// This process is the server of its home and of its database. With --standby it waits for that; nullopt: it was told to end meanwhile.
struct Turn {
  std::unique_ptr<PidFile> pid_file;
  std::unique_ptr<Metadata> metadata;
  std::unique_ptr<ServerLease> lease;   // of a database that others reach too
};

std::optional<Turn> take_turn(const Settings& settings, const std::string& home, SignalWait& signals, const std::function<void()>& lost) {
  const std::string database = database_of(settings, home);
  std::string waits_for;
  for (Turn turn;;) {
    std::optional<std::string> other;
    try {
      if (!turn.pid_file) turn.pid_file = std::make_unique<PidFile>(home + "/server.pid");
    } catch (const CommandError& e) {
      if (!settings.on("standby")) throw;
      other = e.what();
    }
    if (!other) {
      if (!turn.metadata) turn.metadata = std::make_unique<Metadata>(database);
      if (!turn.metadata->is_remote()) return turn;
      if (!turn.lease) turn.lease = std::make_unique<ServerLease>(*turn.metadata, home, lost);
      other = turn.lease->try_take();
      if (!other) return turn;
      if (!settings.on("standby")) throw CommandError("this database is in use by " + *other + ": one server at a time; --standby waits for it");
    }
    if (*other != waits_for) log::info("server_standby", {{"for", *other}});
    waits_for = *other;
    if (!signals.wait_for(std::chrono::seconds(1)).empty()) return std::nullopt;
  }
}

// Where code on clusters finds this workspace.
struct Inside {
  uint16_t port = 0;
  std::unique_ptr<http::Listener> listener;
};

// In an empty home: the first user, and a token that only the owner of the home can read.
void create_admin(const std::string& home, const std::string& name, identity::Directory& directory, identity::Credentials& credentials) {
  if (!directory.empty()) return;
  identity::Entry admin;
  admin.name = name;
  admin.display_name = name.substr(0, name.find('@'));
  admin.attributes["emails"] = nlohmann::json::array({{{"type", "work"}, {"value", name}, {"primary", true}}});
  auto made = directory.create(admin);
  directory.add_member(directory.admins(), made->id);
  std::string token, path = home + "/admin-token";
  credentials.create_token(made->id, made->id, "made at the first start", 0, identity::Credentials::Use::kPersonal, &token);
  ::unlink(path.c_str());
  int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  std::string line = token + "\n";
  bool written = fd >= 0 && ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!written) throw IoError("cannot write the admin's token", path);
  std::fprintf(stderr, "tarn: the user %s was made; the token is in %s\n", name.c_str(), path.c_str());
}

// The number by which clients tell workspaces apart; stays with the home.
std::string workspace_id(Metadata& metadata) {
  static constexpr const char* kSteps[] = {"CREATE TABLE workspace (id INTEGER NOT NULL);"};
  metadata.migrate("server", kSteps);
  return metadata.transact("server", [](Connection& db) {
    if (auto id = Statement(db, "SELECT id FROM workspace").returned()) return std::to_string(*id);
    int64_t id = static_cast<int64_t>(std::stoull(random_hex(7), nullptr, 16) % 9'000'000'000'000'000) + 1'000'000'000'000'000;
    Statement(db, "INSERT INTO workspace VALUES (?)").bind(id).run();
    return std::to_string(id);
  });
}

// Who the workspace is to key vaults elsewhere. The secret comes from a file: it must not show in the list of processes.
vault::Identity identity_for_azure(const Settings& settings) {
  vault::Identity identity;
  identity.authority = settings.get("azure-authority");
  while (identity.authority.ends_with('/')) identity.authority.pop_back();
  if (!identity.authority.starts_with("https://")) throw UsageError("--azure-authority is an https URL");
  identity.tenant = settings.get("azure-tenant");
  identity.client_id = settings.get("azure-client-id");
  if (const std::string& file = settings.get("azure-client-secret-file"); !file.empty()) {
    std::ifstream in(file);
    if (!std::getline(in, identity.client_secret)) throw CommandError("cannot read the client secret in " + file);
  }
  return identity;
}

identity::SessionLimits session_limits(const Settings& settings) {
  auto number = [&](const char* name, int64_t unit_ms) {
    const std::string& text = settings.get(name);
    char* end = nullptr;
    long long n = std::strtoll(text.c_str(), &end, 10);
    if (text.empty() || *end || n < 1 || n > 1'000'000) throw UsageError("--" + std::string(name) + " wants a number from 1 on");
    return n * unit_ms;
  };
  return {.idle_ms = number("session-idle-minutes", 60'000), .lifetime_ms = number("session-hours", 3600'000)};
}

std::string process_metrics(const http::Listener& listener, const clusters::Supervisor& supervisor, const clusters::ExecutionContexts& contexts,
                            const clusters::GrpcRouter& grpc) {
  auto s = listener.stats();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::string out;
  auto add = [&](const char* name, const char* type, const char* help, uint64_t value) {
    out += std::string("# HELP tarn_") + name + " " + help + "\n# TYPE tarn_" + name + " " + type + "\ntarn_" + name + " " + std::to_string(value) + "\n";
  };
  add("http_connections_open", "gauge", "Open HTTP connections.", s.open);
  add("http_connections_total", "counter", "Accepted connections.", s.connections);
  add("websockets_open", "gauge", "Open WebSockets.", s.sockets_open);
  add("websockets_total", "counter", "WebSockets that were opened.", s.sockets);
  add("websockets_cut_total", "counter", "WebSockets that were cut because the client did not take what was sent.", s.sockets_cut);
  add("grpc_connections_total", "counter", "Connections that speak HTTP/2.", s.http2);
  add("grpc_calls_open", "gauge", "Spark Connect calls that are relayed.", grpc.open());
  add("grpc_calls_total", "counter", "Spark Connect calls.", grpc.calls());
  add("clusters_running", "gauge", "Clusters that run.", supervisor.running());
  add("execution_contexts", "gauge", "Python processes of execution contexts.", contexts.count());
  add("process_max_resident_bytes", "gauge", "Peak memory.", static_cast<uint64_t>(usage.ru_maxrss) * 1024);
  return out;
}

}  // namespace

int run_server(const Arguments& arguments) {
  const Settings& settings = arguments.settings;
  const std::string home = home_of(settings);
  const std::string& listen = settings.get("listen");
  size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) throw UsageError("an address is HOST:PORT, not " + listen);
  http::ListenOptions options;
  options.host = listen.substr(0, colon);
  char* end = nullptr;
  unsigned long port = std::strtoul(listen.c_str() + colon + 1, &end, 10);
  if (*end || end == listen.c_str() + colon + 1 || port > 65535) throw UsageError("an address is HOST:PORT, not " + listen);
  options.port = static_cast<uint16_t>(port);
  options.tls_certificate = settings.get("tls-cert");
  options.tls_key = settings.get("tls-key");
  if (options.tls_certificate.empty() != options.tls_key.empty()) throw UsageError("--tls-cert and --tls-key go together");
  if (options.tls_certificate.empty() && !connect::is_loopback(options.host)) {
    throw UsageError("without TLS the workspace listens on loopback addresses only: " + listen);
  }
  const std::string& level = settings.get("log-level");
  log::set_level(level == "debug" ? log::Level::kDebug : level == "warn" ? log::Level::kWarn : level == "error" ? log::Level::kError : log::Level::kInfo);
  SignalWait signals;  // before any thread
  std::error_code ec;
  fs::create_directories(home + "/logs", ec);
  if (!ec) fs::create_directories(home + "/dbfs", ec);
  if (ec) throw CommandError("cannot write to the home " + home + ": " + ec.message());
  log::open_file(home + "/logs/server.log");
  std::atomic<bool> lost{false};
  auto turn = take_turn(settings, home, signals, [&] {
    lost = true;
    signals.cancel();
  });
  if (!turn) return 0;

  // From the floor up; the listener is the last to come and the first to go.
  Metadata& metadata = *turn->metadata;
  const std::string workspace = workspace_id(metadata);
  identity::Directory directory(metadata);
  identity::Credentials credentials(metadata);
  identity::AccessControl access(metadata, directory);
  identity::AuditLog audit(home + "/logs/audit.log");
  identity::LoginThrottle throttle;
  identity::Passwords passwords(metadata);
  identity::WebSessions sessions(metadata, session_limits(settings));
  identity::SignIn sign_in{passwords, sessions, throttle};
  secrets::Vault vault(metadata, secrets::MasterKey::load(home + "/master.key"));
  workspace::ObjectStore objects(metadata);
  workspace::set_up_access(objects, access);
  create_admin(home, settings.get("admin"), directory, credentials);
  secrets::Redactor redactor;
  vault.on_reveal([&](int64_t principal, const std::string& value) { redactor.revealed("user/" + std::to_string(principal), value); });
  clusters::ClusterStore cluster_store(metadata);
  std::string packages;
  try {
    packages = clusters::find_packages();
  } catch (const std::exception& e) {
    log::warn("no_python_package", {{"error", e.what()}});
  }
  clusters::Environments environments(home + "/clusters", settings.get("python"), packages);
  auto resolve = [&](const clusters::Cluster& cluster, const std::string& text) {
    return secrets::Vault::replace_references(text, [&](const std::string& scope, const std::string& key) {
      auto who = directory.principal(cluster.creator);
      if (!who) throw CommandError("the cluster's owner is not active");
      std::string value = secrets::read_secret(vault, access, *who, scope, key);
      redactor.revealed("cluster/" + cluster.id, value);   // its users can see the configuration
      return value;
    });
  };
  http::OutboundPolicy outbound(settings.get("allowed-hosts"));
  Inside inside;
  workspace::Mounts mounts(metadata, vault);
  OwnAccount own_account{settings.get("storage-account"), options.host};
  auto current_mounts = [&] {
    auto all = mounts.opened();
    for (auto& m : all) own_account.complete(&m);
    return all;
  };
  // Of what has ended: that must go on, also while the database is away. The token ends with its lifetime.
  auto revoke = [&](const std::string& token_id) {
    try {
      credentials.revoke(token_id);
    } catch (const DatabaseError& e) {
      log::warn("token_not_revoked", {{"token", token_id}, {"error", e.what()}});
    }
  };
  clusters::Supervisor supervisor(cluster_store, {arguments.program, home, resolve, [&](const std::string& id) { return environments.python(id); }, [&] {
    nlohmann::json news = {{"version", mounts.version()}, {"mounts", nlohmann::json::array()}};
    for (const auto& m : current_mounts()) news["mounts"].push_back({{"path", m.path}, {"source", m.source}, {"settings", m.settings}});
    return news.dump();
  }, [&](const std::string& url) { outbound.require(url); }, [&](const clusters::Cluster& cluster, std::string* token_id) {
    std::string token;
    *token_id = credentials.create_token(cluster.creator, cluster.creator, "cluster " + cluster.id, kContextTokenSeconds, identity::Credentials::Use::kOAuth, &token).id;
    return Variables{{"DATABRICKS_HOST", "http://127.0.0.1:" + std::to_string(inside.port)}, {"DATABRICKS_TOKEN", token}, {"PYTHONPATH", packages}};
  }, revoke});
  std::mutex mounts_mu;   // of two changes the later one is the last that is set
  mounts.on_change([&] {  // here for the dbfs API, and on the clusters
    {
      std::lock_guard lock(mounts_mu);
      storage::set_mounts(current_mounts());
    }
    supervisor.tell_all();
  });
  clusters::Libraries libraries(metadata, supervisor, environments);
  clusters::ExecutionContexts contexts(supervisor, environments, redactor, {[&](const http::Principal& caller, const std::string& cluster, std::string* token_id) {
    std::string token;
    *token_id = credentials.create_token(caller.id, caller.id, "execution context", kContextTokenSeconds, identity::Credentials::Use::kOAuth, &token).id;
    std::string port = std::to_string(inside.port);
    return nlohmann::json{{"host", "http://127.0.0.1:" + port}, {"token", token},
                          {"remote", "sc://localhost:" + port + "/;token=" + token + ";x-databricks-cluster-id=" + cluster},
                          {"facts", {{"user", caller.name}, {"user_id", std::to_string(caller.id)}, {"org_id", workspace}, {"cluster_id", cluster}}}};
  }, revoke});

  // The metastore of this workspace, which its clusters share. Its id is made of the workspace's.
  catalog::Catalog catalog(home + "/tarn.db", home + "/warehouse");
  catalog::CatalogEdit catalog_edit(home + "/tarn.db");
  unity::Grants grants(metadata, directory);
  std::string digits = workspace;
  digits = std::string(12 - std::min<size_t>(12, digits.size()), '0') + digits;
  unity::Unity unity{catalog, catalog_edit, grants, "7461726e-0000-4000-8000-" + digits.substr(digits.size() - 12)};

  AzureRooms azure({directory, credentials, access, audit, throttle, metadata, vault, outbound}, home,
                   {settings.get("storage-account"), settings.get("key-vault"), settings.get("tenant"), identity_for_azure(settings)});

  SqlFunctions sql_functions;
  http::RouteTable routes;
  std::unique_ptr<http::Listener> listener;
  identity::add_scim_routes(routes, directory, sign_in);
  identity::add_sign_in_routes(routes, sign_in, directory);
  identity::add_group_routes(routes, directory);
  identity::add_token_routes(routes, directory, credentials, access);
  identity::add_oauth_routes(routes, directory, credentials, throttle);
  identity::add_permission_routes(routes, access);
  azure.add_routes(routes);
  secrets::add_secret_routes(routes, vault, access);
  workspace::add_workspace_routes(routes, objects, access);
  workspace::add_git_routes(routes, metadata, objects, access, {home + "/git", [&](const std::string& url) { outbound.require(url); },
                                                                [&](std::string_view plain, const std::string& name) { return vault.seal(plain, name); },
                                                                [&](std::string_view sealed, const std::string& name) { return vault.open(sealed, name); }});
  unity::add_catalog_routes(routes, unity);
  unity::add_function_routes(routes, unity, sql_functions);
  unity::add_grant_routes(routes, unity);
  unity::add_file_routes(routes, unity);
  workspace::add_dbfs_routes(routes, home + "/dbfs", [&](const http::Principal& caller, const std::string& path, bool write) {
    return unity::volume_folder(unity, caller, path, write);
  }, mounts);
  workspace::add_mount_routes(routes, mounts, access, {[&](const std::string& url) { outbound.require(url); }, [&](const http::Url& url) { return own_account.is_own(url); },
                                                       [&](const std::string& host) { return own_account.is_host(host); }});
  clusters::add_cluster_routes(routes, cluster_store, supervisor, access, redactor);
  clusters::add_policy_routes(routes, cluster_store, access);
  clusters::LiveFeeds feeds;
  clusters::add_stream_routes(routes, cluster_store, contexts, access, redactor, feeds, home);
  clusters::add_command_routes(routes, cluster_store, supervisor, contexts, access);
  clusters::add_library_routes(routes, cluster_store, libraries, access, [&](const http::Principal& caller, const std::string& path) {
    return read_workspace_file(caller, path, home + "/dbfs", unity, objects, mounts, access, kMaxLibrary);
  }, [&](const std::string& url) { outbound.require(url); });
  std::atomic<bool> stopping{false};
  routes.get("/health", [&](http::Call&) {
    return stopping ? http::json_response({{"status", "unavailable"}}, 503) : http::json_response({{"status", "ok"}});
  }, http::Access::kPublic);
  routes.get("/openapi.json", [&](http::Call&) { return http::json_response(http::openapi_of(routes, TARN_VERSION)); });
  std::function<std::string()> metrics;
  routes.get("/metrics", [&](http::Call&) {
    http::Response r;
    r.headers.add("Content-Type", "text/plain; version=0.0.4");
    r.body = metrics();
    return r;
  });
  http::Router router(routes, {[&](const http::Request& request) { return identity::authenticate(request, credentials, sessions, directory); },
                               [&](const http::AuditEntry& entry) { audit.write(entry); }, workspace});
  http::VirtualHosts hosts(router);
  azure.add_hosts(hosts);
  clusters::GrpcRouter grpc_router(supervisor, {[&](const std::string& token) {
                                                 auto owner = credentials.owner_of(token);
                                                 return owner ? directory.principal(*owner) : std::nullopt;
                                               },
                                               [&](const http::Principal& caller, const std::string& cluster, bool start, std::string* why) {
                                                 try {
                                                   clusters::require_cluster(cluster_store, access, caller, cluster, start ? "CAN_RESTART" : "CAN_ATTACH_TO");
                                                   return true;
                                                 } catch (const http::RestError& e) {
                                                   *why = e.what();
                                                   return false;
                                                 }
                                               }});
  metrics = [&] { return router.metrics() + azure.metrics() + (listener ? process_metrics(*listener, supervisor, contexts, grpc_router) : ""); };
  options.http2 = [&](int fd) { grpc_router.adopt(fd); };
  listener = std::make_unique<http::Listener>(options, hosts);
  // Code on clusters speaks to this workspace on loopback without TLS: on the same port if that is what it is.
  inside.port = listener->port();
  if (!options.tls_certificate.empty() || (options.host != "127.0.0.1" && options.host != "localhost")) {
    http::ListenOptions plain;
    plain.http2 = options.http2;
    inside.listener = std::make_unique<http::Listener>(plain, hosts);
    inside.port = inside.listener->port();
  }
  own_account.port = listener->port();
  own_account.inside_port = inside.port;
  storage::set_mounts(current_mounts());
  supervisor.resume();

  std::string address = (options.tls_certificate.empty() ? "http://" : "https://") + options.host + ":" + std::to_string(listener->port());
  turn->pid_file->publish(address);
  if (turn->lease) turn->lease->publish(address);
  log::info("server_ready", {{"address", address}, {"home", home}, {"version", TARN_VERSION}});
  std::printf("tarn server ready %s\n", address.c_str());
  std::fflush(stdout);
  std::string signal = signals.wait();
  stopping = true;
  log::info("server_stopping", {{"signal", signal}});
  contexts.stop();
  grpc_router.stop();
  listener->stop(kGrace);
  if (inside.listener) inside.listener->stop(std::chrono::milliseconds(0));
  libraries.stop();
  supervisor.stop();
  log::info("server_stopped");
  if (lost) throw CommandError("another server has taken this database over");
  return 0;
}

}  // namespace tarn::server
