// S3 and what speaks its protocol (MinIO, Ceph, Cloudflare R2, moto). There are no directories and no rename: a directory is a prefix that
// something has, a rename is a copy. Commits rest on conditional writes (If-None-Match: *), files appear when their upload is completed.
// Settings are Hadoop's S3A: docs/storage.md.
#include <algorithm>
#include <cstdlib>
#include <mutex>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/spark_error.h"
#include "base/xml.h"
#include "storage/flat_store.h"
#include "storage/parallel.h"
#include "storage/path.h"
#include "storage/rest_store.h"
#include "storage/signing.h"

namespace tarn::storage {
namespace {

constexpr size_t kMaxDelete = 1000;                  // keys of one request
constexpr uint64_t kMaxCopy = uint64_t{5} << 30;     // of one request
constexpr size_t kMaxParts = 10'000;
constexpr size_t kUploadsAtOnce = 4;                 // of one file

struct S3Config {
  std::string bucket;
  Url server;
  std::string region;
  AwsCredentials credentials;
  bool anonymous = false, path_style = false;
  Pairs all_headers;   // of every request
  Pairs made_headers;  // of requests that make an object
  size_t part_size = 8 << 20;
  HttpLimits limits;

  std::string identity() const {
    std::string id;
    for (const auto& s : {bucket, std::string(server.tls ? "https" : "http"), server.authority(), server.path, region, credentials.access_key,
                          credentials.secret_key, credentials.session_token, std::to_string(path_style), std::to_string(part_size),
                          std::to_string(limits.retry.attempts), std::to_string(limits.connect_timeout_ms), std::to_string(limits.idle_timeout_ms)}) {
      id += s + '\n';
    }
    for (const auto* headers : {&all_headers, &made_headers}) {
      for (const auto& [k, v] : *headers) id += k + '=' + v + '\n';
    }
    return id;
  }
};

std::string environment(const char* name) {
  const char* v = std::getenv(name);
  return v ? v : "";
}

S3Config config_of(const std::string& bucket, const Settings& settings) {
  auto find = [&](const std::string& name) -> std::optional<std::string> {
    if (auto v = settings.find("fs.s3a.bucket." + bucket + "." + name)) return v;
    return settings.find("fs.s3a." + name);
  };
  auto key = [](const char* name) { return std::string("fs.s3a.") + name; };
  S3Config c;
  c.bucket = bucket;
  c.credentials = {find("access.key").value_or(""), find("secret.key").value_or(""), find("session.token").value_or("")};
  std::string provider = find("aws.credentials.provider").value_or("");
  c.anonymous = provider.find("Anonymous") != std::string::npos;
  if (!provider.empty() && !c.anonymous && provider.find("SimpleAWSCredentialsProvider") == std::string::npos &&
      provider.find("TemporaryAWSCredentialsProvider") == std::string::npos && provider.find("EnvironmentVariableCredentialsProvider") == std::string::npos) {
    throw SparkError::Plain(ErrorKind::kUnsupported, "fs.s3a.aws.credentials.provider " + provider +
                                                         " is not supported: use Simple-, Temporary- or AnonymousAWSCredentialsProvider or EnvironmentVariableCredentialsProvider");
  }
  if (c.anonymous) {
    c.credentials = {};
  } else if (c.credentials.access_key.empty() && c.credentials.secret_key.empty()) {
    c.credentials = {environment("AWS_ACCESS_KEY_ID"), environment("AWS_SECRET_ACCESS_KEY"), environment("AWS_SESSION_TOKEN")};
  }
  if (!c.anonymous && (c.credentials.access_key.empty() || c.credentials.secret_key.empty())) {
    throw SparkError::Plain(ErrorKind::kIllegalArgument,
                            "No credentials for s3a://" + bucket +
                                ": set fs.s3a.access.key and fs.s3a.secret.key (and fs.s3a.session.token for temporary ones), or "
                                "fs.s3a.aws.credentials.provider to org.apache.hadoop.fs.s3a.AnonymousAWSCredentialsProvider");
  }
  c.region = find("endpoint.region").value_or("");
  if (c.region.empty()) c.region = environment("AWS_REGION");
  std::string endpoint = find("endpoint").value_or("");
  if (endpoint.empty()) endpoint = c.region.empty() ? "s3.amazonaws.com" : "s3." + c.region + ".amazonaws.com";
  if (c.region.empty()) {
    c.region = "us-east-1";
    // "https://s3.eu-west-1.amazonaws.com" says it.
    size_t at = endpoint.find("s3."), end = endpoint.find(".amazonaws.com");
    if (at != std::string::npos && end != std::string::npos && end > at + 3) c.region = endpoint.substr(at + 3, end - at - 3);
  }
  if (endpoint.find("://") == std::string::npos) {
    endpoint = (flag_setting(key("connection.ssl.enabled"), find("connection.ssl.enabled").value_or("true")) ? "https://" : "http://") + endpoint;
  }
  c.server = Url::parse(endpoint);
  bool number = c.server.host.find_first_not_of("0123456789.") == std::string::npos || c.server.host.find(':') != std::string::npos;
  // A bucket in front of an address is no name; one with dots fits no wildcard certificate.
  c.path_style = flag_setting(key("path.style.access"), find("path.style.access").value_or("false")) || number ||
                 (c.server.tls && bucket.find('.') != std::string::npos);
  if (auto v = find("multipart.size")) c.part_size = static_cast<size_t>(std::clamp<int64_t>(size_setting(key("multipart.size"), *v), 5 << 20, 512 << 20));
  if (auto v = find("attempts.maximum")) {
    c.limits.retry.attempts = number_setting(key("attempts.maximum"), *v, 1, 100);
  }
  if (auto v = find("connection.timeout")) c.limits.idle_timeout_ms = static_cast<int>(time_setting(key("connection.timeout"), *v));
  if (auto v = find("connection.establish.timeout")) c.limits.connect_timeout_ms = static_cast<int>(time_setting(key("connection.establish.timeout"), *v));
  if (flag_setting(key("requester.pays.enabled"), find("requester.pays.enabled").value_or("false"))) c.all_headers.emplace_back("x-amz-request-payer", "requester");
  auto first = [&](const char* name, const char* old) { return find(name) ? find(name) : find(old); };
  if (auto v = first("encryption.algorithm", "server-side-encryption-algorithm"); v && !v->empty()) {
    std::string kind = *v == "AES256" || *v == "SSE-S3" ? "AES256" : *v == "SSE-KMS" ? "aws:kms" : *v == "DSSE-KMS" ? "aws:kms:dsse" : "";
    if (kind.empty()) throw SparkError::Plain(ErrorKind::kUnsupported, "fs.s3a.encryption.algorithm " + *v + " is not supported: use SSE-S3, SSE-KMS or DSSE-KMS");
    c.made_headers.emplace_back("x-amz-server-side-encryption", kind);
    if (auto id = first("encryption.key", "server-side-encryption.key"); id && kind != "AES256") {
      c.made_headers.emplace_back("x-amz-server-side-encryption-aws-kms-key-id", *id);
    }
  }
  if (auto v = find("acl.default"); v && !v->empty()) {
    // "BucketOwnerFullControl" is "bucket-owner-full-control" on the wire.
    std::string acl;
    for (char ch : *v) {
      if (std::isupper(static_cast<unsigned char>(ch)) && !acl.empty()) acl += '-';
      acl += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    }
    c.made_headers.emplace_back("x-amz-acl", acl);
  }
  if (!c.path_style) c.server.host = bucket + "." + c.server.host;
  return c;
}

class S3Store : public FlatStore<RestStore> {
 public:
  explicit S3Store(const S3Config& c) : FlatStore<RestStore>(c.limits), c_(c) {}

