// Session and maintenance statements: USE, SET, RESET, CACHE, REFRESH, ANALYZE, EXPLAIN, variables, EXECUTE IMMEDIATE, cursors.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

void Parser::use(Statement* out) {
  expect(kwUSE);
  auto* u = out->mutable_use_namespace();
  if (at_namespace() && (is_identifier(1))) {
    ++pos_;
    u->set_explicit_namespace(true);
  }
  identifier_reference(u->mutable_name());
}

void Parser::set(Statement* out) {
  size_t start = pos_;
  if (at(kwROLE, 1) && !at(kEq, 2) && !at(kDot, 2)) {
    pos_ = tokens_.size() - 1;
    invalid_statement("SET ROLE", start);
  }
  if (at(kwCATALOG, 1) && !at(kEq, 2) && !at(kDot, 2) && !at(kEof, 2)) {
    pos_ += 2;
    auto* c = out->mutable_set_catalog();
    size_t at_value = pos_;
    auto e = expression();
    auto parts = attribute_parts(*e);
    if (const std::string* s = as_string_literal(*e)) {
      c->mutable_name()->add_parts(*s);
      set_origin(c->mutable_name()->mutable_origin(), at_value);
    } else if (!parts.empty()) {
      name_from(parts, at_value, c->mutable_name());
    } else {
      c->set_allocated_expression(e.release());
    }
    return;
  }
  if (at(kwTIME, 1) && at(kwZONE, 2)) {
    pos_ += 3;
    auto* z = out->mutable_set_time_zone();
    if (at_interval()) {
      auto e = interval();
      const auto& l = e->literal();
      int64_t micros = l.has_day_time_interval() ? l.day_time_interval() : l.calendar_interval().microseconds();
      int months = l.has_year_month_interval() ? l.year_month_interval() : l.calendar_interval().months();
      constexpr int64_t kHour = 3600000000;
      auto range = [&](int64_t v) { fail("INVALID_INTERVAL_FORMAT.TIMEZONE_INTERVAL_OUT_OF_RANGE", {{"input", std::to_string(v)}}, start); };
      int64_t days = l.calendar_interval().days();
      if (l.has_day_time_interval() && l.data_type().day_time_interval().start_field() == 0) {
        days = micros / (24 * kHour);
        micros %= 24 * kHour;
      }
      if (months) range(months);
      if (days) range(days);
      if (std::abs(micros) > 18 * kHour) range(std::abs(micros) / kHour);
      if (micros % 1000000) range(micros / 1000000);
      if (!at(kEof) && !at(kSemicolon)) {
        pos_ = tokens_.size() - 1;
        fail("_LEGACY_ERROR_TEMP_0045", {}, start);
      }
      z->set_allocated_interval(e.release());
      return;
    }
    if (at_string()) {
      z->set_zone(string_literal());
      return;
    }
    if (at(kwLOCAL) && (at(kEof, 1) || at(kSemicolon, 1))) {
      ++pos_;
      z->set_local(true);
      return;
    }
    pos_ = tokens_.size() - 1;
    fail("_LEGACY_ERROR_TEMP_0045", {}, start);
  }
  if (at(kwPATH, 1) && at(kEq, 2)) {
    bool elements = true;
    for (size_t k = 3; !at(kEof, k) && !at(kSemicolon, k) && elements; ++k)
      elements = is_identifier(k) || at(kDot, k) || at(kComma, k);
    if (elements && !at(kEof, 3)) {
      pos_ += 3;
      do {
        auto* e = out->mutable_set_path()->add_elements();
        if (at_any(kwDEFAULT_PATH, kwSYSTEM_PATH, kwPATH, kwCURRENT_DATABASE, kwCURRENT_SCHEMA) && !at(kDot, 1)) {
          e->set_keyword(at(kwCURRENT_DATABASE) ? "CURRENT_SCHEMA" : to_upper(text()));
          ++pos_;
        } else {
          multipart_name(e->mutable_schema());
          if (e->schema().parts_size() < 2)
            throw SparkError(ErrorKind::kAnalysis, "INVALID_SQL_PATH_SCHEMA_REFERENCE", {{"qualifiedName", e->schema().parts(0)}});
        }
      } while (accept(kComma));
      return;
    }
  }
  if (at_variable(1) && ((is_identifier(2) && !at(kEq, 2)) || (at(kLeftParen, 2) && !at(kRightParen, 3)))) {
    pos_ += 2;
    return set_variable(out);
  }
  if (in_script_) {
    ++pos_;
    return set_variable(out);
  }
  set_configuration(out);
}

