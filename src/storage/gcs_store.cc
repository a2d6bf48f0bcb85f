// Google Cloud Storage by its JSON API: a flat name space like S3's, where a directory is a prefix that something has and a rename is a copy.
// Commits rest on ifGenerationMatch=0; a file appears when its resumable upload has had its last part; reads name the generation.
// Settings are those of Google's Hadoop connector: docs/storage.md. Source: https://cloud.google.com/storage/docs/json_api/v1
#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/spark_error.h"
#include "storage/flat_store.h"
#include "storage/oauth.h"
#include "storage/parallel.h"
#include "storage/path.h"
#include "storage/rest_store.h"
#include "storage/signing.h"

namespace tarn::storage {
namespace {

using nlohmann::json;

constexpr size_t kUnit = 256 << 10;         // parts of an upload are multiples of it, but for the last
constexpr size_t kRequestsAtOnce = 16;      // on the files of one directory
constexpr const char* kTokenEndpoint = "https://oauth2.googleapis.com/token";
constexpr const char* kScope = "https://www.googleapis.com/auth/devstorage.full_control";

struct GcsConfig {
  enum class Auth { kAnonymous, kServiceAccount, kUser };
  std::string bucket;
  Url server;
  Auth auth = Auth::kAnonymous;
  std::string email, key_id, private_key;                 // of a service account
  std::string client_id, client_secret, refresh_token;    // of a user
  std::string token_endpoint;
  std::string paying_project;                             // of requests to buckets whose owner does not pay
  size_t part_size = 8 << 20;
  HttpLimits limits;

