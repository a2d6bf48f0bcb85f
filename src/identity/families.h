#pragma once
// The REST families of this room.
#include "http/route.h"
#include "identity/access_control.h"
#include "identity/credentials.h"
#include "identity/directory.h"
#include "identity/passwords.h"
#include "identity/web_sessions.h"

namespace tarn::identity {

// Bearer token, Basic with the login "token", the token among a WebSocket's subprotocols, or, without any of them, the cookie of a session.
// RestError 403 for a cookie that another site's page made a browser send.
std::optional<http::Principal> authenticate(const http::Request& request, Credentials& credentials, WebSessions& sessions, const Directory& directory);

// What signing in with a password needs.
struct SignIn {
  Passwords& passwords;
  WebSessions& sessions;
  LoginThrottle& throttle;
};
// /login, /logout, /api/2.0/tarn/{me,sessions,password,users/…/password} (docs/sign-in.md)
void add_sign_in_routes(http::RouteTable& table, SignIn& sign_in, Directory& directory);
// Sets it and ends the user's sessions, but for the one with the id keep. RestError if it cannot be the password, or the entry has none.
void change_password(SignIn& sign_in, const Entry& user, const std::string& password, const std::string& keep);

void add_scim_routes(http::RouteTable& table, Directory& directory, SignIn& sign_in);
void add_token_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, AccessControl& access);
void add_oauth_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, LoginThrottle& throttle);
// Tokens as Entra ID gives them out: /TENANT/oauth2/v2.0/token and /TENANT/oauth2/token for service principals. audience_of: what a scope's
// or a resource's URL stands for, see Credentials::create_token; nullopt if it is nothing of ours.
using AudienceOf = std::function<std::optional<std::string>(const std::string& resource)>;
void add_entra_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, LoginThrottle& throttle, AudienceOf audience_of);
// The object id by which Azure's services know a user or a service principal: the applicationId, or a UUID made of the id.
std::string object_id(const Entry& entry);
std::optional<Entry> find_object(const Directory& directory, const std::string& object_id);
void add_permission_routes(http::RouteTable& table, AccessControl& access);
void add_group_routes(http::RouteTable& table, Directory& directory);   // the legacy API of groups

}  // namespace tarn::identity
