// Hadoop's wildcards (org.apache.hadoop.fs.GlobPattern) over an ObjectStore.
#include <algorithm>
#include <utility>

#include "base/io_error.h"
#include "storage/path.h"

namespace tarn::storage {
namespace {

// The alternatives of the first {…} at the top level, each with what stands before and after it. Empty if there is none.
std::vector<std::string> expand_braces(std::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '\\') {
      ++i;
      continue;
    }
    if (pattern[i] != '{') continue;
    std::vector<std::string> out;
    int depth = 0;
    std::string current;
    for (size_t j = i + 1; j < pattern.size(); ++j) {
      char c = pattern[j];
      if (c == '\\' && j + 1 < pattern.size()) {
        current += c;
        current += pattern[++j];
      } else if (c == '}' && depth == 0) {
        out.push_back(current);
        for (auto& alternative : out) {
          alternative = std::string(pattern.substr(0, i)) + alternative + std::string(pattern.substr(j + 1));
        }
        return out;
      } else if (c == ',' && depth == 0) {
        out.push_back(std::exchange(current, {}));
      } else {
        depth += c == '{' ? 1 : c == '}' ? -1 : 0;
        current += c;
      }
    }
    return {};  // not closed: literal
  }
  return {};
}

bool match(std::string_view p, std::string_view s) {
  size_t i = 0, j = 0, star = std::string_view::npos, mark = 0;
  while (j < s.size()) {
    bool ok = false;
    size_t next = i;
    if (i < p.size()) {
      char c = p[i];
      if (c == '*') {
        star = i++;
        mark = j;
        continue;
      }
      if (c == '?') {
        ok = true;
        next = i + 1;
      } else if (c == '[') {
        size_t k = i + 1;
        bool negated = k < p.size() && (p[k] == '^' || p[k] == '!');
        if (negated) ++k;
        bool in = false, first = true;
        for (; k < p.size() && (p[k] != ']' || first); first = false) {
          if (p[k] == '\\' && k + 1 < p.size()) ++k;
          char low = p[k++];
          if (k + 1 < p.size() && p[k] == '-' && p[k + 1] != ']') {
            in |= low <= s[j] && s[j] <= p[k + 1];
            k += 2;
          } else {
            in |= low == s[j];
          }
        }
        if (k < p.size()) {
          ok = in != negated;
          next = k + 1;
        } else {
          ok = s[j] == '[';  // not closed: literal
          next = i + 1;
        }
      } else {
        if (c == '\\' && i + 1 < p.size()) ++i;
        ok = p[i] == s[j];
        next = i + 1;
      }
    }
    if (ok) {
      i = next;
      ++j;
    } else if (star != std::string_view::npos) {
      i = star + 1;
      j = ++mark;
    } else {
      return false;
    }
  }
  while (i < p.size() && p[i] == '*') ++i;
  return i == p.size();
}

std::string unescape(std::string_view part) {
  std::string out;
  for (size_t i = 0; i < part.size(); ++i) {
    if (part[i] == '\\' && i + 1 < part.size()) ++i;
    out += part[i];
  }
  return out;
}

void expand(ObjectStore& store, const std::string& base, const std::vector<std::string>& parts, size_t i, std::vector<FileInfo>& out) {
  // Literal components need no listing.
  std::string at = base;
  while (i < parts.size() && !has_glob(parts[i])) at = join(at, unescape(parts[i++]));
  if (i == parts.size()) {
    if (auto info = store.stat(at)) out.push_back(*info);
    return;
  }
  std::vector<FileInfo> children;
  try {
    children = store.list(at);
  } catch (const IoError& e) {
    if (e.kind() == IoError::Kind::kNotFound) return;
    throw;
  }
  for (auto& child : children) {
    std::string name = file_name(child.path);
    if (name[0] == '.' && parts[i][0] != '.') continue;
    if (!glob_match(parts[i], name)) continue;
    if (i + 1 == parts.size()) {
      out.push_back(child);
    } else if (child.is_directory) {
      expand(store, child.path, parts, i + 1, out);
    }
  }
}

