#include "server/workspace_files.h"

#include <fcntl.h>

#include "base/rooted_folder.h"
#include "http/rest_error.h"
#include "workspace/dbfs_path.h"

namespace tarn::server {
namespace {

std::string read_file(const RootedFolder& folder, const std::string& relative, const std::string& shown, size_t max_bytes) {
  auto status = folder.status(relative);
  if (!status || status->directory) throw http::not_found("No file exists on path " + shown + ".");
  if (static_cast<uint64_t>(status->size) > max_bytes) throw http::invalid_parameter("The file " + shown + " is too large.");
  Descriptor file = folder.open(relative, O_RDONLY);
  if (!file) throw http::not_found("No file exists on path " + shown + ".");
  std::string out(static_cast<size_t>(status->size), '\0');
  out.resize(file.read_at(out.data(), out.size(), 0));
  return out;
}

}  // namespace

std::string read_workspace_file(const http::Principal& caller, const std::string& text, const std::string& dbfs_root, unity::Unity& unity,
                                const workspace::ObjectStore& objects, const workspace::Mounts& mounts, const identity::AccessControl& access, size_t max_bytes) {
  bool dbfs = text.starts_with("dbfs:");
  std::string path = workspace::normal_path(dbfs ? text.substr(5) : text);
  if (path.starts_with("/Volumes/")) {
    std::string folder = unity::volume_folder(unity, caller, path, false);
    size_t slash = 0;   // /Volumes/catalog/schema/volume/…
    for (int i = 0; i < 4 && slash != std::string::npos; ++i) slash = path.find('/', slash + 1);
    if (slash == std::string::npos) throw http::not_found("No file exists on path " + path + ".");
    return read_file(RootedFolder(folder), path.substr(slash + 1), path, max_bytes);
  }
  if (auto mount = dbfs ? mounts.above(path) : std::nullopt) {
    auto file = workspace::path_below_mount(path, mount->path);
    auto status = file->status();
    if (!status || status->directory) throw http::not_found("No file exists on path " + path + ".");
    if (static_cast<uint64_t>(status->size) > max_bytes) throw http::invalid_parameter("The file " + path + " is too large.");
    return file->read(0, static_cast<size_t>(status->size));
  }
  if (dbfs) return read_file(RootedFolder(dbfs_root), path.substr(1), path, max_bytes);
  auto object = objects.find(path);
  if (!object || object->kind != workspace::ObjectKind::kFile || !access.allows(caller, workspace::ref(*object), "CAN_READ")) {
    throw http::not_found("Path (" + path + ") doesn't exist.");
  }
  return objects.content(object->id);
}

}  // namespace tarn::server
