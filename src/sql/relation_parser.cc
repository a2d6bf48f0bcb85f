// FROM: tables, subqueries, joins, PIVOT, UNPIVOT, LATERAL VIEW, samples, time travel.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;
using JoinType = sc::Join::JoinType;

namespace {
constexpr int kMaxChain = 2000;

const char* join_type_sql(JoinType t) {
  switch (t) {
    case sc::Join::JOIN_TYPE_CROSS: return "CROSS";
    case sc::Join::JOIN_TYPE_FULL_OUTER: return "FULL OUTER";
    case sc::Join::JOIN_TYPE_LEFT_SEMI: return "LEFT SEMI";
    case sc::Join::JOIN_TYPE_LEFT_ANTI: return "LEFT ANTI";
    case sc::Join::JOIN_TYPE_LEFT_OUTER: return "LEFT OUTER";
    case sc::Join::JOIN_TYPE_RIGHT_OUTER: return "RIGHT OUTER";
    default: return "INNER";
  }
}
}  // namespace

RelPtr Parser::named_table(const Name& name, const std::map<std::string, std::string>& options, bool streaming) {
  if (name.has_expression()) {
    Rel x;
    auto* r = x.mutable_identifier_relation();
    *r->mutable_name() = name;
    for (const auto& [k, v] : options) (*r->mutable_options())[k] = v;
    r->set_is_streaming(streaming);
    return pack(x);
  }
  auto r = new_rel();
  auto* table = r->mutable_read()->mutable_named_table();
  table->set_unparsed_identifier(unparse_identifier({name.parts().begin(), name.parts().end()}));
  for (const auto& [k, v] : options) (*table->mutable_options())[k] = v;
  r->mutable_read()->set_is_streaming(streaming);
  return r;
}

RelPtr Parser::from_clause() {
  size_t start = pos_;
  expect(kwFROM);
  RelPtr left;
  int length = 0;
  do {
    if (++length > kMaxChain) throw SparkError(ErrorKind::kParse, "FAILED_TO_PARSE_TOO_COMPLEX", {});
    size_t item_at = pos_;
    bool lateral = at(kwLATERAL) && !at(kwVIEW, 1) && accept(kwLATERAL);
    auto right = relation_primary();
    bool lateral_ok = primary_allows_lateral_;
    if (options_.ansi_relation_precedence && options_.ansi) right = relation_extensions(std::move(right));
    if (left) {
      if (lateral && !lateral_ok) fail("INVALID_SQL_SYNTAX.LATERAL_WITHOUT_SUBQUERY_OR_TABLE_VALUED_FUNC", {}, item_at + 1);
      auto join = new_rel();
      if (lateral) {
        auto* j = join->mutable_lateral_join();
        j->set_allocated_left(left.release());
        j->set_allocated_right(right.release());
        j->set_join_type(sc::Join::JOIN_TYPE_INNER);
      } else {
        auto* j = join->mutable_join();
        j->set_allocated_left(left.release());
        j->set_allocated_right(right.release());
        j->set_join_type(sc::Join::JOIN_TYPE_INNER);
      }
      left = finish(std::move(join), start);
    } else {
      left = std::move(right);
    }
    if (!(options_.ansi_relation_precedence && options_.ansi)) left = relation_extensions(std::move(left));
  } while (accept(kComma));
  bool lateral_view = at(kwLATERAL) && at(kwVIEW, 1);
  lateral_views(&left);
  if (lateral_view && at(kwPIVOT) && at(kLeftParen, 1)) {
    pivot_clause(std::make_unique<sc::Relation>());
    fail("NOT_ALLOWED_IN_FROM.LATERAL_WITH_PIVOT", {}, start);
  }
  if (lateral_view && at(kwUNPIVOT)) {
    unpivot_clause(std::make_unique<sc::Relation>());
    fail("NOT_ALLOWED_IN_FROM.LATERAL_WITH_UNPIVOT", {}, start);
  }
  return left;
}

bool Parser::at_join(size_t k) const {
  switch (type(k)) {
    case kwJOIN: return true;
    case kwINNER: case kwCROSS: case kwSEMI: case kwANTI: return at(kwJOIN, k + 1);
    case kwLEFT: return at(kwJOIN, k + 1) || ((at(kwOUTER, k + 1) || at(kwSEMI, k + 1) || at(kwANTI, k + 1)) && at(kwJOIN, k + 2));
    case kwRIGHT: case kwFULL: return at(kwJOIN, k + 1) || (at(kwOUTER, k + 1) && at(kwJOIN, k + 2));
    case kwNATURAL: return at_join(k + 1);
    default: return false;
  }
}

