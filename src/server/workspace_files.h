#pragma once
// Files of the workspace by the path that users write: dbfs:/…, /Volumes/… and /Workspace/….
#include <string>

#include "http/principal.h"
#include "identity/access_control.h"
#include "unity/families.h"
#include "workspace/mounts.h"
#include "workspace/object_store.h"

namespace tarn::server {

// The bytes of a file for this caller. RestError if there is none, they may not read it, or it has more than max_bytes.
std::string read_workspace_file(const http::Principal& caller, const std::string& path, const std::string& dbfs_root, unity::Unity& unity,
                                const workspace::ObjectStore& objects, const workspace::Mounts& mounts, const identity::AccessControl& access, size_t max_bytes);

}  // namespace tarn::server
