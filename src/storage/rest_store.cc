#include "storage/rest_store.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstring>
#include <random>
#include <thread>
#include <unordered_map>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/log.h"
#include "base/spark_error.h"
#include "storage/parallel.h"
#include "storage/path.h"

namespace tarn::storage {
namespace {

constexpr size_t kPart = 8 << 20;   // of a long read
constexpr size_t kTail = 64 << 10;  // read at once when something near the end is wanted: footers lie there

bool may_pass(int status) { return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504; }

int64_t random_below(int64_t n) {
  thread_local std::mt19937_64 generator{std::random_device{}()};
  return n <= 0 ? 0 : std::uniform_int_distribution<int64_t>(0, n)(generator);
}

// The ends of files, where the footers of Parquet and ORC lie, for the seconds in which a query asks for them: by every thread that opens the
// file, and ahead of them. Entries are of one store, and so of one set of credentials, and of one version of the file. Thread-safe.
class Tails {
 public:
  struct Tail {
    std::mutex mu;
    std::string bytes;  // empty before it is read; guarded by mu
    const std::chrono::steady_clock::time_point made = std::chrono::steady_clock::now();
    std::atomic<bool> expected{false};  // somebody fetches it ahead
  };

  static uint64_t start(const FileInfo& file) { return file.size > kTail ? file.size - kTail : 0; }

  std::shared_ptr<Tail> of(const RestStore& store, const FileInfo& file) {
    const std::string key = std::to_string(reinterpret_cast<uintptr_t>(&store)) + '\n' + std::to_string(file.size) + '\n' + file.tag + '\n' + file.path;
    std::lock_guard lock(mu_);
    if (tails_.size() >= kKept) tails_.clear();
    auto& t = tails_[key];
    if (!t || std::chrono::steady_clock::now() - t->made > kLifetime) t = std::make_shared<Tail>();
    return t;
  }

  // Waits for whoever reads it already.
  static void read(RestStore& store, const FileInfo& file, Tail& tail, uint64_t offset, char* out, size_t n) {
    std::lock_guard lock(tail.mu);
    if (tail.bytes.empty()) {
      std::string bytes(file.size - start(file), '\0');
      store.read_into(file.path, file.tag, start(file), bytes.data(), bytes.size());
      tail.bytes = std::move(bytes);
    }
    std::memcpy(out, tail.bytes.data() + (offset - start(file)), n);
  }

 private:
  static constexpr size_t kKept = 256;
  static constexpr auto kLifetime = std::chrono::seconds(30);
  std::mutex mu_;
  std::unordered_map<std::string, std::shared_ptr<Tail>> tails_;  // guarded by mu_
};

Tails& tails() {
  static auto& t = *new Tails;  // background threads outlive statics
  return t;
}

class RemoteReader : public RandomReader {
 public:
  RemoteReader(RestStore& store, FileInfo info) : store_(store), info_(std::move(info)) {}
  const FileInfo& info() const override { return info_; }

  void read(uint64_t offset, char* out, size_t n) override {
    if (n == 0) return;
    if (offset > info_.size || n > info_.size - offset) {
      throw IoError(IoError::Kind::kOther, "cannot read the file", info_.path, "it ends before the wanted bytes");
    }
    if (offset < Tails::start(info_)) {
      store_.read_into(info_.path, info_.tag, offset, out, n);
      return;
    }
    Tails::read(store_, info_, *tails().of(store_, info_), offset, out, n);
  }

 private:
  RestStore& store_;
  const FileInfo info_;
};

std::string range_text(uint64_t from, uint64_t n) { return "bytes=" + std::to_string(from) + "-" + std::to_string(from + n - 1); }

}  // namespace

ObjectUri ObjectUri::parse(std::string_view path) {
  ObjectUri u;
  u.scheme = scheme_of(path);
  path.remove_prefix(std::min(path.size(), u.scheme.size() + 1));
  if (path.starts_with("//")) {
    path.remove_prefix(2);
    size_t slash = std::min(path.find('/'), path.size());
    u.authority = std::string(path.substr(0, slash));
    path.remove_prefix(slash);
  }
  while (path.starts_with('/')) path.remove_prefix(1);
  while (path.ends_with('/')) path.remove_suffix(1);
  u.key = std::string(path);
  return u;
}

std::string object_path(const std::string& prefix, const std::string& key) { return prefix + "/" + key; }

void bad_setting(const std::string& key, const std::string& expected) {
  // The value is not repeated: it may be a secret in the wrong place.
  throw SparkError::Plain(ErrorKind::kIllegalArgument, "The setting " + key + " must be " + expected);
}

int number_setting(const std::string& key, const std::string& text, int least, int most) {
  int n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size() || n < least || n > most)
    bad_setting(key, "a number from " + std::to_string(least) + " to " + std::to_string(most));
  return n;
}

