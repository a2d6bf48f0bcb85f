// ALTER.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

void Parser::alter(Statement* out) {
  if (at_namespace(1)) return alter_namespace(out);
  if (at(kwTABLE, 1)) return alter_table(out);
  if (at(kwVIEW, 1)) return alter_view(out);
  if (at(kwINDEX, 1)) return unsupported(out);
  syntax_error(pos_ + 1);
}

void Parser::alter_namespace(Statement* out) {
  size_t start = pos_;
  pos_ += 2;
  auto* a = out->mutable_alter_namespace();
  identifier_reference(a->mutable_name());
  if (at(kwDEFAULT) && at(kwCOLLATION, 1)) {
    a->set_collation(collation_spec());
  } else if (accept(kwUNSET)) {
    if (!accept(kwPROPERTIES)) expect(kwDBPROPERTIES);
    property_keys(a->mutable_unset_properties());
    google::protobuf::RepeatedPtrField<Property> list;
    for (const auto& k : a->unset_properties()) list.Add()->set_key(k);
    check_namespace_properties(list, start);
  } else {
    expect(kwSET);
    if (at(kwLOCATION)) {
      a->set_location(location_spec());
    } else {
      if (!accept(kwPROPERTIES)) expect(kwDBPROPERTIES);
      property_key_values(a->mutable_set_properties());
      check_namespace_properties(a->set_properties(), start);
    }
  }
}

void Parser::column_position(ColumnPosition* out) {
  if (accept(kwFIRST)) {
    out->set_first(true);
  } else {
    expect(kwAFTER);
    out->set_after(capturing_identifier());
  }
}

// name type [NOT NULL | DEFAULT e | COMMENT c | FIRST | AFTER c]*, of ADD COLUMNS and REPLACE COLUMNS.
void Parser::qualified_column(ColumnDef* out, const char* alter_type) {
  size_t start = pos_;
  for (auto& p : multipart_identifier()) out->add_name(std::move(p));
  data_type(out->mutable_type());
  const std::string name = out->name(out->name_size() - 1);
  auto once = [&](bool given, const char* option, size_t at_option) {
    if (given) fail("ALTER_TABLE_COLUMN_DESCRIPTOR_DUPLICATE", {{"type", alter_type}, {"columnName", name}, {"optionName", option}}, at_option);
  };
  for (;;) {
    size_t option = pos_;
    if (at_any(kwNOT, kBang) && at(kwNULL, 1)) {
      accept_not();
      ++pos_;
      once(out->not_null(), "NOT NULL", option);
      out->set_not_null(true);
    } else if (accept(kwDEFAULT)) {
      bool given = out->has_default_value();
      ExpressionText value;
      default_text(&value, "DEFAULT");
      once(given, "DEFAULT", option);
      *out->mutable_default_value() = std::move(value);
    } else if (at(kwCOMMENT) && at_string(1)) {
      std::string comment = comment_spec();
      once(out->has_comment(), "COMMENT", option);
      out->set_comment(comment);
    } else if (at_any(kwFIRST, kwAFTER)) {
      bool given = out->has_position();
      ColumnPosition position;
      column_position(&position);
      once(given, "FIRST|AFTER", option);
      *out->mutable_position() = position;
    } else {
      break;
    }
  }
  set_origin(out->mutable_origin(), start);
}

void Parser::qualified_columns(AlterTable::Columns* out, const char* alter_type) {
  do qualified_column(out->add_columns(), alter_type);
  while (accept(kComma));
}

