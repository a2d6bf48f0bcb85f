#include "clusters/environments.h"

#include <filesystem>
#include <stdexcept>
#include <vector>

#include "base/python_interpreters.h"
#include "clusters/program.h"

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {

bool has_pyspark(const std::string& python) {
  return run_program(python, {"-c", "import importlib.util, sys; sys.exit(importlib.util.find_spec('pyspark') is None)"}, {}, std::chrono::seconds(20)).status == 0;
}

}  // namespace

Environments::Environments(std::string clusters, std::string python, std::string packages)
    : clusters_(std::move(clusters)), named_(std::move(python)), packages_(std::move(packages)) {}

std::string Environments::python(const std::string& cluster) {
  std::string folder = home(cluster) + "/python", python = folder + "/bin/python";
  std::lock_guard lock(mu_);   // held while one is made: a second caller waits for it
  std::error_code ec;
  if (fs::exists(folder + "/.made", ec)) return python;
  if (packages_.empty()) throw std::runtime_error("the Python package of this program is missing: it belongs in share/tarn/python beside it");
  if (base_.empty()) {
    std::vector<std::string> all = named_.empty() ? python_interpreters() : std::vector<std::string>{named_};
    for (const auto& c : all) {
      if (!has_pyspark(c)) continue;
      base_ = c;
      break;
    }
    if (base_.empty()) throw std::runtime_error("no Python interpreter that has pyspark: name one with --python");
  }
  fs::create_directories(home(cluster));
  auto end = run_program(base_, {"-m", "tarn.environment", folder}, {{"PYTHONPATH", packages_}}, std::chrono::seconds(60));
  if (end.status != 0) throw std::runtime_error("no virtual environment could be made: " + end.output.substr(end.output.size() > 300 ? end.output.size() - 300 : 0));
  return python;
}

void Environments::reset(const std::string& cluster) {
  std::lock_guard lock(mu_);
  std::error_code ignored;
  fs::remove_all(home(cluster) + "/python", ignored);
}

}  // namespace tarn::clusters
