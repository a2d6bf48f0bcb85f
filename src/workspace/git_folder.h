#pragma once
// The files of a commit as objects of the workspace: notebooks where a file is one, else files.
#include <map>
#include <string>
#include <vector>

#include "workspace/git_client.h"
#include "workspace/object_store.h"

namespace tarn::workspace {

struct GitObject {
  ObjectKind kind = ObjectKind::kFile;
  std::string language, content;
  int64_t size = 0;
};

// Whether a sparse checkout of these folders has the file, as git's cone mode: all below them, and what lies directly in a folder on the way to them.
bool in_cone(std::string_view path, const std::vector<std::string>& folders);
// By the path below the git folder; a notebook has no extension, unless two would have one name.
std::map<std::string, GitObject> objects_of(const std::vector<GitFile>& files);
// Makes what lies below the folder what these are. Ids of objects that stay are kept; those that went are returned.
std::vector<Object> replace_content(ObjectStore& store, const Object& folder, const std::map<std::string, GitObject>& wanted);
// The newest change of anything below it; 0 if there is nothing.
int64_t last_change(const ObjectStore& store, const Object& folder);

}  // namespace tarn::workspace