RelPtr Parser::relation_extensions(RelPtr left) {
  for (int length = 0;; ++length) {
    if (length > kMaxChain) throw SparkError(ErrorKind::kParse, "FAILED_TO_PARSE_TOO_COMPLEX", {});
    if (at_join()) {
      left = join_relation(std::move(left));
    } else if (at(kwPIVOT) && at(kLeftParen, 1)) {
      left = pivot_clause(std::move(left));
    } else if (at(kwUNPIVOT) && (at(kLeftParen, 1) || at(kwINCLUDE, 1) || at(kwEXCLUDE, 1))) {
      left = unpivot_clause(std::move(left));
    } else {
      return left;
    }
  }
}

RelPtr Parser::join_relation(RelPtr left) {
  size_t start = pos_;
  bool natural = accept(kwNATURAL);
  JoinType type = sc::Join::JOIN_TYPE_INNER;
  if (accept(kwCROSS)) {
    type = sc::Join::JOIN_TYPE_CROSS;
  } else if (accept(kwFULL)) {
    type = sc::Join::JOIN_TYPE_FULL_OUTER;
  } else if (accept(kwRIGHT)) {
    type = sc::Join::JOIN_TYPE_RIGHT_OUTER;
  } else {
    if (accept(kwLEFT)) type = sc::Join::JOIN_TYPE_LEFT_OUTER;
    if (accept(kwSEMI)) type = sc::Join::JOIN_TYPE_LEFT_SEMI;
    if (accept(kwANTI)) type = sc::Join::JOIN_TYPE_LEFT_ANTI;
    accept(kwINNER);
  }
  accept(kwOUTER);
  expect(kwJOIN);
  bool lateral = accept(kwLATERAL);
  size_t right_at = pos_;
  auto right = relation_primary();
  if (lateral && !primary_allows_lateral_) fail("INVALID_SQL_SYNTAX.LATERAL_WITHOUT_SUBQUERY_OR_TABLE_VALUED_FUNC", {}, right_at);
  if (at_any(kwAPPROX, kwEXACT) && at(kwNEAREST, 1) && !natural) return nearest_by(std::move(left), std::move(right), type, lateral, start);
  ExprPtr condition;
  std::vector<std::string> using_columns;
  if (!natural && accept(kwON)) {
    condition = expression();
  } else if (!natural && accept(kwUSING)) {
    using_columns = identifier_list();
    if (lateral) fail("UNSUPPORTED_FEATURE.LATERAL_JOIN_USING", {}, start);
  }
  if (natural && lateral) fail("INCOMPATIBLE_JOIN_TYPES", {{"joinType1", "LATERAL"}, {"joinType2", "NATURAL"}}, start);
  if (natural && type == sc::Join::JOIN_TYPE_CROSS) fail("INCOMPATIBLE_JOIN_TYPES", {{"joinType1", "NATURAL"}, {"joinType2", "CROSS"}}, start);
  auto r = new_rel();
  if (lateral) {
    if (type != sc::Join::JOIN_TYPE_INNER && type != sc::Join::JOIN_TYPE_CROSS && type != sc::Join::JOIN_TYPE_LEFT_OUTER)
      fail("INVALID_LATERAL_JOIN_TYPE", {{"joinType", join_type_sql(type)}}, start);
    auto* j = r->mutable_lateral_join();
    j->set_allocated_left(left.release());
    j->set_allocated_right(right.release());
    j->set_join_type(type);
    if (condition) j->set_allocated_join_condition(condition.release());
    return finish(std::move(r), start);
  }
  sc::Join join;
  join.set_allocated_left(left.release());
  join.set_allocated_right(right.release());
  join.set_join_type(type);
  if (condition) join.set_allocated_join_condition(condition.release());
  for (auto& c : using_columns) join.add_using_columns(std::move(c));
  if (natural) {
    Rel x;
    *x.mutable_natural_join()->mutable_join() = std::move(join);
    r = pack(x);
  } else {
    *r->mutable_join() = std::move(join);
  }
  return finish(std::move(r), start);
}

