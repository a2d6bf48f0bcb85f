#pragma once
// DuckDB on storage/: a file system of DuckDB for every URI that storage/ has a store for, the settings (credentials) of a connection on
// DuckDB's threads, and places where DuckDB writes files that appear later.
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "storage/object_store.h"
#include "storage/settings.h"

namespace duckdb {
class ClientContext;
class DatabaseInstance;
}  // namespace duckdb
namespace tarn::catalog {
class Catalog;
}
namespace tarn::plan {
class SessionConf;
}

namespace tarn::engine {

// Settings of a session: its configuration, with and without Spark's prefix "spark.hadoop."; volumes of the catalog are mounts. Both must
// outlive them.
std::shared_ptr<const storage::Settings> settings_of(const plan::SessionConf& conf, const catalog::Catalog& catalog);

// Once per database.
void register_storage(duckdb::DatabaseInstance& database);
// What runs on the connection works for these settings.
void set_storage_settings(duckdb::ClientContext& context, std::shared_ptr<const storage::Settings> settings);

// On a thread of DuckDB, in a callback of ours: storage::store_for works for the settings of the connection.
class StorageScope {
 public:
  explicit StorageScope(duckdb::ClientContext& context);

 private:
  storage::SettingsScope scope_;
};

// "/x" for the local disk, else the URI: a path as DuckDB's file systems take it.
std::string duckdb_path(const std::string& path);
// Whether the path is of the local disk.
bool is_local(const std::string& path);

// Options of a duckdb::OpenFileInfo with what is known of a file: its size (UBIGINT) and a text that names this content.
inline constexpr const char* kKnownSize = "tarn_size";
inline constexpr const char* kKnownTag = "tarn_tag";
// Those files (path, size, tag, path, …: texts) will be opened next.
inline constexpr const char* kNextFiles = "tarn_next";

// Where files are written that appear together: DuckDB (COPY … TO directory() + "/x") and open_staged() write them, and nothing is seen of
// them before publish(). Without it nothing remains. Writing is thread-safe, the rest is not.
class StagedFiles {
 public:
  // The path at which a file is to appear, by its path below directory().
  using Place = std::function<std::string(const std::string& relative)>;
  // at_once: files appear as each is complete (what nobody looks for need not wait, and need not be sent in parts).
  explicit StagedFiles(Place place, bool at_once = false);
  ~StagedFiles();
  StagedFiles(const StagedFiles&) = delete;

  const std::string& directory() const { return directory_; }
  struct File {
    std::string relative, path;
    uint64_t size = 0;
    std::unique_ptr<storage::FileWriter> writer;  // null once it has appeared
  };
  // Complete files, in the order in which they were completed.
  const std::vector<File>& files() const { return files_; }
  void publish();

  // For the file system: begins a file, and takes one over that is complete.
  std::unique_ptr<storage::FileWriter> create(const std::string& relative);
  void complete(const std::string& relative, std::unique_ptr<storage::FileWriter> writer);

 private:
  const Place place_;
  const bool at_once_;
  std::string directory_;
  std::shared_ptr<const storage::Settings> settings_;
  std::mutex mu_;
  std::vector<File> files_;  // while writing: guarded by mu_
};

// Whether a path lies below the directory() of a StagedFiles.
bool is_staged(const std::string& path);
// A file there. publish() hands it to its StagedFiles.
std::unique_ptr<storage::FileWriter> open_staged(const std::string& path);

}  // namespace tarn::engine
