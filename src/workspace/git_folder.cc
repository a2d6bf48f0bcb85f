#include "workspace/git_folder.h"

#include <algorithm>

#include "http/rest_error.h"
#include "workspace/notebook.h"

namespace tarn::workspace {
namespace {

// The notebook that a file is, if it is one.
std::optional<Notebook> notebook_of(const std::string& extension, const std::string& content) {
  try {
    if (extension == "ipynb") return read_jupyter(content);
    auto language = language_by_extension(extension);
    if (language && has_source_header(content, *language)) return read_source(content, *language);
  } catch (const http::RestError&) {   // it only looks like one
  }
  return std::nullopt;
}

void walk(const ObjectStore& store, const Object& folder, const std::string& prefix, std::vector<std::pair<std::string, Object>>* out) {
  for (auto& o : store.children(folder)) {
    std::string path = prefix + o.name;
    bool container = o.is_container();
    out->emplace_back(path, o);
    if (container) walk(store, o, path + "/", out);
  }
}

}  // namespace

bool in_cone(std::string_view path, const std::vector<std::string>& folders) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return true;
  std::string folder = std::string(path.substr(0, slash)) + "/";
  return std::any_of(folders.begin(), folders.end(), [&](const std::string& f) { return folder.starts_with(f + "/") || (f + "/").starts_with(folder); });
}

std::map<std::string, GitObject> objects_of(const std::vector<GitFile>& files) {
  std::map<std::string, GitObject> out;
  auto taken = [&](const std::string& path) {
    return out.count(path) || std::any_of(files.begin(), files.end(), [&](const GitFile& f) { return f.path == path || f.path.starts_with(path + "/"); });
  };
  for (const auto& f : files) {
    size_t slash = f.path.rfind('/'), dot = f.path.rfind('.');
    bool has_extension = dot != std::string::npos && dot > (slash == std::string::npos ? 0 : slash + 1);
    if (has_extension) {
      std::string path = f.path.substr(0, dot);
      if (auto n = notebook_of(f.path.substr(dot + 1), f.content); n && !taken(path)) {
        out[path] = {ObjectKind::kNotebook, language_name(n->language), store(*n), 0};
        continue;
      }
    }
    out[f.path] = {ObjectKind::kFile, "", f.content, static_cast<int64_t>(f.content.size())};
  }
  return out;
}

std::vector<Object> replace_content(ObjectStore& store, const Object& folder, const std::map<std::string, GitObject>& wanted) {
  std::vector<std::pair<std::string, Object>> present;
  walk(store, folder, "", &present);
  std::vector<Object> gone;
  std::map<std::string, Object> kept;
  for (const auto& [path, o] : present) {
    if (!store.get(o.id)) continue;   // went with its folder
    auto it = wanted.find(path);
    auto below = wanted.lower_bound(path + "/");
    bool stays = o.is_container() ? below != wanted.end() && below->first.starts_with(path + "/") : it != wanted.end() && it->second.kind == o.kind;
    if (stays) {
      kept.emplace(path, o);
    } else {
      auto removed = store.remove(o);
      gone.insert(gone.end(), removed.begin(), removed.end());
    }
  }
  for (const auto& [path, w] : wanted) {
    if (auto it = kept.find(path); it != kept.end()) {
      if (store.content(it->second.id) != w.content) store.overwrite(it->second.id, w.language, w.content, w.size);
      continue;
    }
    size_t slash = path.rfind('/');
    std::string parent = slash == std::string::npos ? folder.path : folder.path + "/" + path.substr(0, slash);
    store.make_directories(parent);
    store.create(*store.find(parent), slash == std::string::npos ? path : path.substr(slash + 1), w.kind, w.language, w.content, w.size);
  }
  return gone;
}

int64_t last_change(const ObjectStore& store, const Object& folder) {
  std::vector<std::pair<std::string, Object>> present;
  walk(store, folder, "", &present);
  int64_t newest = 0;
  for (const auto& [path, o] : present) newest = std::max(newest, o.modified_ms);
  return newest;
}

}  // namespace tarn::workspace
