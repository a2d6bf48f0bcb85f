// /api/2.0/git-credentials and /api/2.0/repos. A git folder is a bare clone on disk and, in the workspace, the files of one commit.
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <mutex>

#include "base/encoding.h"
#include "workspace/families.h"
#include "workspace/git_client.h"
#include "workspace/git_folder.h"

namespace tarn::workspace {
namespace {

using http::Call;
using http::invalid_parameter;
using http::Json;
using http::RestError;
using identity::AccessControl;

constexpr const char* kSteps[] = {
    R"(CREATE TABLE git_credentials (
         id INTEGER PRIMARY KEY AUTOINCREMENT, owner INTEGER NOT NULL REFERENCES principals (id) ON DELETE CASCADE, provider TEXT NOT NULL,
         username TEXT NOT NULL, email TEXT NOT NULL, token BLOB NOT NULL);
       CREATE TABLE git_folders (
         object INTEGER PRIMARY KEY REFERENCES objects (id) ON DELETE CASCADE, url TEXT NOT NULL, provider TEXT NOT NULL, branch TEXT NOT NULL,
         head TEXT NOT NULL, synced_ms INTEGER NOT NULL);)",
    "ALTER TABLE git_folders ADD COLUMN patterns TEXT NOT NULL DEFAULT 'null'",   // JSON: null, or what a sparse checkout has
};
constexpr size_t kMaxPatterns = 1000;
constexpr const char* kProviders[] = {"gitHub", "bitbucketCloud", "gitLab", "azureDevOpsServices", "gitHubEnterpriseServer", "bitbucketServer",
                                      "gitLabEnterpriseEdition", "awsCodeCommit", "azureDevOpsServicesAad"};

std::string provider_of(Call& call, const char* field) {
  std::string given = call.required_text(field);
  for (const char* p : kProviders) {
    if (lower_ascii(p) == lower_ascii(given)) return p;
  }
  throw invalid_parameter("'" + given.substr(0, 60) + "' is not a git provider that is supported.");
}

struct Credential {
  int64_t id = 0, owner = 0;
  std::string provider, username, email, sealed;
};

struct Folder {
  int64_t id = 0;
  std::string url, provider, branch, head;
  int64_t synced_ms = 0;
  std::optional<std::vector<std::string>> patterns;   // of a sparse checkout: folders, as cone mode has them
};

std::string patterns_text(const Folder& f) { return f.patterns ? Json(*f.patterns).dump() : "null"; }

Folder read_folder(Statement& r) {
  Folder f{r.integer(0), r.text(1), r.text(2), r.text(3), r.text(4), r.integer(5), std::nullopt};
  Json patterns = Json::parse(r.text(6), nullptr, false);
  if (patterns.is_array()) f.patterns = patterns.get<std::vector<std::string>>();
  return f;
}

// "/src/lib/" -> "src/lib". Patterns of cone mode name folders: no wildcards, no exclusions.
std::vector<std::string> patterns_of(const Json& given) {
  if (!given.is_object()) throw invalid_parameter("sparse_checkout must be an object.");
  std::vector<std::string> out;
  const Json list = given.value("patterns", Json());
  if (list.is_null()) return out;
  if (!list.is_array() || list.size() > kMaxPatterns) throw invalid_parameter("sparse_checkout.patterns must be an array of at most 1000 folders.");
  for (const auto& p : list) {
    std::string text = p.is_string() ? p.get<std::string>() : "";
    while (text.starts_with('/')) text.erase(0, 1);
    while (text.ends_with('/')) text.pop_back();
    bool odd = text.empty() || text.size() > 1000 || text.find_first_of("*?[]!\\\n") != std::string::npos || ("/" + text + "/").find("/../") != std::string::npos ||
               ("/" + text + "/").find("/./") != std::string::npos || text.find("//") != std::string::npos;
    if (odd) throw invalid_parameter("A pattern of sparse_checkout names a folder (cone mode), not " + p.dump().substr(0, 100) + ".");
    out.push_back(text);
  }
  return out;
}

std::string seal_name(int64_t owner, const std::string& provider) { return "git-credential/" + std::to_string(owner) + "/" + provider; }

class Git {
 public:
  Git(Metadata& metadata, ObjectStore& store, AccessControl& access, GitHooks hooks) : metadata_(metadata), store_(store), access_(access), hooks_(std::move(hooks)) {
    metadata_.migrate("workspace.git", kSteps);
    // Clones whose folder went with the one above it.
    std::error_code ec;
    for (const auto& e : std::filesystem::directory_iterator(hooks_.folder, ec)) {
      if (!folder(std::atoll(e.path().filename().c_str()))) std::filesystem::remove_all(e.path(), ec);
    }
  }

