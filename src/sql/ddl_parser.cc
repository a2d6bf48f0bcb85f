// CREATE, REPLACE and DROP.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

namespace {
std::string serde_text(const RowFormat* row, const FileFormat* file) {
  std::string out;
  if (file) {
    out = file->has_name() ? "STORED AS " + file->name() : "STORED AS INPUTFORMAT " + file->input_format() + " OUTPUTFORMAT " + file->output_format();
  }
  if (row) out = (row->has_serde() ? "ROW FORMAT SERDE " + row->serde() : "ROW FORMAT DELIMITED") + (out.empty() ? "" : " " + out);
  return out;
}
}  // namespace

void Parser::create(Statement* out) {
  size_t k = 1;
  if (at(kwREPLACE)) {
    if (!at(kwTABLE, 1)) syntax_error(pos_ + 1);
    return create_table(out);
  }
  bool or_replace = at(kwOR, 1) && at(kwREPLACE, 2);
  if (or_replace) k = 3;
  if (at_namespace(k) && !or_replace) return create_namespace(out);
  if (at(kwTABLE, k) || (!or_replace && ((at(kwEXTERNAL, k) && at(kwTABLE, k + 1)) || (at(kwTEMPORARY, k) && (at(kwTABLE, k + 1) || at(kwEXTERNAL, k + 1))))))
    return create_table(out);
  if (at(kwVIEW, k) || (at(kwTEMPORARY, k) && at(kwVIEW, k + 1)) || (at(kwGLOBAL, k) && at(kwTEMPORARY, k + 1) && at(kwVIEW, k + 2))) return create_view(out);
  if (at(kwFUNCTION, k) || (at(kwTEMPORARY, k) && at(kwFUNCTION, k + 1))) return create_function(out);
  if (!or_replace && at(kwINDEX, 1)) return create_index(out);
  if (!or_replace && ((at(kwMATERIALIZED, 1) && at(kwVIEW, 2)) || (at(kwSTREAMING, 1) && at(kwTABLE, 2)))) return create_pipeline_dataset(out);
  if (!or_replace && at(kwFLOW, 1)) {
    size_t start = pos_;
    pos_ += 2;
    auto* f = out->mutable_create_flow();
    identifier_reference(f->mutable_name());
    if (at(kwCOMMENT)) f->set_comment(comment_spec());
    expect(kwAS);
    InsertDirectory directory;
    bool is_directory = false;
    insert_into(f->mutable_insert(), &directory, &is_directory, &start);
    if (is_directory) syntax_error(start);
    f->mutable_insert()->set_allocated_query(query().release());
    return;
  }
  if (at(kwROLE, 1) || (at(kwTEMPORARY, 1) && at(kwMACRO, 2))) return unsupported(out);
  syntax_error(pos_ + k);
}

void Parser::create_namespace(Statement* out) {
  size_t start = pos_;
  pos_ += 2;
  auto* c = out->mutable_create_namespace();
  c->set_if_not_exists(if_not_exists());
  identifier_reference(c->mutable_name());
  int comments = 0, collations = 0, locations = 0, properties = 0, db_properties = 0;
  google::protobuf::RepeatedPtrField<Property> list;
  for (;;) {
    if (at(kwCOMMENT)) {
      std::string v = comment_spec();
      if (!comments++) c->set_comment(v);
    } else if (at(kwLOCATION)) {
      std::string v = location_spec();
      if (!locations++) c->set_location(v);
    } else if (at(kwDEFAULT) && at(kwCOLLATION, 1)) {
      std::string v = collation_spec();
      if (!collations++) c->set_collation(v);
    } else if (at(kwWITH) && (at(kwDBPROPERTIES, 1) || at(kwPROPERTIES, 1))) {
      (at(kwPROPERTIES, 1) ? properties : db_properties)++;
      pos_ += 2;
      list.Clear();
      property_list(&list);
      if (c->properties_size() == 0) *c->mutable_properties() = list;
    } else {
      break;
    }
  }
  auto once = [&](int n, const char* clause) {
    if (n > 1) fail("DUPLICATE_CLAUSES", {{"clauseName", clause}}, start);
  };
  once(comments, "COMMENT");
  once(collations, "DEFAULT COLLATION");
  once(locations, "LOCATION");
  once(properties, "WITH PROPERTIES");
  once(db_properties, "WITH DBPROPERTIES");
  if (properties && db_properties) fail("UNSUPPORTED_FEATURE.SET_PROPERTIES_AND_DBPROPERTIES", {}, start);
  for (const auto& p : c->properties())
    if (!p.has_value()) operation_not_allowed("Values must be specified for key(s): [" + p.key() + "]", start);
  check_namespace_properties(c->properties(), start);
}

