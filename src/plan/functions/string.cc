#include <algorithm>

#include "plan/collation.h"
#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

bool is_binary(const ExprPtr& e) { return e->type.id() == TypeId::kBinary; }

// concat of strings, of binaries or of arrays.
TypedCall concat_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry arrays{"concat", FunctionKind::kScalar, "", "spark_array_concat($*)", kHidden};
  static const FunctionEntry binaries{"concat", FunctionKind::kScalar, "", "($1 || $2)", kHidden};
  if (args.empty()) return {TypeId::kString, false};
  if (std::all_of(args.begin(), args.end(), [](const ExprPtr& e) { return e->type.id() == TypeId::kArray; })) {
    DataType t = unify(c, args);
    return {t, any_nullable(args), &arrays};
  }
  const bool all_binary = std::all_of(args.begin(), args.end(), is_binary);
  if (!all_binary || c.conf.flag("spark.sql.function.concatBinaryAsString")) {
    static const TypeSpec string = parse_signature("(string) -> @").alternatives[0].parameters[0].type;
    for (ExprPtr& e : args)
      if (auto t = implicit_cast(e->type, string, c.conf.ansi())) cast_to(c, e, *t);
  }
  for (size_t i = 0; i < args.size(); ++i)
    if (!args[i]->type.is_string() && !is_binary(args[i]) && args[i]->type.id() != TypeId::kArray)
      unexpected_input(c, args, i, "(\"STRING\" or \"BINARY\" or \"ARRAY\")");
  DataType t = unify(c, args);
  if (t.id() == TypeId::kBinary) {
    static const FunctionEntry many{"concat", FunctionKind::kScalar, "", "spark_binary_concat($*)", kHidden};
    return {t, any_nullable(args), args.size() == 2 ? &binaries : &many};
  }
  return {t.is_string() && t.id() == TypeId::kString ? t : DataType(TypeId::kString), any_nullable(args)};
}

TypedCall concat_ws_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (i == 0) { expect(c, args, 0, "string"); continue; }
    if (args[i]->type.id() == TypeId::kArray) expect(c, args, i, "{array<string>|string}");
    else expect(c, args, i, "{string|array<string>}");
  }
  return {TypeId::kString, args[0]->nullable};
}

TypedCall elt_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() < 2) wrong_number_of_arguments(c.name, "> 1", args.size());
  static const TypeSpec string = parse_signature("(string) -> @").alternatives[0].parameters[0].type;
  static const TypeSpec integer = parse_signature("(int) -> @").alternatives[0].parameters[0].type;
  if (auto t = implicit_cast(args[0]->type, integer, c.conf.ansi())) cast_to(c, args[0], *t);
  bool all_binary = std::all_of(args.begin() + 1, args.end(), is_binary);
  if (!all_binary || c.conf.flag("spark.sql.function.eltOutputAsString"))
    for (size_t i = 1; i < args.size(); ++i)
      if (auto t = implicit_cast(args[i]->type, string, c.conf.ansi())) cast_to(c, args[i], *t);
  if (args[0]->type.id() != TypeId::kInt) unexpected_input(c, args, 0, "\"INT\"");
  for (size_t i = 1; i < args.size(); ++i) {
    if (args[i]->type.is_string() || is_binary(args[i])) continue;
    std::string types;
    for (size_t k = 1; k < args.size(); ++k) types += (k > 1 ? "," : "") + quoted(args[k]->type);
    mismatch(c, args, "UNEXPECTED_INPUT_TYPE",
             {{"paramIndex", ordinal(1) + "..."}, {"requiredType", "(\"STRING\" or \"BINARY\")"}, {"inputSql", quote_sql(pretty_sql(*args[i]))}, {"inputType", types}});
  }
  static const FunctionEntry binary{"elt", FunctionKind::kScalar, "", "spark_binary_elt($*)", kHidden}, try_binary{"elt", FunctionKind::kScalar, "", "spark_try_binary_elt($*)", kHidden};
  DataType t = args[1]->type;
  return {t, true, !is_binary(args[1]) ? nullptr : c.conf.ansi() ? &binary : &try_binary};
}

