#pragma once
// What the endpoints on securables share: names, pages, errors, and how a securable is found for a caller.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "unity/families.h"

namespace tarn::unity {

using http::Json;

// A stable UUID of something that has none.
std::string id_of(const std::string& what);
http::RestError gone(const char* kind, const std::string& name);
// The parts of a full name. RestError if there are others than so many.
std::vector<std::string> split(const std::string& name, size_t parts);
// A name that may be given to something new.
std::string new_name(http::Call& call, const char* field = "name");
std::optional<std::string> optional_text(http::Call& call, const char* field);
void add_common(Json& j, const std::optional<std::string>& comment, const std::string& owner, int64_t created_ms, const std::string& metastore);
// Spark's JSON of a type as the API names it: type_name, type_text.
std::pair<std::string, std::string> type_names(const Json& type);
// Every answer of a list: what the caller sees, a page of it.
http::Response page(http::Call& call, const char* field, std::vector<Json> all);
// The catalog's own conditions as the API has them.
http::RouteHandler wrapped(http::RouteHandler handler);

// What a caller does not see does not exist for them.
class Family {
 public:
  explicit Family(Unity& unity) : u(unity) {}
  bool sees(http::Call& call, const Securable& securable) const;
  void require(http::Call& call, const Securable& securable, const char* privilege) const;
  catalog::CatalogInfo require_catalog(http::Call& call, const std::string& name) const;
  catalog::SchemaInfo require_schema(http::Call& call, const std::string& catalog, const std::string& schema) const;
  catalog::TableInfo require_table(http::Call& call, const std::string& full) const;
  catalog::VolumeInfo require_volume(http::Call& call, const std::string& full) const;
  catalog::FunctionInfo require_function(http::Call& call, const std::string& full) const;
  Unity& u;
};

}  // namespace tarn::unity