  // ---- credentials: each user has their own, and nobody sees the token again.
  std::vector<Credential> credentials(int64_t owner) const {
    auto db = metadata_.lease();
    Statement query(*db, "SELECT id, owner, provider, username, email, token FROM git_credentials WHERE owner = ? ORDER BY id");
    query.bind(owner);
    std::vector<Credential> out;
    while (query.step()) out.push_back({query.integer(0), query.integer(1), query.text(2), query.text(3), query.text(4), query.text(5)});
    return out;
  }
  Credential require_credential(Call& call) const {
    std::string id = call.in_path("id");
    for (auto& c : credentials(call.caller.id)) {
      if (std::to_string(c.id) == id) return c;
    }
    throw http::not_found("The git credential " + id.substr(0, 40) + " does not exist.");
  }
  static Json render(const Credential& c) {
    Json j = {{"credential_id", c.id}, {"git_provider", c.provider}, {"git_username", c.username}, {"is_default_for_provider", true}};
    if (!c.email.empty()) j["git_email"] = c.email;
    return j;
  }
  Json put_credential(Call& call, std::optional<Credential> before) {
    Credential c;
    if (before) c = *before;
    c.owner = call.caller.id;
    c.provider = provider_of(call, "git_provider");
    c.username = call.text("git_username", c.username);
    c.email = call.text("git_email", c.email);
    std::string token = call.text("personal_access_token");
    if (token.empty() && (!before || before->provider != c.provider)) throw invalid_parameter("personal_access_token is missing.");
    if (token.size() > 4096 || c.username.size() > 300 || c.email.size() > 300) throw invalid_parameter("A field is too long.");
    if (!token.empty()) c.sealed = hooks_.seal(token, seal_name(c.owner, c.provider));
    auto db = metadata_.lease();
    if (before) {
      Statement(*db, "UPDATE git_credentials SET provider = ?, username = ?, email = ?, token = ? WHERE id = ?")
          .bind(c.provider).bind(c.username).bind(c.email).bind_blob(c.sealed).bind(c.id).run();
    } else {
      c.id = Statement(*db, "INSERT INTO git_credentials (owner, provider, username, email, token) VALUES (?, ?, ?, ?, ?) RETURNING id")
                 .bind(c.owner).bind(c.provider).bind(c.username).bind(c.email).bind_blob(c.sealed).returned().value();
    }
    call.audit.emplace_back("git_provider", c.provider);
    return render(c);
  }
  void remove_credential(const Credential& c) {
    auto db = metadata_.lease();
    Statement(*db, "DELETE FROM git_credentials WHERE id = ?").bind(c.id).run();
  }
  // The caller's credential that git_credential_id names, else their newest for the provider.
  std::optional<GitCredential> login(Call& call, const std::string& provider) const {
    int64_t named = call.integer("git_credential_id", 0);
    auto all = credentials(call.caller.id);
    for (auto it = all.rbegin(); it != all.rend(); ++it) {
      if (named ? it->id != named : it->provider != provider) continue;
      auto token = hooks_.open(it->sealed, seal_name(call.caller.id, it->provider));
      if (token) return GitCredential{it->username.empty() ? "token" : it->username, *token};
    }
    if (named) throw http::not_found("The git credential " + std::to_string(named) + " does not exist.");
    return std::nullopt;
  }

  // ---- folders
  std::optional<Folder> folder(int64_t id) const {
    auto db = metadata_.lease();
    Statement query(*db, "SELECT object, url, provider, branch, head, synced_ms, patterns FROM git_folders WHERE object = ?");
    if (!query.bind(id).step()) return std::nullopt;
    return read_folder(query);
  }
  std::vector<Folder> folders() const {
    auto db = metadata_.lease();
    Statement query(*db, "SELECT object, url, provider, branch, head, synced_ms, patterns FROM git_folders ORDER BY object");
    std::vector<Folder> out;
    while (query.step()) out.push_back(read_folder(query));
    return out;
  }
  std::pair<Folder, Object> require(Call& call, const char* level) const {
    std::string id = call.in_path("id");
    bool number = !id.empty() && id.size() < 19 && std::all_of(id.begin(), id.end(), [](char c) { return c >= '0' && c <= '9'; });
    auto f = number ? folder(std::stoll(id)) : std::nullopt;
    auto o = f ? store_.get(f->id) : std::nullopt;
    if (!o || !access_.allows(call.caller, ref(*o), "CAN_READ")) throw http::not_found("The git folder " + id.substr(0, 40) + " does not exist.");
    access_.require(call.caller, ref(*o), level, "the git folder " + o->path);
    call.audit.emplace_back("path", o->path);
    return {*f, *o};
  }
  static Json render(const Folder& f, const Object& o) {
    Json j = {{"id", f.id}, {"path", o.path}, {"url", f.url}, {"provider", f.provider}, {"head_commit_id", f.head}};
    if (!f.branch.empty()) j["branch"] = f.branch;
    if (f.patterns) j["sparse_checkout"] = {{"patterns", *f.patterns}};
    return j;
  }
  static std::function<bool(std::string_view path)> cone(const Folder& f) {
    if (!f.patterns) return nullptr;
    return [patterns = *f.patterns](std::string_view path) { return in_cone(path, patterns); };
  }
  std::string clone_of(int64_t id) const { return hooks_.folder + "/" + std::to_string(id); }
  std::mutex& lock_of(int64_t id) { return locks_[static_cast<size_t>(id) % locks_.size()]; }