// The Java 8 behaviour on demand: any charset that exists, and '?' or U+FFFD for what it has no character for.
template <bool Decode> TypedCall charset_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry forms[] = {
      {"encode", FunctionKind::kScalar, "", Decode ? "spark_decode($1, $2, false, false)" : "spark_encode($1, $2, false, false)", kHidden},
      {"encode", FunctionKind::kScalar, "", Decode ? "spark_decode($1, $2, false, true)" : "spark_encode($1, $2, false, true)", kHidden},
      {"encode", FunctionKind::kScalar, "", Decode ? "spark_decode($1, $2, true, false)" : "spark_encode($1, $2, true, false)", kHidden},
      {"encode", FunctionKind::kScalar, "", Decode ? "spark_decode($1, $2, true, true)" : "spark_encode($1, $2, true, true)", kHidden}};
  const size_t form = (c.conf.flag("spark.sql.legacy.javaCharsets") ? 2u : 0u) + (c.conf.flag("spark.sql.legacy.codingErrorAction") ? 1u : 0u);
  return {Decode ? TypeId::kString : TypeId::kBinary, any_nullable(args), &forms[form]};
}

// Functions about the validity of UTF-8 see the bytes of a binary argument, which a string here could not hold.
template <const char* const& Text, const char* const& Bytes, TypeId Result> TypedCall utf8_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry text{"is_valid_utf8", FunctionKind::kScalar, "", Text, kHidden};
  static const FunctionEntry bytes{"is_valid_utf8", FunctionKind::kScalar, "", Bytes, kHidden};
  const auto* cast = try_as<Cast>(*args[0]);
  if (cast && cast->type.is_string() && cast->children[0]->type.id() == TypeId::kBinary) args[0] = printed_as(cast->children[0], pretty_sql(*args[0]));
  if (is_binary(args[0])) return {Result, args[0]->nullable, &bytes};
  expect(c, args, 0, "string");
  return {Result, args[0]->nullable, &text};
}
const char* const kIsValid = "spark_is_valid_utf8($1)";
const char* const kIsValidBytes = "spark_is_valid_utf8_binary($1)";
const char* const kMakeValid = "spark_make_valid_utf8($1)";
const char* const kMakeValidBytes = "spark_make_valid_utf8_binary($1)";
const char* const kValidate = "spark_validate_utf8($1)";
const char* const kValidateBytes = "spark_validate_utf8_binary($1)";
const char* const kTryValidate = "spark_try_validate_utf8($1)";
const char* const kTryValidateBytes = "spark_try_validate_utf8_binary($1)";

TypedCall same_string_rule(const CallContext&, std::vector<ExprPtr>& args) { return {args[0]->type, any_nullable(args)}; }

// contains, startswith, endswith: two strings or two binaries.
template <const char* const& Text, const char* const& Bytes>
TypedCall search_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry text{"contains", FunctionKind::kScalar, "", Text, kHidden};
  static const FunctionEntry bytes{"contains", FunctionKind::kScalar, "", Bytes, kHidden};
  if (is_binary(args[0]) && is_binary(args[1])) return {TypeId::kBoolean, any_nullable(args), &bytes};
  expect(c, args, 0, "string");
  expect(c, args, 1, "string");
  return {TypeId::kBoolean, any_nullable(args), &text};
}
const char* const kContains = "contains($1, $2)";
const char* const kContainsBytes = "spark_contains_binary($1, $2)";
const char* const kStarts = "starts_with($1, $2)";
const char* const kStartsBytes = "spark_startswith_binary($1, $2)";
const char* const kEnds = "ends_with($1, $2)";
const char* const kEndsBytes = "spark_endswith_binary($1, $2)";

TypedCall pad_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  const bool binary = is_binary(args[0]) && (args.size() < 3 || is_binary(args[2]));
  if (!binary) {
    expect(c, args, 0, "string");
    if (args.size() > 2) expect(c, args, 2, "string");
  }
  expect(c, args, 1, "int");
  if (args.size() < 3) args.push_back(binary ? make_literal(TypeId::kBinary, Value{std::string(1, '\0')}) : make_string(" "));
  return {binary ? DataType(TypeId::kBinary) : args[0]->type, any_nullable(args)};
}

