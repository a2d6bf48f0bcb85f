// Clauses that several DDL statements share: columns, constraints, properties, partitions, formats.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;
using google::protobuf::RepeatedPtrField;

std::string Parser::comment_spec() {
  expect(kwCOMMENT);
  return string_literal();
}

std::string Parser::location_spec() {
  expect(kwLOCATION);
  return string_literal();
}

std::string Parser::collation_spec() {
  expect(kwDEFAULT);
  expect(kwCOLLATION);
  return identifier();
}

void Parser::expression_text(ExpressionText* out) {
  size_t start = pos_;
  out->set_allocated_expression(expression().release());
  out->set_text(source_from(start));
}

void Parser::query_text(QueryText* out) {
  size_t start = pos_;
  out->set_allocated_query(query().release());
  out->set_text(source_from(start));
}

// A stored expression cannot have parameters: its text outlives their values.
void Parser::default_text(ExpressionText* out, const char* place) {
  expression_text(out);
  walk(out->expression(), [&](const sc::Expression& e) {
    Expr x;
    if (unpack(e, &x) && x.has_parameter_marker()) {
      throw SparkError(ErrorKind::kParse, "UNSUPPORTED_FEATURE.PARAMETER_MARKER_IN_UNEXPECTED_STATEMENT", {{"statement", place}});
    }
  });
}

// --- columns

void Parser::column_definition(ColumnDef* out, bool) {
  size_t start = pos_;
  std::string name = capturing_identifier();
  out->add_name(name);
  data_type(out->mutable_type());
  auto once = [&](bool given, const char* option, size_t at_option) {
    if (given) fail("CREATE_TABLE_COLUMN_DESCRIPTOR_DUPLICATE", {{"columnName", name}, {"optionName", option}}, at_option);
  };
  bool generated = false;
  for (;;) {
    size_t option = pos_;
    if (at_any(kwNOT, kBang) && at(kwNULL, 1)) {
      accept_not();
      ++pos_;
      once(out->not_null(), "NOT NULL", option);
      out->set_not_null(true);
    } else if (at(kwDEFAULT) && !at(kwCOLLATION, 1)) {
      ++pos_;
      bool given = out->has_default_value();
      ExpressionText value;
      default_text(&value, "DEFAULT");
      once(given, "DEFAULT", option);
      *out->mutable_default_value() = std::move(value);
    } else if (at(kwGENERATED)) {
      bool given = std::exchange(generated, true);
      generation(out);
      once(given, "GENERATED ALWAYS AS", option);
    } else if (at(kwCOMMENT) && at_string(1)) {
      std::string comment = comment_spec();
      once(out->has_comment(), "COMMENT", option);
      out->set_comment(comment);
    } else if (at_any(kwCONSTRAINT, kwCHECK, kwUNIQUE, kwPRIMARY, kwREFERENCES)) {
      Constraint c;
      column_constraint(&c, name);
      once(out->constraints_size() > 0, "CONSTRAINT", option);
      *out->add_constraints() = std::move(c);
    } else {
      break;
    }
  }
  set_origin(out->mutable_origin(), start);
}

// GENERATED ALWAYS AS (e) | GENERATED {ALWAYS | BY DEFAULT} AS IDENTITY [(...)]
void Parser::generation(ColumnDef* out) {
  size_t start = pos_;
  expect(kwGENERATED);
  bool always = accept(kwALWAYS);
  if (!always) {
    expect(kwBY);
    expect(kwDEFAULT);
  }
  expect(kwAS);
  if (accept(kwIDENTITY)) {
    auto* identity = out->mutable_identity();
    identity->set_start(1);
    identity->set_step(1);
    identity->set_always(always);
    identity_spec(identity, start);
    if (!out->type().has_long_() && !out->type().has_integer())
      fail("IDENTITY_COLUMNS_UNSUPPORTED_DATA_TYPE", {{"dataType", type_name_of(out->type())}}, start);
    return;
  }
  if (!always) syntax_error();
  expect(kLeftParen);
  default_text(out->mutable_generated(), "GENERATED");
  expect(kRightParen);
}

