#pragma once
#include "http/route.h"
#include "identity/access_control.h"
#include "workspace/object_store.h"

namespace tarn::workspace {

// Object types of the tree, the standing rights on /Shared, and a private home folder for every user.
void set_up_access(ObjectStore& store, identity::AccessControl& access);
// /api/2.0/workspace/…
void add_workspace_routes(http::RouteTable& table, ObjectStore& store, identity::AccessControl& access);
// /api/2.0/dbfs/…; root: the folder of dbfs:/. resolve_volume: where the files of /Volumes/… lie, for this caller; RestError if it may not.
using ResolveVolume = std::function<std::string(const http::Principal& caller, const std::string& path, bool write)>;
void add_dbfs_routes(http::RouteTable& table, std::string root, ResolveVolume resolve_volume);

}  // namespace tarn::workspace
