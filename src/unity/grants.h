#pragma once
// Privileges on catalogs, schemas, tables, volumes and functions: inherited downward, held by users, groups and service principals.
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/metadata.h"
#include "http/principal.h"
#include "identity/directory.h"

namespace tarn::unity {

// "catalog", "main.sales" …: the kind and the full name in lower case.
struct Securable {
  std::string kind, name;
};
// The securable itself, then its schema, catalog and metastore.
std::vector<Securable> lineage(const Securable& securable);
bool is_privilege(std::string_view name);

// Thread-safe.
class Grants {
 public:
  Grants(Metadata& metadata, identity::Directory& directory);
  std::map<int64_t, std::set<std::string>> direct(const Securable& securable) const;   // by principal
  void change(const Securable& securable, int64_t principal, const std::set<std::string>& add, const std::set<std::string>& remove);
  void forget(const Securable& securable);                    // and everything below it
  void rename(const Securable& from, const Securable& to);

  // Owners and admins may everything. owner: a principal's name.
  bool allows(const http::Principal& caller, const Securable& securable, const std::vector<std::string>& owners, std::string_view privilege) const;
  // Whether they hold any privilege on it, above it or below it.
  bool sees(const http::Principal& caller, const Securable& securable, const std::vector<std::string>& owners) const;
  identity::Directory& directory() const { return directory_; }

 private:
  bool owns(const http::Principal& caller, const std::vector<std::string>& owners) const;
  Metadata& metadata_;
  identity::Directory& directory_;
};

}  // namespace tarn::unity
