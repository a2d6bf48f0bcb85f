#include "clusters/engine.h"

#include <signal.h>
#include <sys/wait.h>

#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "base/child_process.h"
#include "base/encoding.h"

namespace fs = std::filesystem;

namespace tarn::clusters {
namespace {
constexpr int kGraceSeconds = 20;
constexpr int kMomentMs = 2'000;
}  // namespace

std::unique_ptr<Engine> make_engine(EngineOptions options) {
  auto kind = options.conf.find(kKindKey);
  if (kind == options.conf.end() || kind->second == "tarn") return make_tarn_engine(std::move(options));
  if (kind->second == "spark") return make_spark_engine(std::move(options));
  throw std::runtime_error(std::string(kKindKey) + " must be tarn or spark");
}

std::optional<SparkRemote> parse_remote(const std::string& text) {
  if (!text.starts_with("sc://")) return std::nullopt;
  std::string rest = text.substr(5), parameters;
  if (size_t slash = rest.find('/'); slash != std::string::npos) {
    parameters = rest.substr(slash + 1);
    rest.resize(slash);
  }
  SparkRemote out;
  size_t colon = rest.ends_with(']') ? std::string::npos : rest.rfind(':');
  if (colon != std::string::npos) {
    auto [end, ec] = std::from_chars(rest.data() + colon + 1, rest.data() + rest.size(), out.port);
    if (ec != std::errc() || end != rest.data() + rest.size() || out.port < 1 || out.port > 65535) return std::nullopt;
    rest.resize(colon);
  }
  out.host = lower_ascii(rest);
  if (out.host.empty() || out.host.find_first_of("@/?#; \t\r\n") != std::string::npos) return std::nullopt;
  for (size_t at = 0; at < parameters.size();) {
    size_t end = std::min(parameters.find(';', at), parameters.size());
    std::string pair = parameters.substr(at, end - at);
    at = end + 1;
    if (pair.empty()) continue;
    size_t equals = pair.find('=');
    std::string name = pair.substr(0, equals), value = equals == std::string::npos ? "" : percent_decode(pair.substr(equals + 1), false).value_or("");
    if (name == "token") out.token = value, out.tls = out.tls || (out.host != "localhost" && out.host != "127.0.0.1");
    else if (name == "use_ssl") out.tls = lower_ascii(value) == "true";
    else return std::nullopt;   // user_id, session_id and others are the callers' own
  }
  return out;
}

std::string tail_of(const std::string& path, size_t bytes) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  auto size = static_cast<size_t>(file.tellg());
  file.seekg(static_cast<std::streamoff>(size > bytes ? size - bytes : 0));
  const std::string raw(std::istreambuf_iterator<char>(file), {});
  std::string out;
  for (size_t at = 0, n; at < raw.size(); at += n) {
    for (n = 1; n <= 4 && !is_utf8(std::string_view(raw).substr(at, n)); ++n) {}
    if (raw[at] != '\0' && n <= 4) out += raw.substr(at, n);
    else out += '?', n = 1;
  }
  return out;
}

void write_private(const std::string& path, const std::string& text) {
  fs::remove(path);
  { std::ofstream(path).flush(); }
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  std::ofstream(path) << text;
}

void end_process(pid_t pid, bool hurry) {
  int status = 0;
  if (hurry) {   // queries have a moment, then the second signal cancels them
    ::kill(pid, SIGTERM);
    for (int i = 0; i < kMomentMs / 20; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (::waitpid(pid, &status, WNOHANG) == pid) return;
    }
  }
  stop_child(pid, kGraceSeconds);
}

std::optional<std::string> process_end(pid_t pid) {
  int status = 0;
  if (::waitpid(pid, &status, WNOHANG) != pid) return std::nullopt;
  return WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : "status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace tarn::clusters