// [CREATE [OR REPLACE] [TEMPORARY] [EXTERNAL] | REPLACE] TABLE ...
void Parser::create_table(Statement* out) {
  size_t start = pos_;
  CreateTable t;
  bool temporary = false;
  if (accept(kwREPLACE)) {
    t.set_mode(CreateTable::REPLACE);
  } else {
    expect(kwCREATE);
    if (accept(kwOR)) {
      expect(kwREPLACE);
      t.set_mode(CreateTable::CREATE_OR_REPLACE);
    }
    temporary = accept(kwTEMPORARY);
    t.set_external(accept(kwEXTERNAL));
  }
  expect(kwTABLE);
  if (t.mode() == CreateTable::CREATE) t.set_if_not_exists(if_not_exists());
  identifier_reference(t.mutable_name());
  if (temporary && t.if_not_exists()) invalid_statement("CREATE TEMPORARY TABLE ... IF NOT EXISTS", start);
  if (at(kwLIKE) && t.mode() == CreateTable::CREATE && !temporary && !t.external()) return create_table_like(out, t.name(), t.if_not_exists(), start);
  if (clone_table(out, t, start)) return;
  if (at(kLeftParen) && !paren_is_query()) {
    ++pos_;
    table_element_list(&t);
    expect(kRightParen);
  }
  if (accept(kwUSING)) {
    std::string provider;
    for (const auto& p : multipart_identifier()) provider += (provider.empty() ? "" : ".") + p;
    t.set_provider(provider);
  }
  create_table_clauses(&t, start);
  bool replace = t.mode() != CreateTable::CREATE;
  bool as = accept(kwAS);
  if (as || at_query() || at(kLeftParen)) t.set_allocated_query(query().release());
  std::string serde = serde_text(t.has_row_format() ? &t.row_format() : nullptr, t.has_file_format() ? &t.file_format() : nullptr);
  if (t.has_provider() && !serde.empty()) invalid_statement(std::string(replace ? "REPLACE" : "CREATE") + " TABLE ... USING ... " + serde, start);
  if (temporary) {
    if (t.has_query()) operation_not_allowed("CREATE TEMPORARY TABLE ... AS ..., use CREATE TEMPORARY VIEW instead", start);
    if (t.external()) invalid_statement("CREATE EXTERNAL TABLE ... USING", start);
    if (!t.has_provider()) fail("_LEGACY_ERROR_TEMP_0046", {}, start);
    fail("INVALID_SQL_SYNTAX.CREATE_TEMP_TABLE_USING_PROVIDER", {}, start);
  }
  if (t.partitioning_size() && t.partition_columns_size())
    operation_not_allowed("PARTITION BY: Cannot mix partition expressions and partition columns:", start);
  if (t.has_query()) {
    std::string name = replace ? "a Replace Table As Select (RTAS)" : "a Create Table As Select (CTAS)";
    if (t.columns_size()) operation_not_allowed("Schema may not be specified in " + name + " statement", start);
    if (t.partition_columns_size()) operation_not_allowed("Partition column types may not be specified in " + name.substr(2), start);
    if (t.constraints_size()) operation_not_allowed("Constraints may not be specified in " + name + " statement", start);
  }
  *out->mutable_create_table() = std::move(t);
}

