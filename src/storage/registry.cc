#include <map>

#include "base/spark_error.h"
#include "storage/object_store.h"
#include "storage/path.h"
#include "storage/settings.h"

namespace tarn::storage {
namespace {

std::map<std::string, StoreFactory, std::less<>>& factories() {
  static auto& all = *new std::map<std::string, StoreFactory, std::less<>>{
      {"s3", s3_store}, {"s3a", s3_store}, {"s3n", s3_store}, {"abfs", adls_store}, {"abfss", adls_store}, {"wasb", blob_store}, {"wasbs", blob_store}, {"gs", gcs_store}, {"dbfs", dbfs_store},
  };
  return all;
}

ObjectStore& local_store() {
  static ObjectStore& store = *make_local_store().release();
  return store;
}

}  // namespace

void ObjectStore::remove_files(const std::vector<std::string>& paths) {
  for (const auto& p : paths) remove(p);
}

void register_store(const std::string& scheme, StoreFactory factory) { factories()[scheme] = factory; }

bool has_store(std::string_view scheme) { return scheme.empty() || scheme == "file" || factories().find(scheme) != factories().end(); }

ObjectStore& store_for(std::string_view path) {
  std::string scheme = scheme_of(path);
  if (scheme.empty() || scheme == "file") return local_store();
  auto it = factories().find(scheme);
  if (it == factories().end()) throw SparkError::Plain(ErrorKind::kSpark, "No FileSystem for scheme \"" + scheme + "\"");
  return it->second(path, *current_settings());
}

}  // namespace tarn::storage
