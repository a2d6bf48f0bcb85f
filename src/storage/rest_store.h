#pragma once
// What stores behind HTTP share: sending with retries, errors that say what to do, reading in ranges, and how a URI is cut.
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/http_client.h"
#include "storage/object_store.h"
#include "storage/settings.h"

namespace tarn::storage {

// "s3a://bucket/a/b": before the key, and the key without slashes at its ends.
struct ObjectUri {
  std::string scheme, authority, key;
  std::string prefix() const { return scheme + "://" + authority; }
  static ObjectUri parse(std::string_view path);
};

struct RetryPolicy {
  int attempts = 6;
  // The wait before attempt n is random below base * 2^n, at most max; Retry-After of the server counts instead, up to max.
  int base_ms = 100, max_ms = 10'000;
};
struct HttpLimits {
  RetryPolicy retry;
  int connect_timeout_ms = 10'000, idle_timeout_ms = 60'000;
};

// Thread-safe.
class RestStore : public ObjectStore {
 public:
  std::string read(const std::string& path) override;
  std::string read_range(const std::string& path, uint64_t offset, uint64_t length) override;
  std::unique_ptr<RandomReader> open(const std::string& path, const FileInfo* known) override;
  void write(const std::string& path, std::string_view data) override;
  void sync(const std::string&) override {}  // what a store has acknowledged stays
  // storage::expect
  void expect(const FileInfo& file);

  // A range of a file, in parts at once if it is long. tag: of the version that is meant, or empty.
  void read_into(const std::string& path, const std::string& tag, uint64_t offset, char* out, size_t n);

  struct Answer {
    HttpResponse response;
    int attempts = 1;  // more than one: an earlier attempt may have had its effect
    bool ok() const { return response.status >= 200 && response.status < 300; }
  };
  // Signs and sends until there is an answer that trying again cannot change. Throws IoError when there is none. again: called before
  // another attempt, where sending the same once more would be wrong; changes the request, or has an answer that ends it.
  using Again = std::function<std::optional<HttpResponse>(HttpRequest& request)>;
  Answer send(HttpRequest request, const char* what, const std::string& path, const Again& again = {}) const;
  // The error of an answer.
  [[noreturn]] void fail(const char* what, const std::string& path, const HttpResponse& response) const;

 protected:
  explicit RestStore(HttpLimits limits) : limits_(limits) {}
  // A request on the object of a path, not signed.
  virtual HttpRequest request(const std::string& method, const std::string& path) const = 0;
  // Before each attempt: date and authorization.
  virtual void sign(HttpRequest& request) const = 0;
  // The store's own name for what went wrong ("NoSuchBucket"), empty if it does not say.
  virtual std::string error_code(const HttpResponse& response) const = 0;
  // What the user can do about it, empty if we do not know.
  virtual std::string advice(int status, const std::string& code) const = 0;
  virtual const char* range_header() const { return "Range"; }
  // A request for the content of a file; tag: of the version that it must be, or empty. Another one is answered with 412.
  virtual HttpRequest content_request(const std::string& path, const std::string& tag) const;
  // The tag of the version that an answer with content is of.
  virtual std::string content_tag(const HttpResponse& response) const { return response.header("etag"); }
  // IoError if the two names are of different buckets or accounts: requests go to the store of the first.
  static void require_same_store(const std::string& from, const std::string& to);

  const HttpLimits limits_;
};

// Stores by what they were made from: one for every combination of endpoint and credentials. They stay.
template <class Config>
class StoreTable {
 public:
  ObjectStore& get(const Config& config, std::unique_ptr<ObjectStore> (*make)(const Config&)) {
    std::lock_guard lock(mu_);
    auto& s = stores_[config.identity()];
    if (!s) s = make(config);
    return *s;
  }

 private:
  std::mutex mu_;
  std::map<std::string, std::unique_ptr<ObjectStore>> stores_;  // guarded by mu_
};

// ---- settings
// "200s", "5000" (ms), "64M": Hadoop's times in ms and sizes in bytes. SparkError for anything else.
int64_t time_setting(const std::string& key, const std::string& text);
int64_t size_setting(const std::string& key, const std::string& text);
bool flag_setting(const std::string& key, const std::string& text);
// A whole number of these bounds.
int number_setting(const std::string& key, const std::string& text, int least, int most);
[[noreturn]] void bad_setting(const std::string& key, const std::string& expected);

// The path of a child: prefix "s3a://b", key "x/y".
std::string object_path(const std::string& prefix, const std::string& key);

}  // namespace tarn::storage