// The Scala name of a type, as this one message shows it.
std::string Parser::type_name_of(const sc::DataType& t) {
  switch (t.kind_case()) {
    case sc::DataType::kString: return "StringType";
    case sc::DataType::kShort: return "ShortType";
    case sc::DataType::kByte: return "ByteType";
    case sc::DataType::kFloat: return "FloatType";
    case sc::DataType::kDouble: return "DoubleType";
    case sc::DataType::kBoolean: return "BooleanType";
    case sc::DataType::kDate: return "DateType";
    case sc::DataType::kTimestamp: return "TimestampType";
    case sc::DataType::kTimestampNtz: return "TimestampNTZType";
    case sc::DataType::kBinary: return "BinaryType";
    case sc::DataType::kDecimal: return "DecimalType(" + std::to_string(t.decimal().precision()) + "," + std::to_string(t.decimal().scale()) + ")";
    default: return "DataType";
  }
}

void Parser::identity_spec(Identity* out, size_t) {
  if (!at(kLeftParen)) return;
  size_t start = pos_;
  ++pos_;
  bool has_start = false, has_step = false;
  while (!accept(kRightParen)) {
    bool is_start = at(kwSTART) && at(kwWITH, 1);
    if (!is_start && !(at(kwINCREMENT) && at(kwBY, 1))) syntax_error();
    pos_ += 2;
    bool negative = accept(kMinus);
    int64_t v = 0;
    if (at(kBigint)) {
      v = std::stoll(std::string(text()));
      ++pos_;
    } else {
      v = integer_value();
    }
    if (negative) v = -v;
    bool& seen = is_start ? has_start : has_step;
    if (seen) fail("IDENTITY_COLUMNS_DUPLICATED_SEQUENCE_GENERATOR_OPTION", {{"sequenceGeneratorOption", is_start ? "START" : "STEP"}}, start);
    seen = true;
    if (is_start) {
      out->set_start(v);
    } else {
      out->set_step(v);
      if (v == 0) fail("IDENTITY_COLUMNS_ILLEGAL_STEP", {}, start);
    }
  }
}

void Parser::column_type_defs(RepeatedPtrField<ColumnDef>* out) {
  do {
    size_t start = pos_;
    auto* c = out->Add();
    c->add_name(capturing_identifier());
    data_type(c->mutable_type());
    if (at_any(kwNOT, kBang) && at(kwNULL, 1)) {
      accept_not();
      ++pos_;
      c->set_not_null(true);
    }
    if (at(kwCOMMENT) && at_string(1)) c->set_comment(comment_spec());
    set_origin(c->mutable_origin(), start);
  } while (accept(kComma));
}

bool Parser::at_table_constraint() const {
  if (at(kwCONSTRAINT) && is_identifier(1) && (at(kwCHECK, 2) || at(kwUNIQUE, 2) || at(kwPRIMARY, 2) || at(kwFOREIGN, 2))) return true;
  return (at(kwCHECK) && at(kLeftParen, 1)) || (at(kwUNIQUE) && at(kLeftParen, 1)) || (at(kwPRIMARY) && at(kwKEY, 1)) || (at(kwFOREIGN) && at(kwKEY, 1));
}

void Parser::table_element_list(CreateTable* out) {
  size_t start = pos_;
  do {
    if (at_table_constraint()) {
      table_constraint(out->add_constraints());
    } else {
      column_definition(out->add_columns(), true);
    }
  } while (accept(kComma));
  std::string keys;
  int count = 0;
  std::vector<std::string> key_columns;
  auto collect = [&](const Constraint& c) {
    if (c.kind() != Constraint::PRIMARY_KEY) return;
    ++count;
    std::string list;
    for (const auto& k : c.columns()) list += (list.empty() ? "" : ", ") + k;
    keys += (keys.empty() ? "(" : ", (") + list + ")";
    key_columns.insert(key_columns.end(), c.columns().begin(), c.columns().end());
  };
  for (const auto& c : out->columns())
    for (const auto& k : c.constraints()) collect(k);
  for (const auto& c : out->constraints()) collect(c);
  if (count > 1) fail("MULTIPLE_PRIMARY_KEYS", {{"columns", keys}}, start);
  // A primary key's columns are not null.
  for (auto& c : *out->mutable_columns())
    for (const auto& k : key_columns)
      if (equals_ignore_case(c.name(0), k)) c.set_not_null(true);
}