  std::string identity() const {
    std::string id;
    for (const auto& s : {bucket, std::string(server.tls ? "https" : "http"), server.authority(), server.path, std::to_string(static_cast<int>(auth)), email, key_id,
                          private_key, client_id, client_secret, refresh_token, token_endpoint, paying_project, std::to_string(part_size),
                          std::to_string(limits.retry.attempts), std::to_string(limits.connect_timeout_ms), std::to_string(limits.idle_timeout_ms)}) {
      id += s + '\n';
    }
    return id;
  }
};

[[noreturn]] void unsupported(const std::string& what) { throw SparkError::Plain(ErrorKind::kUnsupported, what); }

// The credentials of a file as Google's console and gcloud write it.
void read_credentials(const std::string& file, const std::string& setting, GcsConfig& c) {
  std::ifstream in(file);
  std::string content{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  json j = json::parse(content, nullptr, false);
  if (!j.is_object()) bad_setting(setting, "the path of a JSON file with credentials, on the machine of the cluster");
  auto text = [&](const char* name) { return j.contains(name) && j[name].is_string() ? j[name].get<std::string>() : std::string(); };
  std::string type = text("type");
  if (type == "service_account") {
    c.auth = GcsConfig::Auth::kServiceAccount;
    c.email = text("client_email");
    c.key_id = text("private_key_id");
    c.private_key = text("private_key");
    if (c.email.empty() || c.private_key.empty()) bad_setting(setting, "a file with client_email and private_key");
    if (std::string uri = text("token_uri"); !uri.empty()) c.token_endpoint = uri;
  } else if (type == "authorized_user") {
    c.auth = GcsConfig::Auth::kUser;
    c.client_id = text("client_id");
    c.client_secret = text("client_secret");
    c.refresh_token = text("refresh_token");
  } else {
    unsupported("Credentials of the type \"" + type.substr(0, 40) + "\" (" + setting + ") are not supported: use a key of a service account or of a user");
  }
}

GcsConfig config_of(const std::string& bucket, const Settings& settings) {
  auto find = [&](const std::string& name) { return settings.find("fs.gs." + name); };
  // Both families of names are the connector's.
  auto find_auth = [&](const std::string& name) -> std::optional<std::string> {
    for (const char* family : {"fs.gs.auth.", "google.cloud.auth."}) {
      if (auto v = settings.find(family + name); v && !v->empty()) return v;
    }
    return std::nullopt;
  };
  GcsConfig c;
  c.bucket = bucket;
  c.server = Url::parse(find("storage.root.url").value_or("https://storage.googleapis.com/"));
  for (const char* name : {"fs.gs.encryption.algorithm", "fs.gs.encryption.key"}) {
    if (settings.find(name)) unsupported(std::string(name) + " is not supported: keys that clients provide are not sent");
  }
  if (find("proxy.address")) unsupported("fs.gs.proxy.address is not supported");

  std::string type = find_auth("type").value_or("");
  auto key = find_auth("service.account.private.key"), email = find_auth("service.account.email"), file = find_auth("service.account.json.keyfile");
  const char* environment = std::getenv("GOOGLE_APPLICATION_CREDENTIALS");
  bool anonymous = flag_setting("fs.gs.auth.null.enable", find_auth("null.enable").value_or("false"));
  if (type.empty()) {
    type = key || file ? "SERVICE_ACCOUNT_JSON_KEYFILE" : find_auth("refresh.token") ? "USER_CREDENTIALS" : anonymous ? "UNAUTHENTICATED" : environment ? "APPLICATION_DEFAULT" : "";
  }
  if (type == "SERVICE_ACCOUNT_JSON_KEYFILE" && key) {
    c.auth = GcsConfig::Auth::kServiceAccount;
    c.private_key = *key;
    if (!email) throw SparkError::Plain(ErrorKind::kIllegalArgument, "fs.gs.auth.service.account.private.key needs fs.gs.auth.service.account.email");
    c.email = *email;
    c.key_id = find_auth("service.account.private.key.id").value_or("");
  } else if (type == "SERVICE_ACCOUNT_JSON_KEYFILE" && file) {
    read_credentials(*file, "fs.gs.auth.service.account.json.keyfile", c);
  } else if (type == "APPLICATION_DEFAULT" && environment) {
    read_credentials(environment, "GOOGLE_APPLICATION_CREDENTIALS", c);
  } else if (type == "USER_CREDENTIALS" && find_auth("refresh.token")) {
    c.auth = GcsConfig::Auth::kUser;
    c.client_id = find_auth("client.id").value_or("");
    c.client_secret = find_auth("client.secret").value_or("");
    c.refresh_token = *find_auth("refresh.token");
  } else if (type == "UNAUTHENTICATED") {
    c.auth = GcsConfig::Auth::kAnonymous;
  } else if (type.empty() || type == "SERVICE_ACCOUNT_JSON_KEYFILE" || type == "APPLICATION_DEFAULT" || type == "USER_CREDENTIALS") {
    throw SparkError::Plain(ErrorKind::kIllegalArgument,
                            "No credentials for gs://" + bucket +
                                ": set fs.gs.auth.service.account.json.keyfile, or fs.gs.auth.service.account.email and fs.gs.auth.service.account.private.key, or "
                                "fs.gs.auth.type to UNAUTHENTICATED for public buckets");
  } else {
    unsupported("fs.gs.auth.type " + type + " is not supported: use SERVICE_ACCOUNT_JSON_KEYFILE, APPLICATION_DEFAULT, USER_CREDENTIALS or UNAUTHENTICATED");
  }
  // Keys in settings often have the line ends of the JSON file that they come from.
  for (size_t at = 0; (at = c.private_key.find("\\n", at)) != std::string::npos;) c.private_key.replace(at, 2, "\n");
  if (auto v = find("token.server.url")) c.token_endpoint = *v;
  if (c.token_endpoint.empty()) c.token_endpoint = kTokenEndpoint;
  Url::parse(c.token_endpoint);

  std::string payer = lower_ascii(find("requester.pays.mode").value_or("disabled"));
  if (payer == "auto") unsupported("fs.gs.requester.pays.mode AUTO is not supported: use ENABLED, or CUSTOM with fs.gs.requester.pays.buckets");
  if (payer != "disabled" && payer != "enabled" && payer != "custom") bad_setting("fs.gs.requester.pays.mode", "ENABLED, CUSTOM or DISABLED");
  bool pays = payer == "enabled";
  if (payer == "custom") {
    std::stringstream names(find("requester.pays.buckets").value_or(""));
    for (std::string name; std::getline(names, name, ',');) pays |= name == bucket;
  }
  if (pays) {
    c.paying_project = find("requester.pays.project.id").value_or(find("project.id").value_or(""));
    if (c.paying_project.empty()) bad_setting("fs.gs.requester.pays.project.id", "the project that pays for requests");
  }
  if (auto v = find("outputstream.upload.chunk.size")) {
    auto n = static_cast<size_t>(std::clamp<int64_t>(size_setting("fs.gs.outputstream.upload.chunk.size", *v), kUnit, 512 << 20));
    c.part_size = n / kUnit * kUnit;
  }
  if (auto v = find("http.max.retry")) c.limits.retry.attempts = number_setting("fs.gs.http.max.retry", *v, 0, 99) + 1;
  if (auto v = find("http.connect-timeout")) c.limits.connect_timeout_ms = static_cast<int>(time_setting("fs.gs.http.connect-timeout", *v));
  if (auto v = find("http.read-timeout")) c.limits.idle_timeout_ms = static_cast<int>(time_setting("fs.gs.http.read-timeout", *v));
  return c;
}

Pairs token_form(const GcsConfig& c) {
  if (c.auth == GcsConfig::Auth::kUser) {
    return {{"grant_type", "refresh_token"}, {"client_id", c.client_id}, {"client_secret", c.client_secret}, {"refresh_token", c.refresh_token}};
  }
  int64_t now = now_ms() / 1000;
  json claims = {{"iss", c.email}, {"scope", kScope}, {"aud", c.token_endpoint}, {"iat", now}, {"exp", now + 3600}};
  return {{"grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"}, {"assertion", signed_jwt(c.private_key, c.key_id, claims.dump())}};
}

std::string text_of(const json& j, const char* name) {
  auto it = j.find(name);
  return it != j.end() && it->is_string() ? it->get<std::string>() : "";
}

class GcsStore : public FlatStore<RestStore> {
 public:
  explicit GcsStore(const GcsConfig& c)
      : FlatStore<RestStore>(c.limits), c_(c),
        token_(c.token_endpoint, [c] { return token_form(c); },
               c.auth == GcsConfig::Auth::kUser ? "it refuses fs.gs.auth.refresh.token" : "it refuses the key of the service account " + c.email) {}

  std::vector<FileInfo> list(const std::string& directory, const std::string& from) override {
    ObjectUri u = ObjectUri::parse(directory);
    std::string prefix = u.key.empty() ? "" : u.key + "/";
    std::vector<FileInfo> out;
    bool any = list_objects(directory, prefix, true, from, 1000, [&](FileInfo f) {
      std::string name = f.path.substr(prefix.size());
      if (name.empty() || name < from) return;
      f.path = object_path(u.prefix(), f.path);
      out.push_back(std::move(f));
    });
    if (!any && !u.key.empty() && (from.empty() || !is_directory(directory))) throw IoError(IoError::Kind::kNotFound, "cannot list", directory, "no such directory");
    std::stable_sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return out;
  }

  std::vector<FileInfo> list_recursive(const std::string& directory) override {
    ObjectUri u = ObjectUri::parse(directory);
    std::vector<FileInfo> out;
    bool any = list_objects(directory, u.key.empty() ? "" : u.key + "/", false, "", 1000, [&](FileInfo f) {
      if (f.path.ends_with('/')) return;
      f.path = object_path(u.prefix(), f.path);
      out.push_back(std::move(f));
    });
    if (!any && !u.key.empty()) throw IoError(IoError::Kind::kNotFound, "cannot list", directory, "no such directory");
    return out;
  }

  std::optional<FileInfo> stat(const std::string& path) override {
    if (ObjectUri::parse(path).key.empty()) return FileInfo{path, 0, 0, true};
    HttpRequest r = request("GET", path);
    r.query.emplace_back("fields", "name,size,updated,generation");
    Answer a = send(std::move(r), "cannot look at", path);
    if (a.ok()) {
      FileInfo f = info_of(json::parse(a.response.body, nullptr, false));
      f.path = path;
      return f;
    }
    if (a.response.status != 404) fail("cannot look at", path, a.response);
    if (is_directory(path)) return FileInfo{path, 0, 0, true};
    return std::nullopt;
  }

  bool put_if_absent(const std::string& path, std::string_view data) override {
    // In one request with its description: the form for which all servers of this protocol heed the condition.
    std::string boundary = "tarn-" + random_hex(16), body;
    body = "--" + boundary + "\r\nContent-Type: application/json\r\n\r\n" + json({{"name", ObjectUri::parse(path).key}}).dump() + "\r\n--" + boundary +
           "\r\nContent-Type: application/octet-stream\r\n\r\n";
    body.append(data).append("\r\n--" + boundary + "--\r\n");
    HttpRequest r = upload_request(path, "multipart");
    r.query.emplace_back("ifGenerationMatch", "0");
    r.set_header("Content-Type", "multipart/related; boundary=" + boundary);
    r.body = body;
    Answer a = send(std::move(r), "cannot create", path);
    if (a.ok()) return true;
    if (a.response.status != 412) fail("cannot create", path, a.response);
    return a.attempts > 1 && read(path) == data;  // an attempt whose answer was lost may be what exists now
  }

  std::unique_ptr<FileWriter> create(const std::string& path, bool unseen) override;

  void remove_files(const std::vector<std::string>& paths) override {
    InFlight running(kRequestsAtOnce);
    for (const auto& p : paths) running.start([this, p] { remove_object(p, ObjectUri::parse(p).key); });
    running.wait();
  }

  void remove_recursive(const std::string& path) override {
    ObjectUri u = ObjectUri::parse(path);
    if (u.key.empty()) throw IoError(IoError::Kind::kOther, "cannot delete", path, "a whole bucket is not deleted");
    std::vector<std::string> keys{u.key};
    list_objects(path, u.key + "/", false, "", 1000, [&](FileInfo f) { keys.push_back(f.path); });
    InFlight running(kRequestsAtOnce);
    for (const auto& k : keys) running.start([this, path, k] { remove_object(path, k); });
    running.wait();
  }

  // ---- for the writer
  void put(const std::string& path, const std::string& key, std::string_view data) {
    HttpRequest r = upload_request(path, "media");
    for (auto& [k, v] : r.query) {
      if (k == "name") v = key;
    }
    r.body = data;
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
  }

  // Begins a resumable upload: the parameters that name it.
  Pairs start_upload(const std::string& path) {
    Answer a = send(upload_request(path, "resumable"), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
    std::string location = a.response.header("location");
    // Only its parameters are taken: the token goes to no other host.
    Pairs query;
    size_t mark = location.find('?');
    for (std::string_view rest = mark == std::string::npos ? std::string_view() : std::string_view(location).substr(mark + 1); !rest.empty();) {
      auto pair = rest.substr(0, rest.find('&'));
      rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
      size_t eq = std::min(pair.find('='), pair.size());
      query.emplace_back(std::string(pair.substr(0, eq)), percent_decode(pair.substr(std::min(eq + 1, pair.size())), false).value_or(""));
    }
    if (std::none_of(query.begin(), query.end(), [](const auto& q) { return q.first == "upload_id"; })) {
      throw IoError(IoError::Kind::kOther, "cannot write", path, "the store has not begun an upload");
    }
    return query;
  }

  // A part of an upload, all parts before it being with the store; total: its size if this is the last one, which makes the file.
  void upload_part(const std::string& path, const Pairs& upload, uint64_t offset, std::string_view part, std::optional<uint64_t> total) {
    const std::string size = total ? std::to_string(*total) : "*";
    const uint64_t end = offset + part.size();
    auto put = [&](HttpRequest& r) {
      r = upload_request(path, "");
      r.method = "PUT";
      r.query = upload;
      r.set_header("Content-Range", "bytes " + std::to_string(offset) + "-" + std::to_string(end - 1) + "/" + size);
      r.body = part;
      r.resend = false;
    };
    // What is kept is not sent again. False if nothing is left to send.
    auto go_on = [&](const HttpResponse& answer) {
      uint64_t kept = kept_bytes(answer);
      if (kept == end && !total) return false;
      if (kept < offset || kept >= end) {
        throw IoError(IoError::Kind::kOther, "cannot write", path, "the store has kept " + std::to_string(kept) + " bytes of the upload, not what was sent");
      }
      part.remove_prefix(kept - offset);
      offset = kept;
      return true;
    };
    // After an answer that was lost or is no answer the store is asked what it has.
    Again again = [&](HttpRequest& r) -> std::optional<HttpResponse> {
      HttpRequest ask = upload_request(path, "");
      ask.method = "PUT";
      ask.query = upload;
      ask.set_header("Content-Range", "bytes */" + size);
      Answer a = send(std::move(ask), "cannot write", path);
      if (a.response.status != 308 || !go_on(a.response)) return a.response;
      put(r);
      return std::nullopt;
    };
    for (int idle = 0; idle < limits_.retry.attempts; ++idle) {
      HttpRequest r;
      put(r);
      const uint64_t before = offset;
      Answer a = send(std::move(r), "cannot write", path, again);
      if (a.ok()) {
        if (total) return;
        throw IoError(IoError::Kind::kOther, "cannot write", path, "the store has ended the upload too early");
      }
      if (a.response.status != 308) {
        // The upload is unknown because an earlier attempt, whose answer was lost, has completed it.
        bool unknown = a.response.status == 404 || a.response.status == 410;
        auto there = total && unknown && a.attempts > 1 ? stat(path) : std::nullopt;
        if (there && there->size == *total) return;
        fail("cannot write", path, a.response);
      }
      if (!go_on(a.response)) return;
      if (offset > before) idle = 0;
    }
    throw IoError(IoError::Kind::kOther, "cannot write", path, "the store keeps nothing of what is sent");
  }

  void cancel_upload(const std::string& path, const Pairs& upload) noexcept {
    try {
      HttpRequest r = upload_request(path, "");
      r.method = "DELETE";
      r.query = upload;
      send(std::move(r), "cannot end the upload of", path);
    } catch (const std::exception& e) {
      log::warn("storage.upload_left_behind", {{"path", path}, {"error", e.what()}});
    }
  }

 protected:
  void make_marker(const std::string& path) override { put(path, ObjectUri::parse(path).key + "/", ""); }
  void remove_marker(const std::string& path) override { remove_object(path, ObjectUri::parse(path).key + "/"); }

  void copy(const FileInfo& from, const std::string& to) override {
    std::string token;
    do {
      HttpRequest r = request("POST", from.path);
      r.path += "/rewriteTo/b/" + percent_encode(c_.bucket) + "/o/" + percent_encode(ObjectUri::parse(to).key);
      if (!token.empty()) r.query.emplace_back("rewriteToken", token);
      Answer a = send(std::move(r), "cannot copy to", to);
      if (!a.ok()) fail("cannot copy to", to, a.response);
      auto j = json::parse(a.response.body, nullptr, false);
      if (!j.is_object()) throw IoError(IoError::Kind::kOther, "cannot copy to", to, "the answer is not one of Google Cloud Storage");
      bool done = j.value("done", true);
      token = done ? "" : text_of(j, "rewriteToken");
      if (!done && token.empty()) throw IoError(IoError::Kind::kOther, "cannot copy to", to, "the store has not ended the copy");
    } while (!token.empty());
  }

  HttpRequest request(const std::string& method, const std::string& path) const override {
    HttpRequest r = bucket_request(method);
    r.path += "/" + percent_encode(ObjectUri::parse(path).key);
    return r;
  }

  HttpRequest content_request(const std::string& path, const std::string& tag) const override {
    HttpRequest r = request("GET", path);
    r.query.emplace_back("alt", "media");
    if (!tag.empty()) r.query.emplace_back("ifGenerationMatch", tag);
    r.set_header("Accept-Encoding", "gzip");  // what is stored compressed comes as it is stored: its size is that of the listing
    return r;
  }
  std::string content_tag(const HttpResponse& response) const override { return response.header("x-goog-generation"); }

  void sign(HttpRequest& r) const override {
    if (!c_.paying_project.empty()) r.query.emplace_back("userProject", c_.paying_project);
    if (c_.auth != GcsConfig::Auth::kAnonymous) r.set_header("Authorization", "Bearer " + token_.get());
  }

  std::string error_code(const HttpResponse& r) const override {
    auto j = json::parse(r.body, nullptr, false);
    if (!j.is_object() || !j.contains("error") || !j["error"].is_object()) return "";
    const auto& error = j["error"];
    if (auto all = error.find("errors"); all != error.end() && all->is_array() && !all->empty() && (*all)[0].is_object()) return text_of((*all)[0], "reason");
    return text_of(error, "status");
  }

  std::string advice(int status, const std::string& code) const override {
    if (code == "userProjectMissing") return "the bucket wants its reader to pay: set fs.gs.requester.pays.mode and fs.gs.requester.pays.project.id";
    if (status != 401 && status != 403) return "";
    switch (c_.auth) {
      case GcsConfig::Auth::kAnonymous: return "the bucket is not public: set fs.gs.auth.service.account.json.keyfile";
      case GcsConfig::Auth::kServiceAccount: return "the service account " + c_.email + " needs a role such as Storage Object User on the bucket";
      case GcsConfig::Auth::kUser: return "the user of fs.gs.auth.refresh.token needs a role such as Storage Object User on the bucket";
    }
    return "";
  }

 private:
  HttpRequest bucket_request(const std::string& method) const {
    HttpRequest r;
    r.method = method;
    r.server = c_.server;
    r.path = "/storage/v1/b/" + percent_encode(c_.bucket) + "/o";
    return r;
  }

  HttpRequest upload_request(const std::string& path, const std::string& kind) const {
    HttpRequest r = bucket_request("POST");
    r.path = "/upload" + r.path;
    if (!kind.empty()) r.query = {{"uploadType", kind}, {"name", ObjectUri::parse(path).key}};
    r.set_header("Content-Type", "application/octet-stream");
    if (kind == "resumable") r.set_header("X-Upload-Content-Type", "application/octet-stream");
    return r;
  }

  static FileInfo info_of(const json& j) {
    FileInfo f;
    if (!j.is_object()) return f;
    f.path = text_of(j, "name");
    f.size = std::strtoull(text_of(j, "size").c_str(), nullptr, 10);
    f.modified_ms = parse_store_time(text_of(j, "updated"));
    f.tag = text_of(j, "generation");
    return f;
  }

  bool is_directory(const std::string& path) {
    std::string key = ObjectUri::parse(path).key;
    return list_objects(path, key.empty() ? "" : key + "/", false, "", 1, [](FileInfo) {});
  }

  // Every object (its name as path) and, if divided, prefix without its slash; false if there was none. page 1: only the first.
  template <class Fn>
  bool list_objects(const std::string& path, const std::string& prefix, bool divided, const std::string& from, int page, Fn fn) {
    bool any = false;
    std::string token;
    do {
      HttpRequest r = bucket_request("GET");
      r.query = {{"prefix", prefix}, {"maxResults", std::to_string(page)}, {"fields", "items(name,size,updated,generation),prefixes,nextPageToken"}};
      if (divided) r.query.emplace_back("delimiter", "/");
      if (!from.empty()) r.query.emplace_back("startOffset", prefix + from);
      if (!token.empty()) r.query.emplace_back("pageToken", token);
      Answer a = send(std::move(r), "cannot list", path);
      if (a.response.status == 404) throw IoError(IoError::Kind::kNotFound, "cannot list", path, "HTTP 404; the bucket does not exist at " + c_.server.authority());
      if (!a.ok()) fail("cannot list", path, a.response);
      auto j = json::parse(a.response.body, nullptr, false);
      if (!j.is_object()) throw IoError(IoError::Kind::kOther, "cannot list", path, "the answer is not a listing of Google Cloud Storage");
      if (auto items = j.find("items"); items != j.end() && items->is_array()) {
        for (const auto& item : *items) {
          any = true;
          fn(info_of(item));
        }
      }
      if (auto prefixes = j.find("prefixes"); prefixes != j.end() && prefixes->is_array()) {
        for (const auto& p : *prefixes) {
          if (!p.is_string()) continue;
          any = true;
          FileInfo f;
          f.path = p.get<std::string>();
          if (f.path.ends_with('/')) f.path.pop_back();
          f.is_directory = true;
          fn(std::move(f));
        }
      }
      token = page > 1 ? text_of(j, "nextPageToken") : "";
    } while (!token.empty());
    return any;
  }

  void remove_object(const std::string& path, const std::string& key) {
    HttpRequest r = bucket_request("DELETE");
    r.path += "/" + percent_encode(key);
    Answer a = send(std::move(r), "cannot delete", path);
    if (!a.ok() && a.response.status != 404) fail("cannot delete", path, a.response);
  }

  // Of an upload, as an answer of 308 says it: "bytes=0-1048575"; nothing if there is no such header.
  static uint64_t kept_bytes(const HttpResponse& answer) {
    std::string range = answer.header("range");
    size_t dash = range.rfind('-');
    return dash == std::string::npos ? 0 : std::strtoull(range.c_str() + dash + 1, nullptr, 10) + 1;
  }

  const GcsConfig c_;
  const AccessToken token_;
};

// One part travels while the next is filled: the store takes them in their order.
class GcsWriter : public FileWriter {
 public:
  GcsWriter(GcsStore& store, std::string path, size_t part_size)
      : store_(store), path_(std::move(path)),
        parts_(part_size, 1, 0, [this] { upload_ = store_.start_upload(path_); },
               [this](size_t, uint64_t offset, std::string_view part) { store_.upload_part(path_, upload_, offset, part, std::nullopt); }) {}
  ~GcsWriter() override {
    parts_.stop();
    if (!upload_.empty()) store_.cancel_upload(path_, upload_);
  }

  void write(std::string_view bytes) override { parts_.write(bytes); }
  void finish() override { parts_.flush(kUnit); }  // the last bytes make the file: they wait for publish()

  void publish() override {
    if (parts_.parts() == 0) return store_.put(path_, ObjectUri::parse(path_).key, parts_.rest());
    finish();
    store_.upload_part(path_, upload_, parts_.size() - parts_.rest().size(), parts_.rest(), parts_.size());
    upload_.clear();
  }

  uint64_t size() const override { return parts_.size(); }

 private:
  GcsStore& store_;
  const std::string path_;
  Pairs upload_;
  PartUpload parts_;
};

std::unique_ptr<FileWriter> GcsStore::create(const std::string& path, bool) { return std::make_unique<GcsWriter>(*this, path, c_.part_size); }

}  // namespace

ObjectStore& gcs_store(std::string_view path, const Settings& settings) {
  static auto& stores = *new StoreTable<GcsConfig>;
  ObjectUri u = ObjectUri::parse(path);
  if (u.authority.empty()) throw SparkError::Plain(ErrorKind::kIllegalArgument, "No bucket in the path " + std::string(path));
  return stores.get(config_of(u.authority, settings), [](const GcsConfig& c) -> std::unique_ptr<ObjectStore> { return std::make_unique<GcsStore>(c); });
}

}  // namespace tarn::storage
