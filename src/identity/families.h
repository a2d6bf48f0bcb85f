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
