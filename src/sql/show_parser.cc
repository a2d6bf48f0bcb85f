// SHOW, DESCRIBE and COMMENT ON.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

// [[LIKE] 'pattern']
std::optional<std::string> Parser::like_pattern() {
  if (at(kwLIKE)) {
    ++pos_;
    return string_literal();
  }
  if (at_string()) return string_literal();
  return std::nullopt;
}

void Parser::show(Statement* out) {
  size_t start = pos_;
  expect(kwSHOW);
  auto from = [&](Name* name) {
    if (!at_any(kwFROM, kwIN)) return;
    ++pos_;
    identifier_reference(name);
  };
  switch (type()) {
    case kwDATABASES: case kwSCHEMAS: case kwNAMESPACES: {
      ++pos_;
      auto* s = out->mutable_show_namespaces();
      if (at_any(kwFROM, kwIN)) {
        ++pos_;
        multipart_name(s->mutable_name());
      }
      if (auto p = like_pattern()) s->set_pattern(*p);
      return;
    }
    case kwTABLES: {
      ++pos_;
      auto* s = out->mutable_show_tables();
      if (at_any(kwFROM, kwIN)) from(s->mutable_namespace_());
      if (auto p = like_pattern()) s->set_pattern(*p);
      return;
    }
    case kwTABLE: {
      ++pos_;
      expect(kwEXTENDED);
      auto* s = out->mutable_show_tables();
      s->set_extended(true);
      if (at_any(kwFROM, kwIN)) from(s->mutable_namespace_());
      expect(kwLIKE);
      s->set_pattern(string_literal());
      if (at(kwPARTITION)) partition_spec(s->mutable_partition(), true);
      return;
    }
    case kwTBLPROPERTIES: {
      ++pos_;
      auto* s = out->mutable_show_table_properties();
      identifier_reference(s->mutable_name());
      if (accept(kLeftParen)) {
        s->set_key(property_key(true));
        expect(kRightParen);
      }
      return;
    }
    case kwCOLUMNS: {
      ++pos_;
      auto* s = out->mutable_show_columns();
      if (!at_any(kwFROM, kwIN)) syntax_error();
      from(s->mutable_name());
      if (at_any(kwFROM, kwIN)) {
        ++pos_;
        multipart_name(s->mutable_namespace_());
      }
      return;
    }
    case kwVIEWS: {
      ++pos_;
      auto* s = out->mutable_show_views();
      if (at_any(kwFROM, kwIN)) from(s->mutable_namespace_());
      if (auto p = like_pattern()) s->set_pattern(*p);
      return;
    }
    case kwPARTITIONS: {
      ++pos_;
      auto* s = out->mutable_show_partitions();
      identifier_reference(s->mutable_name());
      if (at(kwPARTITION)) partition_spec(s->mutable_partition(), true);
      return;
    }
    case kwPROCEDURES:
      ++pos_;
      out->mutable_show_procedures();
      if (at_any(kwFROM, kwIN)) from(out->mutable_show_procedures()->mutable_namespace_());
      return;
    case kwCREATE: {
      ++pos_;
      expect(kwTABLE);
      auto* s = out->mutable_show_create_table();
      identifier_reference(s->mutable_name());
      if (accept(kwAS)) {
        expect(kwSERDE);
        s->set_as_serde(true);
      }
      return;
    }
    case kwCURRENT:
      if (at_namespace(1)) {
        pos_ += 2;
        out->mutable_show_current_namespace();
        return;
      }
      break;
    case kwCATALOGS:
      ++pos_;
      out->mutable_show_catalogs();
      if (auto p = like_pattern()) out->mutable_show_catalogs()->set_pattern(*p);
      return;
    case kwCOLLATIONS:
      ++pos_;
      out->mutable_show_collations();
      if (auto p = like_pattern()) out->mutable_show_collations()->set_pattern(*p);
      return;
    default: break;
  }
  if (at(kwFUNCTIONS) || (is_identifier() && at(kwFUNCTIONS, 1))) {
    auto* s = out->mutable_show_functions();
    if (!at(kwFUNCTIONS)) {
      std::string scope = to_lower(text());
      size_t scope_at = pos_++;
      if (scope == "system") {
        s->set_scope(ShowFunctions::SYSTEM);
      } else if (scope == "user") {
        s->set_scope(ShowFunctions::USER);
      } else if (scope != "all") {
        fail("INVALID_SQL_SYNTAX.SHOW_FUNCTIONS_INVALID_SCOPE", {{"scope", quote_identifier(scope)}}, scope_at);
      }
    }
    expect(kwFUNCTIONS);
    if (at_any(kwFROM, kwIN)) from(s->mutable_namespace_());
    accept(kwLIKE);
    if (at_string()) {
      s->set_pattern(string_literal());
    } else if (is_identifier()) {
      size_t name_at = pos_;
      for (auto& p : multipart_identifier()) s->add_function(std::move(p));
      if (s->has_namespace_())
        fail("INVALID_SQL_SYNTAX.SHOW_FUNCTIONS_INVALID_PATTERN", {{"pattern", quote_identifier(source_from(name_at))}}, name_at);
    }
    return;
  }
  pos_ = start;
  unsupported(out);
}

