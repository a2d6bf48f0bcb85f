#include "account/conditions.h"

#include "account/error.h"
#include "base/encoding.h"

namespace tarn::account {
namespace {

// Clients write entity tags with and without quotes.
std::string bare(const std::string& etag) {
  size_t from = etag.starts_with("W/") ? 2 : 0;
  if (etag.size() >= from + 2 && etag[from] == '"' && etag.back() == '"') return etag.substr(from + 1, etag.size() - from - 2);
  return etag.substr(from);
}

bool matches(const std::string& list, const std::string& etag) {
  if (list == "*") return true;
  size_t at = 0;
  while (at <= list.size()) {
    size_t end = std::min(list.find(',', at), list.size());
    size_t a = list.find_first_not_of(' ', at);
    if (a != std::string::npos && a < end) {
      size_t b = list.find_last_not_of(' ', end - 1);
      if (bare(list.substr(a, b - a + 1)) == bare(etag)) return true;
    }
    at = end + 1;
  }
  return false;
}

std::optional<int64_t> date(const http::Headers& headers, const std::string& name) {
  const std::string* text = headers.find(name);
  if (!text) return std::nullopt;
  auto ms = parse_http_date(*text);
  if (!ms) throw StorageError("InvalidHeaderValue", name);
  return ms;
}

}  // namespace

Conditions Conditions::of(const http::Headers& headers, const std::string& prefix) {
  Conditions c;
  c.if_match = headers.get(prefix + "If-Match");
  c.if_none_match = headers.get(prefix + "If-None-Match");
  c.if_modified_since = date(headers, prefix + "If-Modified-Since");
  c.if_unmodified_since = date(headers, prefix + "If-Unmodified-Since");
  return c;
}

// *read_only_miss: what does not hold is If-None-Match or If-Modified-Since, which ask a reader to use what it has.
bool Conditions::holds(const std::string& etag, int64_t modified_ms, bool* read_only_miss) const {
  int64_t modified = modified_ms / 1000 * 1000;
  *read_only_miss = false;
  if (!if_match.empty() && !matches(if_match, etag)) return false;
  if (if_unmodified_since && modified > *if_unmodified_since) return false;
  *read_only_miss = true;
  if (!if_none_match.empty()) {
    if (matches(if_none_match, etag)) return false;
  } else if (if_modified_since && modified <= *if_modified_since) {
    return false;
  }
  return true;
}

void Conditions::check_read(const std::string& etag, int64_t modified_ms) const {
  bool miss = false;
  if (!holds(etag, modified_ms, &miss)) throw StorageError(miss ? "NotModified" : "ConditionNotMet");
}

void Conditions::check_write(const std::string* etag, int64_t modified_ms) const {
  if (!etag) {
    if (!if_match.empty()) throw StorageError("ConditionNotMet");
    return;
  }
  if (if_none_match == "*") throw StorageError("PathAlreadyExists");
  bool miss = false;
  if (!holds(*etag, modified_ms, &miss)) throw StorageError("ConditionNotMet");
}

void Conditions::check_source(const std::string& etag, int64_t modified_ms) const {
  bool miss = false;
  if (!holds(etag, modified_ms, &miss)) throw StorageError("SourceConditionNotMet");
}

}  // namespace tarn::account