void Parser::table_constraint(Constraint* out) {
  size_t start = pos_;
  if (accept(kwCONSTRAINT)) out->set_name(capturing_identifier());
  constraint_body(out, true);
  constraint_characteristics(out, start);
  set_origin(out->mutable_origin(), start);
}

void Parser::column_constraint(Constraint* out, const std::string& column) {
  size_t start = pos_;
  if (accept(kwCONSTRAINT)) out->set_name(capturing_identifier());
  constraint_body(out, false);
  if (out->kind() != Constraint::CHECK) out->add_columns(column);
  constraint_characteristics(out, start);
  set_origin(out->mutable_origin(), start);
}

void Parser::constraint_body(Constraint* out, bool table) {
  auto columns = [&] {
    if (table)
      for (auto& c : identifier_list()) out->add_columns(std::move(c));
  };
  auto references = [&] {
    expect(kwREFERENCES);
    multipart_name(out->mutable_parent());
    if (at(kLeftParen))
      for (auto& c : identifier_list()) out->add_parent_columns(std::move(c));
  };
  if (accept(kwCHECK)) {
    out->set_kind(Constraint::CHECK);
    expect(kLeftParen);
    expression_text(out->mutable_check());
    expect(kRightParen);
  } else if (accept(kwUNIQUE)) {
    out->set_kind(Constraint::UNIQUE);
    columns();
  } else if (accept(kwPRIMARY)) {
    expect(kwKEY);
    out->set_kind(Constraint::PRIMARY_KEY);
    columns();
  } else if (table && accept(kwFOREIGN)) {
    expect(kwKEY);
    out->set_kind(Constraint::FOREIGN_KEY);
    columns();
    references();
  } else if (!table && at(kwREFERENCES)) {
    out->set_kind(Constraint::FOREIGN_KEY);
    references();
  } else {
    syntax_error();
  }
}

void Parser::constraint_characteristics(Constraint* out, size_t start) {
  std::vector<std::string> enforcement, rely;
  for (;;) {
    if (at(kwNOT) && at(kwENFORCED, 1)) {
      pos_ += 2;
      enforcement.push_back("NOT ENFORCED");
      out->set_enforced(false);
    } else if (accept(kwENFORCED)) {
      enforcement.push_back("ENFORCED");
      out->set_enforced(true);
    } else if (at_any(kwRELY, kwNORELY)) {
      rely.push_back(at(kwRELY) ? "RELY" : "NORELY");
      out->set_rely(at(kwRELY));
      ++pos_;
    } else {
      break;
    }
    for (const auto* list : {&enforcement, &rely})
      if (list->size() > 1) fail("INVALID_CONSTRAINT_CHARACTERISTICS", {{"characteristics", (*list)[0] + ", " + (*list)[1]}}, start);
  }
  if (out->enforced() && (out->kind() != Constraint::CHECK)) {
    const char* type = out->kind() == Constraint::UNIQUE ? "UNIQUE" : out->kind() == Constraint::PRIMARY_KEY ? "PRIMARY KEY" : "FOREIGN KEY";
    fail("UNSUPPORTED_CONSTRAINT_CHARACTERISTIC", {{"characteristic", "ENFORCED"}, {"constraintType", type}}, start);
  }
  if (out->kind() == Constraint::CHECK && out->has_enforced() && !out->enforced())
    fail("UNSUPPORTED_CONSTRAINT_CHARACTERISTIC", {{"characteristic", "NOT ENFORCED"}, {"constraintType", "CHECK"}}, start);
}

// --- properties

std::string Parser::property_key(bool coalesce) {
  if (at_string()) return coalesce ? string_literal() : single_string();
  std::string key = capturing_identifier();
  while (accept(kDot)) key += "." + capturing_identifier();
  return key;
}

