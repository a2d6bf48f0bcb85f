#include "vault/service.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/encoding.h"
#include "base/log.h"

namespace tarn::vault {
namespace {

using nlohmann::json;

constexpr size_t kMaxValue = 25 << 10, kMaxBody = 256 << 10, kMaxPage = 25, kMaxTags = 15;

struct VaultError {
  int status;
  std::string code, message, inner;
};

VaultError bad(const std::string& message) { return {400, "BadParameter", message, ""}; }

std::string safe_host(const http::Request& request) {
  std::string host;
  for (char c : request.headers.get("Host")) {
    if (std::isalnum(static_cast<unsigned char>(c)) || std::string_view(".:-[]").find(c) != std::string_view::npos) host += c;
  }
  return host;
}

std::string base_of(const http::Request& request) { return (request.tls ? "https://" : "http://") + safe_host(request); }

http::Response reply(const json& body, int status = 200) {
  http::Response r;
  r.status = status;
  r.headers.add("Content-Type", "application/json; charset=utf-8");
  r.headers.add("Cache-Control", "no-cache");
  r.body = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return r;
}

bool is_name(const std::string& s) {
  return !s.empty() && s.size() <= 127 && std::all_of(s.begin(), s.end(), [](unsigned char c) { return std::isalnum(c) || c == '-'; });
}

json attributes(const SecretVersion& s) {
  json a = {{"enabled", s.enabled}, {"created", s.created}, {"updated", s.updated}, {"recoveryLevel", "Recoverable+Purgeable"}, {"recoverableDays", kRecoverableDays}};
  if (s.not_before) a["nbf"] = *s.not_before;
  if (s.expires) a["exp"] = *s.expires;
  return a;
}

// A secret as an answer has it; items of lists have an id without version, see the callers.
json bundle(const std::string& id, const SecretVersion& s) {
  json j = {{"id", id}, {"attributes", attributes(s)}, {"tags", s.tags}};
  if (!s.content_type.empty()) j["contentType"] = s.content_type;
  return j;
}

json deleted_bundle(const std::string& base, const std::string& id, const DeletedSecret& d) {
  json j = bundle(id, d.latest);
  j["recoveryId"] = base + "/deletedsecrets/" + d.latest.name;
  j["deletedDate"] = d.deleted;
  j["scheduledPurgeDate"] = d.purge;
  return j;
}

std::optional<int64_t> time_of(const json& attributes, const char* name) {
  auto it = attributes.find(name);
  if (it == attributes.end() || it->is_null()) return std::nullopt;
  if (!it->is_number_integer()) throw bad(std::string(name) + " must be a number of seconds.");
  return it->get<int64_t>();
}

// What a body says about a secret besides its value; what it does not mention stays.
void apply_body(const json& body, SecretVersion* s) {
  if (auto it = body.find("contentType"); it != body.end() && !it->is_null()) {
    if (!it->is_string() || it->get<std::string>().size() > 255) throw bad("contentType must be a string of at most 255 characters.");
    s->content_type = it->get<std::string>();
  }
  if (auto it = body.find("tags"); it != body.end() && !it->is_null()) {
    if (!it->is_object() || it->size() > kMaxTags) throw bad("tags must be an object of at most 15 strings.");
    s->tags.clear();
    for (auto& [name, value] : it->items()) {
      if (!value.is_string() || name.size() > 256 || value.get<std::string>().size() > 256) throw bad("A tag must be a string of at most 256 characters.");
      s->tags[name] = value.get<std::string>();
    }
  }
  auto it = body.find("attributes");
  if (it == body.end() || it->is_null()) return;
  if (!it->is_object()) throw bad("attributes must be an object.");
  if (auto e = it->find("enabled"); e != it->end() && !e->is_null()) {
    if (!e->is_boolean()) throw bad("enabled must be true or false.");
    s->enabled = e->get<bool>();
  }
  if (auto t = time_of(*it, "nbf")) s->not_before = t;
  if (auto t = time_of(*it, "exp")) s->expires = t;
}

json body_of(const http::Request& request) {
  if (http::is_nested_deeper(request.body, 200)) throw bad("The body is nested too deeply.");
  json body = json::parse(request.body, nullptr, false);
  if (!body.is_object()) throw bad("The body is not a JSON object.");
  return body;
}

std::string url_safe(std::string text) {
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::optional<std::string> from_url_safe(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  return base64_decode(text);
}

}  // namespace

bool is_vault_name(const std::string& name) {
  return name.size() >= 3 && name.size() <= 24 && std::isalpha(static_cast<unsigned char>(name[0])) && name.back() != '-' &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) { return (std::isalnum(c) && !std::isupper(c)) || c == '-'; });
}