// name = expression, ...
void Parser::assignment_list(google::protobuf::RepeatedPtrField<Assignment>* out) {
  do {
    size_t start = pos_;
    auto* a = out->Add();
    a->set_allocated_key(finish(attribute_expr(multipart_identifier()), start).release());
    expect(kEq);
    a->set_allocated_value(expression().release());
  } while (accept(kComma));
}

void Parser::set_variable(Statement* out) {
  auto* s = out->mutable_set_variable();
  if (at(kLeftParen)) {
    ++pos_;
    do multipart_name(s->add_targets());
    while (accept(kComma));
    expect(kRightParen);
    expect(kEq);
    expect(kLeftParen);
    s->set_allocated_query(query().release());
    expect(kRightParen);
  } else {
    assignment_list(s->mutable_assignments());
  }
}

namespace {
std::string_view trim(std::string_view s) {
  while (!s.empty() && static_cast<unsigned char>(s.front()) <= ' ') s.remove_prefix(1);
  while (!s.empty() && static_cast<unsigned char>(s.back()) <= ' ') s.remove_suffix(1);
  return s;
}
bool is_key(std::string_view s) {
  if (s.empty()) return false;
  for (char c : s)
    if (!(isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '\\' || c == '.' || c == ':')) return false;
  return true;
}
std::string_view without_semicolons(std::string_view s) {
  while (!s.empty() && s.back() == ';') s.remove_suffix(1);
  return s;
}
}  // namespace

// SET [key [= value]]: the rest of the text is the value as it stands, quotes and comments included.
void Parser::set_configuration(Statement* out) {
  size_t start = pos_;
  auto* s = out->mutable_set_config();
  std::string_view all(text_);
  std::string_view rest = all.substr(static_cast<size_t>(tokens_[start].end));
  raw_text_statement_ = true;
  // SET `key` [= value]
  size_t last = tokens_.size() - 1;
  while (last > start + 1 && tokens_[last - 1].type == kSemicolon) --last;
  auto done = [&] { pos_ = tokens_.size() - 1; };
  bool quoted_value = last >= start + 3 && tokens_[last - 1].type == kBackquoted && tokens_[last - 2].type == kEq;
  bool quoted_key = last >= start + 2 && (tokens_[start + 1].type == kBackquoted ||
                                          (tokens_[start + 1].type == kDoubleQuoted && options_.double_quoted_identifiers && options_.ansi));
  if (quoted_key && quoted_value && last == start + 4) {
    s->set_key(identifier_token_text(start + 1));
    s->set_value(identifier_token_text(last - 1));
    return done();
  }
  if (quoted_key && (last == start + 2 || tokens_[start + 2].type == kEq)) {
    s->set_key(identifier_token_text(start + 1));
    if (last > start + 2) {
      std::string value(trim(all.substr(static_cast<size_t>(tokens_[start + 2].end))));
      std::string_view v = without_semicolons(value);
      if (v.find(';') != std::string_view::npos) {
        done();
        fail("INVALID_PROPERTY_VALUE", {{"value", quote_sql(value)}, {"key", quote_sql(s->key())}}, start);
      }
      s->set_value(std::string(v));
    }
    return done();
  }
  if (quoted_value) {
    std::string value = identifier_token_text(last - 1);
    std::string key(trim(all.substr(static_cast<size_t>(tokens_[start].end), static_cast<size_t>(tokens_[last - 2].start - tokens_[start].end))));
    if (!is_key(key)) {
      done();
      fail("INVALID_PROPERTY_KEY", {{"key", quote_sql(key)}, {"value", quote_sql(value)}}, start);
    }
    s->set_key(key);
    s->set_value(value);
    return done();
  }
  std::string body(without_semicolons(trim(rest)));
  std::string_view b(body);
  size_t eq = b.find('=');
  if (eq != std::string_view::npos && is_key(trim(b.substr(0, eq))) && b.substr(eq + 1).find(';') == std::string_view::npos &&
      trim(b.substr(0, eq)).data() == b.data()) {
    s->set_key(std::string(trim(b.substr(0, eq))));
    s->set_value(std::string(trim(b.substr(eq + 1))));
  } else if (is_key(trim(b))) {
    s->set_key(std::string(trim(b)));
  } else if (trim(b) == "-v") {
    s->set_verbose(true);
  } else if (!trim(b).empty()) {
    done();
    fail("INVALID_SET_SYNTAX", {}, start);
  }
  done();
}

