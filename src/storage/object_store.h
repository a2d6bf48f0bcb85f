#pragma once
// One interface to files and objects. A path is a URI ("file:/data/x", later "abfss://…") or a plain absolute path of the local
// disk. Paths are taken literally: "%20" in them is three characters (as Hadoop's Path does); URIs inside a Delta log are decoded
// by the caller (uri_decode in path.h).
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tarn::storage {

struct FileInfo {
  std::string path;  // in the form in which the directory was asked for: a URI stays a URI
  uint64_t size = 0;
  int64_t modified_ms = 0;  // since the epoch
  bool is_directory = false;
};

// All methods throw IoError (kind kNotFound where the thing must exist). Thread-safe.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  // Direct children of a directory, ordered by name (bytes), only those whose name is >= from. A missing directory is kNotFound.
  virtual std::vector<FileInfo> list(const std::string& directory, const std::string& from = {}) = 0;
  // Files (no directories) at any depth, ordered by path.
  virtual std::vector<FileInfo> list_recursive(const std::string& directory) = 0;
  virtual std::optional<FileInfo> stat(const std::string& path) = 0;
  virtual std::string read(const std::string& path) = 0;
  // Exactly `length` bytes from `offset`; a shorter file is an error.
  virtual std::string read_range(const std::string& path, uint64_t offset, uint64_t length) = 0;
  // Replaces the whole file atomically and durably; missing parent directories are made.
  virtual void write(const std::string& path, std::string_view data) = 0;
  // Creates the file durably with all its bytes, or returns false and changes nothing if it exists. Of any number of racing callers
  // exactly one gets true; a crash leaves either no file or the whole one. Missing parent directories are made.
  virtual bool put_if_absent(const std::string& path, std::string_view data) = 0;
  virtual void rename(const std::string& from, const std::string& to) = 0;
  // False if there was nothing. A directory must be empty.
  virtual bool remove(const std::string& path) = 0;
  virtual void remove_recursive(const std::string& path) = 0;
  virtual void make_directories(const std::string& path) = 0;
  // Makes bytes that another library wrote (a Parquet file, say) survive a crash: file and directory entry.
  virtual void sync(const std::string& path) = 0;
};

// The store of a path, by its scheme. Throws SparkError (plain: no file system for that scheme).
ObjectStore& store_for(std::string_view path);
// Adds a store for a URI scheme in lower case, without colon; at start-up, before threads.
void register_store(const std::string& scheme, std::unique_ptr<ObjectStore> store);

// The local disk. Paths may be "file:/x", "file:///x" or "/x".
std::unique_ptr<ObjectStore> make_local_store();

}  // namespace tarn::storage
