// Casts by name, number and binary formats, hashes.
#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

template <TypeId Id> ExprPtr cast_as(const CallContext& c, std::vector<ExprPtr>& args) {
  DataType to = Id == TypeId::kDecimal ? DataType::decimal(10, 0) : DataType(Id);
  if (!can_cast(args[0]->type, to, c.mode))
    throw analysis_error(c.mode == EvalMode::kAnsi && can_cast(args[0]->type, to, EvalMode::kLegacy) ? "DATATYPE_MISMATCH.CAST_WITH_CONF_SUGGESTION" : "DATATYPE_MISMATCH.CAST_WITHOUT_SUGGESTION",
                         {{"sqlExpr", quote_sql("CAST(" + pretty_sql(*args[0]) + " AS " + to.sql() + ")")}, {"srcType", quoted(args[0]->type)}, {"targetType", quoted(to)},
                          {"config", "\"spark.sql.ansi.enabled\""}, {"configVal", "'false'"}});
  return make_cast(args[0], to, c.mode);  // not written as CAST: generated names leave it out
}

int count_format(const std::string& f, std::string_view of) {
  int n = 0;
  for (char ch : f) n += of.find(ch) != std::string_view::npos;
  return n;
}

// The decimal type that a number format describes.
DataType number_format_type(const std::string& format) {
  std::string f;
  for (char ch : format) f += static_cast<char>(std::toupper(static_cast<unsigned char>(ch)));
  size_t point = f.find_first_of("D.");
  std::string whole = f.substr(0, point), fraction = point == std::string::npos ? "" : f.substr(point + 1);
  int p = count_format(whole, "09"), s = count_format(fraction, "09");
  if (p + s == 0) return DataType::decimal(38, 18);
  return bounded_decimal(p + s, s);
}

TypedCall to_number_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (!is_foldable(*args[1])) expect_foldable(c, args, 1, c.name == "to_number" ? "format" : "format", TypeId::kString);
  auto f = constant_string(*args[1]);
  return {f ? number_format_type(*f) : DataType::decimal(38, 18), true};
}

ExprPtr to_char_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  const TypeId t = args[0]->type.id();
  if (t == TypeId::kDate || t == TypeId::kTimestamp || t == TypeId::kTimestampNtz) return call(c, "date_format", args);
  if (t == TypeId::kBinary) {
    if (!is_foldable(*args[1])) throw analysis_error("NON_FOLDABLE_ARGUMENT", {{"funcName", quote_identifier(c.name)}, {"paramName", quote_identifier("format")}, {"paramType", "\"STRING\""}});
    auto f = constant_string(*args[1]);
    if (!f) throw analysis_error("UNEXPECTED_NULL_ARGUMENT", {{"funcName", quote_identifier(c.name)}, {"paramName", quote_identifier("format")}, {"paramType", "\"STRING\""}});
    std::string lower;
    for (char ch : *f) lower += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    if (lower == "base64") return call(c, "base64", {args[0]});
    if (lower == "hex") return call(c, "hex", {args[0]});
    if (lower == "utf-8") return printed_as(call(c, "decode_charset", {args[0], make_string("UTF-8")}), "decode(" + pretty_sql(*args[0]) + ", " + pretty_sql(*args[1]) + ")");
    throw analysis_error("INVALID_PARAMETER_VALUE.BINARY_FORMAT", {{"functionName", quote_identifier(c.name)}, {"parameter", quote_identifier("format")}, {"invalidFormat", "'" + *f + "'"}});
  }
  return call(c, "number_to_char", args, c.name);
}

template <bool Try> ExprPtr to_binary_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  const CallContext inner{c.conf, Try ? EvalMode::kTry : EvalMode::kAnsi, c.name};
  std::string format = "hex";
  if (args.size() > 1) {
    if (!is_foldable(*args[1]) || !(args[1]->type.is_string() || args[1]->type.id() == TypeId::kNull))
      mismatch(c, args, "NON_FOLDABLE_INPUT", {{"inputName", "`fmt`"}, {"inputType", "\"STRING\""}, {"inputExpr", quote_sql(pretty_sql(*args[1]))}});
    auto f = constant_string(*args[1]);
    if (!f) return make_null(TypeId::kBinary);
    format.clear();
    for (char ch : *f) format += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
    if (format != "hex" && format != "utf-8" && format != "utf8" && format != "base64")
      mismatch(c, args, "INVALID_ARG_VALUE", {{"inputName", "fmt"}, {"requireType", "case-insensitive \"STRING\""}, {"validValues", "'hex', 'utf-8', 'utf8', or 'base64'"}, {"inputValue", "'" + *f + "'"}});
  }
  ExprPtr x = args[0];
  if (format == "hex") return call(inner, "strict_unhex", {x});
  if (format == "base64") return call(inner, "strict_unbase64", {x});
  return call(inner, "encode", {x, make_string("UTF-8")});
}

// decode(bytes, charset), or decode(expr, search, result, …[, default]).
ExprPtr decode_rewrite(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() < 2) wrong_number_of_arguments(c.name, "2", args.size());
  if (args.size() == 2) return call(c, "decode_charset", args);
  std::vector<ExprPtr> parts;
  size_t i = 1;
  for (; i + 1 < args.size(); i += 2) {
    parts.push_back(call(c, "<=>", {args[0], args[i]}));
    parts.push_back(args[i + 1]);
  }
  if (i < args.size()) parts.push_back(args[i]);
  return call(c, "when", std::move(parts));
}