void Parser::alter_table(Statement* out) {
  size_t start = pos_;
  pos_ += 2;
  auto* t = out->mutable_alter_table();
  identifier_reference(t->mutable_name());
  PartitionSpec spec;
  bool has_partition = at(kwPARTITION);
  if (has_partition) partition_spec(&spec, false);
  if (has_partition && at(kwRENAME)) {
    ++pos_;
    expect(kwTO);
    PartitionSpec to;
    partition_spec(&to, true);
    *t->mutable_rename_partition()->mutable_from() = spec;
    *t->mutable_rename_partition()->mutable_to() = to;
    return;
  }
  if (alter_partition_action(t, has_partition, spec, start)) return;
  if (has_partition) syntax_error();
  if (accept(kwADD)) {
    if (at_any(kwCOLUMN, kwCOLUMNS)) {
      ++pos_;
      bool paren = accept(kLeftParen);
      qualified_columns(t->mutable_add_columns(), "ADD");
      if (paren) expect(kRightParen);
    } else if (at_table_constraint()) {
      table_constraint(t->mutable_add_constraint());
    } else if (at(kwIF) || at(kwPARTITION)) {
      auto* a = t->mutable_add_partitions();
      a->set_if_not_exists(if_not_exists());
      if (!at(kwPARTITION)) syntax_error();
      while (at(kwPARTITION)) {
        auto* p = a->add_partitions();
        partition_spec(p->mutable_partition(), true);
        if (at(kwLOCATION)) p->set_location(location_spec());
      }
    } else {
      syntax_error();
    }
  } else if (accept(kwRENAME)) {
    if (accept(kwCOLUMN)) {
      auto* r = t->mutable_rename_column();
      multipart_name(r->mutable_column());
      expect(kwTO);
      r->set_to(capturing_identifier());
    } else {
      expect(kwTO);
      multipart_name(t->mutable_rename_to());
    }
  } else if (accept(kwDROP)) {
    if (at_any(kwCOLUMN, kwCOLUMNS)) {
      ++pos_;
      auto* d = t->mutable_drop_columns();
      d->set_if_exists(if_exists());
      bool paren = accept(kLeftParen);
      do multipart_name(d->add_columns());
      while (accept(kComma));
      if (paren) expect(kRightParen);
    } else if (accept(kwCONSTRAINT)) {
      auto* d = t->mutable_drop_constraint();
      d->set_if_exists(if_exists());
      d->set_name(identifier());
      if (accept(kwCASCADE)) {
        d->set_cascade(true);
      } else {
        accept(kwRESTRICT);
      }
    } else if (at_word("FEATURE")) {
      ++pos_;
      auto* d = t->mutable_drop_feature();
      d->set_feature(at_string() ? string_literal() : identifier());
      if (accept(kwTRUNCATE)) {
        if (!accept_word("HISTORY")) syntax_error();
        d->set_truncate_history(true);
      }
    } else if (at(kwIF) || at(kwPARTITION)) {
      auto* d = t->mutable_drop_partitions();
      d->set_if_exists(if_exists());
      do partition_spec(d->add_partitions(), true);
      while (accept(kComma));
      d->set_purge(accept(kwPURGE));
    } else {
      syntax_error();
    }
  } else if (at(kwSET) && at(kwTBLPROPERTIES, 1)) {
    pos_ += 2;
    property_key_values(t->mutable_set_properties()->mutable_properties());
    check_table_properties(t->set_properties().properties(), start);
  } else if (at(kwUNSET)) {
    ++pos_;
    expect(kwTBLPROPERTIES);
    auto* u = t->mutable_unset_properties();
    u->set_if_exists(if_exists());
    property_keys(u->mutable_keys());
    google::protobuf::RepeatedPtrField<Property> list;
    for (const auto& k : u->keys()) list.Add()->set_key(k);
    check_table_properties(list, start);
  } else if (at_any(kwALTER, kwCHANGE)) {
    bool change = at(kwCHANGE);
    ++pos_;
    alter_column(t, start, change);
  } else if (accept(kwRECOVER)) {
    expect(kwPARTITIONS);
    t->mutable_recover_partitions();
  } else if (at(kwCLUSTER)) {
    ++pos_;
    expect(kwBY);
    auto* c = t->mutable_cluster_by();
    if (accept_word("AUTO")) {
      c->set_automatic(true);
    } else if (!accept(kwNONE)) {
      cluster_by_names(c->mutable_columns());
    }
  } else if (at(kwDEFAULT)) {
    t->set_collation(collation_spec());
  } else if (at_any(kwNOT, kwCLUSTERED, kwSKEWED, kwEXCHANGE, kwARCHIVE, kwUNARCHIVE, kwTOUCH, kwCOMPACT, kwCONCATENATE)) {
    pos_ = start;
    unsupported(out);
  } else {
    syntax_error();
  }
}