void Parser::create_table_clauses(CreateTable* out, size_t start) {
  size_t clauses_at = pos_;
  std::map<std::string, int> seen;
  google::protobuf::RepeatedPtrField<Property> options, properties;
  bool skewed = false;
  for (;;) {
    if (at(kwOPTIONS) && at(kLeftParen, 1)) {
      ++pos_;
      if (seen["OPTIONS"]++) options.Clear();
      property_list(&options, true);
    } else if (at(kwPARTITIONED) && at(kwBY, 1)) {
      pos_ += 2;
      CreateTable repeated;
      partition_fields(seen["PARTITIONED BY"]++ ? &repeated : out, start);
    } else if (at(kwSKEWED)) {
      skewed = true;
      pos_ += 1;
      expect(kwBY);
      identifier_list();
      expect(kwON);
      pos_ = matching_paren(pos_) + 1;
      if (pos_ >= tokens_.size()) syntax_error(tokens_.size() - 1);
      if (at(kwSTORED) && at(kwAS, 1) && at(kwDIRECTORIES, 2)) pos_ += 3;
    } else if (at(kwCLUSTER) && at(kwBY, 1)) {
      pos_ += 2;
      google::protobuf::RepeatedPtrField<Name> names;
      if (accept_word("AUTO")) {
        out->set_cluster_by_auto(true);
      } else {
        cluster_by_names(&names);
      }
      if (!seen["CLUSTER BY"]++) *out->mutable_cluster_by() = names;
    } else if (at(kwCLUSTERED)) {
      Bucketing b;
      bucket_spec(&b);
      if (!seen["CLUSTERED BY"]++) *out->mutable_bucketing() = b;
    } else if (at(kwROW) && at(kwFORMAT, 1)) {
      RowFormat f;
      row_format(&f);
      if (f.has_lines_terminated_by() && f.lines_terminated_by() != "\n")
        fail("_LEGACY_ERROR_TEMP_0064", {{"msg", "LINES TERMINATED BY only supports newline '\\n' right now: " + f.lines_terminated_by()}}, start);
      if (!seen["ROW FORMAT"]++) *out->mutable_row_format() = f;
    } else if (at(kwSTORED)) {
      FileFormat f;
      file_format(&f);
      if (!seen["STORED AS/BY"]++) *out->mutable_file_format() = f;
    } else if (at(kwLOCATION)) {
      std::string v = location_spec();
      if (!seen["LOCATION"]++) out->set_location(v);
    } else if (at(kwCOMMENT)) {
      std::string v = comment_spec();
      if (!seen["COMMENT"]++) out->set_comment(v);
    } else if (at(kwDEFAULT) && at(kwCOLLATION, 1)) {
      std::string v = collation_spec();
      if (!seen["DEFAULT COLLATION"]++) out->set_collation(v);
    } else if (accept(kwTBLPROPERTIES)) {
      if (seen["TBLPROPERTIES"]++) properties.Clear();
      property_key_values(&properties);
    } else {
      break;
    }
  }
  for (const char* clause : {"TBLPROPERTIES", "OPTIONS", "PARTITIONED BY", "STORED AS/BY", "ROW FORMAT", "COMMENT", "DEFAULT COLLATION", "CLUSTERED BY",
                             "CLUSTER BY", "LOCATION"})
    if (seen[clause] > 1) fail("DUPLICATE_CLAUSES", {{"clauseName", clause}}, clauses_at);
  if (skewed) invalid_statement("CREATE TABLE ... SKEWED BY", clauses_at);
  check_table_properties(properties, clauses_at);
  check_table_properties(options, clauses_at);
  *out->mutable_properties() = std::move(properties);
  // OPTIONS (path '...') is the location.
  for (auto& p : options) {
    if (!equals_ignore_case(p.key(), "path")) {
      *out->add_options() = std::move(p);
      continue;
    }
    if (!p.has_value()) fail("INVALID_SQL_SYNTAX.OPTION_IS_INVALID", {{"key", p.key()}, {"supported", "literal strings"}}, clauses_at);
    if (out->has_location()) fail("_LEGACY_ERROR_TEMP_0032", {{"pathOne", out->location()}, {"pathTwo", p.value()}}, clauses_at);
    out->set_location(p.value());
  }
  if (out->has_row_format() && out->has_file_format() && out->file_format().has_name()) {
    std::string format = to_lower(out->file_format().name());
    bool text = format == "textfile";
    if (out->row_format().has_serde() && !text && format != "sequencefile" && format != "rcfile")
      operation_not_allowed("ROW FORMAT SERDE is incompatible with format '" + format + "', which also specifies a serde", clauses_at);
    if (out->row_format().delimited() && !text) operation_not_allowed("ROW FORMAT DELIMITED is only compatible with 'textfile', not '" + format + "'", clauses_at);
  }
  if (out->cluster_by_size() || out->cluster_by_auto()) {
    if (seen["PARTITIONED BY"]) fail("SPECIFY_CLUSTER_BY_WITH_PARTITIONED_BY_IS_NOT_ALLOWED", {}, clauses_at);
    if (seen["CLUSTERED BY"]) fail("SPECIFY_CLUSTER_BY_WITH_BUCKETING_IS_NOT_ALLOWED", {}, clauses_at);
  }
}