TypedCall sha2_rule(const CallContext&, std::vector<ExprPtr>& args) { return {TypeId::kString, true || args.empty()}; }

TypedCall hash_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.empty()) wrong_number_of_arguments(c.name, "> 0", 0);
  for (const ExprPtr& e : args) {
    if (e->type.id() == TypeId::kMap && !c.conf.flag("spark.sql.legacy.allowHashOnMapType"))
      mismatch(c, args, "HASH_MAP_TYPE", {{"functionName", quote_identifier(c.name)}});
    if (e->type.id() == TypeId::kVariant) mismatch(c, args, "HASH_VARIANT_TYPE", {{"functionName", quote_identifier(c.name)}});
  }
  return {c.name == "hash" ? DataType(TypeId::kInt) : DataType(TypeId::kLong), false};
}

// The defaults of binary arguments are written as texts.
template <size_t From> TypedCall aes_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  for (size_t i = From; i < args.size(); ++i) cast_to(c, args[i], TypeId::kBinary);
  return {TypeId::kBinary, true};
}

const FunctionEntry kTable[] = {
    rewrite("boolean", "(any) -> @", cast_as<TypeId::kBoolean>, kOwnText),
    rewrite("tinyint", "(any) -> @", cast_as<TypeId::kByte>, kOwnText),
    rewrite("smallint", "(any) -> @", cast_as<TypeId::kShort>, kOwnText),
    rewrite("int", "(any) -> @", cast_as<TypeId::kInt>, kOwnText),
    rewrite("bigint", "(any) -> @", cast_as<TypeId::kLong>, kOwnText),
    rewrite("float", "(any) -> @", cast_as<TypeId::kFloat>, kOwnText),
    rewrite("double", "(any) -> @", cast_as<TypeId::kDouble>, kOwnText),
    rewrite("decimal", "(any) -> @", cast_as<TypeId::kDecimal>, kOwnText),
    rewrite("date", "(any) -> @", cast_as<TypeId::kDate>, kOwnText),
    rewrite("timestamp", "(any) -> @", cast_as<TypeId::kTimestamp>, kOwnText),
    rewrite("time", "(any) -> @", cast_as<TypeId::kTime>, kOwnText),
    rewrite("binary", "(any) -> @", cast_as<TypeId::kBinary>, kOwnText),
    rewrite("string", "(any) -> @", cast_as<TypeId::kString>, kOwnText),
    scalar("to_number", "(string, string) -> @", "spark_to_number($1, $2, $p, $s)", kNullable, to_number_rule),
    scalar("try_to_number", "(string, string) -> @", "spark_try_to_number($1, $2, $p, $s)", kNullable | kTryMode, to_number_rule),
    rewrite("to_char", "(any, string) -> @", to_char_rewrite, kOwnText),
    rewrite("to_varchar", "(any, string) -> @", to_char_rewrite, kOwnText),
    scalar("number_to_char", "(decimal, const string) -> string", "spark_to_char(CAST($1 AS VARCHAR), $2)", kHidden | kNullable),
    rewrite("to_binary", "(string, [any]) -> @", to_binary_rewrite<false>),
    rewrite("try_to_binary", "(string, [any]) -> @", to_binary_rewrite<true>),
    scalar("strict_unhex", "(string) -> binary", "spark_strict_unhex($1, $mode)", kHidden | kNullable),
    scalar("strict_unbase64", "(string) -> binary", "spark_strict_unbase64($1, $mode)", kHidden | kNullable),
    rewrite("decode", "(any...) -> @", decode_rewrite),
};

const FunctionEntry kHashes[] = {
    scalar("hash", "(any...) -> @", "spark_hash(42, [$jsons], $*)", kNeverNull | kNullTolerant, hash_rule),
    scalar("xxhash64", "(any...) -> @", "spark_xxhash64(42, [$jsons], $*)", kNeverNull | kNullTolerant, hash_rule),
    scalar("md5", "(binary) -> string", "spark_md5($1)"),
    scalar("sha1,sha", "(binary) -> string", "spark_sha1($1)"),
    scalar("sha2", "(binary, int) -> string", "spark_sha2($1, $2)", kNullable, sha2_rule),
    scalar("crc32", "(binary) -> long", "spark_crc32($1)"),
    scalar("aes_encrypt", "(binary, binary, [string = 'GCM'], [string = 'DEFAULT'], [binary = ''], [binary = '']) -> binary", "spark_aes_encrypt($1, $2, $3, $4, $5, $6)", kNondeterministic, aes_rule<4>),
    scalar("aes_decrypt", "(binary, binary, [string = 'GCM'], [string = 'DEFAULT'], [binary = '']) -> binary", "spark_aes_decrypt($1, $2, $3, $4, $5)", kNone, aes_rule<4>),
    scalar("try_aes_decrypt", "(binary, binary, [string = 'GCM'], [string = 'DEFAULT'], [binary = '']) -> binary", "TRY(spark_aes_decrypt($1, $2, $3, $4, $5))", kNullable, aes_rule<4>),
};

}  // namespace

FunctionTable conversion_functions() { return kTable; }
FunctionTable hash_functions() { return kHashes; }

}  // namespace tarn::plan
