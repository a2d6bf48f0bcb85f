#include <doctest/doctest.h>

#include "plan/function.h"
#include "plan/function_signature.h"
#include "plan/session_conf.h"

using namespace tarn::plan;

namespace {

struct Session {
  SessionConf conf;
  explicit Session(bool ansi = true) { conf.set("spark.sql.ansi.enabled", ansi ? "true" : "false"); }
  ExprPtr call(std::string_view name, std::vector<ExprPtr> args) {
    const FunctionEntry* f = find_function(name);
    REQUIRE_MESSAGE(f, name);
    return resolve_call(*f, std::move(args), {conf, conf.ansi() ? EvalMode::kAnsi : EvalMode::kLegacy, name});
  }
  std::string error(std::string_view name, std::vector<ExprPtr> args) {
    try {
      call(name, std::move(args));
    } catch (const tarn::SparkError& e) {
      return e.condition();
    }
    return "";
  }
};

ExprPtr column(DataType t, const char* name = "a") { return make_ref(Attribute{next_expr_id(), name, std::move(t), true, "", {}}); }
DataType dec(int p, int s) { return DataType::decimal(p, s); }

}  // namespace

TEST_CASE("every signature parses and every function has a type rule or a result") {
  CHECK(function_names().size() > 300);
  for (const FunctionEntry* f : all_function_entries()) {
    const Signature& s = signature_of(*f);
    CHECK_MESSAGE(!s.alternatives.empty(), f->names);
    for (const Alternative& a : s.alternatives)
      CHECK_MESSAGE((a.result.kind != TypeSpec::Kind::kRule || f->type_rule || f->rewrite), f->names);
  }
}

TEST_CASE("decimal arithmetic has Spark's precision and scale") {
  CHECK(decimal_result('+', dec(10, 2), dec(5, 3), true) == dec(12, 3));
  CHECK(decimal_result('*', dec(10, 2), dec(5, 3), true) == dec(16, 5));
  CHECK(decimal_result('/', dec(10, 2), dec(5, 3), true) == dec(19, 8));
  CHECK(decimal_result('%', dec(10, 2), dec(5, 3), true) == dec(5, 3));
  CHECK(decimal_result('*', dec(38, 18), dec(38, 18), true) == dec(38, 6));
  CHECK(decimal_result('*', dec(38, 18), dec(38, 18), false) == dec(38, 36));
  CHECK(wider_decimal(dec(10, 2), dec(5, 4)) == dec(12, 4));
}

TEST_CASE("operands meet as in ANSI mode") {
  Session s;
  CHECK(s.call("+", {make_int(1), make_long(2)})->type == DataType(TypeId::kLong));
  CHECK(s.call("+", {column(TypeId::kInt), column(dec(10, 2))})->type == dec(13, 2));
  CHECK(s.call("+", {make_int(1), column(dec(10, 2))})->type == dec(11, 2));
  CHECK(s.call("/", {make_int(1), make_int(2)})->type == DataType(TypeId::kDouble));
  CHECK(s.call("+", {make_string("1"), make_int(2)})->type == DataType(TypeId::kLong));
  CHECK(s.call("=", {make_string("1"), make_int(2)})->children[0]->type == DataType(TypeId::kLong));
  CHECK(s.error("=", {column(TypeId::kInt), column(TypeId::kBoolean)}) == "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
  CHECK(s.error("and", {column(TypeId::kInt), column(TypeId::kInt)}) == "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE");
  CHECK(s.error("+", {column(TypeId::kDate), column(TypeId::kDate)}) == "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
}

TEST_CASE("operands meet as before ANSI") {
  Session s(false);
  CHECK(s.call("+", {make_string("1"), make_int(2)})->type == DataType(TypeId::kDouble));
  CHECK(s.call("=", {make_string("1"), make_int(2)})->children[0]->type == DataType(TypeId::kInt));
  CHECK(s.call("=", {column(TypeId::kBoolean), column(TypeId::kInt)})->children[0]->type == DataType(TypeId::kInt));
  CHECK(common_type(DataType(TypeId::kString), DataType(TypeId::kInt), false) == DataType(TypeId::kString));
  CHECK(common_type(DataType(TypeId::kString), DataType(TypeId::kInt), true) == DataType(TypeId::kLong));
  CHECK(common_type(DataType(TypeId::kInt), DataType(TypeId::kFloat), true) == DataType(TypeId::kDouble));
  CHECK(common_type(DataType(TypeId::kInt), DataType(TypeId::kFloat), false) == DataType(TypeId::kFloat));
}

TEST_CASE("calls are checked as Spark checks them") {
  Session s;
  CHECK(s.error("upper", {}) == "WRONG_NUM_ARGS.WITHOUT_SUGGESTION");
  CHECK(s.error("upper", {column(DataType::array(TypeId::kInt))}) == "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
  CHECK(s.call("upper", {column(TypeId::kInt)})->children[0]->kind == ExprKind::kCast);
  CHECK(s.call("round", {column(dec(10, 4)), make_int(2)})->type == dec(9, 2));
  CHECK(s.call("ceil", {column(dec(10, 4))})->type == dec(7, 0));
  CHECK(s.call("sum", {column(dec(10, 4))})->type == dec(20, 4));
  CHECK(s.call("avg", {column(dec(10, 4))})->type == dec(14, 8));
  CHECK(s.call("sum", {column(TypeId::kInt)})->type == DataType(TypeId::kLong));
  CHECK(s.call("array_contains", {column(DataType::array(TypeId::kLong)), make_int(1)})->children[1]->type == DataType(TypeId::kLong));
  CHECK(s.error("array_contains", {column(DataType::array(TypeId::kLong)), make_string("x")}) == "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES");
  CHECK(s.call("coalesce", {column(TypeId::kInt), make_int(0)})->nullable == false);
  CHECK(s.error("coalesce", {column(TypeId::kDate), make_int(0)}) == "DATATYPE_MISMATCH.DATA_DIFF_TYPES");
  CHECK(pretty_sql(*s.call("nullif", {column(TypeId::kInt), make_int(0)})) == "nullif(a, 0)");
  CHECK(pretty_sql(*s.call("sqrt", {make_int(4)})) == "SQRT(4)");
}

TEST_CASE("lambda parameters follow from the other arguments") {
  Session s;
  std::vector<ExprPtr> args = {column(DataType::array(TypeId::kInt, true)), nullptr};
  CallContext c{s.conf, EvalMode::kAnsi, "transform"};
  auto p = lambda_parameters(*find_function("transform"), args, 1, 2, c);
  CHECK(p[0].first == DataType(TypeId::kInt));
  CHECK(p[0].second);
  CHECK(p[1].first == DataType(TypeId::kInt));
  CHECK_FALSE(p[1].second);
}

TEST_CASE("named arguments find their place") {
  auto args = arrange_arguments(*find_function("mask"), {make_string("x"), make_string("q")}, {"", "lowerChar"}, "mask");
  CHECK(args.size() == 3);
  CHECK(args[1]->type == DataType(TypeId::kString));
  CHECK_THROWS_AS(arrange_arguments(*find_function("mask"), {make_string("x")}, {"nope"}, "mask"), tarn::SparkError);
}

TEST_CASE("templates are chosen by mode and number of arguments") {
  CHECK(lowering_of(*find_function("input_file_name"), EvalMode::kAnsi, 0) == "''");
  CHECK(lowering_of(*find_function("input_file_name"), EvalMode::kAnsi, 1) == "$1");
  CHECK(lowering_of(*find_function("%"), EvalMode::kLegacy, 2) == "spark_try_remainder($1, $2)");
}