void Parser::create_table_like(Statement* out, Name name, bool if_absent, size_t start) {
  expect(kwLIKE);
  auto* l = out->mutable_create_table_like();
  *l->mutable_name() = std::move(name);
  l->set_if_not_exists(if_absent);
  identifier_reference(l->mutable_source());
  std::map<std::string, int> seen;
  for (;;) {
    if (accept(kwUSING)) {
      std::string provider;
      for (const auto& p : multipart_identifier()) provider += (provider.empty() ? "" : ".") + p;
      seen["PROVIDER"]++;
      l->set_provider(provider);
    } else if (at(kwROW)) {
      seen["ROW FORMAT"]++;
      l->clear_row_format();
      row_format(l->mutable_row_format());
    } else if (at(kwSTORED)) {
      seen["STORED AS/BY"]++;
      l->clear_file_format();
      file_format(l->mutable_file_format());
    } else if (at(kwLOCATION)) {
      seen["LOCATION"]++;
      l->set_location(location_spec());
    } else if (accept(kwTBLPROPERTIES)) {
      seen["TBLPROPERTIES"]++;
      l->clear_properties();
      property_key_values(l->mutable_properties());
    } else {
      break;
    }
  }
  for (const char* clause : {"PROVIDER", "STORED AS/BY", "ROW FORMAT", "LOCATION", "TBLPROPERTIES"})
    if (seen[clause] > 1) fail("DUPLICATE_CLAUSES", {{"clauseName", clause}}, start);
  std::string serde = serde_text(l->has_row_format() ? &l->row_format() : nullptr, l->has_file_format() ? &l->file_format() : nullptr);
  if (l->has_provider() && !serde.empty()) invalid_statement("CREATE TABLE LIKE ... USING ... " + serde, start);
  if (l->row_format().has_serde() && !l->has_file_format()) fail("_LEGACY_ERROR_TEMP_0047", {}, start);
  check_table_properties(l->properties(), start);
}

// Delta: CREATE TABLE t [SHALLOW | DEEP] CLONE source [VERSION AS OF ...] [TBLPROPERTIES ...] [LOCATION ...].
bool Parser::clone_table(Statement* out, const CreateTable& header, size_t) {
  bool shallow = at_word("SHALLOW") && at_word("CLONE", 1), deep = at_word("DEEP") && at_word("CLONE", 1);
  if (!shallow && !deep && !at_word("CLONE")) return false;
  pos_ += shallow || deep ? 2 : 1;
  auto* c = out->mutable_clone_table();
  *c->mutable_name() = header.name();
  c->set_mode(header.mode());
  c->set_if_not_exists(header.if_not_exists());
  c->set_shallow(shallow);
  identifier_reference(c->mutable_source());
  if (at_temporal()) {
    accept(kwFOR);
    bool is_version = at_any(kwVERSION, kwSYSTEM_VERSION);
    pos_ += 3;
    if (is_version) {
      c->set_version(version());
    } else {
      c->set_allocated_timestamp(value_expression().release());
    }
  }
  if (accept(kwTBLPROPERTIES)) property_key_values(c->mutable_properties());
  if (at(kwLOCATION)) c->set_location(location_spec());
  return true;
}