// The actions that may have a PARTITION (...) before them.
bool Parser::alter_partition_action(AlterTable* t, bool has_partition, const PartitionSpec& spec, size_t start) {
  if (at(kwSET) && at(kwLOCATION, 1)) {
    ++pos_;
    auto* l = t->mutable_set_location();
    if (has_partition) *l->mutable_partition() = spec;
    l->set_location(location_spec());
    return true;
  }
  if (at(kwSET) && (at(kwSERDE, 1) || at(kwSERDEPROPERTIES, 1))) {
    ++pos_;
    auto* s = t->mutable_set_serde();
    if (has_partition) *s->mutable_partition() = spec;
    if (accept(kwSERDE)) {
      s->set_serde(string_literal());
      if (accept(kwWITH)) {
        expect(kwSERDEPROPERTIES);
        property_key_values(s->mutable_properties());
      }
    } else {
      expect(kwSERDEPROPERTIES);
      property_key_values(s->mutable_properties());
    }
    return true;
  }
  if (at(kwREPLACE) && at(kwCOLUMNS, 1)) {
    pos_ += 2;
    expect(kLeftParen);
    qualified_columns(t->mutable_replace_columns(), "REPLACE");
    expect(kRightParen);
    if (has_partition) invalid_statement("ALTER TABLE ... PARTITION ... REPLACE COLUMNS", start);
    auto hive = [&](const char* operation) {
      fail("_LEGACY_ERROR_TEMP_0034", {{"operation", operation}, {"command", "REPLACE COLUMNS"}, {"msg", ""}}, start);
    };
    for (const auto& c : t->replace_columns().columns()) {
      if (c.name_size() > 1) hive("Replacing with a nested column");
      if (c.not_null()) hive("NOT NULL");
      if (c.has_position()) hive("Column position");
      if (c.has_default_value()) fail("UNSUPPORTED_DEFAULT_VALUE.WITHOUT_SUGGESTION", {}, start);
    }
    return true;
  }
  if (has_partition && at(kwCHANGE)) {
    ++pos_;
    accept(kwCOLUMN);
    multipart_identifier();
    sc::DataType::StructField ignored;
    column_type(&ignored, false);
    if (at_any(kwFIRST, kwAFTER)) {
      ColumnPosition position;
      column_position(&position);
    }
    invalid_statement("ALTER TABLE ... PARTITION ... CHANGE COLUMN", start);
  }
  if (at_any(kwCOMPACT, kwCONCATENATE) || (at(kwSET) && (at(kwFILEFORMAT, 1) || at(kwSKEWED, 1)))) {
    Statement unused;
    pos_ = start;
    unsupported(&unused);
  }
  return false;
}