  std::vector<FileInfo> list(const std::string& directory, const std::string& from) override {
    ObjectUri u = ObjectUri::parse(directory);
    std::string prefix = u.key.empty() ? "" : u.key + "/";
    std::vector<FileInfo> out;
    bool any = list_keys(directory, prefix, "/", from, [&](const std::string& key, uint64_t size, int64_t modified, const std::string& tag, bool is_prefix) {
      std::string name = key.substr(prefix.size());
      if (is_prefix) name.pop_back();
      if (name.empty() || name < from) return;
      out.push_back({object_path(u.prefix(), prefix + name), size, modified, is_prefix, tag});
    });
    if (out.empty() && (!any || !from.empty()) && !u.key.empty() && !is_directory(directory)) {
      throw IoError(IoError::Kind::kNotFound, "cannot list", directory, "no such directory");
    }
    // "a" and "a/" may both exist: the file goes first, as their names do.
    std::stable_sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
    return out;
  }

  std::vector<FileInfo> list_recursive(const std::string& directory) override {
    ObjectUri u = ObjectUri::parse(directory);
    std::string prefix = u.key.empty() ? "" : u.key + "/";
    std::vector<FileInfo> out;
    bool any = list_keys(directory, prefix, "", "", [&](const std::string& key, uint64_t size, int64_t modified, const std::string& tag, bool) {
      if (!key.ends_with('/')) out.push_back({object_path(u.prefix(), key), size, modified, false, tag});
    });
    if (!any && !u.key.empty()) throw IoError(IoError::Kind::kNotFound, "cannot list", directory, "no such directory");
    return out;
  }