bool Service::owns(const http::Request& request) const {
  if (lower_ascii(request.headers.get("Host")).starts_with(name_ + ".vault.")) return true;
  size_t end = std::min(request.path.find('/', 1), request.path.size());
  std::string first = request.path.substr(0, end);
  if (first != "/secrets" && first != "/deletedsecrets") return false;
  return std::any_of(request.query.begin(), request.query.end(), [](const auto& q) { return q.first == "api-version"; });
}

http::BodyPlan Service::plan(const http::Request& head) {
  const std::string* header = head.headers.find("Authorization");
  return {header ? kMaxBody : 16 << 10, false};
}

http::Response Service::handle(http::Request& request) {
  std::string operation, secret, code;
  std::optional<http::Principal> caller;
  http::Response response;
  try {
    response = answer(request, &operation, &secret, &caller);
  } catch (const VaultError& e) {
    json error = {{"code", e.code}, {"message", e.message}};
    if (!e.inner.empty()) error["innererror"] = {{"code", e.inner}};
    response = reply({{"error", error}}, e.status);
    code = e.code;
    if (e.status == 401) {
      // A client compares the resource with the vault's host: it must be a parent of it.
      std::string host = safe_host(request), folded = lower_ascii(host), authority = host, resource = "https://vault.azure.net";
      if (folded.starts_with(name_ + ".vault.")) {
        resource = "https://" + host.substr(name_.size() + 1);
        authority = host.substr(name_.size() + 7);
      }
      response.headers.set("WWW-Authenticate", "Bearer authorization=\"" + std::string(request.tls ? "https://" : "http://") + authority + "/" + tenant_ +
                                                   "\", resource=\"" + resource + "\"");
    }
  } catch (const std::exception& e) {
    log::error("vault_request_failed", {{"request", request.id}, {"error", e.what()}});
    auto* database = dynamic_cast<const DatabaseError*>(&e);
    bool away = database && database->is_unavailable();
    code = away ? "ServiceUnavailable" : "InternalError";
    response = reply({{"error", {{"code", code}, {"message", "An internal error occurred. Request id: " + request.id}}}}, away ? 503 : 500);
  }
  response.headers.set("x-ms-request-id", request.id);
  response.headers.set("x-ms-keyvault-service-version", "tarn");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("Date", http_date(now_ms()));
  if (request.tls) response.headers.set("Strict-Transport-Security", "max-age=31536000;includeSubDomains");
  if (hooks_.audit) hooks_.audit({request, operation, secret, caller ? &*caller : nullptr, response.status, code});
  return response;
}