void Parser::create_view(Statement* out) {
  size_t start = pos_;
  expect(kwCREATE);
  CreateView v;
  if (accept(kwOR)) {
    expect(kwREPLACE);
    v.set_or_replace(true);
  }
  v.set_global(accept(kwGLOBAL));
  v.set_temporary(accept(kwTEMPORARY));
  expect(kwVIEW);
  v.set_if_not_exists(if_not_exists());
  size_t name_at = pos_;
  identifier_reference(v.mutable_name());
  std::string name_text = source_from(name_at);
  bool has_column_comment_or_list = at(kLeftParen);
  // CREATE TEMPORARY VIEW t (a INT, ...) USING ...: typed columns.
  if (v.temporary() && (at(kwUSING) || (has_column_comment_or_list && is_identifier(1) && is_identifier(2) && !at(kwCOMMENT, 2)))) {
    auto* u = out->mutable_create_temp_view_using();
    *u->mutable_name() = v.name();
    u->set_or_replace(v.or_replace());
    u->set_global(v.global());
    if (accept(kLeftParen)) {
      column_type_defs(u->mutable_columns());
      expect(kRightParen);
    }
    expect(kwUSING);
    std::string provider;
    for (const auto& p : multipart_identifier()) provider += (provider.empty() ? "" : ".") + p;
    u->set_provider(provider);
    if (accept(kwOPTIONS)) property_key_values(u->mutable_options());
    if (!u->global()) check_temporary_name(u->name(), "VIEW", start);
    return;
  }
  if (accept(kLeftParen)) {
    do {
      auto* c = v.add_columns();
      c->set_name(identifier());
      if (at(kwCOMMENT)) c->set_comment(comment_spec());
    } while (accept(kComma));
    expect(kRightParen);
  }
  std::map<std::string, int> seen;
  google::protobuf::RepeatedPtrField<Property> properties;
  bool partitioned = false;
  std::string language;
  bool language_sql = false;
  size_t language_at = 0, language_end = 0;
  for (;;) {
    if (at(kwCOMMENT)) {
      std::string text = comment_spec();
      if (!seen["COMMENT"]++) v.set_comment(text);
    } else if (at(kwDEFAULT) && at(kwCOLLATION, 1)) {
      std::string text = collation_spec();
      if (!seen["DEFAULT COLLATION"]++) v.set_collation(text);
    } else if (at(kwWITH) && at(kwSCHEMA, 1)) {
      auto mode = schema_binding();
      if (!seen["WITH SCHEMA"]++) v.set_schema_mode(mode);
    } else if (at(kwWITH) && at(kwMETRICS, 1)) {
      pos_ += 2;
      seen["WITH METRICS"]++;
    } else if (at(kwLANGUAGE)) {
      language_at = pos_;
      ++pos_;
      language_sql = at(kwSQL);
      language = std::string(text());
      if (!at(kwSQL) && !at(kIdentifier)) syntax_error();
      ++pos_;
      language_end = pos_;
      seen["LANGUAGE"]++;
    } else if (at(kwPARTITIONED)) {
      ++pos_;
      expect(kwON);
      identifier_list();
      partitioned = true;
      seen["PARTITIONED ON"]++;
    } else if (accept(kwTBLPROPERTIES)) {
      google::protobuf::RepeatedPtrField<Property> list;
      property_key_values(&list);
      if (!seen["TBLPROPERTIES"]++) properties = list;
    } else {
      break;
    }
  }
  expect(kwAS);
  bool metric = at(kDollarQuoted);
  std::string definition;
  if (metric) {
    std::string_view quoted = text();
    size_t tag = quoted.find('$', 1) + 1;
    definition = std::string(quoted.substr(tag, quoted.size() - 2 * tag));
    ++pos_;
  } else {
    if (seen.count("WITH METRICS") || seen.count("LANGUAGE")) syntax_error();
    query_text(v.mutable_query());
  }
  if (partitioned) invalid_statement("CREATE VIEW ... PARTITIONED ON", start);
  for (const char* clause : {"COMMENT", "DEFAULT COLLATION", "WITH SCHEMA", "PARTITIONED ON", "TBLPROPERTIES", "LANGUAGE", "WITH METRICS"})
    if (seen[clause] > 1) fail("DUPLICATE_CLAUSES", {{"clauseName", clause}}, start);
  if (v.if_not_exists() && v.or_replace()) fail("CREATE_VIEW_WITH_IF_NOT_EXISTS_AND_REPLACE", {{"viewName", name_text}}, start);
  if (metric) {
    if (v.temporary()) syntax_error(start + 1);
    if (!seen["WITH METRICS"]) fail("MISSING_CLAUSES_FOR_OPERATION", {{"clauses", "WITH METRICS"}, {"operation", "METRIC VIEW CREATION"}}, start);
    if (!seen["LANGUAGE"]) fail("MISSING_CLAUSES_FOR_OPERATION", {{"clauses", "LANGUAGE"}, {"operation", "METRIC VIEW CREATION"}}, start);
    if (language_sql || !equals_ignore_case(language, "YAML"))
      fail("_LEGACY_ERROR_TEMP_0035", {{"message", "Unsupported language for metric view: " + (language_sql ? "SQL" : language)}}, language_at, language_end);
    auto* m = out->mutable_create_metric_view();
    *m->mutable_name() = v.name();
    m->set_if_not_exists(v.if_not_exists());
    m->set_or_replace(v.or_replace());
    *m->mutable_columns() = v.columns();
    if (v.has_comment()) m->set_comment(v.comment());
    *m->mutable_properties() = properties;
    m->set_language("YAML");
    m->set_definition(definition);
    return;
  }
  *v.mutable_properties() = properties;
  if (v.temporary() && !properties.empty()) operation_not_allowed("TBLPROPERTIES can't coexist with CREATE TEMPORARY VIEW", start);
  if (v.temporary() && seen["WITH SCHEMA"]) fail("UNSUPPORTED_FEATURE.TEMPORARY_VIEW_WITH_SCHEMA_BINDING_MODE", {}, start);
  if (!v.temporary() && v.schema_mode() == CreateView::EVOLUTION && v.columns_size()) v.set_schema_mode(CreateView::TYPE_EVOLUTION);
  if (v.temporary()) {
    if (v.if_not_exists()) fail("_LEGACY_ERROR_TEMP_0053", {}, start);
    check_temporary_name(v.name(), "VIEW", start);
  }
  *out->mutable_create_view() = std::move(v);
}