  std::optional<FileInfo> stat(const std::string& path) override {
    ObjectUri u = ObjectUri::parse(path);
    if (u.key.empty()) return FileInfo{path, 0, 0, true};
    Answer a = send(request("HEAD", path), "cannot look at", path);
    if (a.ok()) {
      return FileInfo{path, std::strtoull(a.response.header("content-length").c_str(), nullptr, 10), parse_store_time(a.response.header("last-modified")),
                      false, a.response.header("etag")};
    }
    if (a.response.status != 404) fail("cannot look at", path, a.response);
    if (is_directory(path)) return FileInfo{path, 0, 0, true};
    return std::nullopt;
  }

  bool put_if_absent(const std::string& path, std::string_view data) override {
    for (int attempt = 1;; ++attempt) {
      HttpRequest r = request("PUT", path);
      r.set_header("If-None-Match", "*");
      r.body = data;
      Answer a = send(std::move(r), "cannot create", path);
      if (a.ok()) return true;
      if (a.response.status == 409 && attempt < limits_.retry.attempts) continue;  // two at once: S3 says neither, and wants it asked again
      if (a.response.status != 412) fail("cannot create", path, a.response);
      // An attempt whose answer was lost may be what exists now.
      return (a.attempts > 1 || attempt > 1) && read(path) == data;
    }
  }

  std::unique_ptr<FileWriter> create(const std::string& path, bool unseen) override;

  void remove_files(const std::vector<std::string>& paths) override {
    std::vector<std::string> keys;
    for (const auto& p : paths) keys.push_back(ObjectUri::parse(p).key);
    if (!keys.empty()) remove_keys(paths[0], keys);
  }

  void remove_recursive(const std::string& path) override {
    ObjectUri u = ObjectUri::parse(path);
    if (u.key.empty()) throw IoError(IoError::Kind::kOther, "cannot delete", path, "a whole bucket is not deleted");
    std::vector<std::string> keys{u.key};
    list_keys(path, u.key + "/", "", "", [&](const std::string& key, uint64_t, int64_t, const std::string&, bool) { keys.push_back(key); });
    remove_keys(path, keys);
  }

  HttpRequest request(const std::string& method, const std::string& path) const override {
    HttpRequest r;
    r.method = method;
    r.server = c_.server;
    std::string key = ObjectUri::parse(path).key;
    r.path = (c_.path_style ? "/" + c_.bucket : "") + "/" + percent_encode(key, "/");
    return r;
  }
  HttpRequest bucket_request(const std::string& method) const {
    HttpRequest r;
    r.method = method;
    r.server = c_.server;
    r.path = c_.path_style ? "/" + c_.bucket : "/";
    return r;
  }

