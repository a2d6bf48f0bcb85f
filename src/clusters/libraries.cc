#include "clusters/libraries.h"

#include <filesystem>
#include <fstream>

#include "base/encoding.h"
#include "base/log.h"
#include "clusters/program.h"

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {

constexpr const char* kSteps[] = {
    R"(CREATE TABLE cluster_libraries (
         seq INTEGER PRIMARY KEY AUTOINCREMENT, cluster TEXT NOT NULL REFERENCES clusters (id) ON DELETE CASCADE, library TEXT NOT NULL,
         status TEXT NOT NULL, messages TEXT NOT NULL, file TEXT NOT NULL, UNIQUE (cluster, library));)",
};
constexpr std::string_view kLock = "clusters.libraries";
constexpr auto kPipTimeout = std::chrono::minutes(20);

// The lines of pip's output that say what went wrong.
std::vector<std::string> errors_of(const std::string& output) {
  std::vector<std::string> out;
  std::string last;
  for (size_t at = 0; at < output.size();) {
    size_t end = std::min(output.find('\n', at), output.size());
    std::string line = output.substr(at, end - at);
    at = end + 1;
    if (line.starts_with("ERROR:")) out.push_back(line.substr(0, 500));
    if (!line.empty()) last = line;
  }
  if (out.empty()) out.push_back("pip failed: " + last.substr(0, 500));
  if (out.size() > 5) out.erase(out.begin(), out.end() - 5);
  return out;
}

}  // namespace

Libraries::Libraries(Metadata& metadata, Supervisor& supervisor, Environments& environments)
    : metadata_(metadata), supervisor_(supervisor), environments_(environments) {
  metadata_.migrate("clusters.libraries", kSteps);
  supervisor.watch(this);
  worker_ = std::thread([this] { work(); });
}

Libraries::~Libraries() { stop(); }

