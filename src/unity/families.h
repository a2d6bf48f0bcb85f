#pragma once
#include <optional>
#include <string>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/catalog_edit.h"
#include "http/route.h"
#include "unity/grants.h"

namespace tarn::unity {

// A SQL function, read from what the catalog keeps of it.
struct FunctionShape {
  struct Parameter {
    std::string name, type_json, type_text;   // Spark's JSON of the type, and its catalog string
    bool nullable = true;
    std::optional<std::string> comment, default_value;
  };
  std::vector<Parameter> input, returned;     // returned: of a table function
  bool table = false;
  std::string return_type_json, return_type_text;
  std::string body;                           // after RETURN
  bool deterministic = false, reads_data = false;
  std::optional<std::string> comment;
};

// What this room does not know of SQL; the server brings it.
class FunctionLanguage {
 public:
  virtual ~FunctionLanguage() = default;
  // CREATE FUNCTION … as the catalog keeps it, under this name. RestError if the text is not one such statement.
  virtual std::string compile(const std::string& statement, const std::vector<std::string>& name) const = 0;
  virtual FunctionShape describe(const std::string& definition) const = 0;
};

// What the families of this room share.
struct Unity {
  catalog::Catalog& catalog;
  catalog::CatalogEdit& edit;
  Grants& grants;
  std::string metastore_id;
};

// /api/2.1/unity-catalog/…: catalogs, schemas, tables, volumes; functions; grants.
void add_catalog_routes(http::RouteTable& table, Unity& unity);
void add_function_routes(http::RouteTable& table, Unity& unity, const FunctionLanguage& language);
void add_grant_routes(http::RouteTable& table, Unity& unity);
// /api/2.0/fs/files and /fs/directories on /Volumes/….
void add_file_routes(http::RouteTable& table, Unity& unity);

// The folder of /Volumes/catalog/schema/volume[/…] for this caller, made if it is missing. RestError if there is no such volume or they may not.
std::string volume_folder(Unity& unity, const http::Principal& caller, const std::string& path, bool write);

// The owners that count for a securable: its own and those of what holds it.
std::vector<std::string> owners_of(Unity& unity, const Securable& securable);
bool exists(Unity& unity, const Securable& securable);

}  // namespace tarn::unity