 protected:
  void sign(HttpRequest& r) const override {
    r.headers.insert(r.headers.end(), c_.all_headers.begin(), c_.all_headers.end());
    // An object is made by a PUT that is no part of an upload, and by the beginning of an upload.
    bool part = std::any_of(r.query.begin(), r.query.end(), [](const auto& q) { return q.first == "uploadId"; });
    bool begins = std::any_of(r.query.begin(), r.query.end(), [](const auto& q) { return q.first == "uploads"; });
    if ((r.method == "PUT" && !part) || begins) r.headers.insert(r.headers.end(), c_.made_headers.begin(), c_.made_headers.end());
    if (c_.anonymous) return;
    // Over TLS nobody can change the body.
    std::string hash = c_.server.tls ? "UNSIGNED-PAYLOAD" : hex_encode(sha256(r.body));
    sign_aws(r, c_.credentials, c_.region, "s3", hash, now_ms());
  }

  std::string error_code(const HttpResponse& r) const override {
    auto xml = parse_xml(r.body);
    return xml ? xml->text_of("Code") : "";
  }

  std::string advice(int status, const std::string& code) const override {
    if (code == "NoSuchBucket") return "the bucket does not exist at " + c_.server.authority();
    if (code == "InvalidAccessKeyId") return "the store does not know the key of fs.s3a.access.key";
    if (code == "SignatureDoesNotMatch") return "fs.s3a.secret.key does not belong to fs.s3a.access.key";
    if (code == "ExpiredToken" || code == "InvalidToken") return "fs.s3a.session.token is not valid (any more)";
    if (code == "RequestTimeTooSkewed") return "the clock of this machine is wrong";
    if (status == 301 || status == 307 || code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed") {
      return "the bucket is in another region: set fs.s3a.endpoint.region (now " + c_.region + ") or fs.s3a.endpoint";
    }
    if (status == 401 || status == 403) {
      return c_.anonymous ? "the object is not public: set fs.s3a.access.key and fs.s3a.secret.key"
                          : "the credentials (fs.s3a.access.key, fs.s3a.secret.key) do not allow it";
    }
    if (status == 501) return "the store lacks this part of the S3 protocol";
    return "";
  }

 private:
  friend class S3Writer;

  void make_marker(const std::string& path) override {
    HttpRequest r = request("PUT", path);
    r.path += "/";
    Answer a = send(std::move(r), "cannot make the directory", path);
    if (!a.ok()) fail("cannot make the directory", path, a.response);
  }
  void remove_marker(const std::string& path) override { remove_keys(path, {ObjectUri::parse(path).key + "/"}); }

  bool is_directory(const std::string& path) {
    bool any = false;
    std::string key = ObjectUri::parse(path).key;
    HttpRequest r = bucket_request("GET");
    r.query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", key.empty() ? "" : key + "/"}};
    Answer a = send(std::move(r), "cannot list", path);
    if (!a.ok()) fail("cannot list", path, a.response);
    if (auto xml = parse_xml(a.response.body)) any = xml->find("Contents") || xml->find("CommonPrefixes");
    return any;
  }

  // Every key (and, with a delimiter, common prefix) below a prefix; false if there was none at all.
  template <class Fn>
  bool list_keys(const std::string& path, const std::string& prefix, const std::string& delimiter, const std::string& from, Fn fn) {
    bool any = false;
    std::string token;
    do {
      HttpRequest r = bucket_request("GET");
      r.query = {{"list-type", "2"}, {"prefix", prefix}, {"encoding-type", "url"}};
      if (!delimiter.empty()) r.query.emplace_back("delimiter", delimiter);
      if (!token.empty()) {
        r.query.emplace_back("continuation-token", token);
      } else if (!from.empty()) {
        // start-after leaves out its own key: something just before `from`.
        std::string before = from;
        --before.back();
        r.query.emplace_back("start-after", prefix + before + "~");
      }
      Answer a = send(std::move(r), "cannot list", path);
      if (!a.ok()) fail("cannot list", path, a.response);
      auto xml = parse_xml(a.response.body);
      if (!xml || xml->name != "ListBucketResult") throw IoError(IoError::Kind::kOther, "cannot list", path, "the answer is not an S3 listing");
      bool encoded = xml->text_of("EncodingType") == "url";
      auto decoded = [&](const std::string& s) {
        if (!encoded) return s;
        auto plain = percent_decode(s, true);
        return plain ? *plain : s;
      };
      for (const auto& c : xml->children) {
        if (c.name == "Contents") {
          any = true;
          fn(decoded(c.text_of("Key")), std::strtoull(c.text_of("Size").c_str(), nullptr, 10), parse_store_time(c.text_of("LastModified")),
             c.text_of("ETag"), false);
        } else if (c.name == "CommonPrefixes") {
          any = true;
          fn(decoded(c.text_of("Prefix")), 0, 0, std::string(), true);
        }
      }
      token = xml->text_of("IsTruncated") == "true" ? xml->text_of("NextContinuationToken") : "";
    } while (!token.empty());
    return any;
  }

