// Runs a fuzz target without libFuzzer, for compilers that have none: seeds are mutated at random, blind to coverage. Options and files
// are named as libFuzzer's: [-max_total_time=S] [-timeout=S] [-max_len=N] [-seed=N] [-dict=FILE] DIRECTORY|FILE... ; files alone are run once.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" void __sanitizer_set_death_callback(void (*callback)());

namespace {

namespace fs = std::filesystem;

std::string current;  // what is being run

void leave(const char* kind) {
  const std::string name = std::string(kind) + "-" + std::to_string(std::hash<std::string>()(current));
  std::ofstream(name, std::ios::binary) << current;
  std::fprintf(stderr, "the input is in %s (%zu bytes)\n", name.c_str(), current.size());
}
void on_death() { leave("crash"); }
void on_signal(int signal) {
  leave(signal == SIGALRM ? "timeout" : "crash");
  _exit(77);
}

std::string read(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

class Mutator {
 public:
  Mutator(std::vector<std::string> seeds, std::vector<std::string> words, uint64_t seed, size_t most) : seeds_(std::move(seeds)), words_(std::move(words)), random_(seed), most_(most) {}

  std::string next() {
    std::string s = any(seeds_);
    for (size_t n = 1 + below(6); n > 0; --n) change(s);
    if (s.size() > most_) s.resize(most_);
    return s;
  }

 private:
  size_t below(size_t n) { return n ? std::uniform_int_distribution<size_t>(0, n - 1)(random_) : 0; }
  const std::string& any(const std::vector<std::string>& v) { return v[below(v.size())]; }
  std::string piece(const std::string& of) {
    const size_t from = below(of.size() + 1);
    return of.substr(from, below(std::min<size_t>(of.size() - from, 64) + 1));
  }
  void change(std::string& s) {
    static const std::string_view kOdd[] = {std::string_view("\0", 1), "\xff", "\xc3", "\xe2\x80\xa8", "'", "\"", "`", "\\", "(", ")", "<", ">", "&", ";", "%", "--", "/*", "*/", "9999999999999999999999", "-1", "\n", "\r"};
    const size_t at = below(s.size() + 1);
    switch (below(9)) {
      case 0: if (at < s.size()) s[at] = static_cast<char>(s[at] ^ (1 << below(8))); break;
      case 1: if (at < s.size()) s[at] = static_cast<char>(below(256)); break;
      case 2: s.erase(at, below(16)); break;
      case 3: s.insert(at, piece(s)); break;
      case 4: s.insert(at, piece(any(seeds_))); break;
      case 5: s.insert(at, kOdd[below(std::size(kOdd))]); break;
      case 6: if (!words_.empty()) s.insert(at, " " + any(words_) + " "); break;
      case 7: s = s.substr(0, at) + piece(any(seeds_)) + s.substr(std::min(s.size(), at + below(32))); break;
      default: {  // the same again and again: what nests and what is long
        const std::string p = piece(s).substr(0, 12);
        for (size_t n = below(200); n > 0 && s.size() < most_; --n) s.insert(std::min(at, s.size()), p);
      }
    }
  }
  std::vector<std::string> seeds_, words_;
  std::mt19937_64 random_;
  size_t most_;
};

}  // namespace

int main(int argc, char** argv) {
  long seconds = 60, timeout = 10;
  size_t most = 4096;
  uint64_t seed = std::random_device()();
  std::vector<std::string> seeds, words;
  bool only_files = true;
  for (int i = 1; i < argc; ++i) {
    const std::string a = argv[i];
    auto value = [&](const char* name) { return a.rfind(name, 0) == 0 ? a.substr(std::string_view(name).size()) : std::string(); };
    if (auto v = value("-max_total_time="); !v.empty()) seconds = std::stol(v);
    else if (v = value("-timeout="); !v.empty()) timeout = std::stol(v);
    else if (v = value("-max_len="); !v.empty()) most = std::stoul(v);
    else if (v = value("-seed="); !v.empty()) seed = std::stoull(v);
    else if (v = value("-dict="); !v.empty()) {
      std::ifstream in(v);
      for (std::string line; std::getline(in, line);)
        if (line.size() > 2 && line.front() == '"' && line.back() == '"') words.push_back(line.substr(1, line.size() - 2));
    } else if (fs::is_directory(a)) {
      only_files = false;
      for (const auto& e : fs::directory_iterator(a))
        if (e.is_regular_file()) seeds.push_back(read(e.path()));
    } else {
      seeds.push_back(read(a));
    }
  }
  if (seeds.empty()) seeds.emplace_back("\0\0", 2);
  __sanitizer_set_death_callback(on_death);
  for (int s : {SIGALRM, SIGABRT, SIGILL, SIGTRAP, SIGFPE}) signal(s, on_signal);
  auto run = [&](std::string input) {
    current = std::move(input);
    alarm(static_cast<unsigned>(timeout));
    LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(current.data()), current.size());
    alarm(0);
  };
  for (const auto& s : seeds) run(s);
  if (only_files) return 0;
  Mutator mutator(seeds, std::move(words), seed, most);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  size_t runs = seeds.size();
  for (; std::chrono::steady_clock::now() < end; ++runs) run(mutator.next());
  std::printf("%zu runs in %ld seconds, seed %llu\n", runs, seconds, static_cast<unsigned long long>(seed));
  return 0;
}
