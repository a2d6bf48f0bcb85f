// Personal access tokens: one's own (/token) and, for admins, everybody's (/token-management).
#include "base/encoding.h"
#include "identity/families.h"

namespace tarn::identity {
namespace {

using http::Call;

constexpr int64_t kMaxLifetime = 10LL * 365 * 86400;

Json render(const TokenInfo& t) {
  return {{"token_id", t.id}, {"creation_time", t.created_ms}, {"expiry_time", t.expires_ms}, {"comment", t.comment}};
}

Json render_managed(const TokenInfo& t, const Directory& directory) {
  Json j = render(t);
  j["owner_id"] = t.owner;
  j["created_by_id"] = t.creator;
  if (auto e = directory.get(t.creator)) j["created_by_username"] = e->name;
  if (t.last_used_ms) j["last_used_day"] = t.last_used_ms / 86'400'000 * 86'400'000;
  return j;
}

int64_t lifetime(Call& call) {
  int64_t seconds = call.integer("lifetime_seconds", -1);
  if (call.has("lifetime_seconds") && seconds != -1 && (seconds <= 0 || seconds > kMaxLifetime)) {
    throw http::invalid_parameter("lifetime_seconds must be positive and at most " + std::to_string(kMaxLifetime) + ".");
  }
  return seconds;
}

http::RestError no_such_token(const std::string& id) { return http::not_found("Token with ID " + id.substr(0, 80) + " does not exist!"); }

}  // namespace

void add_token_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, AccessControl& access) {
  access.add_type({"authorization", "tokens", {"CAN_USE"}, [](const std::string& id) { return id == "tokens"; }, nullptr, true,
                   {"Can use personal access tokens"}});
  // Everybody may use tokens until an admin says otherwise.
  if (access.direct({"authorization", "tokens"}).empty()) access.grant({"authorization", "tokens"}, directory.users(), "CAN_USE");

  table.post("/api/*/token/create", [&](Call& call) {
    access.require(call.caller, {"authorization", "tokens"}, "CAN_USE", "tokens");
    std::string value;
    TokenInfo t = credentials.create_token(call.caller.id, call.caller.id, call.text("comment"), lifetime(call), Credentials::Use::kPersonal, &value);
    call.audit.emplace_back("token_id", t.id);
    auto r = http::json_response({{"token_value", value}, {"token_info", render(t)}});
    r.headers.add("Cache-Control", "no-store");
    return r;
  });
  table.get("/api/*/token/list", [&](Call& call) {
    Json infos = Json::array();
    for (const auto& t : credentials.tokens(call.caller.id)) infos.push_back(render(t));
    return http::json_response({{"token_infos", infos}});
  });
  table.post("/api/*/token/delete", [&](Call& call) {
    std::string id = call.required_text("token_id");
    auto t = credentials.token(id);
    if (!t || t->owner != call.caller.id || !credentials.revoke(id)) throw no_such_token(id);
    call.audit.emplace_back("token_id", id);
    return http::ok();
  });

  table.get("/api/*/token-management/tokens", [&](Call& call) {
    Json infos = Json::array();
    std::string by_id = call.text("created_by_id"), by_name = call.text("created_by_username");
    for (const auto& t : credentials.tokens(std::nullopt)) {
      Json j = render_managed(t, directory);
      if (!by_id.empty() && by_id != std::to_string(t.creator)) continue;
      if (!by_name.empty() && by_name != j.value("created_by_username", "")) continue;
      infos.push_back(std::move(j));
    }
    return http::json_response({{"token_infos", infos}});
  }, http::Access::kAdmin);
  table.get("/api/*/token-management/tokens/{id}", [&](Call& call) {
    auto t = credentials.token(call.in_path("id"));
    if (!t) throw no_such_token(call.in_path("id"));
    return http::json_response({{"token_info", render_managed(*t, directory)}});
  }, http::Access::kAdmin);
  table.del("/api/*/token-management/tokens/{id}", [&](Call& call) {
    call.audit.emplace_back("token_id", call.in_path("id"));
    if (!credentials.token(call.in_path("id")) || !credentials.revoke(call.in_path("id"))) throw no_such_token(call.in_path("id"));
    return http::ok();
  }, http::Access::kAdmin);
  table.post("/api/*/token-management/on-behalf-of/tokens", [&](Call& call) {
    std::string name = call.required_text("application_id"), value;
    auto principal = directory.find(Kind::kServicePrincipal, name);
    if (!principal) throw http::not_found("Service principal " + name + " does not exist.");
    TokenInfo t = credentials.create_token(principal->id, call.caller.id, call.text("comment"), lifetime(call), Credentials::Use::kPersonal, &value);
    call.audit.emplace_back("token_id", t.id);
    call.audit.emplace_back("application_id", name);
    auto r = http::json_response({{"token_value", value}, {"token_info", render_managed(t, directory)}});
    r.headers.add("Cache-Control", "no-store");
    return r;
  }, http::Access::kAdmin);
}

}  // namespace tarn::identity
