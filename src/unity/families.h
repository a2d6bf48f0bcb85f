#pragma once
#include <string>

#include "catalog/catalog.h"
#include "catalog/catalog_edit.h"
#include "http/route.h"
#include "unity/grants.h"

namespace tarn::unity {

// What the families of this room share.
struct Unity {
  catalog::Catalog& catalog;
  catalog::CatalogEdit& edit;
  Grants& grants;
  std::string metastore_id;
};

// /api/2.1/unity-catalog/…: catalogs, schemas, tables, volumes; grants.
void add_catalog_routes(http::RouteTable& table, Unity& unity);
void add_grant_routes(http::RouteTable& table, Unity& unity);
// /api/2.0/fs/files and /fs/directories on /Volumes/….
void add_file_routes(http::RouteTable& table, Unity& unity);

// The folder of /Volumes/catalog/schema/volume[/…] for this caller, made if it is missing. RestError if there is no such volume or they may not.
std::string volume_folder(Unity& unity, const http::Principal& caller, const std::string& path, bool write);

// The owners that count for a securable: its own and those of what holds it.
std::vector<std::string> owners_of(Unity& unity, const Securable& securable);
bool exists(Unity& unity, const Securable& securable);

}  // namespace tarn::unity
