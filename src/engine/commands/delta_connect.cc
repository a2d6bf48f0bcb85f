#include "engine/commands/delta_connect.h"

#include <delta/connect/commands.pb.h>
#include <delta/connect/relations.pb.h>

#include <algorithm>

#include "delta/table.h"
#include "engine/commands/dml.h"
#include "engine/commands/parsing.h"
#include "spark/connect/commands.pb.h"
#include "spark/connect/expressions.pb.h"
#include "sql/parser.h"
#include "tarn/sql.pb.h"

namespace tarn::engine::commands {

namespace sc = spark::connect;
namespace dc = ::delta::connect;
using plan::DataType;

namespace {

template <class Message, class Container>
Message unpacked(const Container& container) {
  Message message;
  if (!container.extension().UnpackTo(&message)) {
    throw SparkError(ErrorKind::kSpark, "CONNECT_INVALID_PLAN.CANNOT_PARSE", {{"errorMsg", "a message of delta.connect cannot be read"}});
  }
  return message;
}

SparkError not_set(const char* what) {
  return SparkError(ErrorKind::kSpark, "CONNECT_INVALID_PLAN.INVALID_ONE_OF_FIELD_NOT_SET", {{"fullName", what}, {"name", "not set"}});
}

// The name by which SQL knows the table: its own, or delta.`path`.
std::vector<std::string> parts_of(const dc::DeltaTable& table, CommandHost& host) {
  if (table.has_table_or_view_name()) return sql::parse_multipart_identifier(table.table_or_view_name(), parse_options(host.conf()));
  if (!table.has_path()) throw not_set("delta.connect.DeltaTable.access_type");
  if (table.path().hadoop_conf_size() > 0) throw not_built("hadoopConf of DeltaTable.forPath");
  return {"delta", table.path().path()};
}

void set_name(const dc::DeltaTable& table, CommandHost& host, sql::Name* name) {
  for (auto& p : parts_of(table, host)) name->add_parts(p);
}

void set_target(const dc::DeltaTable& table, CommandHost& host, sql::Target* target) { set_name(table, host, target->mutable_name()); }

// DeltaTable.forPath and forName look at once whether there is a Delta table.
void require_delta_table(const dc::DeltaTable& table, CommandHost& host) {
  auto parts = parts_of(table, host);
  std::string location, shown;
  if (auto known = table.has_path() ? std::nullopt : find_table(parts, host)) {
    if (known->is_delta()) return;
    shown = quote_if_needed(known->full_name());
  } else if (parts.size() == 2 && catalog::lower(parts[0]) == "delta") {
    location = make_location(parts[1], host);
    if (tarn::delta::Table::exists(location)) return;
    shown = "`" + location + "`";
  } else {
    if (!find_temp_view(parts, host)) throw_table_not_found(parts, host);
    shown = quote_identifier(parts);
  }
  throw analysis_error("DELTA_MISSING_DELTA_TABLE", {{"tableName", shown}});
}

CommandResult run(const sql::Statement& statement, CommandHost& host) { return execute_statement(statement, host); }

// ---- DELETE, UPDATE, MERGE

// The scan below the aliases of a target.
const sc::Relation& scan_below(const sc::Relation& relation) {
  const sc::Relation* r = &relation;
  while (r->has_subquery_alias()) r = &r->subquery_alias().input();
  return *r;
}

DmlTarget target_of(const sc::Relation& relation, const char* operation, CommandHost& host) {
  const auto& scan = scan_below(relation);
  dc::DeltaRelation message;
  if (!is_delta_relation(scan) || !(message = unpacked<dc::DeltaRelation>(scan)).has_scan()) throw not_built(std::string(operation) + " of what is no DeltaTable");
  require_delta_table(message.scan().table(), host);
  auto target = dml_target(parts_of(message.scan().table(), host), "", operation, host);
  // The client's relation keeps aliases and plan ids, by which columns are named.
  target.relation = relation;
  sc::Relation* r = &target.relation;
  while (r->has_subquery_alias()) r = r->mutable_subquery_alias()->mutable_input();
  replace_delta_scan(r);
  return target;
}

CommandResult merge(const dc::MergeIntoTable& m, CommandHost& host) {
  auto target = target_of(m.target(), "MERGE INTO", host);
  sc::MergeIntoTableCommand out;
  *out.mutable_source_table_plan() = m.source();
  *out.mutable_merge_condition() = m.condition();
  out.set_with_schema_evolution(m.with_schema_evolution());
  auto add = [](const google::protobuf::RepeatedPtrField<dc::MergeIntoTable::Action>& from, google::protobuf::RepeatedPtrField<sc::Expression>* to) {
    using A = dc::MergeIntoTable::Action;
    for (const auto& action : from) {
      auto* a = to->Add()->mutable_merge_action();
      if (action.has_condition()) *a->mutable_condition() = action.condition();
      auto assign = [&](const google::protobuf::RepeatedPtrField<dc::Assignment>& list) {
        for (const auto& x : list) {
          auto* y = a->add_assignments();
          *y->mutable_key() = x.field();
          *y->mutable_value() = x.value();
        }
      };
      switch (action.action_type_case()) {
        case A::kDeleteAction: a->set_action_type(sc::MergeAction::ACTION_TYPE_DELETE); break;
        case A::kUpdateAction:
          a->set_action_type(sc::MergeAction::ACTION_TYPE_UPDATE);
          assign(action.update_action().assignments());
          break;
        case A::kUpdateStarAction: a->set_action_type(sc::MergeAction::ACTION_TYPE_UPDATE_STAR); break;
        case A::kInsertAction:
          a->set_action_type(sc::MergeAction::ACTION_TYPE_INSERT);
          assign(action.insert_action().assignments());
          break;
        case A::kInsertStarAction: a->set_action_type(sc::MergeAction::ACTION_TYPE_INSERT_STAR); break;
        default: throw not_set("delta.connect.MergeIntoTable.Action.action_type");
      }
    }
  };
  add(m.matched_actions(), out.mutable_match_actions());
  add(m.not_matched_actions(), out.mutable_not_matched_actions());
  add(m.not_matched_by_source_actions(), out.mutable_not_matched_by_source_actions());
  return merge_into_table(target, out, host);
}

CommandResult update(const dc::UpdateTable& u, CommandHost& host) {
  google::protobuf::RepeatedPtrField<sql::Assignment> assignments;
  for (const auto& x : u.assignments()) {
    auto* y = assignments.Add();
    *y->mutable_key() = x.field();
    *y->mutable_value() = x.value();
  }
  return update_table(target_of(u.target(), "UPDATE", host), u.has_condition() ? &u.condition() : nullptr, assignments, host);
}

// ---- statements

CommandResult optimize(const dc::OptimizeTable& o, CommandHost& host) {
  require_delta_table(o.table(), host);
  sql::Statement statement;
  auto* out = statement.mutable_optimize();
  set_target(o.table(), host, out->mutable_target());
  std::string where;
  for (const auto& f : o.partition_filters()) where += (where.empty() ? "(" : " AND (") + f + ")";
  if (!where.empty()) {
    *out->mutable_where()->mutable_expression() = sql::parse_expression(where, parse_options(host.conf()));
    out->mutable_where()->set_text(where);
  }
  for (const auto& c : o.zorder_columns()) {
    for (auto& p : sql::parse_multipart_identifier(c, parse_options(host.conf()))) out->add_zorder_by()->add_parts(p);
  }
  return run(statement, host);
}

CommandResult convert(const dc::ConvertToDelta& c, CommandHost& host) {
  sql::Statement statement;
  auto* out = statement.mutable_convert_to_delta();
  auto parts = sql::parse_multipart_identifier(c.identifier(), parse_options(host.conf()));
  for (auto& p : parts) out->mutable_name()->add_parts(p);
  sc::DataType schema;
  if (c.has_partition_schema_struct()) schema = c.partition_schema_struct();
  else if (c.has_partition_schema_string()) schema = sql::parse_table_schema(c.partition_schema_string(), parse_options(host.conf()));
  for (const auto& f : schema.struct_().fields()) {
    auto* column = out->add_partition_columns();
    column->add_name(f.name());
    *column->mutable_type() = f.data_type();
  }
  run(statement, host);
  bool by_path = parts.size() == 2 && catalog::lower(parts[0]) == "parquet" && !find_table(parts, host);
  return answer({{"value", plan::TypeId::kString, true}}, {{text(by_path ? "delta." + quote_identifier(parts[1]) : c.identifier())}});
}

CommandResult create(const dc::CreateDeltaTable& c, CommandHost& host) {
  using D = dc::CreateDeltaTable;
  sql::Statement statement;
  auto* out = statement.mutable_create_table();
  out->set_provider("delta");
  switch (c.mode()) {
    case D::MODE_CREATE: break;
    case D::MODE_CREATE_IF_NOT_EXISTS: out->set_if_not_exists(true); break;
    case D::MODE_REPLACE: out->set_mode(sql::CreateTable::REPLACE); break;
    case D::MODE_CREATE_OR_REPLACE: out->set_mode(sql::CreateTable::CREATE_OR_REPLACE); break;
    default: throw not_set("delta.connect.CreateDeltaTable.mode");
  }
  auto options = parse_options(host.conf());
  std::vector<std::string> parts;
  if (c.has_table_name()) parts = sql::parse_multipart_identifier(c.table_name(), options);
  else if (c.has_location()) parts = {"delta", c.location()};
  else throw analysis_error("DELTA_CREATE_TABLE_MISSING_TABLE_NAME_OR_LOCATION");
  bool by_path = parts.size() == 2 && catalog::lower(parts[0]) == "delta" && parts[1].find('/') != std::string::npos;
  if (by_path && c.has_location() && c.location() != parts[1]) {
    throw analysis_error("DELTA_CREATE_TABLE_IDENTIFIER_LOCATION_MISMATCH", {{"identifier", parts[1]}, {"location", c.location()}});
  }
  for (auto& p : parts) out->mutable_name()->add_parts(p);
  if (c.has_location() && !by_path) {
    out->set_location(c.location());
    out->set_external(true);
  }
  if (c.has_comment()) out->set_comment(c.comment());
  for (const auto& column : c.columns()) {
    auto* d = out->add_columns();
    d->add_name(column.name());
    *d->mutable_type() = column.data_type().has_unparsed() ? sql::parse_data_type(column.data_type().unparsed().data_type_string(), options) : column.data_type();
    d->set_not_null(!column.nullable());
    if (column.has_comment()) d->set_comment(column.comment());
    if (column.has_generated_always_as()) {
      *d->mutable_generated()->mutable_expression() = sql::parse_expression(column.generated_always_as(), options);
      d->mutable_generated()->set_text(column.generated_always_as());
    }
    if (column.has_identity_info()) {
      d->mutable_identity()->set_start(column.identity_info().start());
      d->mutable_identity()->set_step(column.identity_info().step());
      d->mutable_identity()->set_always(!column.identity_info().allow_explicit_insert());
    }
  }
  for (const auto& p : c.partitioning_columns()) {
    auto* t = out->add_partitioning();
    t->set_name("identity");
    t->add_arguments()->mutable_column()->add_parts(p);
  }
  for (const auto& p : c.clustering_columns()) {
    auto* name = out->add_cluster_by();
    for (auto& part : sql::parse_multipart_identifier(p, options)) name->add_parts(part);
  }
  std::vector<std::pair<std::string, std::string>> properties(c.properties().begin(), c.properties().end());
  std::sort(properties.begin(), properties.end());
  for (auto& [k, v] : properties) {
    auto* p = out->add_properties();
    p->set_key(k);
    p->set_value(v);
  }
  return run(statement, host);
}

CommandResult clone(const dc::CloneTable& c, CommandHost& host) {
  require_delta_table(c.table(), host);
  sql::Statement statement;
  auto* out = statement.mutable_clone_table();
  out->mutable_name()->add_parts("delta");
  out->mutable_name()->add_parts(c.target());
  out->set_mode(c.replace() ? sql::CreateTable::CREATE_OR_REPLACE : sql::CreateTable::CREATE);
  out->set_shallow(c.is_shallow());
  set_name(c.table(), host, out->mutable_source());
  if (c.has_version()) out->set_version(std::to_string(c.version()));
  if (c.has_timestamp()) out->mutable_timestamp()->mutable_literal()->set_string(c.timestamp());
  for (auto& [k, v] : c.properties()) {
    auto* p = out->add_properties();
    p->set_key(k);
    p->set_value(v);
  }
  return run(statement, host);
}

// ALTER TABLE … SET TBLPROPERTIES.
CommandResult set_properties(const dc::DeltaTable& table, const std::vector<std::pair<std::string, std::string>>& properties, CommandHost& host) {
  require_delta_table(table, host);
  sql::Statement statement;
  auto* out = statement.mutable_alter_table();
  set_name(table, host, out->mutable_name());
  for (auto& [k, v] : properties) {
    auto* p = out->mutable_set_properties()->add_properties();
    p->set_key(k);
    p->set_value(v);
  }
  return run(statement, host);
}

}  // namespace

bool is_delta_relation(const sc::Relation& relation) { return relation.has_extension() && relation.extension().Is<dc::DeltaRelation>(); }
bool is_delta_command(const sc::Command& command) { return command.has_extension() && command.extension().Is<dc::DeltaCommand>(); }

bool replace_delta_scan(sc::Relation* relation) {
  auto message = unpacked<dc::DeltaRelation>(*relation);
  if (!message.has_scan()) return false;
  const auto& table = message.scan().table();
  auto* read = relation->mutable_read();
  if (table.has_table_or_view_name()) {
    read->mutable_named_table()->set_unparsed_identifier(table.table_or_view_name());
    return true;
  }
  if (table.path().hadoop_conf_size() > 0) throw not_built("hadoopConf of DeltaTable.forPath");
  read->mutable_data_source()->set_format("delta");
  read->mutable_data_source()->add_paths(table.path().path());
  return true;
}

CommandResult execute_delta_relation(const sc::Relation& relation, CommandHost& host) {
  auto m = unpacked<dc::DeltaRelation>(relation);
  using R = dc::DeltaRelation;
  sql::Statement statement;
  switch (m.relation_type_case()) {
    case R::kDescribeHistory:
      require_delta_table(m.describe_history().table(), host);
      set_target(m.describe_history().table(), host, statement.mutable_describe_history()->mutable_target());
      return run(statement, host);
    case R::kDescribeDetail:
      require_delta_table(m.describe_detail().table(), host);
      set_target(m.describe_detail().table(), host, statement.mutable_describe_detail()->mutable_target());
      return run(statement, host);
    case R::kRestoreTable: {
      const auto& r = m.restore_table();
      require_delta_table(r.table(), host);
      set_target(r.table(), host, statement.mutable_restore()->mutable_target());
      if (r.has_version()) statement.mutable_restore()->set_version(std::to_string(r.version()));
      else if (r.has_timestamp()) statement.mutable_restore()->set_timestamp(r.timestamp());
      else throw not_set("delta.connect.RestoreTable.version_or_timestamp");
      return run(statement, host);
    }
    case R::kConvertToDelta: return convert(m.convert_to_delta(), host);
    case R::kIsDeltaTable:
      return answer({{"value", plan::TypeId::kBoolean}}, {{boolean(tarn::delta::Table::exists(make_location(m.is_delta_table().path(), host)))}});
    case R::kDeleteFromTable: {
      const auto& d = m.delete_from_table();
      return delete_from_table(target_of(d.target(), "DELETE", host), d.has_condition() ? &d.condition() : nullptr, host);
    }
    case R::kUpdateTable: return update(m.update_table(), host);
    case R::kMergeIntoTable: return merge(m.merge_into_table(), host);
    case R::kOptimizeTable: return optimize(m.optimize_table(), host);
    default: throw not_set("delta.connect.DeltaRelation.relation_type");
  }
}

CommandResult execute_delta_command(const sc::Command& command, CommandHost& host) {
  auto m = unpacked<dc::DeltaCommand>(command);
  using C = dc::DeltaCommand;
  sql::Statement statement;
  switch (m.command_type_case()) {
    case C::kCloneTable: clone(m.clone_table(), host); break;
    case C::kVacuumTable: {
      require_delta_table(m.vacuum_table().table(), host);
      auto* v = statement.mutable_vacuum();
      set_target(m.vacuum_table().table(), host, v->mutable_target());
      if (m.vacuum_table().has_retention_hours()) v->set_retain_hours(m.vacuum_table().retention_hours());
      run(statement, host);
      break;
    }
    case C::kUpgradeTableProtocol:
      set_properties(m.upgrade_table_protocol().table(), {{"delta.minReaderVersion", std::to_string(m.upgrade_table_protocol().reader_version())},
                                                          {"delta.minWriterVersion", std::to_string(m.upgrade_table_protocol().writer_version())}}, host);
      break;
    case C::kGenerate:
      require_delta_table(m.generate().table(), host);
      statement.mutable_generate_manifest()->set_mode(m.generate().mode());
      set_name(m.generate().table(), host, statement.mutable_generate_manifest()->mutable_name());
      run(statement, host);
      break;
    case C::kCreateDeltaTable: create(m.create_delta_table(), host); break;
    case C::kAddFeatureSupport:
      set_properties(m.add_feature_support().table(), {{"delta.feature." + m.add_feature_support().feature_name(), "supported"}}, host);
      break;
    case C::kDropFeatureSupport: {
      require_delta_table(m.drop_feature_support().table(), host);
      auto* a = statement.mutable_alter_table();
      set_name(m.drop_feature_support().table(), host, a->mutable_name());
      a->mutable_drop_feature()->set_feature(m.drop_feature_support().feature_name());
      a->mutable_drop_feature()->set_truncate_history(m.drop_feature_support().truncate_history());
      run(statement, host);
      break;
    }
    default: throw not_set("delta.connect.DeltaCommand.command_type");
  }
  return {};
}

}  // namespace tarn::engine::commands
