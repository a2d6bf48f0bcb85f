#pragma once
// The REST families of this room.
#include "http/route.h"
#include "identity/access_control.h"
#include "identity/credentials.h"
#include "identity/directory.h"

namespace tarn::identity {

// Bearer token, or Basic with the login "token".
std::optional<http::Principal> authenticate(const http::Request& request, Credentials& credentials, const Directory& directory);

void add_scim_routes(http::RouteTable& table, Directory& directory);
void add_token_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, AccessControl& access);
void add_oauth_routes(http::RouteTable& table, Directory& directory, Credentials& credentials, LoginThrottle& throttle);
void add_permission_routes(http::RouteTable& table, AccessControl& access);
void add_group_routes(http::RouteTable& table, Directory& directory);   // the legacy API of groups

}  // namespace tarn::identity