// Temporary objects may be written x, session.x or system.session.x.
void Parser::check_temporary_name(const Name& name, const char* object, size_t start) const {
  if (name.has_expression() || name.parts_size() == 1) return;
  if (name.parts_size() == 2 && equals_ignore_case(name.parts(0), "session")) return;
  if (name.parts_size() == 3 && equals_ignore_case(name.parts(0), "system") && equals_ignore_case(name.parts(1), "session")) return;
  std::string qualifier;
  for (int i = 0; i + 1 < name.parts_size(); ++i) qualifier += (i ? "." : "") + name.parts(i);
  fail("INVALID_TEMP_OBJ_QUALIFIER",
       {{"objectType", object}, {"objectName", quote_identifier(name.parts(name.parts_size() - 1))}, {"qualifier", quote_identifier(qualifier)}}, start);
}

void Parser::create_function(Statement* out) {
  size_t start = pos_;
  expect(kwCREATE);
  bool or_replace = accept(kwOR);
  if (or_replace) expect(kwREPLACE);
  bool temporary = accept(kwTEMPORARY);
  expect(kwFUNCTION);
  bool if_absent = if_not_exists();
  Name name;
  identifier_reference(&name);
  if (at(kLeftParen)) return create_sql_function(out, std::move(name), temporary, or_replace, if_absent, start);
  auto* f = out->mutable_create_function();
  *f->mutable_name() = std::move(name);
  f->set_temporary(temporary);
  f->set_or_replace(or_replace);
  f->set_if_not_exists(if_absent);
  expect(kwAS);
  f->set_class_name(string_literal());
  if (accept(kwUSING)) {
    do {
      auto* r = f->add_resources();
      std::string kind = to_lower(simple_identifier());
      r->set_kind(kind);
      r->set_uri(string_literal());
      if (kind != "jar" && kind != "file" && kind != "archive") operation_not_allowed("CREATE FUNCTION with resource type '" + kind + "'", start);
    } while (accept(kComma));
  }
  if (if_absent && or_replace) fail("INVALID_SQL_SYNTAX.CREATE_ROUTINE_WITH_IF_NOT_EXISTS_AND_REPLACE", {}, start);
  if (temporary && if_absent) fail("INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_IF_NOT_EXISTS", {}, start);
  if (temporary) check_temporary_name(f->name(), "FUNCTION", start);
}

