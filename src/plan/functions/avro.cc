// from_avro, to_avro, schema_of_avro. Source: avroSqlFunctions.scala, AvroDataToCatalyst, CatalystDataToAvro.
#include <map>

#include "plan/avro_schema.h"
#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

[[noreturn]] void check_failed(const CallContext& c, const std::vector<ExprPtr>& args, const std::string& why) {
  mismatch(c, args, "TYPE_CHECK_FAILURE_WITH_HINT", {{"msg", why}, {"hint", ""}});
}

// The text of a schema argument; "" for NULL.
std::string schema_text(const CallContext& c, const std::vector<ExprPtr>& args, size_t at, const char* what) {
  if (is_null_literal(*args[at])) return "";
  auto text = constant_string(*args[at]);
  if (!text) check_failed(c, args, what);
  return *text;
}

std::string lower(std::string s) {
  for (char& ch : s)
    if (ch >= 'A' && ch <= 'Z') ch = static_cast<char>(ch + 32);
  return s;
}

// The options of map(k, v, …) or NULL, names in lower case.
std::map<std::string, std::string, std::less<>> options_of(const CallContext& c, const std::vector<ExprPtr>& args, size_t at, const char* what) {
  std::map<std::string, std::string, std::less<>> out;
  if (args.size() <= at || is_null_literal(*args[at])) return out;
  const Expression* m = args[at].get();
  while (m->kind == ExprKind::kCast) m = m->children[0].get();
  const auto* map = try_as<Call>(*m);
  if (!map || !map->function || map->function->name() != "map") check_failed(c, args, what);
  for (size_t i = 0; i + 1 < m->children.size(); i += 2) {
    auto key = constant_string(*m->children[i]), value = constant_string(*m->children[i + 1]);
    if (!key || !value) check_failed(c, args, what);
    out[lower(*key)] = *value;
  }
  return out;
}

// What from_avro and schema_of_avro make of their schema and options.
struct Reading {
  std::string written, read;  // schemas, "" for the writer's
  bool permissive = false;
  DataType type;
};
Reading reading(const CallContext& c, const std::vector<ExprPtr>& args, size_t at, const char* schema_hint, const char* options_hint) {
  Reading r;
  r.written = schema_text(c, args, at, schema_hint);
  const auto options = options_of(c, args, at + 1, options_hint);
  auto find = [&](std::string_view name) -> std::optional<std::string> {
    auto it = options.find(lower(std::string(name)));
    return it == options.end() ? std::nullopt : std::optional(it->second);
  };
  if (find("avroSchemaUrl")) throw not_built("the option avroSchemaUrl of from_avro");
  if (lower(find("datetimeRebaseMode").value_or("")) == "legacy") throw not_built("from_avro with datetimeRebaseMode=LEGACY");
  const auto read = avro::ReadOptions::read(find);
  r.read = find("avroSchema").value_or("");
  const std::string mode = lower(find("mode").value_or("failfast"));
  if (mode == "dropmalformed") throw analysis_error("PARSE_MODE_UNSUPPORTED", {{"funcName", "`" + std::string(c.name) + "`"}, {"mode", "DROPMALFORMED"}});
  r.permissive = mode != "failfast";   // Spark takes a mode that it does not know for permissive
  const auto schema = read.schema ? read.schema : avro::Schema::parse(r.written);
  r.type = avro::to_sql_type(schema->root(), read).type;
  return r;
}

DataType as_nullable(const DataType& t) {
  switch (t.id()) {
    case TypeId::kArray: return DataType::array(as_nullable(t.element()), true);
    case TypeId::kMap: return DataType::map(as_nullable(t.key()), as_nullable(t.value()), true);
    case TypeId::kStruct: {
      std::vector<StructField> f;
      for (const StructField& x : t.fields()) f.push_back(make_field(x.name, as_nullable(x.type()), true, x.metadata));
      return DataType::structure(std::move(f));
    }
    default: return t;
  }
}

// The names of generated columns show all arguments, an omitted one as NULL; those that are pushed here are not among them.
void print_with(std::vector<ExprPtr>& args, size_t count) {
  std::string text = pretty_sql(*args[0]);
  for (size_t i = 1; i < count; ++i) text += ", " + (i < args.size() ? pretty_sql(*args[i]) : "NULL");
  args[0] = printed_as(args[0], text);
}

TypedCall from_avro_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const Reading r = reading(c, args, 1,
                            "The second argument of the FROM_AVRO SQL function must be a constant string containing the JSON representation of the schema to use "
                            "for converting the value from AVRO format",
                            "The third argument of the FROM_AVRO SQL function must be a constant map of strings to strings containing the options to use for "
                            "converting the value from AVRO format");
  if (args[0]->type.id() == TypeId::kNull) cast_to(c, args[0], TypeId::kBinary);
  if (args[0]->type.id() != TypeId::kBinary) unexpected_input(c, args, 0, "\"BINARY\"");
  print_with(args, 3);
  args.resize(1);
  args.push_back(make_string(r.written));
  args.push_back(make_string(r.read));
  args.push_back(make_bool(r.permissive));
  args.push_back(make_bool(c.conf.case_sensitive()));
  return {r.permissive ? as_nullable(r.type) : r.type, true};
}

TypedCall to_avro_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  std::string schema;
  if (args.size() > 1) {
    schema = schema_text(c, args, 1,
                         "The second argument of the TO_AVRO SQL function must be a constant string containing the JSON representation of the schema to use for "
                         "converting the value to AVRO format");
  }
  if (schema.empty()) schema = avro::Schema::of(args[0]->type, args[0]->nullable, "topLevelRecord", "")->root().json();
  print_with(args, 2);
  args.resize(1);
  args.push_back(make_string(schema));
  args.push_back(make_bool(c.conf.case_sensitive()));
  return {TypeId::kBinary, args[0]->nullable};
}

ExprPtr schema_of_avro(const CallContext& c, std::vector<ExprPtr>& args) {
  const Reading r = reading(c, args, 0,
                            "The first argument of the SCHEMA_OF_AVRO SQL function must be a constant string containing the JSON representation of the schema to use "
                            "for converting the value from AVRO format",
                            "The second argument of the SCHEMA_OF_AVRO SQL function must be a constant map of strings to strings containing the options to use for "
                            "converting the value from AVRO format");
  return make_string((r.permissive ? as_nullable(r.type) : r.type).sql());
}

const FunctionEntry kTable[] = {
    scalar("from_avro", "(any, any, [any]) -> @", "spark_from_avro($1, $json, $2, $3, $4, $5)", kNullable | kFirstText, from_avro_rule),
    scalar("to_avro", "(any, [any]) -> @", "spark_to_avro($1, $json1, $2, $3)", kFirstText, to_avro_rule),
    rewrite("schema_of_avro", "(any, [any]) -> string", schema_of_avro),
};

}  // namespace

FunctionTable avro_functions() { return kTable; }

}  // namespace tarn::plan