int64_t time_setting(const std::string& key, const std::string& text) {
  int64_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  std::string unit(end, text.data() + text.size());
  int64_t factor = unit.empty() || unit == "ms" ? 1 : unit == "s" ? 1000 : unit == "m" ? 60'000 : unit == "h" ? 3'600'000 : 0;
  if (error != std::errc() || factor == 0 || n < 0 || n > 86'400'000 / factor) bad_setting(key, "a time such as 5000, 5000ms or 5s");
  return n * factor;
}

int64_t size_setting(const std::string& key, const std::string& text) {
  int64_t n = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  std::string unit = lower_ascii(std::string(end, text.data() + text.size()));
  int64_t factor = unit.empty() || unit == "b" ? 1 : unit == "k" ? 1 << 10 : unit == "m" ? 1 << 20 : unit == "g" ? 1 << 30 : 0;
  if (error != std::errc() || factor == 0 || n < 0 || n > (int64_t{1} << 40) / factor) bad_setting(key, "a size such as 8388608 or 8M");
  return n * factor;
}

bool flag_setting(const std::string& key, const std::string& text) {
  std::string t = lower_ascii(text);
  if (t != "true" && t != "false") bad_setting(key, "true or false");
  return t == "true";
}

void RestStore::require_same_store(const std::string& from, const std::string& to) {
  if (ObjectUri::parse(from).prefix() != ObjectUri::parse(to).prefix()) throw IoError(IoError::Kind::kOther, "cannot rename", from, to + " is in another store: copy and delete");
}

RestStore::Answer RestStore::send(HttpRequest r, const char* what, const std::string& path, const Again& again) const {
  r.connect_timeout_ms = limits_.connect_timeout_ms;
  r.idle_timeout_ms = limits_.idle_timeout_ms;
  const RetryPolicy& policy = limits_.retry;
  for (int attempt = 1;; ++attempt) {
    HttpRequest signed_request = r;
    sign(signed_request);
    int64_t wait = std::min<int64_t>(policy.max_ms, int64_t{policy.base_ms} << std::min(attempt, 20));
    std::string why;
    try {
      Answer a{send_http(signed_request), attempt};
      if (a.response.resent) a.attempts = std::max(a.attempts, 2);
      if (!may_pass(a.response.status) || attempt >= policy.attempts) return a;
      why = "HTTP " + std::to_string(a.response.status);
      wait = random_below(wait);
      if (int seconds = std::atoi(a.response.header("retry-after").c_str()); seconds > 0) wait = std::min<int64_t>(seconds * 1000LL, policy.max_ms);
    } catch (const ConnectionError& e) {
      if (e.permanent() || attempt >= policy.attempts) {
        throw IoError(IoError::Kind::kOther, what, path, std::string(e.what()) + (attempt > 1 ? " (tried " + std::to_string(attempt) + " times)" : ""));
      }
      why = e.what();
      wait = random_below(wait);
    }
    log::debug("storage.retry", {{"path", path}, {"attempt", std::to_string(attempt)}, {"why", why}, {"wait_ms", std::to_string(wait)}});
    std::this_thread::sleep_for(std::chrono::milliseconds(wait));
    if (again) {
      if (auto answer = again(r)) return {std::move(*answer), attempt + 1};
    }
  }
}

void RestStore::fail(const char* what, const std::string& path, const HttpResponse& response) const {
  int status = response.status;
  std::string code = error_code(response);
  IoError::Kind kind = status == 404                    ? IoError::Kind::kNotFound
                       : status == 401 || status == 403 ? IoError::Kind::kPermission
                       : status == 409 || status == 412 ? IoError::Kind::kAlreadyExists
                       : status == 507                  ? IoError::Kind::kNoSpace
                                                        : IoError::Kind::kOther;
  std::string reason = "HTTP " + std::to_string(status) + (code.empty() ? "" : " " + code);
  if (may_pass(status)) reason += " (tried " + std::to_string(limits_.retry.attempts) + " times)";
  if (std::string todo = advice(status, code); !todo.empty()) reason += "; " + todo;
  throw IoError(kind, what, path, reason);
}