void Parser::create_sql_function(Statement* out, Name name, bool temporary, bool or_replace, bool if_absent, size_t start) {
  auto* f = out->mutable_create_sql_function();
  *f->mutable_name() = std::move(name);
  f->set_temporary(temporary);
  f->set_or_replace(or_replace);
  f->set_if_not_exists(if_absent);
  expect(kLeftParen);
  size_t parameters_at = pos_;
  if (!at(kRightParen)) {
    do column_definition(f->add_parameters(), false);
    while (accept(kComma));
    f->set_parameters_text(source_from(parameters_at));
  }
  expect(kRightParen);
  if (accept(kwRETURNS)) {
    if (at(kwTABLE)) {
      ++pos_;
      f->set_returns_table(true);
      if (accept(kLeftParen)) {
        size_t columns_at = pos_;
        column_type_defs(f->mutable_table_columns());
        f->set_return_type_text(source_from(columns_at));
        expect(kRightParen);
      }
    } else {
      size_t type_at = pos_;
      data_type(f->mutable_return_type());
      f->set_return_type_text(source_from(type_at));
    }
  }
  std::map<std::string, int> seen;
  size_t characteristics = pos_;
  std::vector<std::pair<std::string, std::pair<size_t, size_t>>> refused;
  for (;;) {
    size_t at_clause = pos_;
    auto refuse = [&](const std::string& message) { refused.push_back({message, {at_clause, pos_}}); };
    if (accept(kwLANGUAGE)) {
      if (!at(kwSQL) && !at(kIdentifier)) syntax_error();
      f->set_language(std::string(text()));
      bool sql = at(kwSQL);
      ++pos_;
      if (!sql && !seen.count("LANGUAGE")) refuse("Unsupported language for user defined functions: " + f->language());
      seen["LANGUAGE"]++;
    } else if (accept(kwSPECIFIC)) {
      capturing_identifier();
      seen["SPECIFIC"]++;
      refuse("SQL function with SPECIFIC name is not supported");
    } else if (at(kwDETERMINISTIC) || (at_any(kwNOT, kBang) && at(kwDETERMINISTIC, 1))) {
      bool deterministic = at(kwDETERMINISTIC);
      if (!deterministic) accept_not();
      ++pos_;
      if (!seen["DETERMINISTIC"]++) f->set_deterministic(deterministic);
    } else if (at(kwNO) && at(kwSQL, 1)) {
      pos_ += 2;
      seen["SQL DATA ACCESS"]++;
      refuse("SQL function with NO SQL is not supported");
    } else if (at(kwCONTAINS) && at(kwSQL, 1)) {
      pos_ += 2;
      if (!seen["SQL DATA ACCESS"]++) f->set_contains_sql(true);
    } else if (at(kwREADS) && at(kwSQL, 1)) {
      pos_ += 2;
      expect(kwDATA);
      if (!seen["SQL DATA ACCESS"]++) f->set_contains_sql(false);
    } else if (at(kwMODIFIES) && at(kwSQL, 1)) {
      pos_ += 2;
      expect(kwDATA);
      seen["SQL DATA ACCESS"]++;
      refuse("SQL function with MODIFIES SQL DATA is not supported");
    } else if (at_any(kwRETURNS, kwCALLED)) {
      bool returns = at(kwRETURNS);
      ++pos_;
      if (returns) expect(kwNULL);
      expect(kwON);
      expect(kwNULL);
      expect(kwINPUT);
      seen["NULL CALL"]++;
      if (returns) refuse("SQL function with RETURNS NULL ON NULL INPUT is not supported");
    } else if (at(kwCOMMENT)) {
      std::string text = comment_spec();
      if (!seen["COMMENT"]++) f->set_comment(text);
    } else if (at(kwDEFAULT) && at(kwCOLLATION, 1)) {
      std::string text = collation_spec();
      if (!seen["DEFAULT COLLATION"]++) f->set_collation(text);
    } else if (at(kwSQL) && at(kwSECURITY, 1)) {
      pos_ += 2;
      bool invoker = at(kwINVOKER);
      if (!at_any(kwINVOKER, kwDEFINER)) syntax_error();
      ++pos_;
      seen["SQL SECURITY RIGHTS"]++;
      if (invoker) refuse("SQL function with SQL SECURITY INVOKER is not supported");
    } else {
      break;
    }
  }
  size_t characteristics_end = pos_;
  expect(kwRETURN);
  bool body_is_query = at(kLeftParen) ? false : at_query();
  // RETURN (SELECT ...) of a table function is a query; of a scalar one it is an expression.
  if (at(kLeftParen) && paren_is_query()) {
    size_t close = matching_paren(pos_);
    TokenType after = close + 1 < tokens_.size() ? tokens_[close + 1].type : kEof;
    body_is_query = after == kEof || after == kSemicolon || after == kwEND || after == kwUNION || after == kwEXCEPT || after == kwINTERSECT ||
                    after == kwSETMINUS || after == kwORDER || after == kwLIMIT;
    // A query alone in parentheses: Spark's grammar prefers the query reading.
  }
  if (body_is_query) {
    query_text(f->mutable_query());
  } else {
    expression_text(f->mutable_expression());
  }
  if (if_absent && or_replace) fail("INVALID_SQL_SYNTAX.CREATE_ROUTINE_WITH_IF_NOT_EXISTS_AND_REPLACE", {}, start);
  for (const auto& p : f->parameters()) {
    if (p.has_generated() || p.has_identity())
      fail("INVALID_SQL_SYNTAX.CREATE_FUNC_WITH_GENERATED_COLUMNS_AS_PARAMETERS", {}, start);
    if (p.constraints_size()) fail("INVALID_SQL_SYNTAX.CREATE_FUNC_WITH_COLUMN_CONSTRAINTS", {}, start);
  }
  for (const char* clause : {"LANGUAGE", "SPECIFIC", "SQL DATA ACCESS", "NULL CALL", "DETERMINISTIC", "COMMENT", "DEFAULT COLLATION", "SQL SECURITY RIGHTS"})
    if (seen[clause] > 1) fail("DUPLICATE_CLAUSES", {{"clauseName", clause}}, characteristics, characteristics_end);
  if (!refused.empty()) fail("_LEGACY_ERROR_TEMP_0035", {{"message", refused[0].first}}, refused[0].second.first, refused[0].second.second);
  if (temporary && if_absent) fail("INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_IF_NOT_EXISTS", {}, start);
  if (temporary) check_temporary_name(f->name(), "FUNCTION", start);
}

void Parser::create_index(Statement* out) {
  pos_ += 2;
  auto* i = out->mutable_create_index();
  i->set_if_not_exists(if_not_exists());
  i->set_index(identifier());
  expect(kwON);
  accept(kwTABLE);
  identifier_reference(i->mutable_table());
  if (accept(kwUSING)) i->set_type(identifier());
  expect(kLeftParen);
  do {
    auto* c = i->add_columns();
    multipart_name(c->mutable_name());
    if (accept(kwOPTIONS)) property_key_values(c->mutable_options());
  } while (accept(kComma));
  expect(kRightParen);
  if (accept(kwOPTIONS)) property_key_values(i->mutable_options());
}

