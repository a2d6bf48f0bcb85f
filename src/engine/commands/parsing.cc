#include "engine/commands/parsing.h"

#include <cstring>

#include "engine/commands/support.h"
#include "plan/parse_options.h"
#include "plan/session_conf.h"
#include "spark/connect/base.pb.h"
#include "spark/connect/expressions.pb.h"
#include "spark/connect/relations.pb.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
using plan::DataType;
using plan::TypeId;
using plan::Value;

sql::ParseOptions parse_options(const plan::SessionConf& conf) { return plan::parser_settings(conf); }

plan::PlanPtr plan_of_expressions(const std::vector<const sc::Expression*>& expressions,
                                  const google::protobuf::RepeatedPtrField<sc::Relation>& references, CommandHost& host) {
  sc::Relation relation;
  sc::Relation* root = &relation;
  if (!references.empty()) {
    auto* with = relation.mutable_with_relations();
    *with->mutable_references() = references;
    root = with->mutable_root();
  }
  auto* project = root->mutable_project();
  sql::Rel one_row;
  one_row.mutable_one_row();
  project->mutable_input()->mutable_extension()->PackFrom(one_row);
  for (auto* e : expressions) *project->add_expressions() = *e;
  return plan::analyze(relation, host.analyzer());
}

namespace {

sc::Expression call(const char* name, std::vector<sc::Expression> args) {
  sc::Expression e;
  auto* f = e.mutable_unresolved_function();
  f->set_function_name(name);
  for (auto& a : args) *f->add_arguments() = std::move(a);
  return e;
}

sc::Expression cast_to(sc::Expression value, const DataType& type) {
  sc::Expression e;
  *e.mutable_cast()->mutable_expr() = std::move(value);
  type.to_proto(e.mutable_cast()->mutable_type());
  return e;
}

std::string decimal_text(plan::Int128 unscaled, int scale) {
  bool negative = unscaled < 0;
  unsigned __int128 u = negative ? -static_cast<unsigned __int128>(unscaled) : static_cast<unsigned __int128>(unscaled);
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(u % 10)));
    u /= 10;
  } while (u != 0);
  if (scale > 0) {
    if (static_cast<int>(digits.size()) <= scale) digits.insert(0, static_cast<size_t>(scale) + 1 - digits.size(), '0');
    digits.insert(digits.size() - static_cast<size_t>(scale), ".");
  }
  return (negative ? "-" : "") + digits;
}

}  // namespace

sc::Expression literal_expression(const Value& value, const DataType& type) {
  sc::Expression e;
  auto* l = e.mutable_literal();
  if (value.is_null()) {
    type.to_proto(l->mutable_null());
    return e;
  }
  switch (type.id()) {
    case TypeId::kBoolean: l->set_boolean(value.get<bool>()); return e;
    case TypeId::kByte: l->set_byte(static_cast<int32_t>(value.get<int64_t>())); return e;
    case TypeId::kShort: l->set_short_(static_cast<int32_t>(value.get<int64_t>())); return e;
    case TypeId::kInt: l->set_integer(static_cast<int32_t>(value.get<int64_t>())); return e;
    case TypeId::kLong: l->set_long_(value.get<int64_t>()); return e;
    case TypeId::kFloat: l->set_float_(static_cast<float>(value.get<double>())); return e;
    case TypeId::kDouble: l->set_double_(value.get<double>()); return e;
    case TypeId::kDecimal: {
      auto* d = l->mutable_decimal();
      d->set_value(decimal_text(value.get<plan::Int128>(), type.scale()));
      d->set_precision(type.precision());
      d->set_scale(type.scale());
      return e;
    }
    case TypeId::kString: {
      l->set_string(value.get<std::string>());
      return type.is_default_string() ? e : cast_to(std::move(e), type);
    }
    case TypeId::kChar:
    case TypeId::kVarchar:
      l->set_string(value.get<std::string>());
      return e;
    case TypeId::kBinary: l->set_binary(value.get<std::string>()); return e;
    case TypeId::kDate: l->set_date(static_cast<int32_t>(value.get<int64_t>())); return e;
    case TypeId::kTimestamp: l->set_timestamp(value.get<int64_t>()); return e;
    case TypeId::kTimestampNtz: l->set_timestamp_ntz(value.get<int64_t>()); return e;
    case TypeId::kTime: {
      l->mutable_time()->set_nano(value.get<int64_t>());
      l->mutable_time()->set_precision(type.precision());
      return e;
    }
    case TypeId::kYearMonthInterval: l->set_year_month_interval(static_cast<int32_t>(value.get<int64_t>())); return cast_to(std::move(e), type);
    case TypeId::kDayTimeInterval: l->set_day_time_interval(value.get<int64_t>()); return cast_to(std::move(e), type);
    case TypeId::kCalendarInterval: {
      auto& v = value.get<plan::IntervalValue>();
      l->mutable_calendar_interval()->set_months(v.months);
      l->mutable_calendar_interval()->set_days(v.days);
      l->mutable_calendar_interval()->set_microseconds(v.micros);
      return e;
    }
    case TypeId::kArray: {
      std::vector<sc::Expression> items;
      for (auto& item : value.get<plan::ListValue>().items) items.push_back(literal_expression(item, type.element()));
      return cast_to(call("array", std::move(items)), type);
    }
    case TypeId::kMap: {
      std::vector<sc::Expression> items;
      for (auto& [k, v] : value.get<plan::MapValue>().entries) {
        items.push_back(literal_expression(k, type.key()));
        items.push_back(literal_expression(v, type.value()));
      }
      return cast_to(call("map", std::move(items)), type);
    }
    case TypeId::kStruct: {
      std::vector<sc::Expression> items;
      auto& values = value.get<plan::ListValue>().items;
      for (size_t i = 0; i < type.fields().size(); ++i) {
        items.push_back(literal_expression(text(type.fields()[i].name), TypeId::kString));
        items.push_back(literal_expression(values[i], type.fields()[i].type()));
      }
      return cast_to(call("named_struct", std::move(items)), type);
    }
    default:
      throw analysis_error("UNSUPPORTED_EXPR_FOR_PARAMETER", {{"invalidExprSql", type.sql()}});
  }
}

CommandResult execute_parsed(const sc::Plan& plan, CommandHost& host) {
  if (plan.has_root()) {
    CommandResult result;
    result.query = plan::analyze(plan.root(), host.analyzer());
    result.schema = plan::schema_of(*result.query);
    return result;
  }
  return execute_command(plan.command(), host);
}

bool is_default_word(const sc::Expression& expression) {
  return expression.has_unresolved_attribute() && catalog::lower(expression.unresolved_attribute().unparsed_identifier()) == "default";
}

std::vector<Row> rows_of(const CommandResult& result, CommandHost& host, DataType* schema) {
  if (result.query) {
    *schema = plan::schema_of(*result.query);
    return host.collect(result.query);
  }
  *schema = result.schema;
  return result.rows;
}

}  // namespace tarn::engine::commands
