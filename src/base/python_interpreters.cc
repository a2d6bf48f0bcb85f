#include "base/python_interpreters.h"

#include <cstdlib>
#include <filesystem>

namespace fs = std::filesystem;

namespace tarn {

std::vector<std::string> python_interpreters() {
  if (const char* named = std::getenv("PYSPARK_PYTHON"); named && *named) return {named};
  std::vector<std::string> out;
  if (const char* environment = std::getenv("VIRTUAL_ENV"); environment && *environment) out.push_back(std::string(environment) + "/bin/python3");
  std::error_code ec;
  fs::path program = fs::read_symlink("/proc/self/exe", ec);
  for (auto at = program.parent_path(); !ec && at.has_relative_path(); at = at.parent_path()) {
    auto candidate = at / ".venv/bin/python3";
    std::error_code ignored;
    if (fs::exists(candidate, ignored)) out.push_back(candidate.string());
  }
  out.push_back("python3");
  return out;
}

}  // namespace tarn
