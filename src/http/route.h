#pragma once
// A REST family is a function that adds its routes to the table; the router does the rest: versions, authentication, bodies, errors.
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/message.h"
#include "http/principal.h"
#include "http/rest_error.h"

namespace tarn::http {

using Json = nlohmann::json;

enum class Access { kPublic, kUser, kAdmin };
// kRest {"error_code","message"}; kScim RFC 7644's; kCommands {"error"} of API 1.2; kOAuth RFC 6749's {"error","error_description"}.
enum class ErrorShape { kRest, kScim, kCommands, kOAuth };
enum class Body { kJson, kRaw, kStream };   // kRaw: request.body as it came; kStream: request.stream

// One request in the hands of its route.
class Call {
 public:
  Call(Request& request, const Principal& caller) : request(request), caller(caller) {}
  Request& request;
  const Principal& caller;
  Json fields = Json::object();     // the query, overlaid by the JSON body or by the parts of a form
  std::vector<std::pair<std::string, std::string>> path;  // the pattern's {names}, decoded
  std::vector<std::pair<std::string, std::string>> audit; // what else the audit log should know; never values of secrets

  std::string in_path(std::string_view name) const;
  bool has(std::string_view name) const;             // there and not null
  const Json& at(std::string_view name) const;       // null if missing
  // INVALID_PARAMETER_VALUE if the field has another type. Numbers and booleans may come as text: old clients and queries do that.
  std::string text(std::string_view name, std::string fallback = "") const;
  std::string required_text(std::string_view name) const;          // missing or empty: INVALID_PARAMETER_VALUE
  int64_t integer(std::string_view name, int64_t fallback) const;
  bool flag(std::string_view name, bool fallback = false) const;
  std::vector<std::string> texts(std::string_view name) const;     // an array, one value, or missing
};

using RouteHandler = std::function<Response(Call&)>;

struct Route {
  std::string method;
  std::string pattern;      // "/api/*/secrets/put"; * is an API version, {name} a segment, {name...} the rest
  RouteHandler handler;
  Access access = Access::kUser;
  ErrorShape errors = ErrorShape::kRest;
  Body body = Body::kJson;
  size_t max_body = 4 << 20;
  bool audit_reads = false; // GETs of this route are in the audit log, too
  bool socket = false;      // a GET that becomes a WebSocket: the handler checks the rights and returns a Response with a socket
};

class RouteTable {
 public:
  void add(Route route);
  // GET and HEAD, POST … with the defaults above.
  void get(std::string pattern, RouteHandler handler, Access access = Access::kUser) { add({"GET", std::move(pattern), std::move(handler), access}); }
  void post(std::string pattern, RouteHandler handler, Access access = Access::kUser) { add({"POST", std::move(pattern), std::move(handler), access}); }
  void put(std::string pattern, RouteHandler handler, Access access = Access::kUser) { add({"PUT", std::move(pattern), std::move(handler), access}); }
  void patch(std::string pattern, RouteHandler handler, Access access = Access::kUser) { add({"PATCH", std::move(pattern), std::move(handler), access}); }
  void del(std::string pattern, RouteHandler handler, Access access = Access::kUser) { add({"DELETE", std::move(pattern), std::move(handler), access}); }

  void socket(std::string pattern, RouteHandler handler) {
    Route route{"GET", std::move(pattern), std::move(handler)};
    route.socket = true;
    add(std::move(route));
  }

  struct Match {
    const Route* route = nullptr;
    std::vector<std::pair<std::string, std::string>> path;  // still escaped
    bool other_method = false;                              // the path exists, the method does not
  };
  Match find(std::string_view method, std::string_view path) const;
  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;
  std::vector<std::vector<std::string>> segments_;
};

Response json_response(const Json& body, int status = 200);
inline Response ok() { return json_response(Json::object()); }

// One page of items: the first `size` from `offset`, and the token of the next page ("" at the end). Tokens are opaque to clients.
struct Page {
  size_t from = 0, to = 0;
  std::string next_token;
};
// size 0: fallback_size. start: where to begin without a token. INVALID_PARAMETER_VALUE for a token that is not ours or a negative size.
Page page_of(size_t total, int64_t size, const std::string& token, size_t fallback_size, size_t max_size, size_t start = 0);

}  // namespace tarn::http
