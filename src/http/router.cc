#include "http/router.h"

#include <chrono>

#include "base/database.h"
#include "base/encoding.h"
#include "base/log.h"
#include "http/websocket.h"

namespace tarn::http {
namespace {

constexpr std::array<double, 11> kBounds = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30};

Response error_response(ErrorShape shape, int status, const std::string& code, const std::string& message, const std::string& id, int retry_after) {
  Json body;
  switch (shape) {
    case ErrorShape::kRest:
      body = {{"error_code", code}, {"message", message},
              {"details", Json::array({{{"@type", "type.googleapis.com/google.rpc.RequestInfo"}, {"request_id", id}, {"serving_data", ""}}})}};
      break;
    case ErrorShape::kScim:
      body = {{"schemas", {"urn:ietf:params:scim:api:messages:2.0:Error"}}, {"detail", message}, {"status", std::to_string(status)}};
      if (status == 409) body["scimType"] = "uniqueness";
      if (status == 400) body["scimType"] = "invalidValue";
      break;
    case ErrorShape::kCommands:
      body = {{"error", code + ": " + message}};
      break;
    case ErrorShape::kOAuth:
      body = {{"error", code}, {"error_description", message}};
      break;
  }
  Response r = json_response(body, status);
  if (status == 401) r.headers.add("WWW-Authenticate", "Bearer realm=\"tarn\"");
  if (status == 429 || status == 503) r.headers.add("Retry-After", std::to_string(retry_after));
  if (status == 426) r.headers.add("Upgrade", "websocket"), r.headers.add("Connection", "Upgrade"), r.headers.add("Sec-WebSocket-Version", kWebSocketVersion);
  return r;
}

// Names of a path that must stay below their root: decoded, without empty, . and .. segments.
std::string decode_rest(const std::string& escaped) {
  std::string out;
  size_t at = 1;
  while (at <= escaped.size()) {
    size_t end = escaped.find('/', at);
    if (end == std::string::npos) end = escaped.size();
    auto part = percent_decode(std::string_view(escaped).substr(at, end - at), false);
    if (!part || !is_utf8(*part) || *part == "." || *part == ".." || part->find('/') != std::string::npos) {
      throw invalid_parameter("The path is not valid.");
    }
    if (!part->empty()) out += "/" + *part;
    at = end + 1;
  }
  return out;
}

void add_field(Json& fields, const std::string& name, std::string value) {
  // "filter_by.is_pinned=true" is a field of an object.
  size_t dot = name.find('.');
  if (dot != std::string::npos && dot > 0 && dot + 1 < name.size()) {
    Json& inner = fields[name.substr(0, dot)];
    if (inner.is_null()) inner = Json::object();
    if (inner.is_object()) return add_field(inner, name.substr(dot + 1), std::move(value));
    return;
  }
  Json& field = fields[name];
  if (field.is_null()) field = std::move(value);
  else if (field.is_array()) field.push_back(std::move(value));
  else field = Json::array({field, std::move(value)});
}

void read_fields(Call& call) {
  for (const auto& [name, value] : call.request.query) add_field(call.fields, name, value);
  std::string type = lower_ascii(call.request.headers.get("Content-Type"));
  const std::string& body = call.request.body;
  if (body.empty()) return;
  if (type.starts_with("application/x-www-form-urlencoded")) {
    Request form;
    form.target = "?" + body;
    if (!parse_target(&form)) throw malformed("The form is not well formed.");
    for (const auto& [name, value] : form.query) add_field(call.fields, name, value);
    return;
  }
  // The legacy client sends JSON as text/json, and types a form's only part as multipart/form-data again.
  if (type.starts_with("multipart/form-data")) {
    for (auto& [name, value] : parse_multipart(call.request.headers.get("Content-Type"), body)) call.fields[name] = std::move(value);
    return;
  }
  if (is_nested_deeper(body, 200)) throw malformed("The JSON is nested too deeply.");
  Json json = Json::parse(body, nullptr, false);
  if (json.is_discarded()) throw malformed("Could not parse request object: the body is not valid JSON.");
  if (json.is_null()) return;
  if (!json.is_object()) throw malformed("Could not parse request object: expected a JSON object.");
  for (auto& [name, value] : json.items()) call.fields[name] = std::move(value);
}

// "/api/2.0/secrets/scopes/list" belongs to "secrets".
std::string family_of(const Route* route) {
  if (!route) return "none";
  const std::string& p = route->pattern;
  size_t from = p.starts_with("/api/*/") ? 7 : 1;
  return p.substr(from, p.find('/', from) - from);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_multipart(std::string_view content_type, std::string_view body) {
  auto broken = [] { return malformed("The multipart body is not well formed."); };
  size_t at = lower_ascii(content_type).find("boundary=");
  if (at == std::string::npos) throw broken();
  std::string_view boundary = content_type.substr(at + 9);
  if (!boundary.empty() && boundary[0] == '"') boundary = boundary.substr(1, boundary.find('"', 1) - 1);
  else boundary = boundary.substr(0, boundary.find_first_of("; \t"));
  if (boundary.empty() || boundary.size() > 200) throw broken();
  std::string open = "--" + std::string(boundary), next = "\r\n" + open;
  if (!body.starts_with(open)) throw broken();
  size_t pos = open.size();
  std::vector<std::pair<std::string, std::string>> parts;
  for (;;) {
    if (body.substr(pos, 2) == "--") return parts;
    if (body.substr(pos, 2) != "\r\n") throw broken();
    size_t head_end = body.find("\r\n\r\n", pos);
    if (head_end == std::string_view::npos || parts.size() > 1000) throw broken();
    std::string_view head = body.substr(pos + 2, head_end - pos - 2);
    size_t start = head_end + 4, end = body.find(next, start);
    if (end == std::string_view::npos) throw broken();
    std::string name, folded = lower_ascii(head);
    size_t disposition = folded.find("content-disposition:");
    if (disposition == std::string::npos) throw broken();
    for (size_t n = disposition; (n = folded.find("name=", n)) != std::string::npos; n += 5) {
      if (n > 0 && folded[n - 1] != ' ' && folded[n - 1] != ';') continue;  // filename=
      std::string_view v = head.substr(n + 5);
      name = std::string(!v.empty() && v[0] == '"' ? v.substr(1, v.find('"', 1) - 1) : v.substr(0, v.find_first_of(";\r\n ")));
      break;
    }
    if (name.empty()) throw broken();
    parts.emplace_back(std::move(name), std::string(body.substr(start, end - start)));
    pos = end + next.size();
  }
}

BodyPlan Router::plan(const Request& head) {
  auto match = table_.find(head.method, head.path);
  if (!match.route) return {64 << 10, false};
  // Who is not let in does not get to send a body: 64 KB are read to keep the connection, no more.
  if (match.route->access != Access::kPublic && match.route->max_body > (64 << 10)) {
    auto length = head.headers.find("Content-Length");
    bool large = !length || length->size() > 5;
    try {
      if (large && !hooks_.authenticate(head)) return {0, false};
    } catch (const std::exception&) {   // handle() says why
      return {0, false};
    }
  }
  return {match.route->max_body, match.route->body == Body::kStream};
}

Response Router::answer(Request& request, const Route** route, std::optional<Principal>* caller, std::string* error_code, Call** call,
                        std::unique_ptr<Call>* keep) {
  auto match = table_.find(request.method, request.path);
  *route = match.route;
  ErrorShape shape = match.route ? match.route->errors : ErrorShape::kRest;
  auto fail = [&](int status, const std::string& code, const std::string& message, int retry_after = 1) {
    *error_code = code;
    return error_response(shape, status, code, message, request.id, retry_after);
  };
  try {
    if (!match.route || match.route->access != Access::kPublic) {
      *caller = hooks_.authenticate(request);
      if (!*caller) return fail(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type, has expired or is not valid.");
    }
    if (!match.route) {
      return fail(404, "ENDPOINT_NOT_FOUND", "No API found for '" + request.method + " " + request.path + "'");
    }
    if (match.route->access == Access::kAdmin && !(*caller)->admin) return fail(403, "PERMISSION_DENIED", "Only workspace admins can do this.");
    if (match.route->socket && !request.upgrade) return fail(426, "UPGRADE_REQUIRED", "This endpoint is a WebSocket.");
    static const Principal kNobody;
    *keep = std::make_unique<Call>(request, *caller ? **caller : kNobody);
    *call = keep->get();
    for (auto& [name, value] : match.path) {
      bool rest = value.starts_with('/');
      auto decoded = rest ? std::optional(decode_rest(value)) : percent_decode(value, false);
      if (!decoded || !is_utf8(*decoded)) throw invalid_parameter("The path is not valid.");
      (*call)->path.emplace_back(name, std::move(*decoded));
    }
    if (match.route->body == Body::kJson) read_fields(**call);
    else for (const auto& [name, value] : request.query) add_field((*call)->fields, name, value);
    Response response = match.route->handler(**call);
    if (response.socket) {
      response.status = 101;
      if (std::string chosen = choose_subprotocol(request); !chosen.empty()) response.headers.set("Sec-WebSocket-Protocol", chosen);
      Request head = request;
      head.stream = nullptr;
      head.recheck = true;
      // A token that is revoked, a session that ends, a right that is taken: none leaves a connection behind.
      response.still_allowed = [this, head = std::move(head), socket = response.socket] {
        auto caller = hooks_.authenticate(head);
        return caller && socket->allowed(*caller);
      };
    }
    return response;
  } catch (const RestError& e) {
    return fail(e.status(), e.code(), e.what(), e.retry_after());
  } catch (const nlohmann::json::exception& e) {
    // A handler met a field of another type than the API has.
    log::info("bad_field", {{"request", request.id}, {"path", request.path}, {"error", e.what()}});
    return fail(400, "MALFORMED_REQUEST", "Could not parse request object: a field has the wrong type.");
  } catch (const DatabaseError& e) {
    log::error("request_failed", {{"request", request.id}, {"path", request.path}, {"sqlstate", e.sqlstate()}, {"error", e.what()}});
    if (e.is_data()) return fail(400, "INVALID_PARAMETER_VALUE", "A value has characters that cannot be kept, or is too long.");
    if (e.is_unavailable()) return fail(503, "TEMPORARILY_UNAVAILABLE", "The workspace's database does not answer. Request id: " + request.id);
    return fail(500, "INTERNAL_ERROR", "An internal error occurred. Request id: " + request.id);
  } catch (const std::exception& e) {
    log::error("request_failed", {{"request", request.id}, {"path", request.path}, {"error", e.what()}});
    return fail(500, "INTERNAL_ERROR", "An internal error occurred. Request id: " + request.id);
  }
}

Response Router::handle(Request& request) {
  auto start = std::chrono::steady_clock::now();
  const Route* route = nullptr;
  std::optional<Principal> caller;
  std::string error_code;
  Call* call = nullptr;
  std::unique_ptr<Call> keep;
  Response response = answer(request, &route, &caller, &error_code, &call, &keep);
  if (!hooks_.workspace_id.empty()) response.headers.set("x-databricks-org-id", hooks_.workspace_id);
  response.headers.set("x-request-id", request.id);
  response.headers.set("X-Content-Type-Options", "nosniff");
  bool read = request.method == "GET" || request.method == "HEAD";
  if (hooks_.audit && (!read || (route && route->audit_reads) || response.status == 401 || response.status == 403)) {
    static const std::vector<std::pair<std::string, std::string>> kNone;
    hooks_.audit({request, route, caller ? &*caller : nullptr, response.status, error_code, call ? call->audit : kNone});
  }
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  size_t bucket = 0;
  while (bucket < kBounds.size() && seconds > kBounds[bucket]) ++bucket;
  std::lock_guard lock(mu_);
  ++counts_[{family_of(route), response.status}];
  ++buckets_[bucket];
  seconds_ += seconds;
  return response;
}

std::string Router::metrics() const {
  std::lock_guard lock(mu_);
  std::string out = "# HELP tarn_http_requests_total Requests by family and status.\n# TYPE tarn_http_requests_total counter\n";
  for (const auto& [key, n] : counts_) {
    out += "tarn_http_requests_total{family=\"" + key.first + "\",status=\"" + std::to_string(key.second) + "\"} " + std::to_string(n) + "\n";
  }
  out += "# HELP tarn_http_request_seconds Duration of requests.\n# TYPE tarn_http_request_seconds histogram\n";
  uint64_t sum = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    sum += buckets_[i];
    char bound[32] = "+Inf";
    if (i < kBounds.size()) std::snprintf(bound, sizeof bound, "%g", kBounds[i]);
    out += std::string("tarn_http_request_seconds_bucket{le=\"") + bound + "\"} " + std::to_string(sum) + "\n";
  }
  out += "tarn_http_request_seconds_sum " + std::to_string(seconds_) + "\ntarn_http_request_seconds_count " + std::to_string(sum) + "\n";
  return out;
}

}  // namespace tarn::http