// {APPROX | EXACT} NEAREST [n] BY {DISTANCE | SIMILARITY} expression
RelPtr Parser::nearest_by(RelPtr left, RelPtr right, JoinType type, bool lateral, size_t start) {
  bool approx = at(kwAPPROX);
  pos_ += 2;
  std::string count = "1";
  if (at(kInteger)) {
    count = text();
    ++pos_;
  }
  expect(kwBY);
  bool distance = at(kwDISTANCE);
  if (!at_any(kwDISTANCE, kwSIMILARITY)) syntax_error();
  ++pos_;
  auto ranking = expression();
  if (lateral) fail("UNSUPPORTED_FEATURE.LATERAL_JOIN_NEAREST_BY", {}, start);
  if (type != sc::Join::JOIN_TYPE_INNER && type != sc::Join::JOIN_TYPE_LEFT_OUTER)
    fail("NEAREST_BY_JOIN.UNSUPPORTED_JOIN_TYPE", {{"joinType", join_type_sql(type)}, {"supported", "'INNER', 'LEFT OUTER'"}}, start);
  constexpr long long kMax = 100000;
  long long n = count.size() > 12 ? kMax + 1 : std::stoll(count);
  if (n < 1 || n > kMax) fail("NEAREST_BY_JOIN.NUM_RESULTS_OUT_OF_RANGE", {{"numResults", count}, {"min", "1"}, {"max", std::to_string(kMax)}}, start);
  auto r = new_rel();
  auto* j = r->mutable_nearest_by_join();
  j->set_allocated_left(left.release());
  j->set_allocated_right(right.release());
  j->set_allocated_ranking_expression(ranking.release());
  j->set_num_results(static_cast<int32_t>(n));
  j->set_join_type(type == sc::Join::JOIN_TYPE_INNER ? "inner" : "leftouter");
  j->set_mode(approx ? "approx" : "exact");
  j->set_direction(distance ? "distance" : "similarity");
  return finish(std::move(r), start);
}

bool Parser::at_temporal() const {
  size_t k = at(kwFOR) ? 1 : 0;
  return (at(kwVERSION, k) || at(kwTIMESTAMP, k) || at(kwSYSTEM_VERSION, k) || at(kwSYSTEM_TIME, k)) && at(kwAS, k + 1) && at(kwOF, k + 2);
}

std::string Parser::version() {
  if (at(kInteger)) {
    std::string v(text());
    ++pos_;
    return v;
  }
  return string_literal();
}

namespace {
bool has_references(const sc::Expression& e) {
  bool found = false;
  walk(e, [&](const sc::Expression& x) {
    // current_date and its kin without parentheses are attributes in the tree, too: Spark counts them as columns here.
    found = found || x.has_unresolved_attribute() || x.has_unresolved_star();
  });
  return found;
}
}  // namespace

RelPtr Parser::time_travel(RelPtr input) {
  size_t at_clause = pos_;
  accept(kwFOR);
  bool is_version = at_any(kwVERSION, kwSYSTEM_VERSION);
  pos_ += 3;
  Rel x;
  auto* t = x.mutable_time_travel();
  t->set_allocated_input(input.release());
  if (is_version) {
    t->set_version(version());
  } else {
    size_t value_at = pos_;
    auto e = value_expression();
    if (has_references(*e)) fail("_LEGACY_ERROR_TEMP_0056", {{"reason", "timestamp expression cannot refer to any columns"}}, value_at);
    t->set_allocated_timestamp(e.release());
  }
  return finish(pack(x), at_clause);
}

// CHANGES FROM {VERSION v | TIMESTAMP t} [INCLUSIVE | EXCLUSIVE] [TO ...]
void Parser::changes_clause(Changes* out, bool streaming) {
  size_t start = pos_;
  expect(kwCHANGES);
  out->set_is_streaming(streaming);
  if (!accept(kwFROM)) {
    if (!streaming) syntax_error();
    return;
  }
  auto bound = [&](Changes::Bound* b) {
    bool is_version = at_any(kwVERSION, kwSYSTEM_VERSION);
    if (!is_version && !at_any(kwTIMESTAMP, kwSYSTEM_TIME)) syntax_error();
    ++pos_;
    if (is_version) {
      b->set_version(version());
    } else {
      size_t value_at = pos_;
      auto e = value_expression();
      if (has_references(*e)) fail("_LEGACY_ERROR_TEMP_0056", {{"reason", "timestamp expression cannot refer to any columns"}}, value_at);
      b->set_allocated_timestamp(e.release());
    }
    bool exclusive = accept(kwEXCLUSIVE);
    if (!exclusive) accept(kwINCLUSIVE);
    b->set_inclusive(!exclusive);
    return is_version;
  };
  bool is_version = bound(out->mutable_start());
  if (!streaming && accept(kwTO)) {
    if (bound(out->mutable_end()) != is_version) syntax_error(start);
  }
}

