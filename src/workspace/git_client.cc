#include "workspace/git_client.h"

#include <git2.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <utility>

namespace fs = std::filesystem;

namespace tarn::workspace {
namespace {

constexpr char kRemote[] = "origin";
constexpr char kDefaultBranch[] = "tarn-default-branch";   // a file in the clone

template <class T, void (*F)(T*)>
struct Free {
  void operator()(T* p) const { F(p); }
};
template <class T, void (*F)(T*)>
using Own = std::unique_ptr<T, Free<T, F>>;
using Remote = Own<git_remote, git_remote_free>;
using Tree = Own<git_tree, git_tree_free>;
using Commit = Own<git_commit, git_commit_free>;
using Blob = Own<git_blob, git_blob_free>;
using Object = Own<git_object, git_object_free>;

void initialize() {
  static std::once_flag once;
  std::call_once(once, [] {
    git_libgit2_init();
    // Configuration of the machine and of whoever started the server has no business here.
    for (auto level : {GIT_CONFIG_LEVEL_SYSTEM, GIT_CONFIG_LEVEL_XDG, GIT_CONFIG_LEVEL_GLOBAL, GIT_CONFIG_LEVEL_PROGRAMDATA}) {
      git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "/nonexistent");
    }
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);   // the folders are ours
  });
}

[[noreturn]] void fail(const char* what) {
  const git_error* e = git_error_last();
  throw GitError(std::string(what) + (e && e->message ? std::string(": ") + e->message : ""));
}
void check(int code, const char* what) {
  if (code < 0) fail(what);
}

struct Transfer {
  const GitLimits& limits;
  const std::optional<GitCredential>& credential;
  std::chrono::steady_clock::time_point until;
  int asked = 0;
  const char* stopped = nullptr;
};

int on_credentials(git_credential** out, const char*, const char*, unsigned allowed, void* payload) {
  auto& t = *static_cast<Transfer*>(payload);
  // Asked a second time: they were wrong.
  if (!t.credential || t.asked++ > 0 || !(allowed & GIT_CREDENTIAL_USERPASS_PLAINTEXT)) {
    t.stopped = t.credential ? "the credentials were not accepted" : "the repository needs credentials";
    return GIT_EUSER;
  }
  return git_credential_userpass_plaintext_new(out, t.credential->user.c_str(), t.credential->password.c_str());
}

int on_progress(const git_indexer_progress* p, void* payload) {
  auto& t = *static_cast<Transfer*>(payload);
  if (p->received_bytes > t.limits.download) t.stopped = "the repository is too large";
  else if (std::chrono::steady_clock::now() > t.until) t.stopped = "the fetch took too long";
  return t.stopped ? GIT_EUSER : 0;
}

git_repository* repository(void* p) { return static_cast<git_repository*>(p); }

std::optional<std::string> commit_of(git_repository* r, const std::string& reference) {
  git_object* found = nullptr;
  if (!git_reference_is_valid_name(reference.c_str()) || git_revparse_single(&found, r, (reference + "^{commit}").c_str()) != 0) return std::nullopt;
  Object owned(found);
  char text[GIT_OID_HEXSZ + 1];
  return git_oid_tostr(text, sizeof text, git_object_id(found));
}

void collect(git_repository* r, const git_tree* tree, const std::string& prefix, const std::function<bool(std::string_view)>& wanted, const GitLimits& limits, size_t* bytes, std::vector<GitFile>* out, int depth) {
  if (depth > 100) throw GitError("the folders of the repository are nested too deeply");
  for (size_t i = 0; i < git_tree_entrycount(tree); ++i) {
    const git_tree_entry* e = git_tree_entry_byindex(tree, i);
    std::string name = git_tree_entry_name(e), path = prefix + name;
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) throw GitError("the repository has a name that is not valid");
    auto mode = git_tree_entry_filemode(e);
    if (mode == GIT_FILEMODE_TREE) {
      git_tree* below = nullptr;
      check(git_tree_lookup(&below, r, git_tree_entry_id(e)), "cannot read the repository");
      Tree owned(below);
      collect(r, below, path + "/", wanted, limits, bytes, out, depth + 1);
    } else if (mode == GIT_FILEMODE_BLOB || mode == GIT_FILEMODE_BLOB_EXECUTABLE) {
      if (wanted && !wanted(path)) continue;
      git_blob* blob = nullptr;
      check(git_blob_lookup(&blob, r, git_tree_entry_id(e)), "cannot read the repository");
      Blob owned(blob);
      auto size = static_cast<size_t>(git_blob_rawsize(blob));
      *bytes += size;
      if (out->size() >= limits.files || *bytes > limits.bytes) throw GitError("the repository is too large");
      out->push_back({path, std::string(static_cast<const char*>(git_blob_rawcontent(blob)), size)});
    }
  }
}

}  // namespace