void Parser::create_pipeline_dataset(Statement* out) {
  size_t start = pos_;
  auto* d = out->mutable_create_pipeline_dataset();
  d->set_streaming(at(kwSTREAMING, 1));
  pos_ += 3;
  auto* t = d->mutable_table();
  t->set_if_not_exists(if_not_exists());
  identifier_reference(t->mutable_name());
  if (accept(kLeftParen)) {
    if (!at(kRightParen)) table_element_list(t);
    expect(kRightParen);
  }
  if (accept(kwUSING)) {
    std::string provider;
    for (const auto& p : multipart_identifier()) provider += (provider.empty() ? "" : ".") + p;
    t->set_provider(provider);
  }
  create_table_clauses(t, start);
  if (accept(kwAS)) t->set_allocated_query(query().release());
  std::string what = d->streaming() ? "STREAMING TABLE" : "MATERIALIZED VIEW";
  bool constraints = t->constraints_size() > 0;
  for (const auto& c : t->columns()) constraints = constraints || c.constraints_size() > 0;
  if (constraints)
    operation_not_allowed(
        "Pipeline datasets do not currently support column constraints. Please remove any CHECK, UNIQUE, PK, and FK constraints specified on the pipeline dataset.",
        start);
  if (t->has_bucketing())
    operation_not_allowed("Bucketing is not supported for CREATE " + what + " statements. Please remove any bucket spec specified in the statement.", start);
  if (t->options_size())
    operation_not_allowed("Options are not supported for CREATE " + what + " statements. Please remove any OPTIONS lists specified in the statement.", start);
  if (t->has_file_format() && t->file_format().has_name())
    operation_not_allowed("The STORED AS syntax is not supported for CREATE " + what + " statements. Consider using the Data Source based USING clause instead.", start);
  if (t->has_file_format() || t->has_row_format()) operation_not_allowed("Hive SerDe format options are not supported for CREATE " + what + " statements.", start);
  if (t->has_location())
    operation_not_allowed("Specifying location is not supported for CREATE " + what +
                              " statements. The storage location for a pipeline dataset is managed by the pipeline itself.",
                          start);
  if (!d->streaming() && !t->has_query()) operation_not_allowed("Unable to find query for CREATE " + what + " statement.", start);
}

void Parser::drop(Statement* out) {
  size_t start = pos_;
  expect(kwDROP);
  if (at_namespace()) {
    ++pos_;
    auto* d = out->mutable_drop_namespace();
    d->set_if_exists(if_exists());
    identifier_reference(d->mutable_name());
    if (accept(kwCASCADE)) {
      d->set_cascade(true);
    } else {
      accept(kwRESTRICT);
    }
    return;
  }
  bool temporary = false;
  if (at(kwTEMPORARY)) {
    if (at(kwMACRO, 1)) {
      --pos_;
      return unsupported(out);
    }
    if (at_variable(1)) {
      pos_ += 2;
      auto* d = out->mutable_drop_variable();
      d->set_if_exists(if_exists());
      identifier_reference(d->mutable_name());
      return;
    }
    if (!at(kwFUNCTION, 1)) syntax_error(pos_ + 1);
    ++pos_;
    temporary = true;
  }
  if (accept(kwTABLE)) {
    auto* d = out->mutable_drop_table();
    d->set_if_exists(if_exists());
    identifier_reference(d->mutable_name());
    d->set_purge(accept(kwPURGE));
  } else if (accept(kwVIEW)) {
    auto* d = out->mutable_drop_view();
    d->set_if_exists(if_exists());
    identifier_reference(d->mutable_name());
  } else if (accept(kwFUNCTION)) {
    auto* d = out->mutable_drop_function();
    d->set_temporary(temporary);
    d->set_if_exists(if_exists());
    identifier_reference(d->mutable_name());
    if (temporary) check_temporary_name(d->name(), "FUNCTION", start);
  } else if (accept(kwINDEX)) {
    auto* d = out->mutable_drop_index();
    d->set_if_exists(if_exists());
    d->set_index(identifier());
    expect(kwON);
    accept(kwTABLE);
    identifier_reference(d->mutable_table());
  } else if (at(kwROLE)) {
    --pos_;
    unsupported(out);
  } else {
    syntax_error();
  }
}

}  // namespace tarn::sql