namespace {
bool is_operator_name(TokenType t) {
  switch (t) {
    case kEq: case kNseq: case kNeq: case kNeqj: case kLt: case kLte: case kGt: case kGte: case kPlus: case kMinus: case kAsterisk: case kSlash:
    case kPercent: case kTilde: case kAmpersand: case kPipe: case kConcatPipe: case kHat: case kShiftLeft: case kBang:
      return true;
    default: return false;
  }
}
}  // namespace

void Parser::describe(Statement* out) {
  size_t start = pos_;
  ++pos_;  // DESC or DESCRIBE
  if (describe_delta(out)) return;
  if (at(kwFUNCTION) && (is_identifier(1) || at_string(1) || is_operator_name(type(1)))) {
    ++pos_;
    auto* d = out->mutable_describe_function();
    if (at(kwEXTENDED) && !at(kEof, 1) && !at(kSemicolon, 1)) {
      ++pos_;
      d->set_extended(true);
    }
    size_t name_at = pos_;
    if (is_operator_name(type())) {
      std::string name;
      while (is_operator_name(type())) {
        name += text();
        ++pos_;
      }
      name_from({name}, name_at, d->mutable_name());
    } else if (at_string()) {
      std::string name = string_literal();
      name_from({name}, name_at, d->mutable_name());
    } else if (!is_identifier() && at_any(kwAND, kwIN, kwNOT, kwOR, kwDIV)) {
      std::string name(text());
      ++pos_;
      name_from({name}, name_at, d->mutable_name());
    } else {
      identifier_reference(d->mutable_name());
    }
    return;
  }
  if (at(kwPROCEDURE) && is_identifier(1)) {
    ++pos_;
    return identifier_reference(out->mutable_describe_procedure()->mutable_name());
  }
  if (at_namespace() && is_identifier(1)) {
    ++pos_;
    auto* d = out->mutable_describe_namespace();
    if (at(kwEXTENDED) && is_identifier(1)) {
      ++pos_;
      d->set_extended(true);
    }
    return identifier_reference(d->mutable_name());
  }
  bool query_word = at(kwQUERY) && (at_query(1) || at(kLeftParen, 1));
  if (query_word || at(kLeftParen) || (at_query() && !at(kwTABLE))) {
    if (query_word) ++pos_;
    return query_text(out->mutable_describe_query()->mutable_query());
  }
  // DESCRIBE TABLE t names a table; only with QUERY is TABLE t a query.
  if (at(kwTABLE) && (is_identifier(1))) ++pos_;
  auto* d = out->mutable_describe_relation();
  if (at_any(kwEXTENDED, kwFORMATTED) && is_identifier(1) && !(at(kwAS, 1) && at(kwJSON, 2))) {
    ++pos_;
    d->set_extended(true);
  }
  identifier_reference(d->mutable_name());
  if (at(kwPARTITION) && at(kLeftParen, 1)) {
    partition_spec(d->mutable_partition(), false);
    for (const auto& e : d->partition().entries())
      if (!e.has_value()) fail("INVALID_SQL_SYNTAX.EMPTY_PARTITION_VALUE", {{"partKey", quote_identifier(e.column())}}, start);
  }
  if (is_identifier() && !(at(kwAS) && at(kwJSON, 1))) {
    d->add_column(capturing_identifier());
    while (accept(kDot)) d->add_column(capturing_identifier());
  }
  if (accept(kwAS)) {
    expect(kwJSON);
    d->set_as_json(true);
    if (!d->extended()) throw SparkError(ErrorKind::kParse, "DESCRIBE_JSON_NOT_EXTENDED", {{"tableName", d->name().parts_size() ? d->name().parts(d->name().parts_size() - 1) : "table"}});
  }
  if (d->column_size() && d->has_partition()) fail("UNSUPPORTED_FEATURE.DESC_TABLE_COLUMN_PARTITION", {}, start);
  if (d->column_size() && d->as_json()) throw SparkError(ErrorKind::kParse, "UNSUPPORTED_FEATURE.DESC_TABLE_COLUMN_JSON", {});
}

void Parser::comment_on(Statement* out) {
  expect(kwCOMMENT);
  expect(kwON);
  auto* c = out->mutable_comment_on();
  if (at_namespace()) {
    c->set_kind(CommentOn::NAMESPACE);
  } else if (at(kwTABLE)) {
    c->set_kind(CommentOn::TABLE);
  } else {
    syntax_error();
  }
  ++pos_;
  identifier_reference(c->mutable_name());
  expect(kwIS);
  if (accept(kwNULL)) return;
  c->set_comment(string_literal());
}

}  // namespace tarn::sql
