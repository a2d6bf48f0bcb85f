#pragma once
// Changes of the catalog that no SQL statement makes, only the workspace's API: comments, properties and owners of catalogs, names and
// comments of volumes.
#include <optional>
#include <string>
#include <string_view>

#include "catalog/catalog.h"

namespace tarn::catalog {

// Over the same file as a Catalog; thread-safe.
class CatalogEdit {
 public:
  explicit CatalogEdit(const std::string& file);
  ~CatalogEdit();
  // What is nullopt stays. False if there is no such catalog.
  bool alter_catalog(std::string_view name, const std::optional<std::string>& comment, const std::optional<Properties>& properties,
                     const std::optional<std::string>& owner);
  enum class Outcome { kDone, kMissing, kNameTaken };
  Outcome alter_volume(const VolumeInfo& volume, const std::optional<std::string>& new_name, const std::optional<std::string>& comment,
                       const std::optional<std::string>& owner);

 private:
  std::unique_ptr<SqlitePool> pool_;
};

}  // namespace tarn::catalog
