#pragma once
// One interface to files and objects. A path is a URI ("file:/data/x", "abfss://…", "s3a://…") or a plain absolute path of the local
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
  std::string tag = {};  // names this content of the file (an ETag); empty where the store has none
};

// One version of a file, at any position. Thread-safe. Throws IoError, also when the file has been replaced since it was opened.
class RandomReader {
 public:
  virtual ~RandomReader() = default;
  virtual const FileInfo& info() const = 0;
  // Exactly n bytes from offset; a file that ends before is an error.
  virtual void read(uint64_t offset, char* out, size_t n) = 0;
};

// A file on its way. It is seen once publish() has returned, and then whole; without publish() nothing remains of it. Not thread-safe.
// Throws IoError; after that only destruction is allowed.
class FileWriter {
 public:
  virtual ~FileWriter() = default;
  virtual void write(std::string_view bytes) = 0;
  // Everything is with the store, as far as that is possible before publish(): what may fail has failed, and no memory is held.
  virtual void finish() = 0;
  // Replaces a file of that name. finish() is not needed before.
  virtual void publish() = 0;
  virtual uint64_t size() const = 0;
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
  // Opens what is there. `known`: what a listing has told of it, which spares asking again.
  virtual std::unique_ptr<RandomReader> open(const std::string& path, const FileInfo* known = nullptr) = 0;
  // Missing parent directories are made. unseen: nobody looks for the name before he is told, so that the file may show before it is complete
  // (a data file that no commit names yet); some stores then need fewer requests.
  virtual std::unique_ptr<FileWriter> create(const std::string& path, bool unseen = false) = 0;
  // Files and directories. The target must not exist as a directory; a file is replaced. Missing parents of the target are made.
  virtual void rename(const std::string& from, const std::string& to) = 0;
  virtual bool is_local() const { return false; }
  // True if a rename is one step, whatever lies below; false if it copies (and is then neither cheap nor atomic).
  virtual bool renames_at_once() const = 0;
  // False if there was nothing. A directory must be empty.
  virtual bool remove(const std::string& path) = 0;
  // Files; those that are gone already are no error.
  virtual void remove_files(const std::vector<std::string>& paths);
  virtual void remove_recursive(const std::string& path) = 0;
  virtual void make_directories(const std::string& path) = 0;
  // Makes bytes that another library wrote (a Parquet file, say) survive a crash: file and directory entry.
  virtual void sync(const std::string& path) = 0;
};

// The store of a path for the calling thread's settings (storage/settings.h): its credentials are theirs. Throws SparkError (plain: no file
// system for that scheme; a setting that is missing or not understood). References stay valid.
ObjectStore& store_for(std::string_view path);
class Settings;
// Answers for the paths of a URI scheme (lower case, without colon). Register at start-up, before threads.
using StoreFactory = ObjectStore& (*)(std::string_view path, const Settings& settings);
void register_store(const std::string& scheme, StoreFactory factory);
// Whether store_for knows the scheme.
bool has_store(std::string_view scheme);

// The local disk. Paths may be "file:/x", "file:///x" or "/x".
std::unique_ptr<ObjectStore> make_local_store();
ObjectStore& s3_store(std::string_view path, const Settings& settings);    // s3: s3a: s3n:
ObjectStore& adls_store(std::string_view path, const Settings& settings);  // abfs: abfss:
ObjectStore& blob_store(std::string_view path, const Settings& settings);  // wasb: wasbs:
ObjectStore& gcs_store(std::string_view path, const Settings& settings);   // gs:
ObjectStore& dbfs_store(std::string_view path, const Settings& settings);  // dbfs: and what is mounted there
// Whether a path without scheme ("/mnt/lake/x", "/Volumes/c/s/v/x") is below a mount of the calling thread's settings, and so means dbfs:.
bool is_mounted(std::string_view path);

}  // namespace tarn::storage
