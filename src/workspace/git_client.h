#pragma once
// Clones of remote git repositories, over HTTP(S) alone, as bare folders that are read without a working tree. All of libgit2 is in git_client.cc.
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace tarn::workspace {

struct GitCredential {
  std::string user, password;   // a personal access token is a password
};

struct GitFile {
  std::string path;             // "a/b.py"
  std::string content;
};

struct GitLimits {
  size_t download = 512 << 20;  // bytes that a fetch may bring
  size_t files = 20'000, bytes = 512 << 20;   // of one commit
  int seconds = 300;            // of one fetch
};

class GitError : public std::exception {
 public:
  explicit GitError(std::string what) : what_(std::move(what)) {}
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

// One clone in a folder. Not thread-safe: the caller holds a lock per folder.
class GitClone {
 public:
  // Makes the folder if it is missing and brings it up to date with the remote; redirects to other hosts are not followed. GitError.
  static GitClone fetch(const std::string& folder, const std::string& url, const std::optional<GitCredential>& credential, const GitLimits& limits = {});
  // What was fetched before. GitError if there is nothing.
  static GitClone open(const std::string& folder);
  ~GitClone();
  GitClone(GitClone&& other) noexcept;

  std::string default_branch() const;                                     // as the remote has it; "" if it is empty
  std::optional<std::string> commit_of_branch(const std::string& branch) const;   // of the remote; 40 hexadecimal digits
  std::optional<std::string> commit_of_tag(const std::string& tag) const;
  // All files of a commit. Symbolic links and submodules are passed over. GitError if they are more than the limits.
  // wanted: null for all. It is asked before a file is read.
  std::vector<GitFile> files(const std::string& commit, const std::function<bool(std::string_view path)>& wanted = nullptr, const GitLimits& limits = {}) const;

 private:
  GitClone() = default;
  void* repository_ = nullptr;
  std::string default_branch_;
};

}  // namespace tarn::workspace
