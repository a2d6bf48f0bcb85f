#pragma once
// The catalog: what has a name and survives a restart. Catalogs hold schemas; schemas hold tables, views, functions and volumes.
// It knows names, locations and texts; what lies at a location is the business of the rooms above. Errors: SparkError with the
// condition that Spark's session catalog raises for the same thing.
//
// Names are found without regard to case. In spark_catalog they are also kept in lower case, as Spark's session catalog does;
// other catalogs keep the spelling of the first writer.
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tarn {
class SqlitePool;
class SqliteConnection;
}  // namespace tarn

namespace tarn::catalog {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Properties = std::map<std::string, std::string>;

inline constexpr char kSessionCatalog[] = "spark_catalog";
inline constexpr char kDefaultSchema[] = "default";

struct CatalogInfo {
  std::string name;
  std::optional<std::string> comment;
  Properties properties;
  std::string owner;
  int64_t created_ms = 0;
};

struct SchemaInfo {
  std::string catalog, name;
  std::string location;                    // URI; filled in by create_schema when empty
  std::optional<std::string> comment;
  std::optional<std::string> collation;
  Properties properties;
  std::string owner;
  int64_t created_ms = 0;
};

enum class TableType : uint8_t { kManaged, kExternal, kView };

struct BucketSpec {
  int buckets = 0;
  std::vector<std::string> columns, sort_columns;
  bool operator==(const BucketSpec&) const = default;
};

struct TableStats {
  std::optional<int64_t> size_in_bytes, row_count;
  std::map<std::string, Properties> columns;  // column -> distinctCount, min, max, nullCount, avgLen, maxLen as text
};

// CHECK, PRIMARY KEY … of a table whose format does not keep them itself.
struct TableConstraint {
  std::string name, kind, definition;      // kind: CHECK, PRIMARY KEY, UNIQUE, FOREIGN KEY; definition as DESCRIBE shows it
};

// A table or a view.
struct TableInfo {
  int64_t id = 0;                          // 0 until stored; unique for ever in this catalog file
  std::string catalog, schema, name;
  TableType type = TableType::kManaged;
  std::string provider;                    // lower case: parquet, delta, csv …; empty for views
  std::string schema_json;                 // Spark's schema JSON; of Delta tables as of the last time it was seen
  std::string location;                    // URI; filled in by create_table for managed tables
  std::vector<std::string> partition_columns, clustering_columns;
  std::optional<BucketSpec> bucket;
  Properties properties;                   // TBLPROPERTIES
  Pairs options;                           // OPTIONS, without path
  std::optional<std::string> comment, collation;
  std::string owner;
  int64_t created_ms = 0;
  std::string created_by = "Spark 4.2.0";
  TableStats stats;
  std::vector<TableConstraint> constraints;
  bool tracks_partitions = false;          // partitions are listed in the catalog (non-Delta partitioned tables)
  // views
  std::string view_text;                   // the query as written
  std::string view_catalog;                // current catalog, namespace and search settings when it was created
  std::vector<std::string> view_namespace;
  Properties view_configs;                 // spark.sql.* settings captured at creation
  std::vector<std::string> view_query_columns;   // output names of the query, before the view's own column names
  std::string view_schema_mode;            // BINDING, COMPENSATION, TYPE EVOLUTION, EVOLUTION
  std::vector<std::vector<std::string>> view_referred_temp_names;

  bool is_view() const { return type == TableType::kView; }
  bool is_delta() const { return provider == "delta"; }
  std::vector<std::string> full_name() const { return {catalog, schema, name}; }
};

struct PartitionInfo {
  Pairs spec;                              // in the order of the partition columns; a null value is __HIVE_DEFAULT_PARTITION__
  std::string location;
  Properties parameters;
  int64_t created_ms = 0;
};

// A SQL function.
struct FunctionInfo {
  std::string catalog, schema, name;
  std::string definition;                  // serialized tarn.sql.CreateSqlFunction
  Properties configs;                      // spark.sql.* settings captured at creation
  std::string current_catalog;
  std::vector<std::string> current_namespace;
  std::string owner;
  int64_t created_ms = 0;
};

struct VolumeInfo {
  std::string catalog, schema, name;
  bool managed = true;
  std::string location;
  std::optional<std::string> comment;
  std::string owner;
  int64_t created_ms = 0;
};

// Thread-safe; several processes may share the file. Every change is one durable transaction.
class Catalog {
 public:
  // Opens or creates the file and brings it to this program's version. warehouse: the folder of managed tables (absolute path).
  // Throws SqliteError if the file cannot be used.
  Catalog(const std::string& file, std::string warehouse);
  ~Catalog();

  const std::string& warehouse() const { return warehouse_; }

  // ---- catalogs. spark_catalog always exists and cannot be dropped.
  std::vector<CatalogInfo> list_catalogs() const;                    // sorted by name
  std::optional<CatalogInfo> get_catalog(std::string_view name) const;
  CatalogInfo create_catalog(CatalogInfo info, bool ignore_if_exists);
  void drop_catalog(std::string_view name, bool ignore_if_missing, bool cascade);

