// Data types -> spark.connect.DataType.
#include "sql/parser_impl.h"

namespace tarn::sql {

namespace sc = spark::connect;

namespace {
std::string json_string(const std::string& s) {
  static const char* kHex = "0123456789abcdef";
  std::string out = "\"";
  for (char c : s) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out += kHex[(c >> 4) & 15];
          out += kHex[c & 15];
        } else {
          out += c;
        }
    }
  }
  return out + "\"";
}
}  // namespace

std::string Parser::collate_clause() {
  expect(kwCOLLATE);
  std::string name;
  for (const auto& p : multipart_identifier()) name += (name.empty() ? "" : ".") + p;
  return name;
}

void Parser::close_type() {
  if (!accept(kGt)) syntax_error();
}

void Parser::data_type(sc::DataType* out) {
  DepthGuard guard(this);
  size_t start = pos_;
  if (at_any(kwARRAY, kwMAP, kwSTRUCT)) {
    TokenType t = type();
    ++pos_;
    if (t == kwSTRUCT && accept(kNeq)) {
      out->mutable_struct_();
      return;
    }
    if (!accept(kLt)) {
      if (t == kwARRAY) defer("INCOMPLETE_TYPE_DEFINITION.ARRAY", {{"elementType", "<INT>"}}, start);
      defer(t == kwMAP ? "INCOMPLETE_TYPE_DEFINITION.MAP" : "INCOMPLETE_TYPE_DEFINITION.STRUCT", {}, start);
      return;
    }
    if (t == kwARRAY) {
      data_type(out->mutable_array()->mutable_element_type());
      out->mutable_array()->set_contains_null(true);
    } else if (t == kwMAP) {
      data_type(out->mutable_map()->mutable_key_type());
      expect(kComma);
      data_type(out->mutable_map()->mutable_value_type());
      out->mutable_map()->set_value_contains_null(true);
    } else {
      auto* s = out->mutable_struct_();
      if (!at(kGt)) {
        do column_type(s->add_fields(), true);
        while (accept(kComma));
      }
    }
    close_type();
    return;
  }
  primitive_type(out);
}

void Parser::column_type(sc::DataType::StructField* out, bool complex) {
  out->set_name(capturing_identifier());
  if (complex) accept(kColon);
  data_type(out->mutable_data_type());
  out->set_nullable(true);
  if (at_any(kwNOT, kBang)) {
    accept_not();
    expect(kwNULL);
    out->set_nullable(false);
  }
  if (at(kwCOMMENT) && at_string(1)) out->set_metadata("{\"comment\":" + json_string(comment_spec()) + "}");
}

void Parser::column_type_list(sc::DataType::Struct* out) {
  do column_type(out->add_fields(), false);
  while (accept(kComma));
}