GitClone::~GitClone() {
  if (repository_) git_repository_free(repository(repository_));
}
GitClone::GitClone(GitClone&& o) noexcept : repository_(std::exchange(o.repository_, nullptr)), default_branch_(std::move(o.default_branch_)) {}

GitClone GitClone::fetch(const std::string& folder, const std::string& url, const std::optional<GitCredential>& credential, const GitLimits& limits) {
  initialize();
  GitClone out;
  git_repository* r = nullptr;
  if (git_repository_open_bare(&r, folder.c_str()) != 0) {
    std::error_code ignored;
    fs::create_directories(folder, ignored);
    check(git_repository_init(&r, folder.c_str(), 1), "cannot make the clone");
  }
  out.repository_ = r;
  git_remote* made = nullptr;
  check(git_remote_create_anonymous(&made, r, url.c_str()), "the URL is not valid");
  Remote remote(made);
  Transfer transfer{limits, credential, std::chrono::steady_clock::now() + std::chrono::seconds(limits.seconds)};
  git_fetch_options options;
  git_fetch_options_init(&options, GIT_FETCH_OPTIONS_VERSION);
  options.callbacks.credentials = on_credentials;
  options.callbacks.transfer_progress = on_progress;
  options.callbacks.payload = &transfer;
  options.prune = GIT_FETCH_PRUNE;
  options.download_tags = GIT_REMOTE_DOWNLOAD_TAGS_NONE;   // named below, so that moved ones move
  options.follow_redirects = GIT_REMOTE_REDIRECT_NONE;     // this version still follows those that stay on the host; to others it never goes
  auto explain = [&](int code, const char* what) {
    if (code >= 0) return;
    if (transfer.stopped) throw GitError(transfer.stopped);
    fail(what);
  };
  git_remote_connect_options connection;
  git_remote_connect_options_init(&connection, GIT_REMOTE_CONNECT_OPTIONS_VERSION);
  connection.callbacks = options.callbacks;
  connection.follow_redirects = GIT_REMOTE_REDIRECT_NONE;
  explain(git_remote_connect_ext(made, GIT_DIRECTION_FETCH, &connection), "cannot reach the repository");
  git_buf branch = GIT_BUF_INIT;
  if (git_remote_default_branch(&branch, made) == 0) {
    std::string name(branch.ptr, branch.size);
    if (name.starts_with("refs/heads/")) out.default_branch_ = name.substr(11);
  }
  git_buf_dispose(&branch);
  const char* specs[] = {"+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*"};
  git_strarray array{const_cast<char**>(specs), 2};
  explain(git_remote_fetch(made, &array, &options, nullptr), "cannot fetch the repository");
  std::ofstream(folder + "/" + kDefaultBranch) << out.default_branch_;
  return out;
}

GitClone GitClone::open(const std::string& folder) {
  initialize();
  GitClone out;
  git_repository* r = nullptr;
  check(git_repository_open_bare(&r, folder.c_str()), "there is no clone");
  out.repository_ = r;
  std::ifstream(folder + "/" + kDefaultBranch) >> out.default_branch_;
  return out;
}

std::string GitClone::default_branch() const { return default_branch_; }

std::optional<std::string> GitClone::commit_of_branch(const std::string& branch) const {
  return commit_of(repository(repository_), std::string("refs/remotes/") + kRemote + "/" + branch);
}
std::optional<std::string> GitClone::commit_of_tag(const std::string& tag) const { return commit_of(repository(repository_), "refs/tags/" + tag); }

std::vector<GitFile> GitClone::files(const std::string& commit, const std::function<bool(std::string_view path)>& wanted, const GitLimits& limits) const {
  git_oid id;
  check(git_oid_fromstr(&id, commit.c_str()), "the commit is not valid");
  git_commit* found = nullptr;
  check(git_commit_lookup(&found, repository(repository_), &id), "there is no such commit");
  Commit owned(found);
  git_tree* tree = nullptr;
  check(git_commit_tree(&tree, found), "cannot read the commit");
  Tree root(tree);
  std::vector<GitFile> out;
  size_t bytes = 0;
  collect(repository(repository_), tree, "", wanted, limits, &bytes, &out, 0);
  return out;
}

}  // namespace tarn::workspace