void Parser::property_list(RepeatedPtrField<Property>* out, bool expressions) {
  size_t start = pos_;
  expect(kLeftParen);
  std::set<std::string> seen;
  do {
    auto* p = out->Add();
    // Without = a string key ends at its first token.
    size_t k = 0;
    while (at_string(k)) ++k;
    bool equals = k > 0 ? at(kEq, k) : true;
    p->set_key(property_key(equals));
    bool has_equals = accept(kEq);
    bool ends = at(kComma) || at(kRightParen);
    if (has_equals && ends) syntax_error();
    if (expressions) {
      if (ends) operation_not_allowed("A value must be specified for the key: " + p->key() + ".", start);
      auto e = expression();
      if (const std::string* s = as_string_literal(*e)) {
        p->set_value(*s);
      } else {
        p->set_allocated_expression(e.release());
      }
    } else if (!ends) {
      if (at_string()) {
        p->set_value(string_literal());
      } else if (at_any(kInteger, kDecimal)) {
        p->set_value(std::string(text()));
        ++pos_;
      } else if (at_any(kwTRUE, kwFALSE)) {
        p->set_value(to_lower(text()));
        ++pos_;
      } else {
        syntax_error();
      }
    }
    if (!expressions && !seen.insert(p->key()).second) {
      while (!at(kRightParen) && !at(kEof)) ++pos_;
      fail("DUPLICATE_KEY", {{"keyColumn", quote_identifier(p->key())}}, start);
    }
  } while (accept(kComma));
  expect(kRightParen);
}

void Parser::property_key_values(RepeatedPtrField<Property>* out) {
  size_t start = pos_;
  property_list(out);
  std::string bad;
  for (const auto& p : *out)
    if (!p.has_value()) bad += (bad.empty() ? "" : ",") + p.key();
  if (!bad.empty()) operation_not_allowed("Values must be specified for key(s): [" + bad + "]", start);
}

void Parser::property_keys(RepeatedPtrField<std::string>* out) {
  size_t start = pos_;
  RepeatedPtrField<Property> list;
  property_list(&list);
  std::string bad;
  for (const auto& p : list) {
    if (p.has_value()) bad += (bad.empty() ? "" : ",") + p.key();
    *out->Add() = p.key();
  }
  if (!bad.empty()) operation_not_allowed("Values should not be specified for key(s): [" + bad + "]", start);
}

// Keys that have a clause of their own.
void Parser::check_table_properties(const RepeatedPtrField<Property>& list, size_t start) {
  static const std::map<std::string, std::string> kReserved = {
      {"provider", "please use the USING clause to specify it"}, {"location", "please use the LOCATION clause to specify it"},
      {"owner", "it will be set to the current user"},           {"external", "please use CREATE EXTERNAL TABLE"},
      {"collation", "please use the DEFAULT COLLATION clause to specify it"},
      {"is_managed_location", "please remove it from the TBLPROPERTIES list."},
  };
  for (const auto& p : list) {
    auto it = kReserved.find(p.key());
    if (it != kReserved.end()) fail("UNSUPPORTED_FEATURE.SET_TABLE_PROPERTY", {{"property", p.key()}, {"msg", it->second}}, start);
  }
}

void Parser::check_namespace_properties(const RepeatedPtrField<Property>& list, size_t start) {
  static const std::map<std::string, std::string> kReserved = {{"location", "please use the LOCATION clause to specify it"},
                                                               {"collation", "please use the DEFAULT COLLATION clause to specify it"},
                                                               {"owner", "it will be set to the current user"}};
  for (const auto& p : list) {
    auto it = kReserved.find(p.key());
    if (it != kReserved.end()) fail("UNSUPPORTED_FEATURE.SET_NAMESPACE_PROPERTY", {{"property", p.key()}, {"msg", it->second}}, start);
  }
}

// --- partitions, buckets, formats

std::string Parser::partition_text(const sc::Expression& value, bool* null) {
  *null = is_null_literal(value);
  if (*null) return {};
  const auto& l = value.literal();
  using L = sc::Expression::Literal;
  switch (l.literal_type_case()) {
    case L::kString: return l.string();
    case L::kBoolean: return l.boolean() ? "true" : "false";
    case L::kByte: return std::to_string(l.byte());
    case L::kShort: return std::to_string(l.short_());
    case L::kInteger: return std::to_string(l.integer());
    case L::kLong: return std::to_string(l.long_());
    case L::kDecimal: return l.decimal().value();
    case L::kBinary: return l.binary();
    default: return {};
  }
}

