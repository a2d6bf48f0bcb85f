#include "plan/internal_functions.h"

#include "base/spark_error.h"

namespace tarn::plan {

const FunctionEntry kGetStructField{
    .names = "get_struct_field", .signature = "(struct, int) -> any", .lowering = "@get_struct_field", .flags = kNullable | kHidden};
const FunctionEntry kGetArrayStructFields{.names = "get_array_struct_fields",
                                          .signature = "(array, int) -> any",
                                          .lowering = "@get_array_struct_fields",
                                          .flags = kNullable | kHidden};
const FunctionEntry kGetArrayItem{
    .names = "get_array_item", .signature = "(array, int) -> any", .lowering = "@get_array_item", .flags = kNullable | kHidden};
const FunctionEntry kGetMapValue{
    .names = "get_map_value", .signature = "(map, any) -> any", .lowering = "@get_map_value", .flags = kNullable | kHidden};

namespace {

ExprPtr call(const FunctionEntry& f, std::string name, std::vector<ExprPtr> args, DataType type, bool nullable, EvalMode mode) {
  auto c = std::make_shared<Call>();
  c->function = &f;
  c->name = std::move(name);
  c->mode = mode;
  c->type = std::move(type);
  c->nullable = nullable;
  c->context = args[0]->context;
  c->children = std::move(args);
  return c;
}

size_t find_field(const DataType& type, const std::string& name, bool case_sensitive) {
  std::optional<size_t> found;
  size_t count = 0;
  std::string names;
  const auto& fields = type.fields();
  for (size_t i = 0; i < fields.size(); ++i) {
    names += (i ? ", " : "") + quote_identifier(fields[i].name);
    DataType one = DataType::structure({fields[i]});
    if (one.field_index(name, case_sensitive)) {
      if (!found) found = i;
      ++count;
    }
  }
  if (!found) throw analysis_error("FIELD_NOT_FOUND", {{"fieldName", quote_identifier(name)}, {"fields", names}});
  if (count > 1)
    throw analysis_error("AMBIGUOUS_REFERENCE_TO_FIELDS", {{"field", quote_identifier(name)}, {"count", std::to_string(count)}});
  return *found;
}

}  // namespace

ExprPtr extract_value(ExprPtr child, ExprPtr key, bool case_sensitive, EvalMode mode, bool null_base) {
  auto* literal = try_as<Literal>(*key);
  bool is_name = literal && literal->type.id() == TypeId::kString && !literal->value.is_null();
  DataType type = child->type.id() == TypeId::kUdt ? child->type.sql_type() : child->type;
  switch (type.id()) {
    case TypeId::kStruct: {
      if (!is_name) {
        throw analysis_error("INVALID_EXTRACT_FIELD_TYPE", {{"extraction", quote_sql(pretty_sql(*key))}});
      }
      const auto& name = literal->value.get<std::string>();
      size_t i = find_field(type, name, case_sensitive);
      const auto& f = type.fields()[i];
      bool nullable = child->nullable || f.nullable;
      return call(kGetStructField, name, {std::move(child), make_int(static_cast<int32_t>(i))}, f.type(), nullable, mode);
    }
    case TypeId::kArray:
      if (is_name && type.element().id() == TypeId::kStruct) {
        const auto& name = literal->value.get<std::string>();
        size_t i = find_field(type.element(), name, case_sensitive);
        const auto& f = type.element().fields()[i];
        bool contains_null = type.contains_null() || f.nullable;
        bool nullable = child->nullable;
        DataType result = DataType::array(f.type(), contains_null);
        return call(kGetArrayStructFields, f.name, {std::move(child), make_int(static_cast<int32_t>(i))}, result, nullable, mode);
      }
      if (!key->type.is_integral()) {
        if (key->type.id() == TypeId::kNull) {
          key = make_cast(key, TypeId::kInt, mode);
        } else if (is_name) {
          throw analysis_error("INVALID_EXTRACT_BASE_FIELD_TYPE",
                               {{"base", quote_sql(pretty_sql(*child))}, {"other", quote_sql(child->type.sql())}});
        } else {
          throw analysis_error("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                               {{"sqlExpr", quote_sql(pretty_sql(*child) + "[" + pretty_sql(*key) + "]")},
                                {"paramIndex", "second"},
                                {"requiredType", "\"INTEGRAL\""},
                                {"inputSql", quote_sql(pretty_sql(*key))},
                                {"inputType", quote_sql(key->type.sql())}});
        }
      }
      {
        DataType element = type.element();
        // An item of a written array is there for sure.
        auto* made = try_as<Call>(*child);
        auto* at = try_as<Literal>(*key);
        auto* index = at ? std::get_if<int64_t>(&at->value.v) : nullptr;
        if (made && made->function && made->function->name() == "array" && index && *index >= 0 && static_cast<size_t>(*index) < made->children.size()) {
          bool maybe_null = made->children[static_cast<size_t>(*index)]->nullable;
          return call(kGetArrayItem, "getitem", {std::move(child), std::move(key)}, element, maybe_null, mode);
        }
        return call(kGetArrayItem, "getitem", {std::move(child), std::move(key)}, element, true, mode);
      }
    case TypeId::kMap: {
      if (!key->type.same_type(type.key())) {
        auto common = common_type(type.key(), key->type, mode == EvalMode::kAnsi);
        if (!common || !common->same_type(type.key())) {
          if (!can_cast(key->type, type.key(), mode) || key->type.is_nested())
            throw analysis_error("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                                 {{"sqlExpr", quote_sql(pretty_sql(*child) + "[" + pretty_sql(*key) + "]")},
                                  {"paramIndex", "second"},
                                  {"requiredType", quote_sql(type.key().sql())},
                                  {"inputSql", quote_sql(pretty_sql(*key))},
                                  {"inputType", quote_sql(key->type.sql())}});
        }
        key = make_cast(key, type.key(), mode);
      }
      DataType value = type.value();
      return call(kGetMapValue, "getitem", {std::move(child), std::move(key)}, value, true, mode);
    }
    case TypeId::kNull:
      if (null_base) return make_null(TypeId::kNull);
      [[fallthrough]];
    default: break;
  }
  throw analysis_error("INVALID_EXTRACT_BASE_FIELD_TYPE",
                       {{"base", quote_sql(pretty_sql(*child))}, {"other", quote_sql(child->type.sql())}});
}

}  // namespace tarn::plan
