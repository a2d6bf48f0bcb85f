#include <map>

#include "base/spark_error.h"
#include "storage/object_store.h"
#include "storage/path.h"

namespace tarn::storage {
namespace {

std::map<std::string, std::unique_ptr<ObjectStore>>& stores() {
  static auto& all = *[] {
    auto* m = new std::map<std::string, std::unique_ptr<ObjectStore>>;
    (*m)["file"] = make_local_store();
    return m;
  }();
  return all;
}

}  // namespace

void register_store(const std::string& scheme, std::unique_ptr<ObjectStore> store) { stores()[scheme] = std::move(store); }

ObjectStore& store_for(std::string_view path) {
  std::string scheme = scheme_of(path);
  auto it = stores().find(scheme.empty() ? "file" : scheme);
  if (it == stores().end()) {
    throw SparkError::Plain(ErrorKind::kSpark, "No FileSystem for scheme \"" + scheme + "\"");
  }
  return *it->second;
}

}  // namespace tarn::storage
