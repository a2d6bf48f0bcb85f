#pragma once
// Where a write puts its files until it is complete, and how they get to their place.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tarn::engine {
class StagedFiles;
}
namespace tarn::storage {
struct FileInfo;
}

namespace tarn::engine::sinks {

// On the local disk a hidden directory beside the target, on the same file system; in other stores files that have been sent and do not
// appear yet. Files are named by their path relative to the target. Without a commit nothing remains. Not thread-safe. Throws IoError.
class Staging {
 public:
  explicit Staging(std::string target);
  ~Staging();
  Staging(const Staging&) = delete;

  // The path for a new file, as DuckDB and create_file take it; its directory is made.
  std::string add(const std::string& relative);
  const std::vector<std::string>& files() const { return files_; }
  // Bytes of the files that are complete.
  uint64_t bytes() const;

  // Adds the files to what the target has. In every commit the last file added appears last (the mark of success).
  void commit_append();
  // The target becomes exactly the files: on the local disk at once (an exchange of the two directories where the file system can), elsewhere
  // the new files appear before the old ones go.
  void commit_replace();
  // Each directory (relative) becomes exactly the files in it; others stay. A directory without files becomes empty.
  void commit_replace_directories(const std::vector<std::string>& directories);

 private:
  void remove_old(const std::vector<storage::FileInfo>& old);

  std::string target_, directory_;
  std::unique_ptr<StagedFiles> staged_;  // elsewhere than on the local disk
  std::vector<std::string> files_;
};

}  // namespace tarn::engine::sinks
