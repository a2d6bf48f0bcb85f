// OVER (…). Source: WindowSpecDefinition, ResolveWindowFrame, ResolveWindowOrder, CheckAnalysis.
#include "plan/analyzer_impl.h"

namespace tarn::plan {

namespace {

bool is_window_call(const Expression& e) {
  auto* c = try_as<Call>(e);
  return c && c->function && c->function->kind == FunctionKind::kWindow;
}

bool ranks(const Expression& e) {
  auto* c = try_as<Call>(e);
  if (!c) return false;
  for (const char* n : {"rank", "dense_rank", "percent_rank", "row_number", "ntile", "cume_dist", "lead", "lag"})
    if (c->function->name() == n) return true;
  return false;
}

}  // namespace

ExprPtr Analyzer::window(const sc::Expression::Window& w, const sc::Expression& function, Env& env) {
  bool saved_nulls = nulls_given_;
  nulls_given_ = false;
  env.window_function = true;
  auto f = expression(function, env);
  env.window_function = false;
  bool ignore_nulls = nulls_given_;
  nulls_given_ = saved_nulls;
  while (f->kind == ExprKind::kAlias) f = f->children[0];
  // nth_value(x, n, true) is another way to say IGNORE NULLS.
  if (auto* c = try_as<Call>(*f); c && c->function && c->function->name() == "nth_value" && c->children.size() == 3) {
    auto flag = constant_value(c->children[2]);
    ignore_nulls = ignore_nulls || (flag && !flag->is_null() && flag->get<bool>());
    f = with_children(f, {c->children[0], c->children[1]});
  }

  auto out = std::make_shared<WindowExpr>();
  for (const auto& p : w.partition_spec()) {
    auto e = expression(p, env);
    if (e->kind == ExprKind::kAlias) e = e->children[0];
    if (e->kind == ExprKind::kSortOrder) e = e->children[0];
    out->partition_by.push_back(std::move(e));
  }
  for (const auto& o : w.order_spec()) out->order_by.push_back(sort_order(o, env));

  // An aggregate may be wrapped by what its rewrite made (count_if, avg of intervals …): then only the aggregate is windowed.
  auto sql_text = [&]() { return quote_sql(pretty_sql(*f)); };
  bool is_window = is_window_call(*f);
  if (!is_window && !is_aggregate_node(*f) && !contains_aggregate(*f)) {
    throw analysis_error("UNSUPPORTED_EXPR_FOR_WINDOW", {{"sqlExpr", sql_text()}});
  }

  // ---- the frame
  using Frame = sc::Expression::Window::WindowFrame;
  bool given = w.has_frame_spec() && w.frame_spec().frame_type() != Frame::FRAME_TYPE_UNDEFINED;
  auto bound = [&](const Frame::FrameBoundary& b, bool following_side) {
    FrameBound r;
    r.following = following_side;
    switch (b.boundary_case()) {
      case Frame::FrameBoundary::kCurrentRow: r.kind = FrameBound::Kind::kCurrentRow; break;
      case Frame::FrameBoundary::kUnbounded:
        r.kind = FrameBound::Kind::kUnbounded;
        if (!b.unbounded()) r.following = !following_side;
        break;
      case Frame::FrameBoundary::kValue: {
        r.kind = FrameBound::Kind::kOffset;
        auto v = expression(b.value(), env);
        if (v->kind == ExprKind::kAlias) v = v->children[0];
        if (!is_foldable(*v))
          throw analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WITHOUT_FOLDABLE",
                               {{"sqlExpr", quote_sql(pretty_sql(*v))}, {"location", following_side ? "upper" : "lower"}, {"expression", quote_sql(pretty_sql(*v))}});
        r.following = true;
        auto value = constant_value(v);
        bool negative = false;
        if (value && !value->is_null()) {
          if (auto* i = std::get_if<int64_t>(&value->v)) {
            negative = *i < 0;
            if (*i == 0) r.kind = FrameBound::Kind::kCurrentRow;
            if (negative) value->v = *i == INT64_MIN ? INT64_MAX : -*i;
          } else if (auto* d = std::get_if<double>(&value->v)) {
            negative = *d < 0;
            if (negative) value->v = -*d;
          } else if (auto* x = std::get_if<Int128>(&value->v)) {
            negative = *x < 0;
            if (negative) value->v = -*x;
          } else if (auto* c = std::get_if<IntervalValue>(&value->v)) {
            negative = c->months < 0 || (c->months == 0 && (c->days < 0 || (c->days == 0 && c->micros < 0)));
            if (negative) value->v = IntervalValue{-c->months, -c->days, -c->micros};
          }
          r.offset = make_literal(v->type, *value);
        } else {
          r.offset = v;
        }
        r.following = !negative;
        break;
      }
      default: r.kind = FrameBound::Kind::kUnbounded; break;
    }
    return r;
  };
  if (given) {
    out->rows = w.frame_spec().frame_type() == Frame::FRAME_TYPE_ROW;
    out->lower = bound(w.frame_spec().lower(), false);
    out->upper = bound(w.frame_spec().upper(), true);
    auto wrong_side = [](const FrameBound& b, bool following_side) { return b.kind == FrameBound::Kind::kUnbounded && b.following != following_side; };
    if (wrong_side(out->lower, false) || wrong_side(out->upper, true)) {
      auto text = [](const FrameBound& b) {
        return quote_sql(b.kind == FrameBound::Kind::kCurrentRow  ? "CURRENT ROW"
                         : b.kind == FrameBound::Kind::kUnbounded ? (b.following ? "UNBOUNDED FOLLOWING" : "UNBOUNDED PRECEDING")
                                                                  : pretty_sql(*b.offset));
      };
      throw analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_INVALID_BOUND", {{"sqlExpr", quote_sql(pretty_sql(*f))}, {"upper", text(out->upper)}, {"lower", text(out->lower)}});
    }
    auto place = [](const FrameBound& b) {
      if (b.kind == FrameBound::Kind::kCurrentRow) return 0;
      int side = b.following ? 1 : -1;
      return b.kind == FrameBound::Kind::kUnbounded ? 2 * side : side;
    };
    if (!out->rows && (out->lower.kind == FrameBound::Kind::kOffset || out->upper.kind == FrameBound::Kind::kOffset)) {
      if (out->order_by.empty()) throw analysis_error("DATATYPE_MISMATCH.RANGE_FRAME_WITHOUT_ORDER", {{"sqlExpr", quote_sql(pretty_sql(*f))}});
      if (out->order_by.size() > 1)
        throw analysis_error("DATATYPE_MISMATCH.RANGE_FRAME_MULTI_ORDER", {{"sqlExpr", quote_sql(pretty_sql(*f))}, {"orderSpec", ""}});
      const auto& key = out->order_by[0]->children[0]->type;
      for (FrameBound* b : {&out->lower, &out->upper}) {
        if (b->kind != FrameBound::Kind::kOffset) continue;
        const auto& t = b->offset->type;
        if (key.is_numeric() && can_cast(t, key, mode())) {
          b->offset = make_cast(b->offset, key, mode());
        } else if (key.id() == TypeId::kDate && t.is_integral()) {
          b->offset = make_cast(b->offset, TypeId::kInt, mode());
        } else if (!t.is_numeric() && !t.is_ansi_interval() && t.id() != TypeId::kCalendarInterval) {
          throw analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE",
                               {{"sqlExpr", quote_sql(pretty_sql(*f))}, {"location", b == &out->lower ? "lower" : "upper"}, {"exprType", quote_sql(t.sql())}, {"expectedType", "(\"NUMERIC\" or \"INTERVAL DAY TO SECOND\" or \"INTERVAL YEAR TO MONTH\" or \"INTERVAL\")"}});
        } else if (key.id() == TypeId::kDate && t.id() == TypeId::kDayTimeInterval && t.catalog_string() != "interval day") {
          throw analysis_error("DATATYPE_MISMATCH.RANGE_FRAME_INVALID_TYPE",
                               {{"sqlExpr", quote_sql(pretty_sql(*f))}, {"orderSpecType", quote_sql(key.sql())}, {"valueBoundaryType", quote_sql(t.sql())}});
        } else if (!((key.id() == TypeId::kDate || key.id() == TypeId::kTimestamp || key.id() == TypeId::kTimestampNtz) &&
                     (t.is_ansi_interval() || t.id() == TypeId::kCalendarInterval)) &&
                   !(key.is_ansi_interval() && key.id() == t.id())) {
          throw analysis_error("DATATYPE_MISMATCH.RANGE_FRAME_INVALID_TYPE",
                               {{"sqlExpr", quote_sql(pretty_sql(*f))}, {"orderSpecType", quote_sql(key.sql())}, {"valueBoundaryType", quote_sql(t.sql())}});
        }
      }
    } else if (out->rows) {
      for (FrameBound* b : {&out->lower, &out->upper}) {
        if (b->kind != FrameBound::Kind::kOffset) continue;
        auto value = constant_value(b->offset);
        auto* number = value ? std::get_if<int64_t>(&value->v) : nullptr;
        if (!b->offset->type.is_integral() || (number && (*number > INT32_MAX || *number < INT32_MIN)))
          throw analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE",
                               {{"sqlExpr", quote_sql(pretty_sql(*f))}, {"location", b == &out->lower ? "lower" : "upper"}, {"exprType", quote_sql(b->offset->type.sql())}, {"expectedType", "\"INT\""}});
        b->offset = make_cast(b->offset, TypeId::kInt, mode());
      }
    }
    if (place(out->lower) > place(out->upper)) {
      throw analysis_error("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON",
                           {{"sqlExpr", quote_sql(pretty_sql(*f))}, {"comparison", "less than or equal"}});
    }
  } else {
    out->lower.kind = FrameBound::Kind::kUnbounded;
    out->upper.following = true;
    if (out->order_by.empty()) {
      out->rows = true;
      out->upper.kind = FrameBound::Kind::kUnbounded;
    } else {
      out->upper.kind = FrameBound::Kind::kCurrentRow;
    }
  }

  if (const auto* a = try_as<AggregateCall>(*f); a && (a->name == "median" || a->name == "percentile_cont" || a->name == "percentile_disc"))
    if (!out->order_by.empty() || out->lower.kind != FrameBound::Kind::kUnbounded || out->upper.kind != FrameBound::Kind::kUnbounded)
      throw analysis_error("INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", {{"aggFunc", quote_sql(a->name)}});

  // ---- functions that bring their own frame
  if (is_window) {
    const auto& call = as<Call>(*f);
    std::string name(call.function->name());
    if (ranks(*f) && out->order_by.empty())
      throw analysis_error("WINDOW_FUNCTION_FRAME_NOT_ORDERED", {{"wf_name", name}, {"wf_expr", name == "rank" || name == "dense_rank" || name == "percent_rank" ? upper_case(name) + "()" : pretty_sql(*f)}});
    if (name == "row_number" || name == "rank" || name == "dense_rank" || name == "percent_rank" || name == "ntile" || name == "cume_dist" ||
        name == "internal:ewm" || name == "internal:null_index") {
      bool rows = name != "cume_dist";
      FrameBound lower, upper;
      lower.kind = FrameBound::Kind::kUnbounded;
      upper.kind = FrameBound::Kind::kCurrentRow;
      upper.following = true;
      if (given && !(out->rows == rows && out->lower.kind == lower.kind && out->upper.kind == upper.kind))
        throw frame_mismatch(rows, *out);
      out->rows = rows;
      out->lower = lower;
      out->upper = upper;
    } else if (name == "lead" || name == "lag") {
      auto offset = call.children.size() > 1 ? call.children[1] : make_int(1);
      out->rows = true;
      int64_t n = 1;
      if (auto v = constant_value(offset); v && !v->is_null() && std::holds_alternative<int64_t>(v->v)) n = v->get<int64_t>();
      // Spark writes both as FOLLOWING, of a negative number for lag.
      FrameBound b;
      b.kind = FrameBound::Kind::kOffset;
      b.following = true;
      b.offset = make_int(static_cast<int32_t>(name == "lag" ? -n : n));
      // A frame may be written if it is this one.
      auto distance = [&](const FrameBound& x) -> std::optional<int64_t> {
        if (x.kind == FrameBound::Kind::kCurrentRow) return 0;
        auto v = x.kind == FrameBound::Kind::kOffset ? constant_value(x.offset) : std::nullopt;
        auto* rows = v ? std::get_if<int64_t>(&v->v) : nullptr;
        return rows ? std::optional(x.following ? *rows : -*rows) : std::nullopt;
      };
      if (given && !(out->rows && distance(out->lower) == distance(b) && distance(out->upper) == distance(b)))
        throw analysis_error("_LEGACY_ERROR_TEMP_1035", {{"prettyName", name}});
      out->lower = out->upper = b;
    }
  } else if (auto* a = try_as<AggregateCall>(*f)) {
    for (const char* n : {"percentile_cont", "percentile_disc", "median"})
      if (a->name == n && (!out->order_by.empty() || given))
        throw analysis_error("INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", {{"aggFunc", quote_sql(pretty_sql(*f))}});
    if (a->distinct)
      throw analysis_error("DISTINCT_WINDOW_FUNCTION_UNSUPPORTED", {{"windowExpr", quote_sql(window_text(f, *out))}});
  }

  out->children = {f};
  if (auto* lca = lateral_alias_in(*out)) {
    std::string text = pretty_sql(*out);
    if (auto frame = text.rfind(out->rows ? "ROWS BETWEEN " : "RANGE BETWEEN "); !given && frame != std::string::npos) text = text.substr(0, frame) + "unspecifiedframe$())";
    throw analysis_error("UNSUPPORTED_FEATURE.LATERAL_COLUMN_ALIAS_IN_WINDOW", {{"lca", name_text({lca->name})}, {"windowExpr", quote_sql(text)}});
  }
  out->children.clear();

  // first(x) FILTER (WHERE c): the engine filters no functions that pick a row, so the rows left out are nulls that it ignores;
  // a struct around x keeps its own nulls.
  if (auto* a = try_as<AggregateCall>(*f); a && a->filter && a->function) {
    std::string_view name = a->function->name();
    if (name == "first" || name == "last" || name == "first_value" || name == "last_value" || name == "any_value") {
      auto keep = a->ignore_nulls ? call("and", {a->filter, call("isnotnull", {a->children.at(0)})}) : a->filter;
      auto packed = call("named_struct", {make_string("v"), a->children.at(0)});
      auto picked = std::make_shared<AggregateCall>(*a);
      picked->filter = nullptr;
      picked->ignore_nulls = true;
      picked->type = packed->type;
      picked->nullable = true;
      picked->children[0] = call("if", {keep, packed, make_null(packed->type)});
      auto windowed = std::make_shared<WindowExpr>(*out);
      windowed->type = picked->type;
      windowed->nullable = true;
      windowed->ignore_nulls = ignore_nulls;
      windowed->context = f->context;
      windowed->children = {picked};
      auto field = fields(windowed, {"", "v"}, 1);
      auto value = std::const_pointer_cast<Expression>(with_children(field, field->children));
      value->text = window_text(f, *out);
      return value;
    }
  }

  // The result.
  if (is_window || is_aggregate_node(*f)) {
    out->type = f->type;
    out->nullable = f->nullable;
    out->ignore_nulls = ignore_nulls;
    out->context = f->context;
    out->children.push_back(f);
    return out;
  }
  return transform(f, [&](const ExprPtr& x) -> ExprPtr {
    if (!is_aggregate_node(*x)) return nullptr;
    auto n = std::make_shared<WindowExpr>(*out);
    n->type = x->type;
    n->nullable = x->nullable;
    n->children.push_back(x);
    return n;
  });
}