void Parser::partition_spec(PartitionSpec* out, bool values_required) {
  size_t start = pos_;
  expect(kwPARTITION);
  expect(kLeftParen);
  std::set<std::string> seen;
  std::string duplicate, missing;
  bool is_default = false;
  do {
    auto* e = out->add_entries();
    e->set_column(identifier());
    if (!seen.insert(to_lower(e->column())).second && duplicate.empty()) duplicate = to_lower(e->column());
    if (accept(kEq)) {
      if (at(kwDEFAULT)) {
        ++pos_;
        is_default = true;
      } else {
        auto value = constant();
        bool null = false;
        std::string text = partition_text(*value, &null);
        using L = sc::Expression::Literal;
        auto kind = value->has_literal() ? value->literal().literal_type_case() : L::LITERAL_TYPE_NOT_SET;
        bool has_text = kind == L::kString || kind == L::kBoolean || kind == L::kByte || kind == L::kShort || kind == L::kInteger || kind == L::kLong ||
                        kind == L::kDecimal || kind == L::kBinary;
        if (!null && has_text) e->set_text(text);
        e->set_allocated_value(value.release());
      }
    } else {
      if (missing.empty()) missing = e->column();
    }
  } while (accept(kComma));
  expect(kRightParen);
  if (is_default) fail("REF_DEFAULT_VALUE_IS_NOT_ALLOWED_IN_PARTITION", {}, start);
  if (!duplicate.empty()) fail("DUPLICATE_KEY", {{"keyColumn", quote_identifier(duplicate)}}, start);
  if (values_required && !missing.empty()) fail("INVALID_SQL_SYNTAX.EMPTY_PARTITION_VALUE", {{"partKey", quote_identifier(missing)}}, start);
  set_origin(out->mutable_origin(), start);
}

void Parser::partition_fields(CreateTable* out, size_t) {
  expect(kLeftParen);
  auto transform_error = [&](const std::string& name, const std::string& shown, size_t at_transform) {
    fail("INVALID_SQL_SYNTAX.INVALID_COLUMN_REFERENCE", {{"transform", quote_identifier(name)}, {"expr", shown}}, at_transform);
  };
  do {
    size_t field = pos_;
    if (is_identifier() && at(kLeftParen, 1)) {
      auto* t = out->add_partitioning();
      t->set_name(identifier());
      expect(kLeftParen);
      std::vector<std::string> sources;
      do {
        size_t argument = pos_;
        auto* a = t->add_arguments();
        if (at_constant()) {
          auto value = constant();
          if (!value->has_literal()) syntax_error(argument);
          *a->mutable_literal() = value->literal();
        } else {
          name_from(qualified_name(), argument, a->mutable_column());
        }
        sources.push_back(source_from(argument));
      } while (accept(kComma));
      expect(kRightParen);
      const std::string& name = t->name();
      if (name == "bucket") {
        if (!t->arguments(0).has_literal() || !(t->arguments(0).literal().has_integer() || t->arguments(0).literal().has_short_() || t->arguments(0).literal().has_long_()))
          fail("_LEGACY_ERROR_TEMP_0031", {{"describe", sources[0]}}, field);
        for (int i = 1; i < t->arguments_size(); ++i)
          if (!t->arguments(i).has_column()) transform_error(name, sources[static_cast<size_t>(i)], field);
      } else if (name == "years" || name == "months" || name == "days" || name == "hours") {
        if (t->arguments_size() > 1)
          fail("INVALID_SQL_SYNTAX.TRANSFORM_WRONG_NUM_ARGS",
               {{"transform", quote_identifier(name)}, {"expectedNum", "1"}, {"actualNum", std::to_string(t->arguments_size())}}, field);
        if (!t->arguments(0).has_column()) transform_error(name, sources[0], field);
      }
      continue;
    }
    if (is_identifier() && (at(kComma, 1) || at(kRightParen, 1) || at(kDot, 1))) {
      auto* t = out->add_partitioning();
      t->set_name("identity");
      name_from(qualified_name(), field, t->add_arguments()->mutable_column());
      continue;
    }
    auto* c = out->add_partition_columns();
    c->add_name(capturing_identifier());
    data_type(c->mutable_type());
    if (at_any(kwNOT, kBang) && at(kwNULL, 1)) {
      accept_not();
      ++pos_;
      c->set_not_null(true);
    }
    if (at(kwCOMMENT) && at_string(1)) c->set_comment(comment_spec());
    set_origin(c->mutable_origin(), field);
  } while (accept(kComma));
  expect(kRightParen);
}