// {ALTER | CHANGE} [COLUMN] name action [, ...], or Hive's CHANGE [COLUMN] name name type ...
void Parser::alter_column(AlterTable* t, size_t start, bool change) {
  accept(kwCOLUMN);
  auto* columns = t->mutable_alter_columns();
  bool missing_action = false;
  do {
    auto* c = columns->add_columns();
    multipart_name(c->mutable_column());
    if (accept(kwTYPE)) {
      data_type(c->mutable_type());
    } else if (at(kwCOMMENT) && at_string(1)) {
      c->set_comment(comment_spec());
    } else if (at(kwFIRST) || (at(kwAFTER) && is_identifier(1) && !at(kEof, 1))) {
      column_position(c->mutable_position());
    } else if (at_any(kwSET, kwDROP) && (at(kwNOT, 1) || at(kBang, 1))) {
      bool set = at(kwSET);
      ++pos_;
      accept_not();
      expect(kwNULL);
      c->set_set_not_null(set);
    } else if (accept(kwSET)) {
      expect(kwDEFAULT);
      default_text(c->mutable_default_value(), "DEFAULT");
    } else if (accept(kwDROP)) {
      expect(kwDEFAULT);
      c->set_drop_default(true);
    } else if (at(kwSYNC) && at(kwIDENTITY, 1)) {
      pos_ += 2;
      c->set_sync_identity(true);
    } else if (change && is_identifier() && columns->columns_size() == 1) {
      // Hive: the new name must be the old one.
      std::string new_name = capturing_identifier();
      data_type(c->mutable_type());
      bool not_null = false;
      if (at_any(kwNOT, kBang)) {
        accept_not();
        expect(kwNULL);
        not_null = true;
      }
      if (at(kwCOMMENT)) c->set_comment(comment_spec());
      if (at_any(kwFIRST, kwAFTER)) column_position(c->mutable_position());
      auto hive = [&](const char* operation, const char* message) {
        fail("_LEGACY_ERROR_TEMP_0034", {{"operation", operation}, {"command", "ALTER COLUMN"}, {"msg", std::string(", ") + message}}, start);
      };
      if (!equals_ignore_case(new_name, c->column().parts(c->column().parts_size() - 1))) hive("Renaming column", "please run RENAME COLUMN instead");
      if (not_null) hive("NOT NULL", "please run ALTER COLUMN ... SET/DROP NOT NULL instead");
      return;
    } else {
      missing_action = true;
    }
  } while (accept(kComma));
  if (missing_action) {
    if (!at(kEof) && !at(kSemicolon)) syntax_error();
    operation_not_allowed(std::string("ALTER TABLE table ") + (change ? "CHANGE" : "ALTER") + " COLUMN requires a TYPE, a SET/DROP, a COMMENT, or a FIRST/AFTER", start);
  }
}

void Parser::alter_view(Statement* out) {
  size_t start = pos_;
  pos_ += 2;
  Name name;
  identifier_reference(&name);
  if (at(kwWITH) && at(kwSCHEMA, 1) && (at(kwBINDING, 2) || at(kwCOMPENSATION, 2) || at(kwEVOLUTION, 2) || at(kwTYPE, 2))) {
    auto* v = out->mutable_alter_view();
    *v->mutable_name() = std::move(name);
    v->set_schema_mode(schema_binding());
    return;
  }
  if (at(kwAS) || at_query() || at(kLeftParen)) {
    accept(kwAS);
    auto* v = out->mutable_alter_view();
    *v->mutable_name() = std::move(name);
    query_text(v->mutable_query());
    return;
  }
  auto* t = out->mutable_alter_table();
  *t->mutable_name() = std::move(name);
  t->set_is_view(true);
  if (accept(kwRENAME)) {
    expect(kwTO);
    multipart_name(t->mutable_rename_to());
  } else if (accept(kwSET)) {
    expect(kwTBLPROPERTIES);
    property_key_values(t->mutable_set_properties()->mutable_properties());
    check_table_properties(t->set_properties().properties(), start);
  } else if (accept(kwUNSET)) {
    expect(kwTBLPROPERTIES);
    t->mutable_unset_properties()->set_if_exists(if_exists());
    property_keys(t->mutable_unset_properties()->mutable_keys());
  } else if (at_any(kwADD, kwDROP)) {
    bool add = at(kwADD);
    ++pos_;
    if (add) {
      if_not_exists();
    } else {
      if_exists();
    }
    PartitionSpec spec;
    do {
      spec.Clear();
      partition_spec(&spec, false);
      if (add && at(kwLOCATION)) location_spec();
    } while (add ? at(kwPARTITION) : accept(kComma));
    if (!add) accept(kwPURGE);
    invalid_statement(add ? "ALTER VIEW ... ADD PARTITION" : "ALTER VIEW ... DROP PARTITION", start);
  } else {
    syntax_error();
  }
}

}  // namespace tarn::sql
