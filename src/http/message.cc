#include "http/message.h"

#include <strings.h>

#include "base/encoding.h"

namespace tarn::http {
namespace {
bool same(std::string_view a, std::string_view b) { return a.size() == b.size() && ::strncasecmp(a.data(), b.data(), a.size()) == 0; }
}  // namespace

void Headers::set(const std::string& name, std::string value) {
  for (auto& [n, v] : all_) {
    if (same(n, name)) {
      v = std::move(value);
      return;
    }
  }
  add(name, std::move(value));
}

const std::string* Headers::find(std::string_view name) const {
  for (const auto& [n, v] : all_) {
    if (same(n, name)) return &v;
  }
  return nullptr;
}

std::string Headers::get(std::string_view name) const {
  const std::string* v = find(name);
  return v ? *v : "";
}

std::optional<std::vector<std::pair<std::string, std::string>>> decoded_query(std::string_view target, bool plus_is_space) {
  std::vector<std::pair<std::string, std::string>> out;
  size_t mark = target.find('?');
  if (mark == std::string_view::npos) return out;
  std::string_view rest = target.substr(mark + 1);
  while (!rest.empty()) {
    size_t end = rest.find('&');
    std::string_view pair = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    auto name = percent_decode(pair.substr(0, equals), plus_is_space);
    auto value = percent_decode(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), plus_is_space);
    if (!name || !value || !is_utf8(*name) || !is_utf8(*value)) return std::nullopt;
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return out;
}

bool parse_target(Request* request) {
  request->path = request->target.substr(0, request->target.find('?'));
  auto query = decoded_query(request->target, true);
  if (query) request->query = std::move(*query);
  return query.has_value();
}

std::string cookie_of(const Request& request, std::string_view name) {
  for (const auto& [n, v] : request.headers) {
    if (!same(n, "Cookie")) continue;
    std::string_view rest = v;
    while (!rest.empty()) {
      size_t end = rest.find(';');
      std::string_view pair = rest.substr(0, end);
      rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
      while (!pair.empty() && (pair.front() == ' ' || pair.front() == '\t')) pair.remove_prefix(1);
      size_t equals = pair.find('=');
      if (equals != std::string_view::npos && pair.substr(0, equals) == name) return std::string(pair.substr(equals + 1));
    }
  }
  return "";
}

std::optional<bool> same_origin(const Request& request) {
  const std::string* origin = request.headers.find("Origin");
  if (!origin) return std::nullopt;
  std::string text = lower_ascii(*origin), host = lower_ascii(request.headers.get("Host"));
  if (host.empty()) return false;
  return text == "https://" + host || (!request.tls && text == "http://" + host);
}

bool is_nested_deeper(std::string_view json, size_t most) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < json.size(); ++i) {
    if (quoted) {
      if (json[i] == '\\') ++i;
      else if (json[i] == '"') quoted = false;
    } else if (json[i] == '"') {
      quoted = true;
    } else if (json[i] == '{' || json[i] == '[') {
      if (++depth > most) return true;
    } else if ((json[i] == '}' || json[i] == ']') && depth) {
      --depth;
    }
  }
  return false;
}

const char* reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 101: return "Switching Protocols";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    default: return "Status";
  }
}

}  // namespace tarn::http
