#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/metadata.h"
#include "http/outbound.h"
#include "http/route.h"
#include "identity/access_control.h"
#include "workspace/mounts.h"
#include "workspace/object_store.h"

namespace tarn::workspace {

// Object types of the tree, the standing rights on /Shared, and a private home folder for every user.
void set_up_access(ObjectStore& store, identity::AccessControl& access);
// /api/2.0/workspace/…
void add_workspace_routes(http::RouteTable& table, ObjectStore& store, identity::AccessControl& access);
// /api/2.0/git-credentials and /api/2.0/repos: git folders.
struct GitHooks {
  std::string folder;                                                         // where the clones lie
  std::function<void(const std::string& url)> require_allowed_url;            // RestError if the server shall not go there
  std::function<std::string(std::string_view plain, const std::string& name)> seal;
  std::function<std::optional<std::string>(std::string_view sealed, const std::string& name)> open;
};
void add_git_routes(http::RouteTable& table, Metadata& metadata, ObjectStore& store, identity::AccessControl& access, GitHooks hooks);
// /api/2.0/dbfs/…; root: the folder of dbfs:/. resolve_volume: where the files of /Volumes/… lie, for this caller; RestError if it may not.
using ResolveVolume = std::function<std::string(const http::Principal& caller, const std::string& path, bool write)>;
void add_dbfs_routes(http::RouteTable& table, std::string root, ResolveVolume resolve_volume, const Mounts& mounts);
// /api/2.0/dbfs/mounts/…: for admins and who holds CAN_MANAGE of /api/2.0/permissions/mounts/workspace. What is mounted is for everybody.
struct MountHooks {
  std::function<void(const std::string& url)> require_allowed_url;            // RestError if the server shall not go there
  std::function<bool(const http::Url& url)> is_own;                           // it is this workspace
  std::function<bool(const std::string& host)> is_own_account;                // "tarnlake.dfs.core.windows.net" is the workspace's own account
};
void add_mount_routes(http::RouteTable& table, Mounts& mounts, identity::AccessControl& access, MountHooks hooks);

}  // namespace tarn::workspace
