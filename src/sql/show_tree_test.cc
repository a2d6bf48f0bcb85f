#include "sql/show_tree.h"

namespace tarn::sql::testing {

namespace sc = spark::connect;

namespace {
template <class List>
std::string list(const List& items) {
  std::string out;
  for (const auto& i : items) out += (out.empty() ? "" : ", ") + show(i);
  return out;
}

std::string show_literal(const sc::Expression::Literal& l) {
  using L = sc::Expression::Literal;
  switch (l.literal_type_case()) {
    case L::kNull: return "null";
    case L::kBoolean: return l.boolean() ? "true" : "false";
    case L::kByte: return std::to_string(l.byte()) + "Y";
    case L::kShort: return std::to_string(l.short_()) + "S";
    case L::kInteger: return std::to_string(l.integer());
    case L::kLong: return std::to_string(l.long_()) + "L";
    case L::kFloat: return std::to_string(l.float_()) + "F";
    case L::kDouble: return std::to_string(l.double_()) + "D";
    case L::kDecimal: return l.decimal().value() + ":" + std::to_string(l.decimal().precision()) + "," + std::to_string(l.decimal().scale());
    case L::kString: return "'" + l.string() + "'";
    case L::kDate: return "date " + std::to_string(l.date());
    case L::kTimestamp: return "ts " + std::to_string(l.timestamp());
    case L::kTimestampNtz: return "ntz " + std::to_string(l.timestamp_ntz());
    case L::kTime: return "time " + std::to_string(l.time().nano());
    case L::kBinary: return "bin" + std::to_string(l.binary().size());
    case L::kYearMonthInterval:
      return "ym " + std::to_string(l.year_month_interval()) + " " + std::to_string(l.data_type().year_month_interval().start_field()) + "-" +
             std::to_string(l.data_type().year_month_interval().end_field());
    case L::kDayTimeInterval:
      return "dt " + std::to_string(l.day_time_interval()) + " " + std::to_string(l.data_type().day_time_interval().start_field()) + "-" +
             std::to_string(l.data_type().day_time_interval().end_field());
    case L::kCalendarInterval:
      return "cal " + std::to_string(l.calendar_interval().months()) + " " + std::to_string(l.calendar_interval().days()) + " " +
             std::to_string(l.calendar_interval().microseconds());
    default: return "?";
  }
}

std::string show_order(const sc::Expression::SortOrder& o) {
  return show(o.child()) + (o.direction() == sc::Expression::SortOrder::SORT_DIRECTION_DESCENDING ? " desc" : "") +
         (o.null_ordering() == sc::Expression::SortOrder::SORT_NULLS_LAST ? " last" : "");
}

std::string show_name(const Name& n) {
  std::string out;
  for (const auto& p : n.parts()) out += (out.empty() ? "" : ".") + p;
  return n.has_expression() ? "IDENTIFIER(" + show(n.expression()) + ")" : out;
}

std::string show_bound(const sc::Expression::Window::WindowFrame::FrameBoundary& b) {
  return b.current_row() ? "current" : b.unbounded() ? "unbounded" : show(b.value());
}

std::string show_window(const sc::Expression::Window& w) {
  std::string out;
  if (w.partition_spec_size()) out += " by [" + list(w.partition_spec()) + "]";
  if (w.order_spec_size()) {
    out += " order [";
    for (int i = 0; i < w.order_spec_size(); ++i) out += (i ? ", " : "") + show_order(w.order_spec(i));
    out += "]";
  }
  if (w.has_frame_spec())
    out += std::string(w.frame_spec().frame_type() == sc::Expression::Window::WindowFrame::FRAME_TYPE_ROW ? " rows " : " range ") +
           show_bound(w.frame_spec().lower()) + ".." + show_bound(w.frame_spec().upper());
  return out;
}

std::string show_grouping(const GroupingAnalytics& g) {
  std::string out = g.kind() == GroupingAnalytics::KIND_CUBE ? "cube(" : g.kind() == GroupingAnalytics::KIND_ROLLUP ? "rollup(" : "sets(";
  for (int i = 0; i < g.sets_size(); ++i)
    out += (i ? ", " : "") + (g.sets(i).has_nested() ? show_grouping(g.sets(i).nested()) : "(" + list(g.sets(i).expressions()) + ")");
  return out + ")" + (g.group_by_size() ? " of " + list(g.group_by()) : "");
}
}  // namespace

std::string show(const sc::Expression& e) {
  switch (e.expr_type_case()) {
    case sc::Expression::kLiteral: return show_literal(e.literal());
    case sc::Expression::kUnresolvedAttribute: return e.unresolved_attribute().unparsed_identifier();
    case sc::Expression::kUnresolvedFunction:
      return e.unresolved_function().function_name() + "(" + (e.unresolved_function().is_distinct() ? "distinct " : "") +
             list(e.unresolved_function().arguments()) + ")";
    case sc::Expression::kCallFunction: return "call " + e.call_function().function_name() + "(" + list(e.call_function().arguments()) + ")";
    case sc::Expression::kUnresolvedStar: return e.unresolved_star().has_unparsed_target() ? e.unresolved_star().unparsed_target() : "*";
    case sc::Expression::kAlias: {
      std::string names;
      for (const auto& n : e.alias().name()) names += (names.empty() ? "" : ", ") + n;
      return show(e.alias().expr()) + " as " + (e.alias().name_size() > 1 ? "(" + names + ")" : names);
    }
    case sc::Expression::kCast:
      return std::string(e.cast().eval_mode() == sc::Expression::Cast::EVAL_MODE_TRY ? "try_" : "") + "cast(" + show(e.cast().expr()) + " as " +
             show(e.cast().type()) + ")";
    case sc::Expression::kLambdaFunction: {
      std::string names;
      for (const auto& a : e.lambda_function().arguments()) names += (names.empty() ? "" : ", ") + a.name_parts(0);
      return "(" + names + ") -> " + show(e.lambda_function().function());
    }
    case sc::Expression::kUnresolvedNamedLambdaVariable: {
      std::string out = "$";
      for (const auto& p : e.unresolved_named_lambda_variable().name_parts()) out += (out.size() > 1 ? "." : "") + p;
      return out;
    }
    case sc::Expression::kUnresolvedExtractValue: return show(e.unresolved_extract_value().child()) + "[" + show(e.unresolved_extract_value().extraction()) + "]";
    case sc::Expression::kNamedArgumentExpression: return e.named_argument_expression().key() + " => " + show(e.named_argument_expression().value());
    case sc::Expression::kWindow: return show(e.window().window_function()) + " over" + show_window(e.window());
    case sc::Expression::kSubqueryExpression: {
      const auto& s = e.subquery_expression();
      const char* names[] = {"?", "scalar", "exists", "table", "in"};
      std::string out = std::string(names[s.subquery_type()]) + "#" + std::to_string(s.plan_id());
      return s.in_subquery_values_size() ? out + "(" + list(s.in_subquery_values()) + ")" : out;
    }
    case sc::Expression::kExtension: {
      Expr x;
      if (!unpack(e, &x)) return "?";
      if (x.has_function_call()) {
        const auto& c = x.function_call();
        std::string out = show_name(c.name()) + "(" + (c.is_distinct() ? "distinct " : "") + list(c.arguments()) + ")";
        if (c.within_group_size()) {
          out += " within (";
          for (int i = 0; i < c.within_group_size(); ++i) out += (i ? ", " : "") + show_order(c.within_group(i));
          out += ")";
        }
        if (c.has_filter()) out += " filter " + show(c.filter());
        if (c.nulls() == FunctionCall::NULLS_IGNORE) out += " ignore nulls";
        if (c.nulls() == FunctionCall::NULLS_RESPECT) out += " respect nulls";
        return out;
      }
      if (x.has_star_except()) {
        std::string out;
        for (const auto& c : x.star_except().except()) {
          out += out.empty() ? "" : ", ";
          for (int i = 0; i < c.parts_size(); ++i) out += (i ? "." : "") + c.parts(i);
        }
        return "* except (" + out + ")";
      }
      if (x.has_parameter_marker())
        return x.parameter_marker().has_name() ? ":" + x.parameter_marker().name() : "?" + std::to_string(x.parameter_marker().position());
      if (x.has_identifier()) return show_name(x.identifier().name());
      if (x.has_zoned_timestamp()) return "zoned " + std::to_string(x.zoned_timestamp().local_microseconds()) + " '" + x.zoned_timestamp().zone() + "'";
      if (x.has_special_datetime()) return "special " + std::to_string(x.special_datetime().value());
      if (x.has_semi_structured_extract()) return show(x.semi_structured_extract().child()) + ":" + x.semi_structured_extract().path();
      if (x.has_window_reference()) return show(x.window_reference().function()) + " over " + x.window_reference().name();
      if (x.has_pipe_expression()) return "pipe(" + show(x.pipe_expression().child()) + ")";
      return "?";
    }
    default: return "?";
  }
}

std::string show(const sc::DataType& t) {
  using D = sc::DataType;
  switch (t.kind_case()) {
    case D::kNull: return "void";
    case D::kBinary: return "binary";
    case D::kBoolean: return "boolean";
    case D::kByte: return "tinyint";
    case D::kShort: return "smallint";
    case D::kInteger: return "int";
    case D::kLong: return "bigint";
    case D::kFloat: return "float";
    case D::kDouble: return "double";
    case D::kDecimal: return "decimal(" + std::to_string(t.decimal().precision()) + "," + std::to_string(t.decimal().scale()) + ")";
    case D::kString: return t.string().collation().empty() ? "string" : "string collate " + t.string().collation();
    case D::kChar: return "char(" + std::to_string(t.char_().length()) + ")";
    case D::kVarChar: return "varchar(" + std::to_string(t.var_char().length()) + ")";
    case D::kDate: return "date";
    case D::kTime: return "time(" + std::to_string(t.time().precision()) + ")";
    case D::kTimestamp: return "timestamp";
    case D::kTimestampNtz: return "timestamp_ntz";
    case D::kCalendarInterval: return "interval";
    case D::kYearMonthInterval: return "ym " + std::to_string(t.year_month_interval().start_field()) + "-" + std::to_string(t.year_month_interval().end_field());
    case D::kDayTimeInterval: return "dt " + std::to_string(t.day_time_interval().start_field()) + "-" + std::to_string(t.day_time_interval().end_field());
    case D::kArray: return "array<" + show(t.array().element_type()) + ">";
    case D::kMap: return "map<" + show(t.map().key_type()) + "," + show(t.map().value_type()) + ">";
    case D::kStruct: {
      std::string out;
      for (const auto& f : t.struct_().fields())
        out += (out.empty() ? "" : ",") + f.name() + ":" + show(f.data_type()) + (f.nullable() ? "" : " not null") + (f.has_metadata() ? " " + f.metadata() : "");
      return "struct<" + out + ">";
    }
    case D::kVariant: return "variant";
    case D::kGeometry: return "geometry(" + std::to_string(t.geometry().srid()) + ")";
    case D::kGeography: return "geography(" + std::to_string(t.geography().srid()) + ")";
    default: return "?";
  }
}

std::string show(const sc::Relation& r) {
  using R = sc::Relation;
  auto join_name = [](sc::Join::JoinType t) {
    const char* names[] = {"?", "inner", "full", "left", "right", "anti", "semi", "cross"};
    return std::string(names[t]);
  };
  std::string id = r.common().has_plan_id() ? "#" + std::to_string(r.common().plan_id()) + " " : "";
  switch (r.rel_type_case()) {
    case R::kRead: {
      std::string out = id + (r.read().is_streaming() ? "stream " : "") + r.read().named_table().unparsed_identifier();
      for (const auto& [k, v] : r.read().named_table().options()) out += " " + k + "=" + v;
      return out;
    }
    case R::kProject: return id + "project [" + list(r.project().expressions()) + "] (" + show(r.project().input()) + ")";
    case R::kFilter: return id + "filter " + show(r.filter().condition()) + " (" + show(r.filter().input()) + ")";
    case R::kJoin: {
      std::string out = join_name(r.join().join_type()) + "(" + show(r.join().left()) + ", " + show(r.join().right());
      if (r.join().has_join_condition()) out += " on " + show(r.join().join_condition());
      for (int i = 0; i < r.join().using_columns_size(); ++i) out += (i ? "," : " using ") + r.join().using_columns(i);
      return id + out + ")";
    }
    case R::kLateralJoin:
      return id + "lateral " + join_name(r.lateral_join().join_type()) + "(" + show(r.lateral_join().left()) + ", " + show(r.lateral_join().right()) +
             (r.lateral_join().has_join_condition() ? " on " + show(r.lateral_join().join_condition()) : "") + ")";
    case R::kSetOp: {
      const char* names[] = {"?", "intersect", "union", "except"};
      return id + names[r.set_op().set_op_type()] + (r.set_op().is_all() ? " all" : "") + "(" + show(r.set_op().left_input()) + ", " + show(r.set_op().right_input()) + ")";
    }
    case R::kSort: {
      std::string out = r.sort().is_global() ? "sort [" : "sort local [";
      for (int i = 0; i < r.sort().order_size(); ++i) out += (i ? ", " : "") + show_order(r.sort().order(i));
      return id + out + "] (" + show(r.sort().input()) + ")";
    }
    case R::kLimit: return id + "limit " + std::to_string(r.limit().limit()) + " (" + show(r.limit().input()) + ")";
    case R::kOffset: return id + "offset " + std::to_string(r.offset().offset()) + " (" + show(r.offset().input()) + ")";
    case R::kDeduplicate: return id + "distinct (" + show(r.deduplicate().input()) + ")";
    case R::kSubqueryAlias: return id + r.subquery_alias().alias() + ": (" + show(r.subquery_alias().input()) + ")";
    case R::kHint: return id + "hint " + r.hint().name() + "(" + list(r.hint().parameters()) + ") (" + show(r.hint().input()) + ")";
    case R::kSample: return id + "sample " + std::to_string(r.sample().upper_bound()) + (r.sample().has_seed() ? " seed " + std::to_string(r.sample().seed()) : "") + " (" + show(r.sample().input()) + ")";
    case R::kRepartitionByExpression: return id + "repartition [" + list(r.repartition_by_expression().partition_exprs()) + "] (" + show(r.repartition_by_expression().input()) + ")";
    case R::kUnresolvedTableValuedFunction: return id + r.unresolved_table_valued_function().function_name() + "(" + list(r.unresolved_table_valued_function().arguments()) + ")";
    case R::kWithRelations: {
      std::string out = "with_relations (" + show(r.with_relations().root()) + ")";
      for (const auto& x : r.with_relations().references()) out += " [" + show(x) + "]";
      return id + out;
    }
    case R::kExtension: {
      Rel x;
      if (!unpack(r, &x)) return "?";
      switch (x.kind_case()) {
        case Rel::kOneRow: return id + "one_row";
        case Rel::kInlineTable: {
          std::string out = "values";
          for (const auto& row : x.inline_table().rows()) out += " (" + list(row.values()) + ")";
          out += " as";
          for (const auto& c : x.inline_table().columns()) out += " " + c;
          return id + out;
        }
        case Rel::kWith: {
          std::string out = x.with().recursive() ? "with recursive" : "with";
          for (const auto& c : x.with().ctes()) {
            out += " " + c.name();
            for (const auto& n : c.columns()) out += "." + n;
            out += " = {" + show(c.query()) + "}";
          }
          return id + out + " in " + show(x.with().root());
        }
        case Rel::kSubqueryColumnAliases: {
          std::string names;
          for (const auto& n : x.subquery_column_aliases().names()) names += (names.empty() ? "" : ",") + n;
          return id + "[" + names + "](" + show(x.subquery_column_aliases().input()) + ")";
        }
        case Rel::kLimit: return id + "limit " + (x.limit().has_limit() ? show(x.limit().limit()) : "all") + " (" + show(x.limit().input()) + ")";
        case Rel::kOffset: return id + "offset " + show(x.offset().offset()) + " (" + show(x.offset().input()) + ")";
        case Rel::kHaving: return id + "having " + show(x.having().condition()) + " (" + show(x.having().input()) + ")";
        case Rel::kQualify: return id + "qualify " + show(x.qualify().condition()) + " (" + show(x.qualify().input()) + ")";
        case Rel::kAggregate: {
          std::string out = "aggregate [";
          for (int i = 0; i < x.aggregate().groupings_size(); ++i) {
            const auto& g = x.aggregate().groupings(i);
            out += (i ? ", " : "") + (g.has_expression() ? show(g.expression()) : show_grouping(g.analytics()));
          }
          out += x.aggregate().group_by_all() ? " ALL" : "";
          return id + out + "] [" + list(x.aggregate().expressions()) + "] (" + show(x.aggregate().input()) + ")";
        }
        case Rel::kNaturalJoin: return id + "natural " + join_name(x.natural_join().join().join_type()) + "(" + show(x.natural_join().join().left()) + ", " + show(x.natural_join().join().right()) + ")";
        case Rel::kWithWindows: {
          std::string out = "windows";
          for (const auto& w : x.with_windows().windows()) out += " " + w.name() + " =" + show_window(w.window());
          return id + out + " (" + show(x.with_windows().input()) + ")";
        }
        case Rel::kTimeTravel:
          return id + show(x.time_travel().input()) + "@" + (x.time_travel().has_version() ? x.time_travel().version() : show(x.time_travel().timestamp()));
        case Rel::kLateralView: {
          std::string out = x.lateral_view().outer() ? "view outer " : "view ";
          for (const auto& f : x.lateral_view().function()) out += f;
          out += "(" + list(x.lateral_view().arguments()) + ") " + x.lateral_view().alias();
          for (const auto& c : x.lateral_view().columns()) out += "." + c;
          return id + out + " (" + show(x.lateral_view().input()) + ")";
        }
        case Rel::kPivot: return id + "pivot [" + list(x.pivot().aggregates()) + "] for [" + list(x.pivot().columns()) + "] in [" + list(x.pivot().values()) + "] (" + show(x.pivot().input()) + ")";
        case Rel::kUnpivot: {
          std::string out = x.unpivot().include_nulls() ? "unpivot nulls" : "unpivot";
          for (const auto& v : x.unpivot().value_columns()) out += " " + v;
          out += " for " + x.unpivot().name_column() + " in";
          for (const auto& s : x.unpivot().sets()) out += " (" + list(s.columns()) + ")" + (s.has_alias() ? " as " + s.alias() : "");
          return id + out + " (" + show(x.unpivot().input()) + ")";
        }
        case Rel::kPipeOperator: return id + "|>(" + show(x.pipe_operator().input()) + ")";
        case Rel::kPipeSet: {
          std::string out = "set";
          for (const auto& a : x.pipe_set().assignments()) out += " " + a.column(0) + " = " + show(a.value());
          return id + out + " (" + show(x.pipe_set().input()) + ")";
        }
        case Rel::kPipeDrop: return id + "drop [" + list(x.pipe_drop().columns()) + "] (" + show(x.pipe_drop().input()) + ")";
        case Rel::kIdentifierRelation: return id + show_name(x.identifier_relation().name());
        case Rel::kTableFunction: return id + show_name(x.table_function().name()) + "(" + list(x.table_function().arguments()) + ")";
        case Rel::kTableSample: return id + "rows " + show(x.table_sample().rows()) + " (" + show(x.table_sample().input()) + ")";
        case Rel::kScriptTransform: return id + "transform [" + list(x.script_transform().expressions()) + "] using " + x.script_transform().script() + " (" + show(x.script_transform().input()) + ")";
        default: return id + "?";
      }
    }
    default: return id + "?";
  }
}

}  // namespace tarn::sql::testing