void Libraries::stop() {
  {
    std::lock_guard lock(mu_);
    stopping_ = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

std::vector<LibraryStatus> Libraries::list(const std::string& cluster) const {
  auto db = metadata_.lease();
  Statement query(*db, "SELECT cluster, library, status, messages, file FROM cluster_libraries WHERE ? = '' OR cluster = ? ORDER BY seq");
  query.bind(cluster).bind(cluster);
  std::vector<LibraryStatus> out;
  while (query.step()) {
    LibraryStatus s{query.text(0), Json::parse(query.text(1), nullptr, false), query.text(2), {}, query.text(4)};
    for (const auto& m : Json::parse(query.text(3), nullptr, false)) s.messages.push_back(m.get<std::string>());
    out.push_back(std::move(s));
  }
  return out;
}

void Libraries::install(const std::string& cluster, const Json& library, const std::string& content) {
  std::string file, path = library.value("whl", library.value("requirements", ""));
  if (!path.empty()) {
    // pip takes a wheel's name apart: it stays.
    file = environments_.home(cluster) + "/libraries/" + hex_encode(sha256(content)).substr(0, 16) + "/" + fs::path(path).filename().string();
    fs::create_directories(fs::path(file).parent_path());
    std::ofstream out(file, std::ios::binary);
    out << content;
    if (!out.flush()) throw std::runtime_error("cannot keep the library " + path);
  }
  {
    auto db = metadata_.lease();
    Statement(*db, "INSERT INTO cluster_libraries (cluster, library, status, messages, file) VALUES (?, ?, 'PENDING', '[]', ?) "
                   "ON CONFLICT (cluster, library) DO UPDATE SET "
                   "status = CASE cluster_libraries.status WHEN 'FAILED' THEN 'PENDING' WHEN 'UNINSTALL_ON_RESTART' THEN 'PENDING' ELSE cluster_libraries.status END, "
                   "messages = CASE cluster_libraries.status WHEN 'FAILED' THEN '[]' ELSE cluster_libraries.messages END, file = excluded.file")
        .bind(cluster).bind(library.dump()).bind(file).run();
  }
  if (!supervisor_.running_endpoint(cluster)) return;
  std::lock_guard lock(mu_);
  due_.insert(cluster);
  changed_.notify_all();
}

void Libraries::uninstall(const std::string& cluster, const Json& library) {
  metadata_.transact(kLock, [&](Connection& db) {
    // What no process has begun to install can go at once.
    Statement(db, "DELETE FROM cluster_libraries WHERE cluster = ? AND library = ? AND status IN ('PENDING', 'FAILED')").bind(cluster).bind(library.dump()).run();
    Statement(db, "UPDATE cluster_libraries SET status = 'UNINSTALL_ON_RESTART', messages = '[]' WHERE cluster = ? AND library = ?").bind(cluster).bind(library.dump()).run();
  });
}

void Libraries::set(const std::string& cluster, const Json& library, const std::string& status, const std::vector<std::string>& messages) {
  auto db = metadata_.lease();
  // Not if it was marked for removal meanwhile.
  Statement(*db, "UPDATE cluster_libraries SET status = ?, messages = ? WHERE cluster = ? AND library = ? AND status <> 'UNINSTALL_ON_RESTART'")
      .bind(status).bind(Json(messages).dump()).bind(cluster).bind(library.dump()).run();
}

void Libraries::starting(const Cluster& cluster) {
  bool removed = metadata_.transact(kLock, [&](Connection& db) {
    Statement(db, "DELETE FROM cluster_libraries WHERE cluster = ? AND status = 'UNINSTALL_ON_RESTART'").bind(cluster.id).run();
    bool some = db.changes() > 0;
    // A new environment has nothing; of what was being installed nobody knows how far it came.
    Statement(db, some ? "UPDATE cluster_libraries SET status = 'PENDING', messages = '[]' WHERE cluster = ?"
                       : "UPDATE cluster_libraries SET status = 'PENDING', messages = '[]' WHERE cluster = ? AND status IN ('RESOLVING', 'INSTALLING', 'FAILED')")
        .bind(cluster.id).run();
    return some;
  });
  if (removed) environments_.reset(cluster.id);
}

void Libraries::running(const std::string& id) {
  std::lock_guard lock(mu_);
  due_.insert(id);
  changed_.notify_all();
}

void Libraries::work() {
  std::unique_lock lock(mu_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || !due_.empty(); });
    if (stopping_) return;
    std::string cluster = *due_.begin();
    due_.erase(due_.begin());
    lock.unlock();
    try {
      install_pending(cluster);
    } catch (const std::exception& e) {
      log::error("libraries_failed", {{"cluster", cluster}, {"error", e.what()}});
    }
    lock.lock();
  }
}

void Libraries::install_pending(const std::string& cluster) {
  for (;;) {
    std::optional<LibraryStatus> next;
    for (auto& s : list(cluster)) {
      if (s.status == "PENDING") {
        next = std::move(s);
        break;
      }
    }
    {
      std::lock_guard lock(mu_);
      if (stopping_) return;
    }
    if (!next || !supervisor_.running_endpoint(cluster)) return;
    set(cluster, next->library, "INSTALLING", {});
    std::vector<std::string> arguments = {"-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-warn-script-location"};
    if (next->library.contains("pypi")) {
      const Json& pypi = next->library["pypi"];
      if (std::string repo = pypi.value("repo", ""); !repo.empty()) arguments.insert(arguments.end(), {"--index-url", repo});
      arguments.insert(arguments.end(), {"--", pypi.value("package", "")});
    } else if (next->library.contains("requirements")) {
      arguments.insert(arguments.end(), {"-r", next->file});
    } else {
      arguments.insert(arguments.end(), {"--", next->file});
    }
    std::vector<std::string> messages;
    std::string status = "FAILED";
    try {
      auto end = run_program(environments_.python(cluster), arguments, {{"PYTHONPATH", ""}}, kPipTimeout, [this] {
        std::lock_guard lock(mu_);
        return stopping_;
      });
      if (end.status == 0) status = "INSTALLED";
      else if (end.timed_out) messages = {"pip did not end within 20 minutes"};
      else messages = errors_of(end.output);
    } catch (const std::exception& e) {
      messages = {e.what()};
    }
    {
      std::lock_guard lock(mu_);
      if (stopping_) return;   // the next start of the cluster begins anew
    }
    set(cluster, next->library, status, messages);
    log::info("library", {{"cluster", cluster}, {"status", status}});
  }
}

}  // namespace tarn::clusters