void Parser::primitive_type(sc::DataType* out) {
  size_t start = pos_;
  if (!is_identifier()) syntax_error();
  TokenType t = type();
  std::string word(text());
  // (n [, m ...]); empty without parentheses.
  auto arguments = [&](size_t most) {
    std::vector<int64_t> v;
    if (most && accept(kLeftParen)) {
      do v.push_back(integer_value());
      while (v.size() < most && accept(kComma));
      expect(kRightParen);
    }
    return v;
  };
  auto to_int = [](int64_t v) { return static_cast<int>(std::min<int64_t>(v, 2147483647)); };
  switch (t) {
    case kwBOOLEAN: ++pos_; out->mutable_boolean(); return;
    case kwTINYINT: case kwBYTE: ++pos_; out->mutable_byte(); return;
    case kwSMALLINT: case kwSHORT: ++pos_; out->mutable_short_(); return;
    case kwINT: case kwINTEGER: ++pos_; out->mutable_integer(); return;
    case kwBIGINT: case kwLONG: ++pos_; out->mutable_long_(); return;
    case kwFLOAT: case kwREAL: ++pos_; out->mutable_float_(); return;
    case kwDOUBLE: ++pos_; out->mutable_double_(); return;
    case kwDATE: ++pos_; out->mutable_date(); return;
    case kwTIMESTAMP_LTZ: ++pos_; out->mutable_timestamp(); return;
    case kwTIMESTAMP_NTZ: ++pos_; out->mutable_timestamp_ntz(); return;
    case kwBINARY: ++pos_; out->mutable_binary(); return;
    case kwVOID: ++pos_; out->mutable_null(); return;
    case kwVARIANT: ++pos_; out->mutable_variant(); return;
    case kwSTRING:
      ++pos_;
      out->mutable_string();
      if (at(kwCOLLATE)) {
        // An explicit UTF8_BINARY is not the default; in this spelling no client sends it.
        std::string name = collate_clause();
        out->mutable_string()->set_collation(to_upper(name) == "UTF8_BINARY" ? "utf8_binary" : name);
      }
      return;
    case kwCHAR: case kwCHARACTER: case kwVARCHAR: {
      ++pos_;
      auto length = arguments(1);
      if (at(kwCOLLATE)) {
        collate_clause();
        throw not_built(source_from(start));
      }
      if (length.empty()) return defer("DATATYPE_MISSING_SIZE", {{"type", quote_sql(to_upper(word))}}, start);
      if (options_.legacy_char_as_string) {
        out->mutable_string();
      } else if (t == kwVARCHAR) {
        out->mutable_var_char()->set_length(to_int(length[0]));
      } else {
        out->mutable_char_()->set_length(to_int(length[0]));
      }
      return;
    }
    case kwDECIMAL: case kwDEC: case kwNUMERIC: {
      ++pos_;
      auto v = arguments(2);
      int precision = v.empty() ? 10 : to_int(v[0]), scale = v.size() < 2 ? 0 : to_int(v[1]);
      if (scale > precision)
        fail("_LEGACY_ERROR_TEMP_1228", {{"scale", std::to_string(scale)}, {"precision", std::to_string(precision)}}, start);
      if (precision > 38)
        throw SparkError(ErrorKind::kArithmetic, "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", {{"precision", std::to_string(precision)}, {"maxPrecision", "38"}});
      out->mutable_decimal()->set_precision(precision);
      out->mutable_decimal()->set_scale(scale);
      return;
    }
    case kwINTERVAL: return interval_type(out, start);
    case kwTIMESTAMP:
      ++pos_;
      if (at(kwWITH) && at(kwLOCAL, 1) && at(kwTIME, 2) && at(kwZONE, 3)) {
        pos_ += 4;
        out->mutable_timestamp();
      } else if (at(kwWITHOUT) && at(kwTIME, 1) && at(kwZONE, 2)) {
        pos_ += 3;
        out->mutable_timestamp_ntz();
      } else if (options_.timestamp_ntz) {
        out->mutable_timestamp_ntz();
      } else {
        out->mutable_timestamp();
      }
      return;
    case kwTIME: {
      ++pos_;
      auto v = arguments(1);
      if (at(kwWITHOUT) && at(kwTIME, 1) && at(kwZONE, 2)) pos_ += 3;
      int precision = v.empty() ? 6 : to_int(v[0]);
      if (precision > 6) throw SparkError(ErrorKind::kSpark, "UNSUPPORTED_TIME_PRECISION", {{"precision", std::to_string(precision)}});
      out->mutable_time()->set_precision(precision);
      return;
    }
    case kwGEOGRAPHY: case kwGEOMETRY:
      if (at(kLeftParen, 1)) {
        pos_ += 2;
        int srid = -1;
        if (!accept(kwANY)) srid = to_int(integer_value());
        expect(kRightParen);
        if (t == kwGEOMETRY) {
          out->mutable_geometry()->set_srid(srid);
        } else {
          out->mutable_geography()->set_srid(srid);
        }
        return;
      }
      break;
    default: break;
  }
  std::string shown = identifier();
  auto v = arguments(1000);
  if (!v.empty()) {
    shown += '(';
    for (size_t i = 0; i < v.size(); ++i) shown += (i ? "," : "") + std::to_string(v[i]);
    shown += ')';
  }
  defer("UNSUPPORTED_DATATYPE", {{"typeName", quote_sql(to_upper(shown))}}, start);
}

void Parser::interval_type(sc::DataType* out, size_t start) {
  expect(kwINTERVAL);
  auto day_time = [](TokenType t) { return t == kwDAY ? 0 : t == kwHOUR ? 1 : t == kwMINUTE ? 2 : t == kwSECOND ? 3 : -1; };
  auto year_month = [](TokenType t) { return t == kwYEAR ? 0 : t == kwMONTH ? 1 : -1; };
  bool is_day_time = day_time(type()) >= 0;
  if (!is_day_time && year_month(type()) < 0) {
    out->mutable_calendar_interval();
    return;
  }
  auto field = [&](TokenType t) { return is_day_time ? day_time(t) : year_month(t); };
  std::string from_text = to_lower(text()), to_text;
  int from = field(type()), to = from;
  ++pos_;
  if (at(kwTO)) {
    ++pos_;
    to = field(type());
    if (to < 0 || (is_day_time && to == 0) || (!is_day_time && to == 0)) syntax_error();
    to_text = to_lower(text());
    ++pos_;
    if (to <= from) fail("INVALID_INTERVAL_FORMAT.UNSUPPORTED_FROM_TO_EXPRESSION", {{"input", ""}, {"from", from_text}, {"to", to_text}}, start);
  }
  if (is_day_time) {
    out->mutable_day_time_interval()->set_start_field(from);
    out->mutable_day_time_interval()->set_end_field(to);
  } else {
    out->mutable_year_month_interval()->set_start_field(from);
    out->mutable_year_month_interval()->set_end_field(to);
  }
}

}  // namespace tarn::sql