std::map<std::string, std::string> Parser::options_clause() {
  std::map<std::string, std::string> out;
  if (!(at(kwWITH) && at(kLeftParen, 1))) return out;
  ++pos_;
  google::protobuf::RepeatedPtrField<Property> list;
  property_key_values(&list);
  for (const auto& p : list) out[p.key()] = p.value();
  return out;
}

// [AS] name. AS (a, b) is the name AS with a column list.
std::optional<std::string> Parser::table_alias_name() {
  if (at(kwAS) && at(kLeftParen, 1) && is_strict_identifier()) return strict_identifier();
  if (accept(kwAS) || can_alias(true)) return strict_identifier();
  return std::nullopt;
}

RelPtr Parser::table_alias(RelPtr input, size_t start) {
  auto alias = table_alias_name();
  if (!alias) return input;
  if (at(kLeftParen)) {
    Rel x;
    for (auto& n : identifier_list()) x.mutable_subquery_column_aliases()->add_names(std::move(n));
    x.mutable_subquery_column_aliases()->set_allocated_input(input.release());
    input = finish(pack(x), start);
  }
  return finish(alias_rel(std::move(input), *alias), start);
}

bool Parser::at_table_function(size_t k) {
  if (at_identifier_clause(k)) {
    size_t close = matching_paren(pos_ + k + 1);
    if (close + 1 < tokens_.size() && tokens_[close + 1].type == kLeftParen) return true;
    if (!at_identifier_literal(k)) return false;
    k = close + 1 - pos_;
  } else if ((at(kwLEFT, k) || at(kwRIGHT, k) || at(kwFILTER, k)) && at(kLeftParen, k + 1)) {
    return true;
  } else {
    if (!is_identifier(k)) return false;
    ++k;
  }
  while (at(kDot, k) && is_identifier(k + 1)) k = at_identifier_literal(k + 1) ? matching_paren(pos_ + k + 2) + 1 - pos_ : k + 2;
  return at(kLeftParen, k);
}

RelPtr Parser::relation_primary() {
  DepthGuard guard(this);
  size_t start = pos_;
  primary_allows_lateral_ = false;
  if (at(kwSTREAM)) {
    size_t saved = std::exchange(pos_, pos_ + 1);
    bool stream = at(kLeftParen) || can_alias(false) || at_table_function();
    if (at(kwAS) || at(kwCHANGES)) stream = false;
    pos_ = saved;
    if (stream && !(at(kLeftParen, 1) && !is_identifier(2))) return stream_relation();
  }
  if (at(kLeftParen)) {
    if (paren_is_query()) {
      ++pos_;
      auto r = query();
      expect(kRightParen);
      if (at(kwTABLESAMPLE)) r = sample(std::move(r));
      // The alias is written after the watermark but lies below it.
      RelPtr watermark;
      if (at(kwWATERMARK) && !at(kRightParen, 1) && !at(kComma, 1) && !at(kEof, 1)) watermark = watermark_clause(new_rel());
      // An unnamed subquery's columns cannot be qualified by the names inside it.
      if (at(kwAS) || can_alias(true)) {
        r = table_alias(std::move(r), start);
      } else {
        r = finish(alias_rel(std::move(r), "__auto_generated_subquery_name"), start);
      }
      primary_allows_lateral_ = true;
      return watermark ? put_input(std::move(watermark), std::move(r)) : std::move(r);
    }
    ++pos_;
    accept(kwLATERAL);
    auto r = relation_extensions(relation_primary());
    expect(kRightParen);
    if (at(kwTABLESAMPLE)) r = sample(std::move(r));
    if (at(kwWATERMARK) && !at(kRightParen, 1)) r = watermark_clause(std::move(r));
    primary_allows_lateral_ = false;
    return table_alias(std::move(r), start);
  }
  if (at(kwVALUES) && at_query()) return inline_table();
  if (at_table_function()) {
    auto r = table_function(false);
    primary_allows_lateral_ = true;
    return r;
  }
  return table_name();
}

