#include "http/route.h"

#include <charconv>

#include "base/encoding.h"

namespace tarn::http {
namespace {

std::vector<std::string> split(std::string_view path) {
  std::vector<std::string> out;
  size_t at = 1;
  while (at <= path.size()) {
    size_t end = path.find('/', at);
    if (end == std::string_view::npos) end = path.size();
    out.emplace_back(path.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool is_version(std::string_view s) { return s.size() == 3 && s[0] >= '1' && s[0] <= '9' && s[1] == '.' && s[2] >= '0' && s[2] <= '9'; }

std::string kind_error(std::string_view name, const char* kind) { return "The field " + std::string(name) + " must be " + kind + "."; }

}  // namespace

std::string Call::in_path(std::string_view name) const {
  for (const auto& [n, v] : path) {
    if (n == name) return v;
  }
  return "";
}

const Json& Call::at(std::string_view name) const {
  static const Json kNull;
  auto it = fields.find(std::string(name));
  return it == fields.end() ? kNull : *it;
}

bool Call::has(std::string_view name) const { return !at(name).is_null(); }

std::string Call::text(std::string_view name, std::string fallback) const {
  const Json& v = at(name);
  if (v.is_null()) return fallback;
  if (v.is_string()) return v.get<std::string>();
  if (v.is_number_integer() || v.is_boolean()) return v.dump();
  throw invalid_parameter(kind_error(name, "a string"));
}

std::string Call::required_text(std::string_view name) const {
  std::string v = text(name);
  if (v.empty()) throw invalid_parameter("Missing required field: " + std::string(name));
  return v;
}

int64_t Call::integer(std::string_view name, int64_t fallback) const {
  const Json& v = at(name);
  if (v.is_null()) return fallback;
  if (v.is_number_unsigned() && v.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) throw invalid_parameter(kind_error(name, "a 64 bit integer"));
  if (v.is_number_integer()) return v.get<int64_t>();
  if (v.is_string()) {
    const auto& s = v.get_ref<const std::string&>();
    int64_t n = 0;
    auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), n);
    if (ec == std::errc() && end == s.data() + s.size() && !s.empty()) return n;
  }
  throw invalid_parameter(kind_error(name, "an integer"));
}

bool Call::flag(std::string_view name, bool fallback) const {
  const Json& v = at(name);
  if (v.is_null()) return fallback;
  if (v.is_boolean()) return v.get<bool>();
  if (v.is_string()) {
    std::string s = lower_ascii(v.get_ref<const std::string&>());
    if (s == "true" || s == "1") return true;
    if (s == "false" || s == "0" || s.empty()) return false;
  }
  throw invalid_parameter(kind_error(name, "true or false"));
}

std::vector<std::string> Call::texts(std::string_view name) const {
  const Json& v = at(name);
  std::vector<std::string> out;
  if (v.is_null()) return out;
  if (v.is_string()) return {v.get<std::string>()};
  if (!v.is_array()) throw invalid_parameter(kind_error(name, "an array of strings"));
  for (const auto& x : v) {
    if (!x.is_string()) throw invalid_parameter(kind_error(name, "an array of strings"));
    out.push_back(x.get<std::string>());
  }
  return out;
}

void RouteTable::add(Route route) {
  segments_.push_back(split(route.pattern));
  routes_.push_back(std::move(route));
}

RouteTable::Match RouteTable::find(std::string_view method, std::string_view path) const {
  Match best;
  size_t best_literals = 0;
  if (path.empty() || path[0] != '/') return best;
  std::string_view wanted = method == "HEAD" ? std::string_view("GET") : method;
  auto parts = split(path);
  while (parts.size() > 1 && parts.back().empty()) parts.pop_back();  // a closing slash does not matter
  for (size_t r = 0; r < routes_.size(); ++r) {
    const auto& pattern = segments_[r];
    std::vector<std::pair<std::string, std::string>> found;
    size_t literals = 1, i = 0;
    bool matches = true;
    for (; matches && i < pattern.size(); ++i) {
      const std::string& p = pattern[i];
      if (p.size() > 5 && p[0] == '{' && p.ends_with("...}")) {
        std::string rest;
        for (size_t k = i; k < parts.size(); ++k) rest += "/" + parts[k];
        found.emplace_back(p.substr(1, p.size() - 5), rest);
        i = parts.size();
        break;
      }
      if (i >= parts.size()) matches = false;
      else if (p == "*") matches = is_version(parts[i]);
      else if (p[0] == '{') found.emplace_back(p.substr(1, p.size() - 2), parts[i]), matches = !parts[i].empty();
      else if ((matches = p == parts[i])) ++literals;
    }
    if (!matches || i != parts.size()) continue;
    const Route& route = routes_[r];
    bool exact_head = method == "HEAD" && route.method == "HEAD";
    if (route.method != wanted && !exact_head) {
      best.other_method = true;
      continue;
    }
    size_t score = literals * 2 + (exact_head ? 1 : 0);
    if (score <= best_literals) continue;
    best_literals = score;
    best.route = &route;
    best.path = std::move(found);
  }
  return best;
}

Response json_response(const Json& body, int status) {
  Response r;
  r.status = status;
  r.headers.add("Content-Type", "application/json; charset=utf-8");
  r.body = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  return r;
}

Page page_of(size_t total, int64_t size, const std::string& token, size_t fallback_size, size_t max_size, size_t start) {
  if (size < 0) throw invalid_parameter("The page size must not be negative.");
  Page page;
  page.from = std::min(start, total);
  if (!token.empty()) {
    auto raw = base64_decode(token);
    size_t offset = 0;
    if (!raw || raw->size() < 3 || raw->compare(0, 2, "p:") != 0 ||
        std::from_chars(raw->data() + 2, raw->data() + raw->size(), offset).ptr != raw->data() + raw->size()) {
      throw invalid_parameter("The page token is not valid.");
    }
    page.from = std::min(offset, total);
  }
  size_t n = std::min(size == 0 ? fallback_size : static_cast<size_t>(size), max_size);
  page.to = std::min(total, page.from + n);
  if (page.to < total) page.next_token = base64_encode("p:" + std::to_string(page.to));
  return page;
}

}  // namespace tarn::http
