#pragma once
// Where a write puts its files until it is complete, and how they get to their place.
#include <string>
#include <vector>

namespace tarn::engine::sinks {

// A hidden directory beside the target, on the same file system. Files are named by their path relative to the target. Without a
// commit everything is removed again. Not thread-safe. Throws IoError.
class Staging {
 public:
  explicit Staging(std::string target);
  ~Staging();
  Staging(const Staging&) = delete;

  // The absolute path for a new file; its directory is made.
  std::string add(const std::string& relative);
  const std::vector<std::string>& files() const { return files_; }
  const std::string& directory() const { return directory_; }

  // Adds the files to what the target has.
  void commit_append();
  // The target becomes exactly the files, at once (an exchange of the two directories where the file system can).
  void commit_replace();
  // Each directory (relative) becomes exactly the files in it; others stay. A directory without files becomes empty.
  void commit_replace_directories(const std::vector<std::string>& directories);

 private:
  std::string target_, directory_;
  std::vector<std::string> files_;
};

}  // namespace tarn::engine::sinks