void Parser::reset(Statement* out) {
  size_t start = pos_;
  auto* r = out->mutable_reset_config();
  raw_text_statement_ = true;
  size_t last = tokens_.size() - 1;
  while (last > start + 1 && tokens_[last - 1].type == kSemicolon) --last;
  if (last == start + 2 && tokens_[start + 1].type == kBackquoted) {
    r->set_key(identifier_token_text(start + 1));
    pos_ = tokens_.size() - 1;
    return;
  }
  std::string body(trim(without_semicolons(trim(std::string_view(text_).substr(static_cast<size_t>(tokens_[start].end))))));
  pos_ = tokens_.size() - 1;
  if (is_key(body)) {
    r->set_key(body);
  } else if (!body.empty()) {
    fail("INVALID_RESET_COMMAND_FORMAT", {}, start);
  }
}

void Parser::refresh(Statement* out) {
  size_t start = pos_;
  expect(kwREFRESH);
  if (at(kwTABLE) && is_identifier(1)) {
    ++pos_;
    return identifier_reference(out->mutable_refresh_table()->mutable_name());
  }
  if (at(kwFUNCTION) && is_identifier(1)) {
    ++pos_;
    return identifier_reference(out->mutable_refresh_function()->mutable_name());
  }
  if (at_string()) {
    out->mutable_refresh_path()->set_path(string_literal());
    return;
  }
  raw_text_statement_ = true;
  std::string path(trim(std::string_view(text_).substr(static_cast<size_t>(tokens_[start].end))));
  pos_ = tokens_.size() - 1;
  if (path.empty())
    fail("_LEGACY_ERROR_TEMP_0064", {{"msg", "Resource paths cannot be empty in REFRESH statements. Use / to match everything"}}, start);
  if (path.find_first_of(" \n\r\t") != std::string::npos)
    fail("_LEGACY_ERROR_TEMP_0064", {{"msg", "REFRESH statements cannot contain ' ', '\\n', '\\r', '\\t' inside unquoted resource paths"}}, start);
  out->mutable_refresh_path()->set_path(std::string(without_semicolons(path)));
}

void Parser::cache(Statement* out) {
  size_t start = pos_;
  expect(kwCACHE);
  auto* c = out->mutable_cache_table();
  c->set_lazy(accept(kwLAZY));
  expect(kwTABLE);
  identifier_reference(c->mutable_name());
  if (accept(kwOPTIONS)) property_key_values(c->mutable_options());
  bool as = accept(kwAS);
  if (as || at_query() || at(kLeftParen)) query_text(c->mutable_query());
  if (c->has_query() && c->name().parts_size() > 1) {
    std::string quoted;
    for (int i = 0; i + 1 < c->name().parts_size(); ++i) quoted += (i ? "." : "") + c->name().parts(i);
    fail("_LEGACY_ERROR_TEMP_0037", {{"quoted", quoted}}, start);
  }
}

void Parser::uncache(Statement* out) {
  expect(kwUNCACHE);
  expect(kwTABLE);
  out->mutable_uncache_table()->set_if_exists(if_exists());
  identifier_reference(out->mutable_uncache_table()->mutable_name());
}

void Parser::clear(Statement* out) {
  expect(kwCLEAR);
  expect(kwCACHE);
  out->mutable_clear_cache();
}

void Parser::load(Statement* out) {
  expect(kwLOAD);
  expect(kwDATA);
  auto* l = out->mutable_load_data();
  l->set_local(accept(kwLOCAL));
  expect(kwINPATH);
  l->set_path(string_literal());
  l->set_overwrite(accept(kwOVERWRITE));
  expect(kwINTO);
  expect(kwTABLE);
  identifier_reference(l->mutable_name());
  if (at(kwPARTITION)) partition_spec(l->mutable_partition(), true);
}

