#pragma once
// Reading JSON: rows of files, and the schema of files. Source: JSONOptions, JacksonParser, JsonInferSchema.
#include <memory>
#include <vector>

#include "engine/sources/json_cursor.h"
#include "engine/sources/scan.h"
#include "engine/sources/text_values.h"

namespace tarn::engine::sources {

struct JsonOptions {
  JsonLeniency leniency;
  bool primitives_as_string = false, prefers_decimal = false, drop_all_null = false, multi_line = false, infer_timestamp = false;
  bool partial_results = true;      // spark.sql.json.enablePartialResults
  bool empty_string_is_null = false;  // spark.sql.legacy.json.allowEmptyString.enabled
  std::string line_separator;       // empty: \n, \r\n, \r
  std::string charset = "UTF-8";
  bool charset_given = false;
  ParseMode mode = ParseMode::kPermissive;
  std::string corrupt_column;
  double sampling_ratio = 1;
  DateTimeOptions datetime;
  bool timestamp_ntz_default = false;
  bool exact_text = true;           // values read as strings keep their text as it stands; else as Jackson writes them: no blanks, fractions as doubles

  static JsonOptions read(const Options& options, const plan::SessionConf& conf);
};

// schema: of the files, with the corrupt record column if the user named it or inference found one.
std::shared_ptr<const RowFormat> make_json_format(std::shared_ptr<const JsonOptions> options, plan::DataType schema);

// nullopt: there is no file.
std::optional<plan::DataType> infer_json_schema(const std::vector<DataFile>& files, const JsonOptions& options, const ScanSettings& settings);

// The character set of a multiLine file: the given one, else what its first bytes tell (as Jackson does).
std::string json_charset(const JsonOptions& options, const DataFile& file);

// The types of JSON documents seen so far, as schema inference merges them. For infer_json_schema and schema_of_json.
class JsonTypeMerger {
 public:
  explicit JsonTypeMerger(const JsonOptions& options);
  ~JsonTypeMerger();
  // A document: one record. Throws SparkError in FAILFAST mode. 16 bytes behind it must be readable.
  void add(std::string_view document);
  void merge(const JsonTypeMerger& other);
  plan::DataType result() const;         // a struct
  struct Type;

 private:
  void bad_record();
  void add_root(JsonCursor& cursor);
  const JsonOptions& options_;
  JsonCursor cursor_;
  std::unique_ptr<Type> root_;
};

}  // namespace tarn::engine::sources