TypedCall like_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.size() > 2 && args[2]->type.is_string()) {
    auto escape = constant_string(*args[2]);
    if (!escape || escape->size() != 1)
      throw analysis_error("INVALID_ESCAPE_CHAR", {{"sqlExpr", quote_sql(escape ? "'" + *escape + "'" : pretty_sql(*args[2]))}});
  }
  // A constant pattern without escapes means the same to DuckDB, whose LIKE has prefix and statistics tricks.
  static const FunctionEntry native{"like", FunctionKind::kScalar, "", "($1 LIKE $2)", kHidden | kOperator};
  auto pattern = constant_string(*args[1]);
  const bool simple = args.size() == 2 && c.name == "like" && pattern && pattern->find('\\') == std::string::npos;
  return {TypeId::kBoolean, any_nullable(args), simple ? &native : nullptr};
}

TypedCall format_number_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  expect(c, args, 0, "numeric");
  if (args[1]->type.is_string()) return {TypeId::kString, true};
  expect(c, args, 1, "{int|string}");
  return {TypeId::kString, true};
}

TypedCall format_string_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  if (args.empty()) wrong_number_of_arguments(c.name, "> 0", 0);
  expect(c, args, 0, "string");
  return {TypeId::kString, args[0]->nullable};
}

TypedCall reverse_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry array{"reverse", FunctionKind::kScalar, "", "list_reverse($1)", kHidden};
  expect(c, args, 0, "{string|array}");
  return {args[0]->type, args[0]->nullable, args[0]->type.id() == TypeId::kArray ? &array : nullptr};
}

// mask(str, upper, lower, digit, other): the replacement characters are constants; null keeps the character.
TypedCall mask_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  for (size_t i = 1; i < args.size(); ++i) {
    static const char* names[] = {"", "upperChar", "lowerChar", "digitChar", "otherChar"};
    expect_foldable(c, args, i, names[i], TypeId::kString);
    auto v = constant_string(*args[i]);
    if (v && std::count_if(v->begin(), v->end(), [](char ch) { return (static_cast<unsigned char>(ch) & 0xC0) != 0x80; }) != 1)
      mismatch(c, args, "INPUT_SIZE_NOT_ONE", {{"exprName", names[i]}});
  }
  return {TypeId::kString, args[0]->nullable};
}

TypedCall substring_rule(const CallContext&, std::vector<ExprPtr>& args) { return {args[0]->type, any_nullable(args)}; }

TypedCall collate_rule(const CallContext& c, std::vector<ExprPtr>& args) {
  auto name = constant_string(*args[1]);
  if (!is_foldable(*args[1])) expect_foldable(c, args, 1, "collationName", TypeId::kString);
  if (!name) mismatch(c, args, "UNEXPECTED_NULL", {{"exprName", "`collation`"}});
  // A qualified name is printed without its qualifiers.
  if (size_t dot = name->rfind('.'); dot != std::string::npos && try_as<Literal>(*args[1])) args[1] = make_string(name->substr(dot + 1));
  return {DataType::string(canonical_collation(*name)), args[0]->nullable};
}

// x LIKE ALL (a, b), NOT LIKE ANY (a, b) …
template <bool All, bool Not> ExprPtr like_many(const CallContext& c, std::vector<ExprPtr>& args) {
  ExprPtr out;
  for (size_t i = 1; i < args.size(); ++i) {
    ExprPtr one = call(c, "like", {args[0], args[i]});
    if (Not) one = call(c, "not", {one});
    out = out ? call(c, All ? "and" : "or", {out, one}) : one;
  }
  return out;
}