std::string Analyzer::window_text(const ExprPtr& f, const WindowExpr& w) {
  WindowExpr copy = w;
  copy.children = {f};
  return pretty_sql(copy);
}

namespace {
std::string bound_text(const FrameBound& b, bool lower) {
  if (b.kind == FrameBound::Kind::kCurrentRow) return "currentrow$()";
  if (b.kind == FrameBound::Kind::kUnbounded) return lower ? "unboundedpreceding$()" : "unboundedfollowing$()";
  return (b.following ? "" : "-") + pretty_sql(*b.offset);
}
std::string frame_text(const WindowExpr& w) {
  return std::string("specifiedwindowframe(") + (w.rows ? "RowFrame" : "RangeFrame") + ", " + bound_text(w.lower, true) + ", " + bound_text(w.upper, false) + ")";
}
}  // namespace

SparkError Analyzer::frame_mismatch(bool rows, const WindowExpr& w) {
  std::string required = std::string("specifiedwindowframe(") + (rows ? "RowFrame" : "RangeFrame") + ", unboundedpreceding$(), currentrow$())";
  return analysis_error("_LEGACY_ERROR_TEMP_1036", {{"wf", frame_text(w)}, {"required", required}});
}

ExprPtr Analyzer::window_reference(const tarn::sql::WindowReference& r, Env& env) {
  // Only the nearest WINDOW clause around counts.
  if (!windows_.empty())
    if (auto it = windows_.back().find(lower_case(r.name())); it != windows_.back().end()) return window(*it->second, r.function(), env);
  throw analysis_error("MISSING_WINDOW_SPECIFICATION", {{"windowName", r.name()}, {"docroot", "https://spark.apache.org/docs/latest"}});
}

}  // namespace tarn::plan