void collect(ObjectStore& store, const std::string& directory, bool recursive, std::vector<FileInfo>& out) {
  for (auto& child : store.list(directory)) {
    std::string name = file_name(child.path);
    if (is_hidden_name(name)) continue;
    if (!child.is_directory) {
      out.push_back(child);
    } else if (recursive || name.find('=') != std::string::npos) {
      collect(store, child.path, recursive, out);
    }
  }
}

// By the components of a path below a directory, as collect() chooses.
bool wanted(std::string_view relative, bool recursive) {
  while (!relative.empty() && relative.front() == '/') relative.remove_prefix(1);
  for (size_t slash; (slash = relative.find('/')) != std::string_view::npos; relative.remove_prefix(slash + 1)) {
    auto name = relative.substr(0, slash);
    if (is_hidden_name(name) || !(recursive || name.find('=') != std::string_view::npos)) return false;
  }
  return !is_hidden_name(relative);
}

}  // namespace

bool has_glob(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '\\') {
      ++i;
    } else if (path[i] == '*' || path[i] == '?' || path[i] == '[' || path[i] == '{') {
      return true;
    }
  }
  return false;
}

bool glob_match(std::string_view pattern, std::string_view name) {
  auto alternatives = expand_braces(pattern);
  if (alternatives.empty()) return match(pattern, name);
  return std::any_of(alternatives.begin(), alternatives.end(), [&](const std::string& a) { return glob_match(a, name); });
}

std::vector<FileInfo> glob(const std::string& pattern) {
  ObjectStore& store = store_for(pattern);
  if (!has_glob(pattern)) {
    auto info = store.stat(pattern);
    return info ? std::vector<FileInfo>{*info} : std::vector<FileInfo>{};
  }
  std::vector<FileInfo> out;
  // Braces may hold slashes ({a/b,c}): they are opened before the path is cut into components.
  std::vector<std::string> patterns{pattern}, open;
  while (!patterns.empty()) {
    std::string p = patterns.back();
    patterns.pop_back();
    auto alternatives = expand_braces(p);
    if (alternatives.empty()) {
      open.push_back(p);
    } else {
      patterns.insert(patterns.end(), alternatives.rbegin(), alternatives.rend());
    }
  }
  for (const auto& p : open) {
    size_t prefix = 0;
    if (auto scheme = scheme_of(p); !scheme.empty()) {
      prefix = scheme.size() + 1;
      if (p.compare(prefix, 2, "//") == 0) prefix = std::min(p.find('/', prefix + 2), p.size());
    }
    std::vector<std::string> parts;
    for (size_t i = prefix; i < p.size();) {
      size_t end = std::min(p.find('/', i), p.size());
      if (end > i) parts.push_back(p.substr(i, end - i));
      i = end + 1;
    }
    bool absolute = prefix > 0 || (!p.empty() && p[0] == '/');
    expand(store, absolute ? p.substr(0, prefix) + "/" : normalize("."), parts, 0, out);
  }
  std::sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
  out.erase(std::unique(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path == b.path; }), out.end());
  return out;
}

std::vector<FileInfo> list_data_files(const std::string& path, bool recursive) {
  auto info = store_for(path).stat(path);
  if (!info) throw IoError(IoError::Kind::kNotFound, "no such file or directory", path, "");
  return list_data_files(path, *info, recursive);
}

std::vector<FileInfo> list_data_files(const std::string& path, const FileInfo& info, bool recursive) {
  ObjectStore& store = store_for(path);
  if (!info.is_directory) return {info};
  std::vector<FileInfo> out;
  if (local_path(path)) {
    collect(store, path, recursive, out);
  } else {
    // Every request is a journey: one listing of everything, of which some is not wanted.
    for (auto& f : store.list_recursive(path)) {
      if (wanted(std::string_view(f.path).substr(path.size()), recursive)) out.push_back(std::move(f));
    }
  }
  std::sort(out.begin(), out.end(), [](const FileInfo& a, const FileInfo& b) { return a.path < b.path; });
  return out;
}

}  // namespace tarn::storage
