// /api/2.0/fs: files and directories of volumes, streamed.
#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <memory>

#include "base/encoding.h"
#include "base/io_error.h"
#include "base/rooted_folder.h"
#include "unity/families.h"

namespace tarn::unity {
namespace {

using http::Call;
using http::Json;
using http::Response;
using http::RestError;

struct Place {
  std::string shown;
  RootedFolder folder{""};
  std::string relative;
};

Place place_of(Call& call, Unity& unity, bool write) {
  std::string path = call.in_path("path");
  if (!path.starts_with("/Volumes/")) throw http::invalid_parameter("The path must begin with /Volumes/.");
  std::string root = volume_folder(unity, call.caller, path, write);
  size_t slash = 0;
  for (int i = 0; i < 4 && slash != std::string::npos; ++i) slash = path.find('/', slash + 1);
  call.audit.emplace_back("path", path);
  return {path, RootedFolder(root), slash == std::string::npos ? "." : path.substr(slash + 1)};
}

RestError missing(const Place& p) { return {404, "NOT_FOUND", "No file or directory exists on path " + p.shown + "."}; }

std::string parent(const Place& p) {
  size_t slash = p.relative.rfind('/');
  return slash == std::string::npos ? "." : p.relative.substr(0, slash);
}

Response no_content() {
  Response r;
  r.status = 204;
  return r;
}

// "bytes=2-5", "bytes=2-", "bytes=-5". False: not satisfiable. Several ranges count as none.
bool parse_range(const std::string& text, int64_t size, int64_t* from, int64_t* to, bool* given) {
  *given = false;
  *from = 0;
  *to = size;
  if (!text.starts_with("bytes=") || text.find(',') != std::string::npos) return true;
  std::string_view spec = std::string_view(text).substr(6);
  size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return true;
  auto number = [](std::string_view s, int64_t* v) { return !s.empty() && std::from_chars(s.data(), s.data() + s.size(), *v).ptr == s.data() + s.size() && *v >= 0; };
  int64_t a = 0, b = 0;
  bool has_a = number(spec.substr(0, dash), &a), has_b = number(spec.substr(dash + 1), &b);
  if ((!has_a && dash != 0) || (!has_b && dash + 1 != spec.size()) || (!has_a && !has_b)) return true;
  *given = true;
  if (!has_a) *from = std::max<int64_t>(0, size - b);
  else *from = a, *to = has_b ? std::min(size, b + 1) : size;
  return *from < size && *from < *to;
}

Response download(Call& call, Unity& unity) {
  Place p = place_of(call, unity, false);
  auto status = p.folder.status(p.relative);
  if (!status || status->directory) throw missing(p);
  if (auto since = parse_http_date(call.request.headers.get("If-Unmodified-Since")); since && status->modified_ms / 1000 > *since / 1000) {
    throw RestError(412, "PRECONDITION_FAILED", "The file was changed since then.");
  }
  int64_t from = 0, to = 0;
  bool ranged = false;
  bool good = parse_range(call.request.headers.get("Range"), status->size, &from, &to, &ranged);
  Response r;
  r.headers.add("Content-Type", "application/octet-stream");
  r.headers.add("Last-Modified", http_date(status->modified_ms));
  r.headers.add("Accept-Ranges", "bytes");
  if (!good) {
    r.status = 416;
    r.headers.add("Content-Range", "bytes */" + std::to_string(status->size));
    return r;
  }
  if (ranged) {
    r.status = 206;
    r.headers.add("Content-Range", "bytes " + std::to_string(from) + "-" + std::to_string(to - 1) + "/" + std::to_string(status->size));
  }
  auto fd = std::make_shared<Descriptor>(p.folder.open(p.relative, O_RDONLY));
  if (!*fd) throw missing(p);
  r.content_length = static_cast<uint64_t>(to - from);
  r.source = [fd, from, to](char* buffer, size_t size) mutable {
    size_t n = fd->read_at(buffer, static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(size), to - from)), from);
    from += static_cast<int64_t>(n);
    return n;
  };
  return r;
}