RelPtr Parser::table_name() {
  size_t start = pos_;
  Name name;
  identifier_reference(&name);
  size_t name_end = pos_;
  if (at(kwCHANGES) && at(kwFROM, 1)) {
    Rel x;
    auto* c = x.mutable_changes();
    changes_clause(c, false);
    *c->mutable_name() = name;
    for (auto& [k, v] : options_clause()) (*c->mutable_options())[k] = v;
    return table_alias(finish(pack(x), start), start);
  }
  std::optional<size_t> temporal;
  RelPtr r;
  {
    // Options come after the time travel clause but belong to the table.
    RelPtr placeholder;
    if (at_temporal()) {
      temporal = pos_;
      placeholder = time_travel(new_rel());
    }
    auto options = options_clause();
    r = named_table(name, options, false);
    set_origin(r->mutable_common()->mutable_origin(), start, name_end);
    if (temporal) {
      Rel x;
      unpack(*placeholder, &x);
      x.mutable_time_travel()->set_allocated_input(r.release());
      placeholder->mutable_extension()->PackFrom(x);
      r = std::move(placeholder);
    }
  }
  // Sample and watermark are written before the alias but lie above it.
  RelPtr sample_rel, watermark_rel;
  if (at(kwTABLESAMPLE)) sample_rel = sample(new_rel());
  if (at(kwWATERMARK) && !at(kRightParen, 1) && !at(kComma, 1) && !at(kEof, 1)) watermark_rel = watermark_clause(new_rel());
  r = table_alias(std::move(r), start);
  if (sample_rel) r = put_input(std::move(sample_rel), std::move(r));
  if (watermark_rel) r = put_input(std::move(watermark_rel), std::move(r));
  return r;
}

// Fills the input of a sample or watermark that was parsed before it.
RelPtr Parser::put_input(RelPtr outer, RelPtr input) {
  if (outer->has_sample()) {
    outer->mutable_sample()->set_allocated_input(input.release());
    return outer;
  }
  Rel x;
  unpack(*outer, &x);
  if (x.has_table_sample()) {
    x.mutable_table_sample()->set_allocated_input(input.release());
  } else {
    x.mutable_watermark()->set_allocated_input(input.release());
  }
  outer->mutable_extension()->PackFrom(x);
  return outer;
}

