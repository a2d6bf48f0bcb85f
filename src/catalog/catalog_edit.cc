#include "catalog/catalog_edit.h"

#include "base/sqlite.h"
#include "catalog/catalog_json.h"

namespace tarn::catalog {

CatalogEdit::CatalogEdit(const std::string& file) : pool_(std::make_unique<SqlitePool>(file)) {}
CatalogEdit::~CatalogEdit() = default;

bool CatalogEdit::alter_catalog(std::string_view name, const std::optional<std::string>& comment, const std::optional<Properties>& properties,
                                const std::optional<std::string>& owner) {
  auto db = pool_->lease();
  std::optional<std::string> text;
  if (properties) text = properties_to_json(*properties);
  SqliteStatement(*db, "UPDATE catalogs SET comment = coalesce(?, comment), properties = coalesce(?, properties), owner = coalesce(?, owner) WHERE name_key = ?")
      .bind(comment).bind(text).bind(owner).bind(lower(name)).run();
  return db->changes() > 0;
}

CatalogEdit::Outcome CatalogEdit::alter_volume(const VolumeInfo& volume, const std::optional<std::string>& new_name, const std::optional<std::string>& comment,
                                               const std::optional<std::string>& owner) {
  auto db = pool_->lease();
  std::optional<std::string> key;
  if (new_name) key = lower(*new_name);
  try {
    SqliteStatement(*db, "UPDATE volumes SET name = coalesce(?, name), name_key = coalesce(?, name_key), comment = coalesce(?, comment), "
                         "owner = coalesce(?, owner) WHERE name_key = ? AND schema_id = (SELECT s.id FROM schemas s JOIN catalogs c ON c.id = s.catalog_id "
                         "WHERE c.name_key = ? AND s.name_key = ?)")
        .bind(new_name).bind(key).bind(comment).bind(owner).bind(lower(volume.name)).bind(lower(volume.catalog)).bind(lower(volume.schema)).run();
  } catch (const SqliteError& e) {
    if (e.is_constraint()) return Outcome::kNameTaken;
    throw;
  }
  return db->changes() > 0 ? Outcome::kDone : Outcome::kMissing;
}

}  // namespace tarn::catalog