void Parser::truncate(Statement* out) {
  expect(kwTRUNCATE);
  expect(kwTABLE);
  identifier_reference(out->mutable_truncate_table()->mutable_name());
  if (at(kwPARTITION)) partition_spec(out->mutable_truncate_table()->mutable_partition(), true);
}

void Parser::repair(Statement* out) {
  accept(kwMSCK);
  expect(kwREPAIR);
  expect(kwTABLE);
  auto* r = out->mutable_repair_table();
  identifier_reference(r->mutable_name());
  r->set_add_partitions(true);
  if (at_any(kwADD, kwDROP, kwSYNC)) {
    r->set_add_partitions(!at(kwDROP));
    r->set_drop_partitions(!at(kwADD));
    ++pos_;
    expect(kwPARTITIONS);
  }
}

void Parser::analyze(Statement* out) {
  expect(kwANALYZE);
  auto* a = out->mutable_analyze_table();
  bool all_tables = at(kwTABLES);
  a->set_all_tables(all_tables);
  if (!all_tables && !at(kwTABLE)) syntax_error();
  ++pos_;
  if (!all_tables) {
    identifier_reference(a->mutable_name());
    if (at(kwPARTITION)) partition_spec(a->mutable_partition(), false);
  } else if (at_any(kwFROM, kwIN)) {
    ++pos_;
    identifier_reference(a->mutable_name());
  }
  expect(kwCOMPUTE);
  expect(kwSTATISTICS);
  if (!all_tables && at(kwFOR) && (at(kwCOLUMNS, 1) || (at(kwALL, 1) && at(kwCOLUMNS, 2)))) {
    a->set_all_columns(at(kwALL, 1));
    pos_ += at(kwALL, 1) ? 3 : 2;
    if (!a->all_columns())
      for (auto& c : identifier_seq()) a->add_columns(std::move(c));
  } else if (is_identifier()) {
    std::string word(text());
    ++pos_;
    if (!equals_ignore_case(word, "noscan"))
      fail("INVALID_SQL_SYNTAX.ANALYZE_TABLE_UNEXPECTED_NOSCAN", {{"ctx", to_upper(word)}}, pos_ - 1);
    a->set_no_scan(true);
  }
}

// ADD JAR s3://..., LIST FILES: the rest is a list of words and quoted strings.
void Parser::add_or_list(Statement* out) {
  size_t start = pos_;
  auto* m = out->mutable_manage_resource();
  m->set_list(at(kwLIST));
  ++pos_;
  std::string kind = to_lower(simple_identifier());
  std::string_view rest = std::string_view(text_).substr(static_cast<size_t>(tokens_[pos_ - 1].end));
  pos_ = tokens_.size() - 1;
  raw_text_statement_ = true;
  std::string singular = kind.size() > 1 && kind.back() == 's' ? kind.substr(0, kind.size() - 1) : kind;
  if (singular != "file" && singular != "jar" && singular != "archive")
    operation_not_allowed(std::string(m->list() ? "LIST" : "ADD") + " with resource type '" + kind + "'", start);
  m->set_kind(singular);
  rest = without_semicolons(trim(rest));
  for (size_t i = 0; i < rest.size();) {
    char c = rest[i];
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') {
      ++i;
    } else if (c == '"' || c == '\'') {
      size_t end = i + 1;
      while (end < rest.size() && !(rest[end] == c && rest[end - 1] != '\\' && end > i + 1)) ++end;
      if (end >= rest.size()) {
        ++i;
        continue;
      }
      m->add_paths(unescape_string(rest.substr(i, end + 1 - i), false));
      i = end + 1;
    } else {
      size_t end = std::min(rest.find_first_of(" \n\r\t\"'", i), rest.size());
      m->add_paths(std::string(rest.substr(i, end - i)));
      i = end;
    }
  }
}

void Parser::explain(Statement* out) {
  size_t start = pos_;
  expect(kwEXPLAIN);
  auto* e = out->mutable_explain();
  bool logical = false;
  if (at_any(kwLOGICAL, kwFORMATTED, kwEXTENDED, kwCODEGEN, kwCOST)) {
    logical = at(kwLOGICAL);
    e->set_mode(at(kwFORMATTED) ? Explain::FORMATTED : at(kwEXTENDED) ? Explain::EXTENDED : at(kwCODEGEN) ? Explain::CODEGEN : at(kwCOST) ? Explain::COST : Explain::SIMPLE);
    ++pos_;
  }
  statement(e->mutable_plan());
  if (logical) invalid_statement("EXPLAIN LOGICAL", start);
}

