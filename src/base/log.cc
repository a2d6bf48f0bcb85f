#include "base/log.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <mutex>
#include <nlohmann/json.hpp>

#include "base/io_error.h"

namespace tarn::log {
namespace {
std::mutex mu;
FILE* file = nullptr;  // guarded by mu
std::atomic<Level> threshold{Level::kInfo};
constexpr const char* kNames[] = {"debug", "info", "warn", "error"};
}  // namespace

void open_file(const std::string& path) {
  FILE* f = std::fopen(path.c_str(), "a");
  if (!f) throw IoError("cannot open the log file", path);
  std::lock_guard lock(mu);
  if (file) std::fclose(file);
  file = f;
}

void set_level(Level level) { threshold = level; }

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (level < threshold) return;
  auto now = std::chrono::system_clock::now();
  std::time_t t = std::chrono::system_clock::to_time_t(now);
  auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() % 1000;
  std::tm tm{};
  gmtime_r(&t, &tm);
  char stamp[40];
  size_t n = std::strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
  std::snprintf(stamp + n, sizeof stamp - n, ".%03dZ", static_cast<int>(ms));
  nlohmann::ordered_json j = {{"ts", stamp}, {"level", kNames[static_cast<int>(level)]}, {"event", event}};
  for (const auto& [k, v] : fields) j[std::string(k)] = v;
  std::string line = j.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  std::lock_guard lock(mu);
  std::fwrite(line.data(), 1, line.size(), stderr);
  if (file) {
    std::fwrite(line.data(), 1, line.size(), file);
    std::fflush(file);
  }
}

}  // namespace tarn::log
