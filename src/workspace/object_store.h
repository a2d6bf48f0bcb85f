#pragma once
// The tree of the workspace: folders, notebooks and files, with stable ids.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "identity/access_control.h"

namespace tarn::workspace {

enum class ObjectKind { kDirectory, kNotebook, kFile, kRepo };

struct Object {
  int64_t id = 0, parent = 0;
  std::string name, path;          // path: absolute, without /Workspace
  ObjectKind kind = ObjectKind::kDirectory;
  std::string language;            // "PYTHON" …; notebooks only
  int64_t size = 0;                // files only
  int64_t created_ms = 0, modified_ms = 0;
  bool is_container() const { return kind == ObjectKind::kDirectory || kind == ObjectKind::kRepo; }
};

// "/Workspace/a//b/" -> "/a/b". RestError for what is relative or has . and .. segments.
std::string normal_path(std::string_view path);
identity::ObjectRef ref(const Object& object);   // directories/5, notebooks/7 …

// Thread-safe. /, /Shared, /Users, /Repos always exist. What callers may do is decided above.
class ObjectStore {
 public:
  explicit ObjectStore(Metadata& metadata);

  std::optional<Object> find(const std::string& path) const;       // of a normal path
  std::optional<Object> get(int64_t id) const;
  std::vector<Object> children(const Object& directory) const;     // by name
  std::string content(int64_t id) const;
  // RestError RESOURCE_ALREADY_EXISTS if something that is no folder is in the way. The new folders, from the top; the last one is there.
  std::vector<Object> make_directories(const std::string& path);
  // A new notebook or file in an existing folder; the name must be free.
  Object create(const Object& directory, const std::string& name, ObjectKind kind, const std::string& language, std::string_view content, int64_t size);
  void overwrite(int64_t id, const std::string& language, std::string_view content, int64_t size);
  // With everything below it; ids of all that went.
  std::vector<Object> remove(const Object& object);
  // True for the folders that cannot be deleted.
  static bool is_standard(const std::string& path);

 private:
  Metadata& metadata_;
};

}  // namespace tarn::workspace
