// Signing in with a password, for the web page: /login, /logout, who am I, sessions and passwords.
#include "base/encoding.h"
#include "identity/families.h"

namespace tarn::identity {
namespace {

using http::Call;
using http::Response;
using http::RestError;

// Failures a minute: of one name from one address, of one name from anywhere, and from one address with any name.
constexpr int kOfNameAndPeer = 10, kOfName = 50, kOfPeer = 100;

Response no_store(Response r) {
  r.headers.add("Cache-Control", "no-store");
  return r;
}

// One try at a password.
class Attempt {
 public:
  Attempt(LoginThrottle& throttle, const std::string& name, const std::string& peer)
      : throttle_(throttle), keys_{{"user " + lower_ascii(name) + "@" + peer, kOfNameAndPeer}, {"user " + lower_ascii(name), kOfName}, {"peer " + peer, kOfPeer}} {
    if (int wait = throttle.begin(keys_)) throw RestError(429, "RESOURCE_EXHAUSTED", "Too many failed attempts: wait a minute.", wait);
  }
  void succeeded() { throttle_.succeeded(keys_); }

 private:
  LoginThrottle& throttle_;
  const LoginThrottle::Keys keys_;
};

bool check(SignIn& s, Attempt& attempt, std::optional<int64_t> owner, const std::string& password) {
  try {
    bool good = s.passwords.check(owner, password);
    if (good) attempt.succeeded();
    return good;
  } catch (const TooManyHashes&) {
    attempt.succeeded();   // nobody learned anything
    throw RestError(429, "RESOURCE_EXHAUSTED", "Too many passwords are being checked: try again.", 2);
  }
}

void set_password(Call& call, SignIn& s, const Entry& user, const std::string& password, const std::string& keep) {
  change_password(s, user, password, keep);
  call.audit.emplace_back("userName", user.name);
  call.audit.emplace_back("password", "changed");
}

// Where a form leads to: a path of ours, and nothing that a browser takes for another host.
std::string local_path(const std::string& wanted) {
  bool good = wanted.starts_with('/') && !wanted.starts_with("//") && wanted.find('\\') == std::string::npos && wanted.size() <= 2000;
  for (char c : wanted) good &= static_cast<unsigned char>(c) > ' ' && c != '\x7f';
  return good ? wanted : "/";
}

Json render(const SignIn& s, const WebSession& session, const std::string& current) {
  return {{"session_id", session.id}, {"created_time", session.created_ms}, {"last_used_time", session.used_ms}, {"expiry_time", s.sessions.expires_ms(session)},
          {"address", session.peer}, {"user_agent", session.agent}, {"current", session.id == current}};
}

}  // namespace

void change_password(SignIn& s, const Entry& user, const std::string& password, const std::string& keep) {
  if (user.kind != Kind::kUser) throw http::invalid_parameter("Only users have passwords: service principals have secrets.");
  if (auto why = Passwords::objection(password, user.name)) throw http::invalid_parameter(*why);
  try {
    s.passwords.set(user.id, password);
  } catch (const TooManyHashes&) {
    throw RestError(429, "RESOURCE_EXHAUSTED", "Too many passwords are being checked: try again.", 2);
  }
  s.sessions.end_all(user.id, keep);
}

void add_sign_in_routes(http::RouteTable& table, SignIn& s, Directory& directory) {
  http::Route login{"POST", "/login", [&s, &directory](Call& call) {
    refuse_other_sites(call.request);
    bool form = lower_ascii(call.request.headers.get("Content-Type")).starts_with("application/x-www-form-urlencoded");
    for (const auto& [name, value] : call.request.query) {
      if (name == "password") throw http::invalid_parameter("A password does not belong into a URL.");
    }
    std::string name = call.required_text("user_name"), password = call.required_text("password");
    call.audit.emplace_back("userName", name.substr(0, 100));
    Attempt attempt(s.throttle, name.substr(0, 100), call.request.peer);
    auto user = directory.find(Kind::kUser, name);
    bool may = user && user->active;
    if (!check(s, attempt, may ? std::optional(user->id) : std::nullopt, password)) {
      throw RestError(401, "UNAUTHENTICATED", "The user name or the password is not right.");   // nobody learns which
    }
    std::string value;
    WebSession session = s.sessions.begin(user->id, call.request.peer, call.request.headers.get("User-Agent"), &value);
    // Who signs in again leaves the session that the browser had.
    if (auto before = s.sessions.find(session_of(call.request), false)) s.sessions.end(before->owner, before->id);
    call.audit.emplace_back("session", session.id);
    Response r = form ? Response() : http::json_response({{"user_name", user->name}, {"user_id", std::to_string(user->id)}, {"session_id", session.id},
                                                          {"csrf_token", csrf_token(value)}, {"expiry_time", s.sessions.expires_ms(session)}});
    if (form) {
      r.status = 303;
      r.headers.add("Location", local_path(call.text("next")));
    }
    r.headers.add("Set-Cookie", session_cookie(call.request, value, s.sessions.limits().lifetime_ms / 1000));
    return no_store(std::move(r));
  }, http::Access::kPublic};
  login.max_body = 16 << 10;
  table.add(std::move(login));

  table.post("/logout", [&s](Call& call) {
    if (call.caller.session.empty()) throw http::invalid_state("The request did not come with a session: tokens are revoked with token/delete.");
    s.sessions.end(call.caller.id, call.caller.session);
    call.audit.emplace_back("session", call.caller.session);
    Response r = http::ok();
    r.headers.add("Set-Cookie", session_cookie(call.request, "", 0));
    r.headers.add("Clear-Site-Data", "\"cache\", \"storage\"");
    return no_store(std::move(r));
  });

  table.get("/api/*/tarn/me", [&s, &directory](Call& call) {
    auto user = directory.get(call.caller.id);
    Json groups = Json::array();
    for (int64_t id : call.caller.groups) {
      if (auto g = directory.get(id)) groups.push_back(g->name);
    }
    Json me = {{"user_id", std::to_string(call.caller.id)}, {"user_name", call.caller.name}, {"display_name", user ? user->display_name : ""}, {"admin", call.caller.admin},
               {"service_principal", call.caller.service}, {"groups", groups}, {"has_password", s.passwords.has(call.caller.id)}};
    if (!call.caller.session.empty()) {
      std::string value = session_of(call.request);
      me["csrf_token"] = csrf_token(value);
      if (auto session = s.sessions.find(value, false)) me["session"] = render(s, *session, session->id);
    }
    return no_store(http::json_response(me));
  });

  // One's own sessions; admins may name a user.
  auto owner = [&directory](Call& call) {
    std::string name = call.text("user_name");
    if (name.empty()) return call.caller.id;
    auto user = directory.find(Kind::kUser, name);
    if (user && user->id == call.caller.id) return user->id;
    if (!call.caller.admin) throw http::permission_denied("Only workspace admins can see the sessions of others.");
    if (!user) throw http::not_found("The user " + name.substr(0, 100) + " does not exist.");
    return user->id;
  };
  table.get("/api/*/tarn/sessions", [&s, owner](Call& call) {
    Json list = Json::array();
    for (const auto& session : s.sessions.list(owner(call))) list.push_back(render(s, session, call.caller.session));
    return no_store(http::json_response({{"sessions", list}}));
  });
  table.del("/api/*/tarn/sessions/{session_id}", [&s, owner](Call& call) {
    if (!s.sessions.end(owner(call), call.in_path("session_id"))) throw http::not_found("The session does not exist.");
    call.audit.emplace_back("session", call.in_path("session_id"));
    return http::ok();
  });

  // One's own password. Who has one shows it: a token or an open page alone must not be able to keep its owner out.
  http::Route own{"PUT", "/api/*/tarn/password", [&s, &directory](Call& call) {
    auto user = directory.get(call.caller.id);
    if (!user) throw http::not_found("The user does not exist.");
    std::string password = call.required_text("password");
    if (user->kind == Kind::kUser && s.passwords.has(user->id)) {
      Attempt attempt(s.throttle, user->name, call.request.peer);
      if (!check(s, attempt, user->id, call.required_text("current_password"))) throw http::permission_denied("The current password is not right.");
    }
    set_password(call, s, *user, password, call.caller.session);
    return http::ok();
  }};
  own.max_body = 16 << 10;
  table.add(std::move(own));
  auto user_of = [&directory](Call& call) {
    auto user = directory.get(Kind::kUser, std::atoll(call.in_path("user_id").c_str()));
    if (!user) throw http::not_found("The user " + call.in_path("user_id").substr(0, 40) + " does not exist.");
    return *user;
  };
  table.put("/api/*/tarn/users/{user_id}/password", [&s, user_of](Call& call) {
    set_password(call, s, user_of(call), call.required_text("password"), call.caller.session);
    return http::ok();
  }, http::Access::kAdmin);
  table.del("/api/*/tarn/users/{user_id}/password", [&s, user_of](Call& call) {
    Entry user = user_of(call);
    s.passwords.remove(user.id);
    s.sessions.end_all(user.id);
    call.audit.emplace_back("userName", user.name);
    call.audit.emplace_back("password", "removed");
    return http::ok();
  }, http::Access::kAdmin);
}

}  // namespace tarn::identity
