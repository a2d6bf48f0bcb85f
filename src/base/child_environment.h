#pragma once
// What programs that we start see of our environment. The one place where a child's environment is put together.
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn {

using Variables = std::vector<std::pair<std::string, std::string>>;

// True for variables that say how this machine is set up: paths, language, proxies, certificates, where pip finds packages. Any other may hold
// what a child must not know: the master key, credentials of whoever started us.
bool is_harmless_variable(std::string_view name);
// For children that are as trusted as we are.
inline bool any_variable(std::string_view) { return true; }

// The environment for execve(2). Made before fork(2), after which nothing may be allocated.
class ChildEnvironment {
 public:
  // Of ours those whose names pass; then own, which takes the place of what has the same name: the last one counts.
  explicit ChildEnvironment(const Variables& own, const std::function<bool(std::string_view name)>& passes = is_harmless_variable);
  ChildEnvironment(const ChildEnvironment&) = delete;
  char** data() { return pointers_.data(); }

 private:
  std::vector<std::string> variables_;
  std::vector<char*> pointers_;
};

}  // namespace tarn