Response upload(Call& call, Unity& unity) {
  Place p = place_of(call, unity, true);
  if (p.relative == ".") throw http::invalid_parameter("The path names a volume, not a file.");
  auto there = p.folder.status(p.relative);
  if (there && (there->directory || !call.flag("overwrite", true))) throw RestError(409, "ALREADY_EXISTS", "The file " + p.shown + " already exists.");
  if (!p.folder.make_directories(parent(p))) throw RestError(409, "ALREADY_EXISTS", "A file is in the way of " + p.shown + ".");
  // Beside its place under a hidden name first: readers see the old file or the new one, never half of it.
  size_t slash = p.relative.rfind('/');
  std::string hidden = (slash == std::string::npos ? "" : p.relative.substr(0, slash + 1)) + ".upload-" + random_hex(8);
  try {
    Descriptor fd = p.folder.open(hidden, O_WRONLY | O_CREAT | O_EXCL);
    if (!fd) throw IoError("cannot create", p.shown);
    std::vector<char> buffer(256 << 10);
    while (size_t n = call.request.stream->read(buffer.data(), buffer.size())) fd.write({buffer.data(), n});
  } catch (...) {
    p.folder.remove_empty(hidden);
    throw;
  }
  if (!p.folder.rename(hidden, p.folder, p.relative, call.flag("overwrite", true))) {
    p.folder.remove_empty(hidden);
    throw RestError(409, "ALREADY_EXISTS", "The file " + p.shown + " already exists.");
  }
  return no_content();
}

}  // namespace

void add_file_routes(http::RouteTable& table, Unity& unity) {
  const std::string files = "/api/*/fs/files/{path...}", directories = "/api/*/fs/directories/{path...}";
  table.get(files, [&unity](Call& call) { return download(call, unity); });
  http::Route put{"PUT", files, [&unity](Call& call) { return upload(call, unity); }};
  put.body = http::Body::kStream;
  put.max_body = 5ull << 40;
  table.add(std::move(put));
  table.del(files, [&unity](Call& call) {
    Place p = place_of(call, unity, true);
    auto status = p.folder.status(p.relative);
    if (!status || status->directory || !p.folder.remove_empty(p.relative)) throw missing(p);
    return no_content();
  });
  table.put(directories, [&unity](Call& call) {
    Place p = place_of(call, unity, true);
    if (!p.folder.make_directories(p.relative)) throw RestError(409, "ALREADY_EXISTS", "A file is in the way of " + p.shown + ".");
    return no_content();
  });
  table.del(directories, [&unity](Call& call) {
    Place p = place_of(call, unity, true);
    auto status = p.folder.status(p.relative);
    if (!status || !status->directory) throw missing(p);
    if (p.relative == ".") throw http::invalid_parameter("A volume is deleted in its schema.");
    if (!p.folder.remove_empty(p.relative)) throw http::bad_request("The directory " + p.shown + " is not empty.");
    return no_content();
  });
  table.get(directories, [&unity](Call& call) {
    Place p = place_of(call, unity, false);
    auto status = p.folder.status(p.relative);
    if (!status || !status->directory) throw missing(p);
    if (call.request.method == "HEAD") return Response();
    auto names = p.folder.names(p.relative);
    std::erase_if(names, [](const std::string& n) { return n.starts_with(".upload-"); });
    auto page = http::page_of(names.size(), call.integer("page_size", 0), call.text("page_token"), 1000, 1000);
    Json contents = Json::array();
    for (size_t i = page.from; i < page.to; ++i) {
      auto s = p.folder.status(p.relative == "." ? names[i] : p.relative + "/" + names[i]);
      if (!s) continue;
      Json e = {{"path", p.shown + "/" + names[i]}, {"name", names[i]}, {"is_directory", s->directory}, {"last_modified", s->modified_ms}};
      if (!s->directory) e["file_size"] = s->size;
      contents.push_back(std::move(e));
    }
    Json out = {{"contents", contents}};
    if (!page.next_token.empty()) out["next_page_token"] = page.next_token;
    return http::json_response(out);
  });
}

std::string volume_folder(Unity& unity, const http::Principal& caller, const std::string& path, bool write) {
  std::string parts[3];
  size_t at = 9;  // after "/Volumes/"
  for (auto& part : parts) {
    if (at > path.size()) break;
    size_t end = std::min(path.find('/', at), path.size());
    part = path.substr(at, end - at);
    at = end + 1;
  }
  auto volume = parts[2].empty() ? std::nullopt : unity.catalog.get_volume(parts[0], parts[1], parts[2]);
  Securable s{"volume", lower_ascii(parts[0] + "." + parts[1] + "." + parts[2])};
  if (!volume || !unity.grants.allows(caller, s, owners_of(unity, s), write ? "WRITE_VOLUME" : "READ_VOLUME")) {
    throw RestError(404, "NOT_FOUND", "The volume " + parts[0] + "." + parts[1] + "." + parts[2] + " does not exist or may not be used.");
  }
  std::string folder = catalog::path_of_location(volume->location);
  if (folder.empty() || folder[0] != '/') throw RestError(501, "NOT_IMPLEMENTED", "Only volumes on local disks can be reached.");
  std::filesystem::create_directories(folder);
  return folder;
}

}  // namespace tarn::unity