RelPtr Parser::sample(RelPtr input) {
  size_t start = pos_;
  expect(kwTABLESAMPLE);
  bool system = false;
  if (at_any(kwBERNOULLI, kwSYSTEM) && at(kLeftParen, 1)) {
    system = at(kwSYSTEM);
    ++pos_;
  }
  expect(kLeftParen);
  std::optional<double> fraction;
  ExprPtr rows;
  std::string bytes;
  size_t method_at = pos_;
  enum { kEmptyMethod, kPercentMethod, kBucketMethod, kBucketOnMethod, kRowsMethod, kBytesMethod } method;
  bool on_function = false;
  size_t sign = at(kMinus) ? 1 : 0;
  auto number_at = [&](size_t k) { return at(kDecimal, k) || at(kInteger, k) || at_parameter(k); };
  size_t number_length = at(kColon, sign) ? 2 : 1;
  if (accept(kRightParen)) {
    method = kEmptyMethod;
  } else if (number_at(sign) && at(kwPERCENTLIT, sign + number_length)) {
    method = kPercentMethod;
    pos_ += sign;
    double v;
    if (at(kDecimal)) {
      v = std::stod(std::string(text()));
      ++pos_;
    } else {
      v = static_cast<double>(integer_value());
    }
    ++pos_;
    fraction = (sign ? -v : v) / 100.0;
    expect(kRightParen);
  } else if (at(kwBUCKET) && at_integer(1)) {
    method = kBucketMethod;
    ++pos_;
    double numerator = static_cast<double>(integer_value());
    expect(kwOUT);
    expect(kwOF);
    double denominator = static_cast<double>(integer_value());
    fraction = numerator / denominator;
    if (accept(kwON)) {
      method = kBucketOnMethod;
      qualified_name();
      if (accept(kLeftParen)) {
        on_function = true;
        expect(kRightParen);
      }
    }
    expect(kRightParen);
  } else {
    rows = expression();
    if (accept(kwROWS)) {
      method = kRowsMethod;
    } else {
      method = kBytesMethod;
      bytes = source_from(method_at);
    }
    expect(kRightParen);
  }
  size_t method_end = pos_ - 1;
  std::optional<int64_t> seed;
  if (at(kwREPEATABLE) && at(kLeftParen, 1)) {
    pos_ += 2;
    seed = integer_value();
    expect(kRightParen);
  }
  if (method == kEmptyMethod) fail("_LEGACY_ERROR_TEMP_0014", {}, start);
  if (system && seed) fail("UNSUPPORTED_FEATURE.TABLESAMPLE_SYSTEM_REPEATABLE", {}, start);
  if (system && method != kPercentMethod) {
    const char* names[] = {"", "", "BUCKET", "BUCKET", "ROWS", "BYTES"};
    fail("UNSUPPORTED_FEATURE.TABLESAMPLE_SYSTEM_SAMPLE_METHOD", {{"sampleMethod", names[method]}}, method_at, method_end);
  }
  if (method == kBytesMethod) {
    bool length = bytes.size() > 1 && std::string_view("bBkKmMgG").find(bytes.back()) != std::string_view::npos;
    for (size_t i = 0; i + 1 < bytes.size(); ++i) length = length && bytes[i] >= '0' && bytes[i] <= '9';
    if (length) fail("_LEGACY_ERROR_TEMP_0015", {{"msg", "byteLengthLiteral"}}, method_at, method_end);
    fail("_LEGACY_ERROR_TEMP_0016", {{"bytesStr", bytes}}, method_at, method_end);
  }
  if (method == kBucketOnMethod)
    fail("_LEGACY_ERROR_TEMP_0015", {{"msg", on_function ? "BUCKET x OUT OF y ON function" : "BUCKET x OUT OF y ON colname"}}, method_at, method_end);
  if (method == kRowsMethod || system) {
    Rel x;
    auto* s = x.mutable_table_sample();
    if (rows) s->set_allocated_rows(rows.release());
    if (system) s->set_system_fraction(*fraction);
    s->set_allocated_input(input.release());
    if (system) check_fraction(*fraction, start);
    return finish(pack(x), start);
  }
  check_fraction(*fraction, start);
  auto r = new_rel();
  auto* s = r->mutable_sample();
  s->set_lower_bound(0.0);
  s->set_upper_bound(*fraction);
  s->set_with_replacement(false);
  if (seed) s->set_seed(*seed);
  s->set_allocated_input(input.release());
  return finish(std::move(r), start);
}

void Parser::check_fraction(double fraction, size_t start) const {
  constexpr double kEpsilon = 1e-6;
  if (fraction >= 0.0 - kEpsilon && fraction <= 1.0 + kEpsilon) return;
  std::string shown = std::to_string(fraction);
  while (shown.size() > 3 && shown.back() == '0' && shown[shown.size() - 2] != '.') shown.pop_back();
  fail("_LEGACY_ERROR_TEMP_0064", {{"msg", "Sampling fraction (" + shown + ") must be on interval [0, 1]"}}, start);
}

RelPtr Parser::watermark_clause(RelPtr input) {
  size_t start = pos_;
  expect(kwWATERMARK);
  Rel x;
  auto* w = x.mutable_watermark();
  auto e = named_expression();
  if (e->has_alias() && e->alias().name_size() > 1) throw SparkError(ErrorKind::kAnalysis, "CANNOT_USE_MULTI_ALIASES_IN_WATERMARK_CLAUSE", {});
  w->set_allocated_event_time(e.release());
  expect(kwDELAY);
  expect(kwOF);
  if (!at_interval()) syntax_error();
  auto delay = interval();
  const auto& l = delay->literal();
  auto* out = w->mutable_delay();
  if (l.has_year_month_interval()) {
    out->set_months(l.year_month_interval());
  } else if (l.has_day_time_interval()) {
    out->set_microseconds(l.day_time_interval());
  } else {
    *out = l.calendar_interval();
  }
  w->set_allocated_input(input.release());
  return finish(pack(x), start);
}