http::Response Service::answer(const http::Request& request, std::string* operation, std::string* secret, std::optional<http::Principal>* caller) {
  const std::string header = request.headers.get("Authorization");
  if (lower_ascii(header.substr(0, 7)) == "bearer ") *caller = hooks_.bearer(header.substr(7));
  if (!*caller) throw VaultError{401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token, or the token is not valid for this vault.", ""};

  std::vector<std::string> parts;
  for (size_t at = 1; at <= request.path.size();) {
    size_t end = std::min(request.path.find('/', at), request.path.size());
    auto part = percent_decode(std::string_view(request.path).substr(at, end - at), false);
    if (!part || part->find('/') != std::string::npos) throw bad("The path is not valid.");
    parts.push_back(*part);
    at = end + 1;
  }
  while (!parts.empty() && parts.back().empty()) parts.pop_back();
  auto query = [&](std::string_view name) {
    for (const auto& [n, v] : request.query) {
      if (n == name) return v;
    }
    return std::string();
  };
  if (query("api-version").empty()) throw bad("The parameter api-version is missing.");
  const std::string base = base_of(request), method = request.method;
  auto require = [&](const char* what, const char* permission) {
    *operation = what;
    if (!hooks_.allows(**caller, permission)) {
      throw VaultError{403, "Forbidden", "The user, group or application does not have secrets " + std::string(permission) + " permission on key vault '" + name_ + "'.", "ForbiddenByPolicy"};
    }
  };
  auto name_at = [&](size_t i) {
    *secret = parts[i].substr(0, 127);
    if (!is_name(parts[i])) throw bad("The request URI contains an invalid name: a secret's name is 1 to 127 of 0-9, a-z, A-Z and -.");
    return parts[i];
  };
  auto missing = [&](const std::string& name) {
    return VaultError{404, "SecretNotFound", "A secret with (name/id) " + name + " was not found in this key vault.", ""};
  };
  auto id_of = [&](const SecretVersion& s) { return base + "/secrets/" + s.name + "/" + s.version; };
  auto page_size = [&] {
    std::string text = query("maxresults");
    size_t n = kMaxPage;
    if (!text.empty()) {
      auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
      if (ec != std::errc() || end != text.data() + text.size() || n < 1 || n > kMaxPage) throw bad("maxresults must be 1 to 25.");
    }
    return n;
  };
  auto after = [&] {
    std::string token = query("$skiptoken");
    if (token.empty()) return token;
    auto raw = from_url_safe(token);
    if (!raw || !raw->starts_with("k:")) throw bad("The page token is not valid.");
    return raw->substr(2);
  };
  auto page = [&](const std::string& path, json items, bool more, const std::string& last) {
    json j = {{"value", std::move(items)}, {"nextLink", nullptr}};
    if (more) j["nextLink"] = base + path + "?api-version=" + query("api-version") + "&$skiptoken=" + url_safe(base64_encode("k:" + last)) + "&maxresults=" + std::to_string(page_size());
    return reply(j);
  };
  const std::string kind = parts.empty() ? "" : lower_ascii(parts[0]);
  const std::string last = parts.size() > 1 ? lower_ascii(parts.back()) : "";

  if (kind == "secrets" && parts.size() == 1 && method == "GET") {
    require("SecretList", "list");
    size_t n = page_size();
    auto all = store_.latest(after(), n + 1);
    json items = json::array();
    for (size_t i = 0; i < std::min(n, all.size()); ++i) items.push_back(bundle(base + "/secrets/" + all[i].name, all[i]));
    return page("/secrets", std::move(items), all.size() > n, all.size() > n ? all[n - 1].name : "");
  }
  if (kind == "secrets" && parts.size() == 2 && method == "POST" && last == "restore") {
    require("SecretRestore", "restore");
    json body = body_of(request);
    auto it = body.find("value");
    auto sealed = it != body.end() && it->is_string() ? from_url_safe(it->get<std::string>()) : std::nullopt;
    SecretVersion s;
    auto restored = sealed ? store_.restore(*sealed, &s) : SecretStore::Restored::kNotOurs;
    if (restored == SecretStore::Restored::kNotOurs) throw bad("The backup is not one of this vault.");
    if (restored == SecretStore::Restored::kNameTaken) throw VaultError{409, "Conflict", "A secret of this name exists already, or is deleted and can be recovered.", ""};
    *secret = s.name;
    return reply(bundle(id_of(s), s));
  }
  if (kind == "secrets" && parts.size() == 3 && method == "POST" && last == "backup") {
    std::string name = name_at(1);
    require("SecretBackup", "backup");
    auto sealed = store_.backup(name);
    if (!sealed) throw missing(name);
    return reply({{"value", url_safe(base64_encode(*sealed))}});
  }
  if (kind == "secrets" && parts.size() == 2 && method == "PUT") {
    std::string name = name_at(1);
    require("SecretSet", "set");
    json body = body_of(request);
    auto value = body.find("value");
    if (value == body.end() || !value->is_string()) throw bad("The parameter value is missing or no string.");
    SecretVersion s;
    s.name = name;
    s.value = value->get<std::string>();
    if (s.value.size() > kMaxValue) throw bad("The value of a secret has at most 25 kB.");
    apply_body(body, &s);
    if (store_.state(name) == State::kDeleted) {
      throw VaultError{409, "Conflict", "Secret " + name + " is currently in a deleted but recoverable state, and its name cannot be reused.", "ObjectIsDeletedButRecoverable"};
    }
    s = store_.set(std::move(s));
    json j = bundle(id_of(s), s);
    j["value"] = s.value;
    return reply(j);
  }
  if (kind == "secrets" && parts.size() == 3 && method == "GET" && last == "versions") {
    std::string name = name_at(1);
    require("SecretListVersions", "list");
    if (store_.state(name) != State::kActive) throw missing(name);
    size_t n = page_size();
    auto all = store_.versions(name, after(), n + 1);
    json items = json::array();
    for (size_t i = 0; i < std::min(n, all.size()); ++i) items.push_back(bundle(id_of(all[i]), all[i]));
    return page("/secrets/" + name + "/versions", std::move(items), all.size() > n, all.size() > n ? all[n - 1].version : "");
  }
  if (kind == "secrets" && (parts.size() == 2 || parts.size() == 3) && method == "GET") {
    std::string name = name_at(1);
    require("SecretGet", "get");
    auto s = store_.get(name, parts.size() == 3 ? parts[2] : "", true);
    if (!s) throw missing(name);
    if (!s->enabled) throw VaultError{403, "Forbidden", "Operation get is not allowed on a disabled secret.", "SecretDisabled"};
    json j = bundle(id_of(*s), *s);
    j["value"] = s->value;
    return reply(j);
  }
  if (kind == "secrets" && (parts.size() == 2 || parts.size() == 3) && method == "PATCH") {
    std::string name = name_at(1);
    require("SecretUpdate", "set");
    auto s = store_.get(name, parts.size() == 3 ? parts[2] : "", false);
    if (!s) throw missing(name);
    apply_body(body_of(request), &*s);
    s->updated = now_ms() / 1000;
    store_.update(*s);
    return reply(bundle(id_of(*s), *s));
  }
  if (kind == "secrets" && parts.size() == 2 && method == "DELETE") {
    std::string name = name_at(1);
    require("SecretDelete", "delete");
    auto d = store_.remove(name);
    if (!d) throw missing(name);
    return reply(deleted_bundle(base, id_of(d->latest), *d));
  }
  if (kind == "deletedsecrets" && parts.size() == 1 && method == "GET") {
    require("SecretListDeleted", "list");
    size_t n = page_size();
    auto all = store_.all_deleted(after(), n + 1);
    json items = json::array();
    for (size_t i = 0; i < std::min(n, all.size()); ++i) items.push_back(deleted_bundle(base, base + "/secrets/" + all[i].latest.name, all[i]));
    return page("/deletedsecrets", std::move(items), all.size() > n, all.size() > n ? all[n - 1].latest.name : "");
  }
  if (kind == "deletedsecrets" && parts.size() == 2 && method == "GET") {
    std::string name = name_at(1);
    require("SecretGetDeleted", "get");
    auto d = store_.deleted(name);
    if (!d) throw missing(name);
    return reply(deleted_bundle(base, id_of(d->latest), *d));
  }
  if (kind == "deletedsecrets" && parts.size() == 2 && method == "DELETE") {
    std::string name = name_at(1);
    require("SecretPurge", "purge");
    if (!store_.purge(name)) throw missing(name);
    http::Response r;
    r.status = 204;
    return r;
  }
  if (kind == "deletedsecrets" && parts.size() == 3 && method == "POST" && last == "recover") {
    std::string name = name_at(1);
    require("SecretRecover", "recover");
    if (!store_.recover(name)) throw missing(name);
    auto s = store_.get(name, "", false);
    if (!s) throw missing(name);
    return reply(bundle(id_of(*s), *s));
  }
  throw VaultError{404, "NotFound", "This vault keeps secrets only, and has no such operation.", ""};
}

}  // namespace tarn::vault