  void remove_keys(const std::string& path, const std::vector<std::string>& keys) {
    if (keys.size() == 1) {
      HttpRequest r = bucket_request("DELETE");
      r.path = (c_.path_style ? "/" + c_.bucket : "") + "/" + percent_encode(keys[0], "/");
      Answer a = send(std::move(r), "cannot delete", path);
      if (!a.ok() && a.response.status != 404) fail("cannot delete", path, a.response);
      return;
    }
    for (size_t at = 0; at < keys.size(); at += kMaxDelete) {
      std::string body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>";
      for (size_t i = at; i < std::min(keys.size(), at + kMaxDelete); ++i) body += "<Object><Key>" + xml_escape(keys[i]) + "</Key></Object>";
      body += "</Delete>";
      HttpRequest r = bucket_request("POST");
      r.query = {{"delete", ""}};
      r.set_header("Content-MD5", base64_encode(md5(body)));
      r.set_header("Content-Type", "application/xml");
      r.body = body;
      Answer a = send(std::move(r), "cannot delete", path);
      if (!a.ok()) fail("cannot delete", path, a.response);
      auto xml = parse_xml(a.response.body);
      if (auto* error = xml ? xml->find("Error") : nullptr) {
        throw IoError(IoError::Kind::kPermission, "cannot delete", object_path("s3a://" + c_.bucket, error->text_of("Key")), error->text_of("Code"));
      }
    }
  }

  void copy(const FileInfo& info, const std::string& to) override {
    std::string source = "/" + c_.bucket + "/" + percent_encode(ObjectUri::parse(info.path).key, "/");
    if (info.size <= kMaxCopy) {
      HttpRequest r = request("PUT", to);
      r.set_header("x-amz-copy-source", source);
      Answer a = send(std::move(r), "cannot copy to", to);
      if (!a.ok()) fail("cannot copy to", to, a.response);
      // An answer of 200 may carry an error: S3 begins it before the copy has ended.
      if (auto xml = parse_xml(a.response.body); xml && xml->name == "Error") throw IoError(IoError::Kind::kOther, "cannot copy to", to, xml->text_of("Code"));
      return;
    }
    std::string upload = start_upload(to);
    std::vector<std::string> tags;
    try {
      for (uint64_t at = 0; at < info.size; at += kMaxCopy / 5) {
        HttpRequest r = request("PUT", to);
        r.query = {{"partNumber", std::to_string(tags.size() + 1)}, {"uploadId", upload}};
        r.set_header("x-amz-copy-source", source);
        r.set_header("x-amz-copy-source-range", "bytes=" + std::to_string(at) + "-" + std::to_string(std::min(info.size, at + kMaxCopy / 5) - 1));
        Answer a = send(std::move(r), "cannot copy to", to);
        auto xml = parse_xml(a.response.body);
        if (!a.ok() || !xml || xml->name == "Error") fail("cannot copy to", to, a.response);
        tags.push_back(xml->text_of("ETag"));
      }
      complete_upload(to, upload, tags);
    } catch (...) {
      abort_upload(to, upload);
      throw;
    }
  }

  std::string start_upload(const std::string& path) {
    HttpRequest r = request("POST", path);
    r.query = {{"uploads", ""}};
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
    auto xml = parse_xml(a.response.body);
    std::string id = xml ? xml->text_of("UploadId") : "";
    if (id.empty()) throw IoError(IoError::Kind::kOther, "cannot write", path, "the store has not begun an upload");
    return id;
  }