// PIVOT (aggregates FOR column | (columns) IN (values)) [[AS] alias]
RelPtr Parser::pivot_clause(RelPtr input) {
  size_t start = pos_;
  expect(kwPIVOT);
  expect(kLeftParen);
  Rel x;
  auto* p = x.mutable_pivot();
  for (auto& e : named_expression_seq()) p->mutable_aggregates()->AddAllocated(e.release());
  expect(kwFOR);
  auto column = [&] {
    size_t at_column = pos_;
    auto e = attribute_expr({capturing_identifier()});
    p->mutable_columns()->AddAllocated(finish(std::move(e), at_column).release());
  };
  if (accept(kLeftParen)) {
    do column();
    while (accept(kComma));
    expect(kRightParen);
  } else {
    column();
  }
  expect(kwIN);
  expect(kLeftParen);
  do {
    size_t value_at = pos_;
    auto e = expression();
    if (auto alias = optional_alias(false)) e = finish(alias_expr(std::move(e), *alias), value_at);
    p->mutable_values()->AddAllocated(e.release());
  } while (accept(kComma));
  expect(kRightParen);
  expect(kRightParen);
  p->set_allocated_input(input.release());
  auto alias = optional_alias(false);
  auto r = finish(pack(x), start);
  return alias ? finish(alias_rel(std::move(r), *alias), start) : std::move(r);
}

RelPtr Parser::unpivot_clause(RelPtr input) {
  size_t start = pos_;
  expect(kwUNPIVOT);
  Rel x;
  auto* u = x.mutable_unpivot();
  if (at_any(kwINCLUDE, kwEXCLUDE)) {
    u->set_include_nulls(at(kwINCLUDE));
    ++pos_;
    expect(kwNULLS);
  }
  expect(kLeftParen);
  auto column = [&](SqlUnpivot::ColumnSet* set) {
    size_t at_column = pos_;
    auto e = attribute_expr(multipart_identifier());
    set->mutable_columns()->AddAllocated(finish(std::move(e), at_column).release());
  };
  bool several = accept(kLeftParen);
  do u->add_value_columns(identifier());
  while (several && accept(kComma));
  if (several) expect(kRightParen);
  expect(kwFOR);
  u->set_name_column(identifier());
  expect(kwIN);
  expect(kLeftParen);
  do {
    auto* set = u->add_sets();
    if (several) {
      expect(kLeftParen);
      do column(set);
      while (accept(kComma));
      expect(kRightParen);
    } else {
      column(set);
    }
    if (auto alias = optional_alias(false)) set->set_alias(*alias);
  } while (accept(kComma));
  expect(kRightParen);
  expect(kRightParen);
  u->set_allocated_input(input.release());
  auto alias = optional_alias(false);
  auto r = finish(pack(x), start);
  return alias ? finish(alias_rel(std::move(r), *alias), start) : std::move(r);
}

void Parser::lateral_views(RelPtr* input) {
  while (at(kwLATERAL) && at(kwVIEW, 1)) *input = lateral_view(std::move(*input));
}

RelPtr Parser::lateral_view(RelPtr input) {
  size_t start = pos_;
  pos_ += 2;
  Rel x;
  auto* v = x.mutable_lateral_view();
  v->set_outer(at(kwOUTER) && is_identifier(1) && accept(kwOUTER));
  size_t function_at = pos_;
  auto function = qualified_name();
  if (function.size() > 2) {
    std::string joined;
    for (const auto& p : function) joined += (joined.empty() ? "" : ".") + p;
    fail("INVALID_SQL_SYNTAX.UNSUPPORTED_FUNC_NAME", {{"funcName", quote_identifier(joined)}}, function_at);
  }
  for (auto& p : function) v->add_function(std::move(p));
  expect(kLeftParen);
  if (!at(kRightParen)) {
    for (auto& e : expression_seq()) v->mutable_arguments()->AddAllocated(e.release());
  }
  expect(kRightParen);
  v->set_alias(to_lower(identifier()));
  if (accept(kwAS) || (can_alias(false) && !at(kComma))) {
    v->add_columns(identifier());
    while (at(kComma) && is_identifier(1)) {
      ++pos_;
      v->add_columns(identifier());
    }
  }
  v->set_allocated_input(input.release());
  return finish(pack(x), start);
}

}  // namespace tarn::sql