  // ---- schemas
  std::vector<SchemaInfo> list_schemas(std::string_view catalog) const;   // sorted by name
  std::optional<SchemaInfo> get_schema(std::string_view catalog, std::string_view schema) const;
  SchemaInfo require_schema(std::string_view catalog, std::string_view schema) const;  // SCHEMA_NOT_FOUND
  // SCHEMA_ALREADY_EXISTS, CATALOG_NOT_FOUND. false: it was there (ignore_if_exists).
  bool create_schema(SchemaInfo info, bool ignore_if_exists);
  // Read, change, write in one transaction. SCHEMA_NOT_FOUND.
  void alter_schema(std::string_view catalog, std::string_view schema, const std::function<void(SchemaInfo&)>& change);
  // SCHEMA_NOT_FOUND, SCHEMA_NOT_EMPTY. The tables that went with it (cascade): their data is the caller's to delete.
  std::vector<TableInfo> drop_schema(std::string_view catalog, std::string_view schema, bool ignore_if_missing, bool cascade);

  // ---- tables and views
  std::optional<TableInfo> get_table(std::string_view catalog, std::string_view schema, std::string_view name) const;
  std::vector<TableInfo> list_tables(std::string_view catalog, std::string_view schema) const;  // sorted by name; SCHEMA_NOT_FOUND
  // TABLE_OR_VIEW_ALREADY_EXISTS, SCHEMA_NOT_FOUND. The stored entry, or nullopt when it was there (ignore_if_exists).
  std::optional<TableInfo> create_table(TableInfo info, bool ignore_if_exists);
  // Creates it or takes the place of an entry of the same name (CREATE OR REPLACE): one transaction.
  TableInfo replace_table(TableInfo info);
  // Read, change, write in one transaction; change must not alter name or schema. TABLE_OR_VIEW_NOT_FOUND.
  TableInfo alter_table(std::string_view catalog, std::string_view schema, std::string_view name,
                        const std::function<void(TableInfo&)>& change);
  // The entry that went, nullopt if it was missing (ignore_if_missing). Its data is the caller's to delete.
  std::optional<TableInfo> drop_table(std::string_view catalog, std::string_view schema, std::string_view name, bool ignore_if_missing);
  // Within one catalog. A managed table whose location is the default one gets its new default location in `to_location`
  // semantics of Spark: move_data(from, to) is called inside the transaction, after every check; if it throws nothing changes.
  TableInfo rename_table(std::string_view catalog, std::string_view schema, std::string_view name, std::string_view new_schema,
                         std::string_view new_name, const std::function<void(const std::string&, const std::string&)>& move_data);
  // URI of a managed table: WAREHOUSE/name in spark_catalog.default, else the schema's location/name.
  std::string default_table_location(std::string_view catalog, std::string_view schema, std::string_view name) const;

  // ---- partitions of tables with tracks_partitions
  std::vector<PartitionInfo> list_partitions(const TableInfo& table) const;
  // PARTITIONS_ALREADY_EXIST
  void add_partitions(const TableInfo& table, const std::vector<PartitionInfo>& partitions, bool ignore_if_exists);
  // PARTITIONS_NOT_FOUND. What was removed.
  std::vector<PartitionInfo> drop_partitions(const TableInfo& table, const std::vector<Pairs>& specs, bool ignore_if_missing);
  void rename_partition(const TableInfo& table, const Pairs& from, PartitionInfo to);
  void set_partitions(const TableInfo& table, const std::vector<PartitionInfo>& partitions);  // replaces the whole list

  // ---- SQL functions
  std::optional<FunctionInfo> get_function(std::string_view catalog, std::string_view schema, std::string_view name) const;
  std::vector<FunctionInfo> list_functions(std::string_view catalog, std::string_view schema) const;
  enum class OnExisting { kFail, kIgnore, kReplace };
  // ROUTINE_ALREADY_EXISTS, SCHEMA_NOT_FOUND. false: it was there (kIgnore).
  bool create_function(FunctionInfo info, OnExisting on_existing);
  // ROUTINE_NOT_FOUND. false: it was missing (ignore_if_missing).
  bool drop_function(std::string_view catalog, std::string_view schema, std::string_view name, bool ignore_if_missing);

  // ---- volumes
  std::optional<VolumeInfo> get_volume(std::string_view catalog, std::string_view schema, std::string_view name) const;
  std::vector<VolumeInfo> list_volumes(std::string_view catalog, std::string_view schema) const;
  std::optional<VolumeInfo> create_volume(VolumeInfo info, bool ignore_if_exists);
  std::optional<VolumeInfo> drop_volume(std::string_view catalog, std::string_view schema, std::string_view name, bool ignore_if_missing);

 private:
  struct SchemaRow;
  SchemaRow require_schema_row(SqliteConnection& db, std::string_view catalog, std::string_view schema) const;
  std::optional<SchemaRow> find_schema_row(SqliteConnection& db, std::string_view catalog, std::string_view schema) const;
  std::string warehouse_;
  std::unique_ptr<SqlitePool> pool_;
};

// Spark's pattern of SHOW … LIKE: alternatives separated by |, * is any text, case is ignored; the rest is a regular expression.
bool matches_pattern(std::string_view name, std::string_view pattern);
// "file:/a/b" -> "/a/b"; other texts as they are. The reverse makes "file:/a/b" of an absolute path.
std::string path_of_location(std::string_view location);
std::string location_of_path(std::string_view path);
std::string lower(std::string_view text);   // ASCII

}  // namespace tarn::catalog