HttpRequest RestStore::content_request(const std::string& path, const std::string& tag) const {
  HttpRequest r = request("GET", path);
  if (!tag.empty()) r.set_header("If-Match", tag);
  return r;
}

void RestStore::read_into(const std::string& path, const std::string& tag, uint64_t offset, char* out, size_t n) {
  auto one = [this, path, tag](uint64_t from, char* to, size_t length) {
    HttpRequest r = content_request(path, tag);
    r.set_header(range_header(), range_text(from, length));
    r.into = to;
    r.into_size = length;
    Answer a = send(std::move(r), "cannot read", path);
    if (a.response.status == 412) throw IoError(IoError::Kind::kOther, "cannot read", path, "HTTP 412; the file was replaced while it was being read");
    if (!a.ok()) fail("cannot read", path, a.response);
    if (a.response.status != 206 && from != 0) throw IoError(IoError::Kind::kOther, "cannot read", path, "the server does not answer with ranges");
  };
  if (n <= kPart + kPart / 2) {
    one(offset, out, n);
    return;
  }
  if (in_background()) {
    for (size_t at = 0; at < n; at += kPart) one(offset + at, out + at, std::min(kPart, n - at));
    return;
  }
  std::vector<std::future<void>> parts;
  for (size_t at = kPart; at < n; at += kPart) {
    parts.push_back(run_in_background([=] { one(offset + at, out + at, std::min(kPart, n - at)); }));
  }
  std::exception_ptr error;
  try {
    one(offset, out, kPart);
  } catch (...) {
    error = std::current_exception();
  }
  for (auto& p : parts) {  // all must have ended: they write to out
    try {
      p.get();
    } catch (...) {
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

std::string RestStore::read(const std::string& path) {
  // Most files that are read whole are small: the first part tells how long the file is.
  HttpRequest r = content_request(path, "");
  r.set_header(range_header(), range_text(0, kPart));
  Answer a = send(std::move(r), "cannot read", path);
  if (a.response.status == 416) return "";  // nothing in it
  if (!a.ok()) fail("cannot read", path, a.response);
  std::string out = std::move(a.response.body);
  if (a.response.status == 206) {
    std::string range = a.response.header("content-range");
    size_t slash = range.find('/');
    uint64_t total = slash == std::string::npos ? out.size() : std::strtoull(range.c_str() + slash + 1, nullptr, 10);
    if (total > out.size()) {
      size_t have = out.size();
      out.resize(total);
      read_into(path, content_tag(a.response), have, out.data() + have, total - have);
    }
  }
  return out;
}

std::string RestStore::read_range(const std::string& path, uint64_t offset, uint64_t length) {
  if (length == 0) return "";
  // A damaged length must not allocate gigabytes.
  if (length > (64u << 20)) {
    auto info = stat(path);
    if (!info) throw IoError(IoError::Kind::kNotFound, "cannot read", path, "no such file");
    if (offset > info->size || length > info->size - offset) {
      throw IoError(IoError::Kind::kOther, "cannot read", path, "it ends before the wanted bytes");
    }
  }
  std::string out(length, '\0');
  read_into(path, "", offset, out.data(), out.size());
  return out;
}

std::unique_ptr<RandomReader> RestStore::open(const std::string& path, const FileInfo* known) {
  FileInfo info;
  if (known) {
    info = *known;
  } else {
    auto found = stat(path);
    if (!found) throw IoError(IoError::Kind::kNotFound, "cannot open", path, "no such file");
    if (found->is_directory) throw IoError(IoError::Kind::kOther, "cannot open", path, "it is a directory");
    info = *found;
  }
  info.path = path;
  return std::make_unique<RemoteReader>(*this, std::move(info));
}

void RestStore::expect(const FileInfo& file) {
  auto tail = tails().of(*this, file);
  if (file.size == 0 || tail->expected.exchange(true)) return;
  run_in_background([this, file, tail] {
    try {
      char last;
      Tails::read(*this, file, *tail, file.size - 1, &last, 1);
    } catch (const std::exception&) {  // whoever opens the file says why
    }
  });
}

void expect(ObjectStore& store, const FileInfo& file) {
  if (auto* remote = dynamic_cast<RestStore*>(&store)) remote->expect(file);
}

void RestStore::write(const std::string& path, std::string_view data) {
  auto w = create(path, false);
  w->write(data);
  w->publish();
}

}  // namespace tarn::storage