const FunctionEntry kTable[] = {
    rewrite("like_all,likeall", "(string, string+) -> boolean", like_many<true, false>, kHidden),
    rewrite("like_any,likeany", "(string, string+) -> boolean", like_many<false, false>, kHidden),
    rewrite("not_like_all,notlikeall", "(string, string+) -> boolean", like_many<true, true>, kHidden),
    rewrite("not_like_any,notlikeany", "(string, string+) -> boolean", like_many<false, true>, kHidden),
    scalar("ascii", "(string) -> int", "spark_ascii($1)"),
    scalar("chr,char", "(long) -> string", "spark_chr($1)"),
    scalar("base64", "(binary) -> string", "spark_base64($1)"),
    scalar("unbase64", "(string, [any]) -> binary", "spark_unbase64($1)"),
    scalar("bit_length", "({string|binary}) -> int", "(8 * spark_octet_length($1))"),
    scalar("octet_length", "({string|binary}) -> int", "spark_octet_length($1)"),
    scalar("length,char_length,character_length,len", "({string|binary}) -> int", "spark_length($1)"),
    scalar("collate", "(string, string) -> @", "$1", kNone, collate_rule),
    scalar("collation", "(string) -> string", "", kNeverNull, [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall {
      static const FunctionEntry e{"collation", FunctionKind::kScalar, "", "concat('SYSTEM.BUILTIN.', $coll)", kHidden};
      (void)a; return {TypeId::kString, false, &e}; }),
    scalar("collation_key", "(string) -> binary", "spark_collation_key($1, $coll)", kHidden),
    scalar("contains", "(left: any, right: any) -> @", "", kNone, search_rule<kContains, kContainsBytes>),
    scalar("startswith", "(left: any, right: any) -> @", "", kNone, search_rule<kStarts, kStartsBytes>),
    scalar("endswith", "(left: any, right: any) -> @", "", kNone, search_rule<kEnds, kEndsBytes>),
    scalar("concat,||", "(any...) -> @", "0: '' ;; *: spark_concat($*)", kNone, concat_rule),
    scalar("concat_ws", "(any+) -> @", "spark_concat_ws($*)", kNullTolerant, concat_ws_rule),
    scalar("decode_charset", "(binary, string) -> @", "", kHidden, charset_rule<true>),
    scalar("encode", "(string, string) -> @", "", kNone, charset_rule<false>),
    scalar_modes("elt", "(any...) -> @", "spark_elt($*)", "spark_try_elt($*)", kNullTolerant, elt_rule),
    scalar("find_in_set", "(string, string) -> int", "spark_find_in_set($1, $2)"),
    scalar("format_number", "(any, any) -> @", "spark_format_number($1, $2)", kNone, format_number_rule),
    scalar("format_string,printf", "(any...) -> @", "spark_format_string([$jsons], $tz, $*)", kNullTolerant, format_string_rule),
    scalar("initcap", "(string) -> @", "spark_initcap($1)", kNone, same_string_rule),
    scalar("instr", "(string, string) -> int", "spark_instr($1, $2)"),
    scalar("locate,position", "(string, string, [int = 1]) -> int", "spark_locate($1, $2, $3)"),
    scalar("lower,lcase", "(string) -> @", "spark_lower($1)", kNone, same_string_rule),
    scalar("upper,ucase", "(string) -> @", "spark_upper($1)", kNone, same_string_rule),
    scalar("levenshtein", "(string, string, [int]) -> int", "2: spark_levenshtein($1, $2) ;; 3: spark_levenshtein($1, $2, $3)"),
    scalar("luhn_check", "(string) -> boolean", "spark_luhn_check($1)"),
    scalar("like", "(string, string, [string]) -> @", "2: spark_like($1, $2, '\\') ;; 3: spark_like($1, $2, $3)", kNone, like_rule),
    scalar("ilike", "(string, string, [string]) -> @", "2: spark_like(spark_lower($1), spark_lower($2), '\\') ;; 3: spark_like(spark_lower($1), spark_lower($2), $3)", kNone, like_rule),
    scalar("rlike,regexp_like,regexp", "(string, string) -> boolean", "spark_rlike($1, $2)"),
    scalar("regexp_extract", "(string, string, [int = 1]) -> string", "spark_regexp_extract($1, $2, $3)"),
    scalar("regexp_extract_all", "(string, string, [int = 1]) -> array<string>", "spark_regexp_extract_all($1, $2, $3)"),
    scalar("regexp_replace", "(string, string, string, [int = 1]) -> string", "spark_regexp_replace($1, $2, $3, $4)"),
    scalar("regexp_count", "(string, string) -> int", "spark_regexp_count($1, $2)"),
    scalar("regexp_substr", "(string, string) -> string", "spark_regexp_substr($1, $2)", kNullable),
    scalar("regexp_instr", "(string, string, [int = 0]) -> int", "spark_regexp_instr($1, $2)"),
    scalar("lpad", "(str: any, len: any, [pad: any]) -> @", "spark_lpad($*)", kNone, pad_rule),
    scalar("rpad", "(str: any, len: any, [pad: any]) -> @", "spark_rpad($*)", kNone, pad_rule),
    // Two arguments are (trim characters, text) as Spark's constructors have them; the parser's TRIM(… FROM …) gives (text, characters).
    scalar("ltrim", "(string, [string]) -> string", "1: ltrim($1, ' ') ;; 2: ltrim($2, $1)"),
    scalar("rtrim", "(string, [string]) -> string", "1: rtrim($1, ' ') ;; 2: rtrim($2, $1)"),
    scalar("trim", "(string, [string]) -> string", "1: trim($1, ' ') ;; 2: trim($2, $1)"),
    scalar("btrim", "(string, [string]) -> string", "1: trim($1, ' ') ;; 2: trim($1, $2)"),
    scalar("repeat", "(string, int) -> string", "spark_repeat($1, $2)"),
    scalar("replace", "(string, string, [string = '']) -> string", "spark_replace($1, $2, $3)"),
    scalar("overlay", "(input: {string|binary}, replace: {string|binary}, pos: int, [len: int = -1]) -> arg1", "spark_overlay($1, $2, $3, $4)"),
    scalar("reverse", "(any) -> @", "spark_reverse($1)", kNone, reverse_rule),
    scalar("soundex", "(string) -> string", "spark_soundex($1)", kStrict),
    scalar("space", "(int) -> string", "spark_repeat(' ', $1)"),
    scalar("sentences", "(string, [string = ''], [string = '']) -> @", "spark_sentences($1, $2, $3)", kNullTolerant,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::array(DataType::array(a[0]->type, false), false), true}; }),
    scalar("split", "(string, string, [int = -1]) -> array<string!>", "spark_split($1, $2, $3)"),
    scalar("split_part", "(string, string, int) -> string", "spark_split_part($1, $2, $3)"),
    scalar("substring,substr", "({string|binary}, int, [int = 2147483647]) -> arg1", "spark_substring($1, $2, $3)", kNone, substring_rule),
    scalar("left", "({string|binary}, int) -> arg1", "spark_substring($1, 1, $2)", kNone, substring_rule),
    scalar("right", "(string, int) -> string", "spark_right($1, $2)"),
    scalar("substring_index", "(string, string, int) -> string", "spark_substring_index($1, $2, $3)"),
    scalar("translate", "(string, string, string) -> string", "spark_translate($1, $2, $3)"),
    scalar("is_valid_utf8", "(any) -> @", "", kNone, utf8_rule<kIsValid, kIsValidBytes, TypeId::kBoolean>),
    scalar("make_valid_utf8", "(any) -> @", "", kNone, utf8_rule<kMakeValid, kMakeValidBytes, TypeId::kString>),
    scalar("validate_utf8", "(any) -> @", "", kNone, utf8_rule<kValidate, kValidateBytes, TypeId::kString>),
    scalar("try_validate_utf8", "(any) -> @", "", kNullable, utf8_rule<kTryValidate, kTryValidateBytes, TypeId::kString>),
    scalar("quote", "(string) -> string", "spark_quote($1)"),
    scalar("mask", "(str: string, [upperChar: string = 'X'], [lowerChar: string = 'x'], [digitChar: string = 'n'], [otherChar: string = null]) -> @",
           "spark_mask($1, $2, $3, $4, $5)", kNullTolerant, mask_rule),
    scalar("str_to_map", "(string, [string = ','], [string = ':']) -> map<string,string>", "spark_str_to_map($1, $2, $3)", kStrict),
    scalar("url_encode", "(string) -> string", "spark_url_encode($1)"),
    scalar("url_decode", "(string) -> string", "spark_url_decode($1)"),
    scalar("try_url_decode", "(string) -> string", "spark_try_url_decode($1)", kNullable),
    scalar_modes("parse_url", "(string, string, [string]) -> string", "2: spark_parse_url($1, $2) ;; 3: spark_parse_url($1, $2, $3)",
                 "2: spark_try_parse_url($1, $2) ;; 3: spark_try_parse_url($1, $2, $3)", kNullable | kStrict),
    scalar("try_parse_url", "(string, string, [string]) -> string", "2: spark_try_parse_url($1, $2) ;; 3: spark_try_parse_url($1, $2, $3)", kNullable | kStrict),
};

}  // namespace

FunctionTable string_functions() { return kTable; }

}  // namespace tarn::plan
