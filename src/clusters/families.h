#pragma once
#include "clusters/cluster_store.h"
#include "clusters/contexts.h"
#include "clusters/libraries.h"
#include "clusters/live_feed.h"
#include "clusters/supervisor.h"
#include "http/route.h"
#include "identity/access_control.h"

namespace tarn::clusters {

// /api/2.x/clusters/…
void add_cluster_routes(http::RouteTable& table, ClusterStore& store, Supervisor& supervisor, identity::AccessControl& access,
                        const secrets::Redactor& redactor);
// /api/1.2/contexts/… and /api/1.2/commands/…
void add_command_routes(http::RouteTable& table, ClusterStore& store, Supervisor& supervisor, ExecutionContexts& contexts, identity::AccessControl& access);
// WebSockets: /api/2.0/tarn/clusters/{id}/stream and …/contexts/{id}/commands/{id}/stream (docs/live-streams.md). home: of the workspace.
void add_stream_routes(http::RouteTable& table, const ClusterStore& store, const ExecutionContexts& contexts, const identity::AccessControl& access,
                       const secrets::Redactor& redactor, LiveFeeds& feeds, const std::string& home);
// /api/2.0/libraries/…. fetch: the bytes of a file of the workspace (dbfs:/…, /Volumes/…, /Workspace/…) for this caller; RestError if it may not.
using FetchFile = std::function<std::string(const http::Principal& caller, const std::string& path)>;
// require_allowed_url: RestError if the server shall not go there.
void add_library_routes(http::RouteTable& table, ClusterStore& store, Libraries& libraries, identity::AccessControl& access, FetchFile fetch,
                        std::function<void(const std::string& url)> require_allowed_url);
// /api/2.0/policies/clusters/…
void add_policy_routes(http::RouteTable& table, ClusterStore& store, identity::AccessControl& access);

// Applies a policy's fixed values and, if asked, its defaults; RestError INVALID_PARAMETER_VALUE for what it forbids.
void apply_policy(const Policy& policy, bool defaults, Json* spec);
// The policy's definition as JSON; RestError INVALID_PARAMETER_VALUE if it is none.
Json parse_policy(const std::string& definition);

// The cluster of this id for somebody with this level. An unknown one is INVALID_PARAMETER_VALUE "Cluster X does not exist".
Cluster require_cluster(const ClusterStore& store, const identity::AccessControl& access, const http::Principal& caller, const std::string& id, const char* level);

}  // namespace tarn::clusters