void Parser::call(Statement* out) {
  expect(kwCALL);
  auto* c = out->mutable_call();
  identifier_reference(c->mutable_name());
  expect(kLeftParen);
  if (!at(kRightParen)) {
    do c->mutable_arguments()->AddAllocated(function_argument().release());
    while (accept(kComma));
  }
  expect(kRightParen);
}

// DECLARE [OR REPLACE] [VARIABLE] a, b type [DEFAULT e], or DECLARE c CURSOR FOR query.
void Parser::declare(Statement* out) {
  size_t start = pos_;
  expect(kwDECLARE);
  if (is_identifier() && (at(kwCURSOR, 1) || ((at(kwASENSITIVE, 1) || at(kwINSENSITIVE, 1)) && at(kwCURSOR, 2)))) {
    if (!options_.script_cursors) fail("UNSUPPORTED_FEATURE.SQL_CURSOR", {}, start);
    auto* c = out->mutable_declare_cursor();
    c->set_name(capturing_identifier());
    if (at_any(kwASENSITIVE, kwINSENSITIVE)) {
      c->set_asensitive(at(kwASENSITIVE));
      ++pos_;
    }
    expect(kwCURSOR);
    expect(kwFOR);
    query_text(c->mutable_query());
    if (accept(kwFOR)) {
      expect(kwREAD);
      expect(kwONLY);
    }
    return;
  }
  auto* d = out->mutable_declare_variable();
  if (at(kwOR) && at(kwREPLACE, 1)) {
    pos_ += 2;
    d->set_or_replace(true);
  }
  if (at_variable() && is_identifier(1) && !at(kwDEFAULT, 1)) ++pos_;
  do identifier_reference(d->add_names());
  while (accept(kComma));
  if (is_identifier() && !at(kwDEFAULT)) data_type(d->mutable_type());
  if (accept(kwDEFAULT) || accept(kEq)) default_text(d->mutable_default_value(), "DEFAULT");
  if (!d->has_type() && !d->has_default_value()) {
    fail("INVALID_SQL_SYNTAX.VARIABLE_TYPE_OR_DEFAULT_REQUIRED", {}, start);
  }
}

void Parser::execute_immediate(Statement* out) {
  expect(kwEXECUTE);
  expect(kwIMMEDIATE);
  auto* e = out->mutable_execute_immediate();
  e->set_allocated_query(expression().release());
  if (accept(kwINTO)) {
    do multipart_name(e->add_into());
    while (accept(kComma));
  }
  if (accept(kwUSING)) {
    size_t at_using = pos_ - 1;
    bool paren = false;
    if (at(kLeftParen)) {
      // USING (a, b) is a list, USING (a) + 1 an expression.
      size_t close = matching_paren(pos_);
      TokenType after = close + 1 < tokens_.size() ? tokens_[close + 1].type : kEof;
      paren = (after == kEof || after == kSemicolon || after == kwEND) && !paren_is_query();
    }
    if (paren) ++pos_;
    std::set<std::string> names;
    std::string duplicates;
    for (auto& a : named_expression_seq()) {
      if (a->has_alias() && !names.insert(a->alias().name(0)).second) duplicates += (duplicates.empty() ? "" : ", ") + quote_identifier(a->alias().name(0));
      e->mutable_arguments()->AddAllocated(a.release());
    }
    if (paren) expect(kRightParen);
    if (!duplicates.empty()) fail("EXEC_IMMEDIATE_DUPLICATE_ARGUMENT_ALIASES", {{"aliases", duplicates}}, at_using);
  }
}