  static RestError failed(const GitError& e) { return RestError(400, "GIT_ERROR", std::string("Git: ") + e.what() + "."); }

  Json create(Call& call);
  void update(Call& call);
  void remove(Call& call);

 private:
  Metadata& metadata_;
  ObjectStore& store_;
  AccessControl& access_;
  const GitHooks hooks_;
  std::array<std::mutex, 16> locks_;   // one operation at a time on a clone
};

Json Git::create(Call& call) {
  std::string url = call.required_text("url"), provider = provider_of(call, "provider");
  Folder f;
  if (call.has("sparse_checkout")) f.patterns = patterns_of(call.at("sparse_checkout"));
  if (f.patterns && f.patterns->empty()) f.patterns.reset();
  hooks_.require_allowed_url(url);
  std::string name = url.substr(url.rfind('/') + 1);
  if (name.ends_with(".git")) name.resize(name.size() - 4);
  std::string path = normal_path(call.has("path") ? call.text("path") : "/Repos/" + call.caller.name + "/" + name);
  size_t slash = path.rfind('/');
  if (path == "/" || slash == 0) throw invalid_parameter("A git folder lies in a folder: " + path + ".");
  // The right to make one comes from the deepest folder that exists.
  std::string parent = path.substr(0, slash);
  auto existing = store_.find(parent);
  for (std::string at = parent; !existing;) {
    at = at.substr(0, std::max<size_t>(1, at.rfind('/')));
    existing = store_.find(at);
  }
  bool own = parent == "/Repos/" + call.caller.name;
  if (!own) access_.require(call.caller, ref(*existing), "CAN_MANAGE", "the folder " + existing->path);
  if (store_.find(path)) throw http::already_exists("Path (" + path + ") already exists.");
  for (std::string at = existing->path; at != "/"; at = at.substr(0, std::max<size_t>(1, at.rfind('/')))) {
    auto o = store_.find(at);
    if (o && o->kind == ObjectKind::kRepo) throw invalid_parameter("A git folder cannot lie in another.");
  }
  call.audit.emplace_back("path", path);
  call.audit.emplace_back("url", url);
  // Fetched aside: until everything is there nothing is seen of it.
  std::string aside = hooks_.folder + "/new-" + random_hex(8);
  try {
    GitClone clone = GitClone::fetch(aside, url, login(call, provider));
    f.url = url;
    f.provider = provider;
    f.branch = clone.default_branch();
    f.head = clone.commit_of_branch(f.branch).value_or("");
    std::map<std::string, GitObject> wanted;
    if (!f.head.empty()) wanted = objects_of(clone.files(f.head, cone(f)));
    store_.make_directories(parent);
    if (own && access_.direct(ref(*store_.find(parent))).empty()) access_.grant(ref(*store_.find(parent)), call.caller.id, "CAN_MANAGE");
    Object o = store_.create(*store_.find(parent), path.substr(slash + 1), ObjectKind::kRepo, "", "", 0);
    f.id = o.id;
    access_.grant(ref(o), call.caller.id, "CAN_MANAGE");
    replace_content(store_, o, wanted);
    std::filesystem::rename(aside, clone_of(o.id));
    auto db = metadata_.lease();
    Statement(*db, "INSERT INTO git_folders VALUES (?, ?, ?, ?, ?, ?, ?)").bind(f.id).bind(f.url).bind(f.provider).bind(f.branch).bind(f.head).bind(now_ms())
        .bind(patterns_text(f)).run();
    return render(f, o);
  } catch (const GitError& e) {
    std::error_code ignored;
    std::filesystem::remove_all(aside, ignored);
    throw failed(e);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove_all(aside, ignored);
    throw;
  }
}

