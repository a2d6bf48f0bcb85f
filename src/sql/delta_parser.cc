// Delta's statements (DeltaSqlBase.g4).
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

// 'path' or a name; delta.`path` is a name of two parts.
void Parser::target(Target* out) {
  if (at_string()) {
    out->set_path(string_literal());
  } else {
    identifier_reference(out->mutable_name());
  }
}

bool Parser::describe_delta(Statement* out) {
  auto names_something = [&](size_t k) { return at_string(k) || (is_identifier(k) && !at(kwAS, k)); };
  if (at_word("DETAIL") && names_something(1)) {
    ++pos_;
    target(out->mutable_describe_detail()->mutable_target());
    return true;
  }
  if (at_word("HISTORY") && names_something(1)) {
    ++pos_;
    auto* h = out->mutable_describe_history();
    target(h->mutable_target());
    if (accept(kwLIMIT)) h->set_limit(integer_value());
    return true;
  }
  return false;
}

// OPTIMIZE t [FULL] [WHERE predicate] [ZORDER BY (columns)]
void Parser::optimize(Statement* out) {
  ++pos_;
  auto* o = out->mutable_optimize();
  target(o->mutable_target());
  o->set_full(accept(kwFULL));
  if (accept(kwWHERE)) expression_text(o->mutable_where());
  if (accept_word("ZORDER")) {
    expect(kwBY);
    bool paren = accept(kLeftParen);
    do multipart_name(o->add_zorder_by());
    while (accept(kComma));
    if (paren) expect(kRightParen);
  }
}

// VACUUM t [LITE | FULL] [USING INVENTORY ...] [RETAIN n HOURS] [DRY RUN], in any order.
void Parser::vacuum(Statement* out) {
  size_t start = pos_;
  ++pos_;
  auto* v = out->mutable_vacuum();
  target(v->mutable_target());
  auto once = [&](bool given, const char* clause) {
    if (given) fail("DUPLICATE_CLAUSES", {{"clauseName", clause}}, start);
  };
  for (;;) {
    if (at_word("LITE") || at(kwFULL)) {
      once(v->lite() || v->full(), "LITE/FULL");
      v->set_lite(!at(kwFULL));
      v->set_full(at(kwFULL));
      ++pos_;
    } else if (at(kwUSING) && at_word("INVENTORY", 1)) {
      once(v->has_inventory_table() || v->has_inventory_query(), "INVENTORY");
      pos_ += 2;
      if (at(kLeftParen)) {
        ++pos_;
        v->set_allocated_inventory_query(query().release());
        expect(kRightParen);
      } else {
        identifier_reference(v->mutable_inventory_table());
      }
    } else if (accept_word("RETAIN")) {
      once(v->has_retain_hours(), "RETAIN");
      auto n = number();
      const auto& l = n->literal();
      double hours = 0;
      switch (l.literal_type_case()) {
        case sc::Expression::Literal::kInteger: hours = l.integer(); break;
        case sc::Expression::Literal::kLong: hours = static_cast<double>(l.long_()); break;
        case sc::Expression::Literal::kShort: hours = l.short_(); break;
        case sc::Expression::Literal::kByte: hours = l.byte(); break;
        case sc::Expression::Literal::kDouble: hours = l.double_(); break;
        case sc::Expression::Literal::kFloat: hours = l.float_(); break;
        default: hours = std::stod(l.decimal().value()); break;
      }
      v->set_retain_hours(hours);
      expect(kwHOURS);
    } else if (at_word("DRY") && at_word("RUN", 1)) {
      once(v->dry_run(), "DRY RUN");
      pos_ += 2;
      v->set_dry_run(true);
    } else {
      break;
    }
  }
}

// RESTORE [TABLE] t [TO] {VERSION AS OF n | TIMESTAMP AS OF 's'}
void Parser::restore(Statement* out) {
  ++pos_;
  if (at(kwTABLE) && (is_identifier(1) || at_string(1))) ++pos_;
  auto* r = out->mutable_restore();
  target(r->mutable_target());
  accept(kwTO);
  if (!at_temporal()) syntax_error();
  accept(kwFOR);
  bool is_version = at_any(kwVERSION, kwSYSTEM_VERSION);
  pos_ += 3;
  if (is_version) {
    r->set_version(version());
  } else {
    r->set_timestamp(string_literal());
  }
}

// GENERATE symlink_format_manifest FOR TABLE t
void Parser::generate_manifest(Statement* out) {
  ++pos_;
  auto* g = out->mutable_generate_manifest();
  g->set_mode(identifier());
  expect(kwFOR);
  expect(kwTABLE);
  identifier_reference(g->mutable_name());
}

// CONVERT TO DELTA parquet.`path` [NO STATISTICS] [PARTITIONED BY (c type, ...)]
void Parser::convert(Statement* out) {
  ++pos_;
  expect(kwTO);
  if (!accept_word("DELTA")) syntax_error();
  auto* c = out->mutable_convert_to_delta();
  identifier_reference(c->mutable_name());
  if (accept(kwNO)) {
    expect(kwSTATISTICS);
    c->set_no_statistics(true);
  }
  if (accept(kwPARTITIONED)) {
    expect(kwBY);
    expect(kLeftParen);
    column_type_defs(c->mutable_partition_columns());
    expect(kRightParen);
  }
}

// REORG TABLE t {[WHERE predicate] APPLY (PURGE) | APPLY (UPGRADE UNIFORM (ICEBERG_COMPAT_VERSION = n))}
void Parser::reorg(Statement* out) {
  ++pos_;
  expect(kwTABLE);
  auto* r = out->mutable_reorg_table();
  identifier_reference(r->mutable_name());
  if (accept(kwWHERE)) expression_text(r->mutable_where());
  if (!accept_word("APPLY")) syntax_error();
  expect(kLeftParen);
  if (accept(kwPURGE)) {
    r->set_purge(true);
  } else {
    if (r->has_where() || !accept_word("UPGRADE") || !accept_word("UNIFORM")) syntax_error();
    expect(kLeftParen);
    if (!accept_word("ICEBERG_COMPAT_VERSION")) syntax_error();
    expect(kEq);
    r->set_upgrade_uniform_iceberg_compat(static_cast<int32_t>(integer_value()));
    expect(kRightParen);
  }
  expect(kRightParen);
}

}  // namespace tarn::sql
