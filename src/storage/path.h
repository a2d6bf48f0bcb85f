#pragma once
// Paths and URIs as text.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/object_store.h"

namespace tarn::storage {

// "abfss" of "abfss://c@a/x"; empty for a plain path.
std::string scheme_of(std::string_view path);
// The path on the local disk for "file:" URIs and plain paths, nothing for other schemes. Not decoded.
std::optional<std::string> local_path(std::string_view path);
// Absolute and without "." parts, doubled or trailing slashes; "file:" URIs become plain paths, so that one directory has one name. A path
// without scheme that is mounted for the calling thread (is_mounted) becomes a "dbfs:" URI.
std::string normalize(std::string_view path);
// base + "/" + relative; an absolute relative (URI or "/…") is returned as it is.
std::string join(std::string_view base, std::string_view relative);
std::string parent(std::string_view path);
std::string file_name(std::string_view path);
// "file:/x" as Spark shows local paths; others unchanged.
std::string display_uri(std::string_view path);

// Percent-decoding of a URI's path, once. Bad escapes stay as they are.
std::string uri_decode(std::string_view text);
// Percent-encoding of what java.net.URI does not allow in a path; '/' stays.
std::string uri_encode_path(std::string_view text);
// Hive's escaping of a partition value in a directory name (": = / % # …" and control characters become %XX).
std::string hive_escape(std::string_view value);
std::string hive_unescape(std::string_view value);

// Names that Spark's file sources skip: "_x" (unless it has "="), ".x", "x._COPYING_".
bool is_hidden_name(std::string_view name);

bool has_glob(std::string_view path);
// Hadoop's wildcards in one path component: * ? [a-c] [^a] {x,y} and \ to escape.
bool glob_match(std::string_view pattern, std::string_view name);
// Files and directories that match a pattern (wildcards in any component), ordered by path. Without wildcards: the path itself if it exists.
std::vector<FileInfo> glob(const std::string& pattern);
// The data files under a path (or the file itself), hidden names skipped. recursive: also below directories that are not
// "key=value" partitions (Spark's recursiveFileLookup); otherwise only through partition directories.
std::vector<FileInfo> list_data_files(const std::string& path, bool recursive = false);
// The same when it is known what the path is.
std::vector<FileInfo> list_data_files(const std::string& path, const FileInfo& info, bool recursive);

}  // namespace tarn::storage
