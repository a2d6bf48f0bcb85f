// SELECT TRANSFORM … USING: rows as lines of text through a command. Source: ScriptInputOutputSchema, BaseScriptTransformationExec.
#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

struct Delimiters {
  std::string field = "\x01", null = "\\N";
};

Delimiters delimiters_of(const tarn::sql::RowFormat& f) {
  Delimiters d;
  if (f.has_fields_terminated_by()) d.field = f.fields_terminated_by();
  if (f.has_null_defined_as()) d.null = f.null_defined_as();
  return d;
}

}  // namespace

// What a field of an output line is as its column's type; what is no value of it is null, never an error.
ExprPtr Analyzer::script_value(const ExprPtr& text, const DataType& type) {
  auto cast = [&](const DataType& to) { return make_cast(text, to, EvalMode::kTry); };
  auto null = [&]() { return make_null(type); };
  switch (type.id()) {
    case TypeId::kString: case TypeId::kChar: case TypeId::kVarchar: return text;
    case TypeId::kBoolean: {
      auto low = call("lower", {text});
      return call("if", {call("==", {low, make_string("true")}), make_bool(true), call("if", {call("==", {low, make_string("false")}), make_bool(false), null()})});
    }
    case TypeId::kByte: case TypeId::kShort: case TypeId::kInt: case TypeId::kLong:
      // Java's parsers take digits only, no spaces.
      return call("if", {call("rlike", {text, make_string("^[+-]?[0-9]+$")}), cast(type), null()});
    case TypeId::kArray: case TypeId::kMap: case TypeId::kStruct: return call("from_json", {text, make_string(type.json())});
    case TypeId::kFloat: case TypeId::kDouble: case TypeId::kDecimal: case TypeId::kDate: case TypeId::kTimestamp: case TypeId::kTimestampNtz: case TypeId::kBinary:
    case TypeId::kCalendarInterval: case TypeId::kYearMonthInterval: case TypeId::kDayTimeInterval: return cast(type);
    default: throw SparkError(ErrorKind::kSpark, "_LEGACY_ERROR_TEMP_2265", {{"nodeName", "SparkScriptTransformationExec"}, {"dt", type.sql()}});
  }
}

PlanPtr Analyzer::script_transform(const tarn::sql::ScriptTransform& t) {
  PlanPtr rows = relation(t.input());
  if (t.expressions_size() > 0) rows = select(std::move(rows), t.expressions());
  const Delimiters in = delimiters_of(t.input_format()), out = delimiters_of(t.output_format());

  std::vector<ExprPtr> fields{make_string(in.field)};
  for (const auto& a : rows->output) {
    ExprPtr value = make_ref(a);
    ExprPtr text = a.type.is_nested() ? call("to_json", {value}) : make_cast(value, TypeId::kString, mode());
    fields.push_back(call("coalesce", {text, make_string(in.null)}));
  }
  auto line = make_alias(fields.size() == 1 ? make_string("") : call("concat_ws", fields), "line");
  rows = make_project(std::move(rows), {line});

  auto script = std::make_shared<Script>();
  script->command = t.script();
  Attribute answer;
  answer.id = next_expr_id();
  answer.name = "line";
  answer.type = TypeId::kString;
  script->output = {answer};
  script->children = {rows};

  // The separator is a regular expression here, as in Spark.
  auto parts = call("split", {make_ref(answer), make_string(out.field), make_int(-1)});
  auto part = [&](int i) { return call("try_element_at", {parts, make_int(i + 1)}); };
  std::vector<ExprPtr> list;
  if (t.schemaless()) {
    list = {make_alias(part(0), "key"), make_alias(part(1), "value")};
  } else {
    for (int i = 0; i < t.output_size(); ++i) {
      const auto& column = t.output(i);
      DataType type = column.has_type() ? without_char_varchar(data_type(column.type())) : DataType(TypeId::kString);
      auto text = call("nullif", {part(i), make_string(out.null)});
      list.push_back(make_alias(script_value(text, type), column.name(column.name_size() - 1)));
    }
  }
  return make_project(script, std::move(list));
}

}  // namespace tarn::plan