  std::string upload_part(const std::string& path, const std::string& upload, int number, std::string_view data) {
    HttpRequest r = request("PUT", path);
    r.query = {{"partNumber", std::to_string(number)}, {"uploadId", upload}};
    r.body = data;
    Answer a = send(std::move(r), "cannot write", path);
    if (!a.ok()) fail("cannot write", path, a.response);
    return a.response.header("etag");
  }

  void complete_upload(const std::string& path, const std::string& upload, const std::vector<std::string>& tags) {
    std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
    for (size_t i = 0; i < tags.size(); ++i) {
      body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + xml_escape(tags[i]) + "</ETag></Part>";
    }
    body += "</CompleteMultipartUpload>";
    HttpRequest r = request("POST", path);
    r.query = {{"uploadId", upload}};
    r.set_header("Content-Type", "application/xml");
    r.body = body;
    Answer a = send(std::move(r), "cannot write", path);
    auto xml = parse_xml(a.response.body);
    bool error = xml && xml->name == "Error";
    if (a.ok() && !error) return;
    // The upload is unknown because an earlier attempt, whose answer was lost, has completed it.
    if (a.attempts > 1 && xml && xml->text_of("Code") == "NoSuchUpload" && stat(path)) return;
    if (a.ok()) throw IoError(IoError::Kind::kOther, "cannot write", path, xml->text_of("Code"));
    fail("cannot write", path, a.response);
  }

  void abort_upload(const std::string& path, const std::string& upload) noexcept {
    try {
      HttpRequest r = request("DELETE", path);
      r.query = {{"uploadId", upload}};
      send(std::move(r), "cannot end the upload of", path);
    } catch (const std::exception& e) {
      log::warn("storage.upload_left_behind", {{"path", path}, {"error", e.what()}});
    }
  }

  const S3Config c_;
};

class S3Writer : public FileWriter {
 public:
  S3Writer(S3Store& store, std::string path, size_t part_size)
      : store_(store), path_(std::move(path)),
        parts_(part_size, kUploadsAtOnce, kMaxParts / 10, [this] { upload_ = store_.start_upload(path_); },
               [this](size_t index, uint64_t, std::string_view part) { send(index, part); }) {}
  ~S3Writer() override {
    parts_.stop();
    if (!upload_.empty()) store_.abort_upload(path_, upload_);
  }

  void write(std::string_view bytes) override { parts_.write(bytes); }
  void finish() override { parts_.flush(); }

  void publish() override {
    if (parts_.parts() == 0) {  // all of it fits into one request
      HttpRequest r = store_.request("PUT", path_);
      r.body = parts_.rest();
      auto a = store_.send(std::move(r), "cannot write", path_);
      if (!a.ok()) store_.fail("cannot write", path_, a.response);
      return;
    }
    finish();
    store_.complete_upload(path_, upload_, tags_);
    upload_.clear();
  }

  uint64_t size() const override { return parts_.size(); }

 private:
  void send(size_t index, std::string_view part) {
    if (index >= kMaxParts) throw IoError(IoError::Kind::kOther, "cannot write", path_, "more than 10,000 parts: set fs.s3a.multipart.size higher");
    std::string tag = store_.upload_part(path_, upload_, static_cast<int>(index) + 1, part);
    std::lock_guard lock(mu_);
    tags_.resize(std::max(tags_.size(), index + 1));
    tags_[index] = std::move(tag);
  }

  S3Store& store_;
  const std::string path_;
  std::string upload_;
  std::mutex mu_;
  std::vector<std::string> tags_;  // guarded by mu_ while parts are on their way; one a part
  PartUpload parts_;
};

std::unique_ptr<FileWriter> S3Store::create(const std::string& path, bool) { return std::make_unique<S3Writer>(*this, path, c_.part_size); }

}  // namespace

ObjectStore& s3_store(std::string_view path, const Settings& settings) {
  static auto& stores = *new StoreTable<S3Config>;
  ObjectUri u = ObjectUri::parse(path);
  if (u.authority.empty()) throw SparkError::Plain(ErrorKind::kIllegalArgument, "No bucket in the path " + std::string(path));
  return stores.get(config_of(u.authority, settings), [](const S3Config& c) -> std::unique_ptr<ObjectStore> { return std::make_unique<S3Store>(c); });
}

}  // namespace tarn::storage
