#include "engine/python/runtime.h"

#include <cstdlib>
#include <filesystem>

#include "engine/python/python_scan.h"

namespace fs = std::filesystem;

namespace tarn::engine::python_functions {

namespace {

constexpr int64_t kDefaultMemoryMb = 3072;

// "2g", "512m", "1024" (MiB) as Java's byte strings are; 0 if it is none.
int64_t mebibytes(const std::string& text) {
  char* unit = nullptr;
  double v = std::strtod(text.c_str(), &unit);
  switch (unit ? std::tolower(static_cast<unsigned char>(*unit)) : 0) {
    case 'k': return static_cast<int64_t>(v / 1024);
    case 'g': return static_cast<int64_t>(v * 1024);
    case 't': return static_cast<int64_t>(v * 1024 * 1024);
    default: return static_cast<int64_t>(v);
  }
}

}  // namespace

int64_t worker_memory_mb(const plan::SessionConf& conf) {
  for (const char* key : {"spark.executor.pyspark.memory", "spark.sql.planner.pythonExecution.memory"}) {
    if (auto set = conf.find(key)) {
      if (int64_t mb = mebibytes(*set); mb > 0) return mb;
    }
  }
  return kDefaultMemoryMb;
}

void add_files(Runtime& runtime) {
  if (!runtime.artifacts) return;
  auto modules = runtime.artifacts->names("pyfiles/"), files = runtime.artifacts->names("files/");
  runtime.archives.clear();
  std::error_code ec;
  for (fs::directory_iterator it(runtime.artifacts->directory() + "/.new-archives", ec), end; !ec && it != end; it.increment(ec)) {
    std::string note = it->path().filename().string();
    auto mark = note.find('#');
    if (mark != std::string::npos) runtime.archives.emplace_back(runtime.artifacts->path("archives/" + note.substr(0, mark)), note.substr(mark + 1));
  }
  if (modules.empty() && files.empty() && runtime.archives.empty()) return;
  runtime.directory = runtime.artifacts->directory() + "/.new-python";
  runtime.includes.clear();
  fs::create_directories(runtime.directory, ec);
  auto link = [&](const std::string& name) {
    std::string base = fs::path(name).filename().string();
    fs::create_symlink(runtime.artifacts->path(name), runtime.directory + "/" + base, ec);  // it may be there already
    return base;
  };
  for (const auto& name : modules) {
    std::string base = link(name);
    for (const char* archive : {".zip", ".egg", ".whl", ".jar"}) {
      if (base.ends_with(archive)) runtime.includes.push_back(base);
    }
  }
  for (const auto& name : files) link(name);
}

std::shared_ptr<Runtime> make_runtime(Session::Impl& session) {
  auto r = std::make_shared<Runtime>();
  r->database = &session.engine->database;
  r->artifacts = &session.artifacts;
  r->pool = &session.engine->workers;
  r->environment.session = session.id;
  for (const char* key : {"spark.sql.execution.pyspark.python", "spark.pyspark.python"}) {
    auto set = session.conf.find(key);
    if (set && !set->empty() && r->environment.executable.empty()) r->environment.executable = *set;
  }
  r->environment.memory_mb = worker_memory_mb(session.conf);
  return r;
}

}  // namespace tarn::engine::python_functions