// OPEN c [USING ...] | FETCH [NEXT] [FROM] c INTO ... | CLOSE c
void Parser::cursor(Statement* out) {
  size_t start = pos_;
  if (!options_.script_cursors) fail("UNSUPPORTED_FEATURE.SQL_CURSOR", {}, start);
  if (accept(kwOPEN)) {
    auto* o = out->mutable_open_cursor();
    multipart_name(o->mutable_name());
    if (accept(kwUSING)) {
      bool paren = false;
      if (at(kLeftParen)) {
        size_t close = matching_paren(pos_);
        TokenType after = close + 1 < tokens_.size() ? tokens_[close + 1].type : kEof;
        paren = after == kEof || after == kSemicolon;
      }
      if (paren) ++pos_;
      for (auto& a : named_expression_seq()) o->mutable_arguments()->AddAllocated(a.release());
      if (paren) expect(kRightParen);
    }
  } else if (accept(kwFETCH)) {
    auto* f = out->mutable_fetch_cursor();
    if (at(kwNEXT) && at(kwFROM, 1)) {
      pos_ += 2;
    } else if (at(kwFROM) && !at(kwINTO, 1)) {
      ++pos_;
    }
    multipart_name(f->mutable_name());
    expect(kwINTO);
    do multipart_name(f->add_into());
    while (accept(kComma));
  } else {
    expect(kwCLOSE);
    multipart_name(out->mutable_close_cursor()->mutable_name());
  }
}

// Hive's statements that Spark knows by name only.
void Parser::unsupported(Statement*) {
  static const std::vector<std::vector<TokenType>> kForms = {
      {kwCREATE, kwROLE}, {kwDROP, kwROLE}, {kwGRANT, kwROLE}, {kwGRANT}, {kwREVOKE, kwROLE}, {kwREVOKE}, {kwSHOW, kwGRANT}, {kwSHOW, kwROLE, kwGRANT},
      {kwSHOW, kwROLE}, {kwSHOW, kwPRINCIPALS}, {kwSHOW, kwROLES}, {kwSHOW, kwCURRENT, kwROLES}, {kwEXPORT, kwTABLE}, {kwIMPORT, kwTABLE},
      {kwSHOW, kwCOMPACTIONS}, {kwSHOW, kwTRANSACTIONS}, {kwSHOW, kwINDEXES}, {kwSHOW, kwLOCKS}, {kwALTER, kwINDEX}, {kwLOCK, kwTABLE},
      {kwLOCK, kwDATABASE}, {kwUNLOCK, kwTABLE}, {kwUNLOCK, kwDATABASE}, {kwCREATE, kwTEMPORARY, kwMACRO}, {kwDROP, kwTEMPORARY, kwMACRO},
      {kwSTART, kwTRANSACTION}, {kwCOMMIT}, {kwROLLBACK}, {kwDFS}};
  size_t start = pos_;
  for (const auto& form : kForms) {
    bool match = true;
    for (size_t i = 0; i < form.size(); ++i) match = match && at(form[i], i);
    if (!match) continue;
    std::string words;
    for (size_t i = 0; i < form.size(); ++i) words += (i ? " " : "") + std::string(text(i));
    pos_ = tokens_.size() - 1;
    invalid_statement(to_upper(words), start);
  }
  if (at(kwALTER) && at(kwTABLE, 1)) {
    // ALTER TABLE t [PARTITION (...)] WORDS...
    pos_ += 2;
    multipart_identifier();
    PartitionSpec spec;
    if (at(kwPARTITION)) partition_spec(&spec, false);
    std::string words = "ALTER TABLE";
    static const std::vector<std::vector<TokenType>> kActions = {
        {kwNOT, kwCLUSTERED}, {kwCLUSTERED, kwBY}, {kwNOT, kwSORTED}, {kwSKEWED, kwBY}, {kwNOT, kwSKEWED}, {kwNOT, kwSTORED, kwAS, kwDIRECTORIES},
        {kwSET, kwSKEWED, kwLOCATION}, {kwEXCHANGE, kwPARTITION}, {kwARCHIVE, kwPARTITION}, {kwUNARCHIVE, kwPARTITION}, {kwTOUCH}, {kwCOMPACT},
        {kwCONCATENATE}, {kwSET, kwFILEFORMAT}};
    for (const auto& action : kActions) {
      bool match = true;
      for (size_t i = 0; i < action.size(); ++i) match = match && at(action[i], i);
      if (!match) continue;
      for (size_t i = 0; i < action.size(); ++i) words += " " + std::string(text(i));
      pos_ = tokens_.size() - 1;
      invalid_statement(to_upper(words), start);
    }
  }
  syntax_error();
}

}  // namespace tarn::sql
