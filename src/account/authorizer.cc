#include "account/authorizer.h"

#include <cstdlib>
#include <cstring>

#include "account/error.h"
#include "account/shared_key.h"
#include "base/encoding.h"
#include "base/hmac.h"

namespace tarn::account {
namespace {

constexpr int64_t kMaxSkewMs = 15 * 60 * 1000;

StorageError failed(const std::string& why) { return StorageError("AuthenticationFailed", why); }

void check_date(const http::Request& request) {
  const std::string* text = request.headers.find("x-ms-date");
  if (!text) text = request.headers.find("Date");
  if (!text) throw failed("the request has neither x-ms-date nor Date");
  auto at = parse_http_date(*text);
  if (!at || std::llabs(*at - now_ms()) > kMaxSkewMs) throw failed("the request's date is more than 15 minutes off");
}

void check_times(const Sas& sas) {
  int64_t now = now_ms();
  if (!sas.get("st").empty()) {
    auto start = parse_sas_time(sas.get("st"));
    if (!start || *start > now) throw failed("the signature is not valid yet");
  }
  auto expiry = parse_sas_time(sas.get("se"));
  if (!expiry || *expiry <= now) throw failed("the signature has expired");
}

size_t depth_of(const std::string& path) {
  size_t n = path.empty() ? 0 : 1;
  for (char c : path) n += c == '/';
  return n;
}

std::string first_segments(const std::string& path, size_t n) {
  size_t at = 0;
  for (size_t i = 0; i < n; ++i) {
    at = path.find('/', i ? at + 1 : 0);
    if (at == std::string::npos) return i + 1 >= n ? path : "";
  }
  return path.substr(0, at);
}

}  // namespace

bool Grant::allows(const char* any_of) const {
  std::string wanted(any_of);
  auto role_allows = [&] {
    if (caller.role == Role::kOwner) return true;
    if (wanted.find_first_of("rle") != std::string::npos) return caller.role >= Role::kReader;
    if (wanted.find_first_of("opK") != std::string::npos) return false;
    return caller.role >= Role::kContributor;
  };
  switch (kind) {
    case Kind::kKey: return true;
    case Kind::kToken: return role_allows();
    case Kind::kDelegatedSas:
      if (!role_allows()) return false;
      [[fallthrough]];
    default: return permissions.find_first_of(wanted) != std::string::npos;
  }
}

void Grant::require(char resource, const char* any_of) const {
  if (kind == Kind::kAccountSas && sas.get("srt").find(resource) == std::string::npos) throw StorageError("AuthorizationResourceTypeMismatch");
  // A service SAS is for what lies in a container; at the container itself it may only list.
  if ((kind == Kind::kServiceSas || kind == Kind::kDelegatedSas) && (resource == 's' || (resource == 'c' && !std::strchr(any_of, 'l')))) {
    throw StorageError("AuthorizationPermissionMismatch");
  }
  if (!allows(any_of)) throw StorageError("AuthorizationPermissionMismatch");
}

void Grant::require_scope(const Address& other) const {
  if (kind != Kind::kServiceSas && kind != Kind::kDelegatedSas) return;
  std::string whole = other.container + "/" + other.path;
  bool inside = whole == scope || (sas.get("sr") != "b" && whole.starts_with(scope + "/"));
  if (!inside) throw StorageError("AuthorizationPermissionMismatch");
}

Grant Authorizer::shared_key(const http::Request& request, const std::string& credentials, bool lite) const {
  size_t colon = credentials.find(':');
  if (colon == std::string::npos) throw StorageError("InvalidAuthenticationInfo", "the Authorization header is not SharedKey ACCOUNT:SIGNATURE");
  if (credentials.substr(0, colon) != keys_.account) throw failed("the request is signed for another account");
  check_date(request);
  auto signature = base64_decode(credentials.substr(colon + 1));
  if (!signature) throw failed("the signature is not base64");
  // A + in the query is a plus sign to most clients and a space to those that escape as forms do.
  for (bool plus : {false, true}) {
    if (plus && (lite || request.target.find('+') == std::string::npos)) break;
    std::string text = lite ? string_to_sign_lite(request, keys_.account) : string_to_sign(request, keys_.account, plus);
    for (const auto& key : keys_.keys) {
      if (same_signature(hmac_sha256(key, text), *signature)) return {};
    }
  }
  throw failed("");
}

Grant Authorizer::authenticate(const http::Request& request, const Address& address) const {
  if (const std::string* header = request.headers.find("Authorization")) {
    size_t space = header->find(' ');
    std::string scheme = lower_ascii(header->substr(0, space)), rest = space == std::string::npos ? "" : header->substr(space + 1);
    if (scheme == "sharedkey") return shared_key(request, rest, false);
    if (scheme == "sharedkeylite") return shared_key(request, rest, true);
    if (scheme != "bearer") throw StorageError("InvalidAuthenticationInfo", "the scheme of the Authorization header is not supported");
    auto caller = hooks_.bearer(rest);
    if (!caller) throw StorageError("InvalidAuthenticationInfo");
    Grant grant;
    grant.kind = Grant::Kind::kToken;
    grant.caller = std::move(*caller);
    return grant;
  }
  auto sas = Sas::of(http::decoded_query(request.target, false).value_or(Query{}));
  if (!sas) throw StorageError("NoAuthenticationInformation");
  return authenticate_sas(*sas, request, address);
}

Grant Authorizer::authenticate_sas(const Sas& given, const http::Request& request, const Address& address) const {
  Grant grant;
  Sas sas = given;
  auto signature = base64_decode(sas.get("sig"));
  if (!signature || sas.get("sv").empty()) throw failed("the signature is not complete");
  for (const auto& [name, value] : sas.fields) {  // one field is one line of what is signed
    if (value.find('\n') != std::string::npos) throw failed("a parameter of the signature has a line break");
  }
  std::vector<std::string> keys = keys_.keys;
  std::string resource;
  if (sas.kind == Sas::Kind::kAccount) {
    grant.kind = Grant::Kind::kAccountSas;
  } else {
    grant.kind = sas.kind == Sas::Kind::kService ? Grant::Kind::kServiceSas : Grant::Kind::kDelegatedSas;
    const std::string sr = sas.get("sr");
    const std::string& path = address.path.empty() ? address.directory : address.path;
    if (address.container.empty()) throw failed("the signature is for another resource");
    grant.scope = address.container;
    if (sr == "b") {
      grant.scope += "/" + address.path;
    } else if (sr == "d") {
      size_t depth = static_cast<size_t>(std::strtoul(sas.get("sdd").c_str(), nullptr, 10));
      if (depth > depth_of(path)) throw failed("the signature is for another directory");
      if (depth) grant.scope += "/" + first_segments(path, depth);
    } else if (sr != "c") {
      throw failed("sr must be b, c or d");
    }
    resource = "/blob/" + keys_.account + "/" + grant.scope;
    if (grant.scope == address.container && sr == "b") throw failed("the signature is for another resource");
  }
  if (sas.kind == Sas::Kind::kDelegation) {
    auto start = parse_sas_time(sas.get("skt")), end = parse_sas_time(sas.get("ske"));
    if (!end || *end <= now_ms() || (start && *start > now_ms())) throw failed("the delegation key is not valid now");
    keys = {delegation_key(sas.get("skoid"), sas.get("sktid"), sas.get("skt"), sas.get("ske"), sas.get("sks"), sas.get("skv"))};
  }
  bool good = false;
  for (const auto& text : sas.strings_to_sign(keys_.account, resource, request)) {
    for (const auto& key : keys) good |= same_signature(hmac_sha256(key, text), *signature);
  }
  if (!good) throw failed("");
  if (sas.kind == Sas::Kind::kDelegation) {
    auto caller = hooks_.by_object_id(sas.get("skoid"));
    if (!caller) throw failed("the delegation key's owner is not active");
    grant.caller = std::move(*caller);
  }
  if (!sas.get("si").empty()) {
    auto policies = hooks_.policies(address.container);
    const Sas* policy = nullptr;
    if (policies) {
      for (const auto& [id, p] : *policies) {
        if (id == sas.get("si")) policy = &p;
      }
    }
    if (!policy) throw failed("there is no such access policy");
    for (const char* f : {"sp", "st", "se"}) {
      if (policy->get(f).empty()) continue;
      if (!sas.get(f).empty()) throw failed(std::string(f) + " is given by the signature and by its access policy");
      sas.fields[f] = policy->get(f);
    }
  }
  check_times(sas);
  if (!sas.get("sip").empty() && !in_ip_range(request.peer, sas.get("sip"))) throw StorageError("AuthorizationSourceIPMismatch");
  if (sas.get("spr") == "https" && !request.tls) throw StorageError("AuthorizationProtocolMismatch");
  if (sas.kind == Sas::Kind::kAccount && sas.get("ss").find('b') == std::string::npos) throw StorageError("AuthorizationServiceMismatch");
  grant.permissions = sas.get("sp");
  grant.sas = std::move(sas);
  return grant;
}

std::string Authorizer::delegation_key(const std::string& oid, const std::string& tid, const std::string& start, const std::string& expiry,
                                       const std::string& service, const std::string& version) const {
  return hmac_sha256(keys_.delegation_seed, Sas::delegation_key_text(oid, tid, start, expiry, service, version));
}

}  // namespace tarn::account