void Git::update(Call& call) {
  auto [f, o] = require(call, "CAN_EDIT");
  std::string branch = call.text("branch"), tag = call.text("tag");
  bool sparse = call.has("sparse_checkout");
  if (branch.empty() == tag.empty() && !(sparse && tag.empty())) throw invalid_parameter("Exactly one of branch and tag must be given.");
  if (sparse) {
    if (!f.patterns) throw invalid_parameter("A sparse checkout begins when a git folder is made: this one has all files.");
    f.patterns = patterns_of(call.at("sparse_checkout"));
    if (f.patterns->empty()) f.patterns.reset();   // all files from now on
    if (branch.empty() && tag.empty()) {
      branch = f.branch;
      if (branch.empty()) throw invalid_parameter("The git folder is at a tag: name it, or a branch.");
    }
  }
  hooks_.require_allowed_url(f.url);   // the list may have become shorter
  std::lock_guard lock(lock_of(f.id));
  try {
    GitClone clone = GitClone::fetch(clone_of(f.id), f.url, login(call, f.provider));
    auto head = branch.empty() ? clone.commit_of_tag(tag) : clone.commit_of_branch(branch);
    if (!head) throw http::not_found(branch.empty() ? "The tag " + tag.substr(0, 200) + " does not exist." : "The branch " + branch.substr(0, 200) + " does not exist.");
    auto wanted = objects_of(clone.files(*head, cone(f)));
    if (!call.flag("dangerously_force_discard_all") && last_change(store_, o) > f.synced_ms) {
      throw RestError(409, "GIT_CONFLICT", "Objects of the git folder " + o.path + " were changed since the last checkout. Export or delete them first.");
    }
    for (const auto& gone : replace_content(store_, o, wanted)) access_.forget(ref(gone));
    auto db = metadata_.lease();
    Statement(*db, "UPDATE git_folders SET branch = ?, head = ?, synced_ms = ?, patterns = ? WHERE object = ?").bind(branch).bind(*head).bind(now_ms())
        .bind(patterns_text(f)).bind(f.id).run();
  } catch (const GitError& e) {
    throw failed(e);
  }
}

void Git::remove(Call& call) {
  auto [f, o] = require(call, "CAN_MANAGE");
  std::lock_guard lock(lock_of(f.id));
  for (const auto& gone : store_.remove(o)) access_.forget(ref(gone));
  std::error_code ignored;
  std::filesystem::remove_all(clone_of(f.id), ignored);
}

}  // namespace

void add_git_routes(http::RouteTable& table, Metadata& metadata, ObjectStore& store, AccessControl& access, GitHooks hooks) {
  auto git = std::make_shared<Git>(metadata, store, access, std::move(hooks));
  const std::string c = "/api/*/git-credentials", r = "/api/*/repos";
  table.get(c, [git](Call& call) {
    Json list = Json::array();
    for (const auto& x : git->credentials(call.caller.id)) list.push_back(Git::render(x));
    return http::json_response({{"credentials", list}});
  });
  table.post(c, [git](Call& call) { return http::json_response(git->put_credential(call, std::nullopt)); });
  table.get(c + "/{id}", [git](Call& call) { return http::json_response(Git::render(git->require_credential(call))); });
  table.patch(c + "/{id}", [git](Call& call) {
    git->put_credential(call, git->require_credential(call));
    return http::ok();
  });
  table.del(c + "/{id}", [git](Call& call) {
    git->remove_credential(git->require_credential(call));
    return http::ok();
  });

  table.get(r, [git, &store, &access](Call& call) {
    std::string prefix = call.text("path_prefix");
    if (prefix.starts_with("/Workspace/")) prefix = prefix.substr(10);
    std::vector<Json> found;
    for (const auto& f : git->folders()) {
      auto o = store.get(f.id);
      if (o && o->path.starts_with(prefix) && access.allows(call.caller, ref(*o), "CAN_READ")) found.push_back(Git::render(f, *o));
    }
    auto page = http::page_of(found.size(), 0, call.text("next_page_token"), 20, 20);
    Json list = Json::array();
    for (size_t i = page.from; i < page.to; ++i) list.push_back(std::move(found[i]));
    Json out = {{"repos", list}};
    if (!page.next_token.empty()) out["next_page_token"] = page.next_token;
    return http::json_response(out);
  });
  table.post(r, [git](Call& call) { return http::json_response(git->create(call)); });
  table.get(r + "/{id}", [git](Call& call) {
    auto [f, o] = git->require(call, "CAN_READ");
    return http::json_response(Git::render(f, o));
  });
  table.patch(r + "/{id}", [git](Call& call) {
    git->update(call);
    return http::ok();
  });
  table.del(r + "/{id}", [git](Call& call) {
    git->remove(call);
    return http::ok();
  });
}

}  // namespace tarn::workspace