void Parser::bucket_spec(Bucketing* out) {
  size_t start = pos_;
  expect(kwCLUSTERED);
  expect(kwBY);
  for (auto& c : identifier_list()) out->add_columns(std::move(c));
  std::string bad;
  if (accept(kwSORTED)) {
    expect(kwBY);
    expect(kLeftParen);
    do {
      out->add_sort_columns(capturing_identifier());
      bool descending = at(kwDESC);
      if (descending && bad.empty()) bad = std::string(text());
      if (at_any(kwASC, kwDESC)) ++pos_;
      out->add_sort_descending(descending);
    } while (accept(kComma));
    expect(kRightParen);
  }
  expect(kwINTO);
  out->set_buckets(static_cast<int32_t>(integer_value()));
  expect(kwBUCKETS);
  if (!bad.empty()) operation_not_allowed("Column ordering must be ASC, was '" + bad + "'", start);
}

void Parser::row_format(RowFormat* out) {
  expect(kwROW);
  expect(kwFORMAT);
  if (accept(kwSERDE)) {
    out->set_serde(string_literal());
    if (at(kwWITH) && at(kwSERDEPROPERTIES, 1)) {
      pos_ += 2;
      property_key_values(out->mutable_serde_properties());
    }
    return;
  }
  expect(kwDELIMITED);
  out->set_delimited(true);
  auto terminated = [&] {
    expect(kwTERMINATED);
    expect(kwBY);
    return string_literal();
  };
  if (accept(kwFIELDS)) {
    out->set_fields_terminated_by(terminated());
    if (accept(kwESCAPED)) {
      expect(kwBY);
      out->set_escaped_by(string_literal());
    }
  }
  if (at(kwCOLLECTION) && at(kwITEMS, 1)) {
    pos_ += 2;
    out->set_collection_items_terminated_by(terminated());
  }
  if (at(kwMAP) && at(kwKEYS, 1)) {
    pos_ += 2;
    out->set_map_keys_terminated_by(terminated());
  }
  if (accept(kwLINES)) out->set_lines_terminated_by(terminated());
  if (at(kwNULL) && at(kwDEFINED, 1)) {
    pos_ += 2;
    expect(kwAS);
    out->set_null_defined_as(string_literal());
  }
}

void Parser::file_format(FileFormat* out) {
  size_t start = pos_;
  expect(kwSTORED);
  if (accept(kwBY)) {
    out->set_storage_handler(string_literal());
    if (at(kwWITH) && at(kwSERDEPROPERTIES, 1)) {
      pos_ += 2;
      property_key_values(out->mutable_storage_properties());
    }
    invalid_statement("STORED BY", start);
  }
  expect(kwAS);
  if (accept(kwINPUTFORMAT)) {
    out->set_input_format(string_literal());
    expect(kwOUTPUTFORMAT);
    out->set_output_format(string_literal());
  } else {
    out->set_name(simple_identifier());
  }
}

void Parser::cluster_by_names(RepeatedPtrField<Name>* out) {
  expect(kLeftParen);
  do multipart_name(out->Add());
  while (accept(kComma));
  expect(kRightParen);
}

// WITH SCHEMA {BINDING | COMPENSATION | EVOLUTION | TYPE EVOLUTION}
CreateView::SchemaMode Parser::schema_binding() {
  size_t start = pos_;
  expect(kwWITH);
  expect(kwSCHEMA);
  if (!options_.view_schema_binding) {
    pos_ += at(kwTYPE) ? 2 : 1;
    fail("FEATURE_NOT_ENABLED",
         {{"featureName", "VIEW ... WITH SCHEMA ..."}, {"configKey", "spark.sql.legacy.viewSchemaBindingMode"}, {"configValue", "true"}}, start);
  }
  if (accept(kwBINDING)) return CreateView::BINDING;
  if (accept(kwCOMPENSATION)) return CreateView::COMPENSATION;
  if (accept(kwEVOLUTION)) return CreateView::EVOLUTION;
  expect(kwTYPE);
  expect(kwEVOLUTION);
  return CreateView::TYPE_EVOLUTION;
}

}  // namespace tarn::sql
