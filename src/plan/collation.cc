// Names of collations. Source: CollationFactory of Spark 4.2 over ICU4J 78.
#include "plan/collation.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/spark_error.h"
#include "plan/function.h"

namespace tarn::plan {
namespace {

struct Locale {
  std::string_view name, language, country;
};

// ICU's collators without variants, named language[_Script][_COUNTRY] with the country's three letters, sorted.
constexpr Locale kLocales[] = {
    {"UNICODE", "", ""}, {"af", "Afrikaans", ""}, {"am", "Amharic", ""}, {"ar", "Arabic", ""}, {"ar_SAU", "Arabic", "Saudi Arabia"},
    {"as", "Assamese", ""}, {"az", "Azerbaijani", ""}, {"be", "Belarusian", ""}, {"bg", "Bulgarian", ""}, {"blo", "Anii", ""},
    {"bn", "Bangla", ""}, {"bo", "Tibetan", ""}, {"br", "Breton", ""}, {"bs", "Bosnian", ""}, {"bs_Cyrl", "Bosnian", ""},
    {"ca", "Catalan", ""}, {"ceb", "Cebuano", ""}, {"chr", "Cherokee", ""}, {"cs", "Czech", ""}, {"cy", "Welsh", ""},
    {"da", "Danish", ""}, {"de", "German", ""}, {"de_AUT", "German", "Austria"}, {"dsb", "Lower Sorbian", ""}, {"dz", "Dzongkha", ""},
    {"ee", "Ewe", ""}, {"el", "Greek", ""}, {"en", "English", ""}, {"en_USA", "English", "United States"}, {"eo", "Esperanto", ""},
    {"es", "Spanish", ""}, {"et", "Estonian", ""}, {"fa", "Persian", ""}, {"fa_AFG", "Persian", "Afghanistan"}, {"ff", "Fula", ""},
    {"ff_Adlm", "Fula", ""}, {"fi", "Finnish", ""}, {"fil", "Filipino", ""}, {"fo", "Faroese", ""}, {"fr", "French", ""},
    {"fr_CAN", "French", "Canada"}, {"fy", "Western Frisian", ""}, {"ga", "Irish", ""}, {"gl", "Galician", ""}, {"gu", "Gujarati", ""},
    {"ha", "Hausa", ""}, {"haw", "Hawaiian", ""}, {"he", "Hebrew", ""}, {"he_ISR", "Hebrew", "Israel"}, {"hi", "Hindi", ""},
    {"hr", "Croatian", ""}, {"hsb", "Upper Sorbian", ""}, {"hu", "Hungarian", ""}, {"hy", "Armenian", ""}, {"id", "Indonesian", ""},
    {"id_IDN", "Indonesian", "Indonesia"}, {"ig", "Igbo", ""}, {"is", "Icelandic", ""}, {"it", "Italian", ""}, {"ja", "Japanese", ""},
    {"ka", "Georgian", ""}, {"kk", "Kazakh", ""}, {"kk_Arab", "Kazakh", ""}, {"kl", "Kalaallisut", ""}, {"km", "Khmer", ""},
    {"kn", "Kannada", ""}, {"ko", "Korean", ""}, {"kok", "Konkani", ""}, {"ku", "Kurdish", ""}, {"ky", "Kyrgyz", ""},
    {"lb", "Luxembourgish", ""}, {"lij", "Ligurian", ""}, {"lkt", "Lakota", ""}, {"ln", "Lingala", ""}, {"lo", "Lao", ""},
    {"lt", "Lithuanian", ""}, {"lv", "Latvian", ""}, {"mk", "Macedonian", ""}, {"ml", "Malayalam", ""}, {"mn", "Mongolian", ""},
    {"mr", "Marathi", ""}, {"ms", "Malay", ""}, {"mt", "Maltese", ""}, {"my", "Burmese", ""}, {"nb", "Norwegian Bokmål", ""},
    {"nb_NOR", "Norwegian Bokmål", "Norway"}, {"ne", "Nepali", ""}, {"nl", "Dutch", ""}, {"nn", "Norwegian Nynorsk", ""},
    {"no", "Norwegian", ""}, {"nso", "Northern Sotho", ""}, {"om", "Oromo", ""}, {"or", "Odia", ""}, {"pa", "Punjabi", ""},
    {"pa_Guru", "Punjabi", ""}, {"pa_Guru_IND", "Punjabi", "India"}, {"pl", "Polish", ""}, {"ps", "Pashto", ""},
    {"pt", "Portuguese", ""}, {"ro", "Romanian", ""}, {"ru", "Russian", ""}, {"sa", "Sanskrit", ""}, {"se", "Northern Sami", ""},
    {"si", "Sinhala", ""}, {"sk", "Slovak", ""}, {"sl", "Slovenian", ""}, {"smn", "Inari Sami", ""}, {"sq", "Albanian", ""},
    {"sr", "Serbian", ""}, {"sr_Cyrl", "Serbian", ""}, {"sr_Cyrl_BIH", "Serbian", "Bosnia & Herzegovina"},
    {"sr_Cyrl_MNE", "Serbian", "Montenegro"}, {"sr_Cyrl_SRB", "Serbian", "Serbia"}, {"sr_Latn", "Serbian", ""},
    {"sr_Latn_BIH", "Serbian", "Bosnia & Herzegovina"}, {"sr_Latn_SRB", "Serbian", "Serbia"}, {"st", "Southern Sotho", ""},
    {"sv", "Swedish", ""}, {"sw", "Swahili", ""}, {"ta", "Tamil", ""}, {"te", "Telugu", ""}, {"th", "Thai", ""}, {"tk", "Turkmen", ""},
    {"tn", "Tswana", ""}, {"to", "Tongan", ""}, {"tr", "Turkish", ""}, {"ug", "Uyghur", ""}, {"uk", "Ukrainian", ""},
    {"ur", "Urdu", ""}, {"uz", "Uzbek", ""}, {"vi", "Vietnamese", ""}, {"wae", "Walser", ""}, {"wo", "Wolof", ""}, {"xh", "Xhosa", ""},
    {"yi", "Yiddish", ""}, {"yo", "Yoruba", ""}, {"zh", "Chinese", ""}, {"zh_Hans", "Chinese", ""},
    {"zh_Hans_CHN", "Chinese", "China"}, {"zh_Hans_SGP", "Chinese", "Singapore"}, {"zh_Hant", "Chinese", ""},
    {"zh_Hant_HKG", "Chinese", "Hong Kong SAR China"}, {"zh_Hant_MAC", "Chinese", "Macao SAR China"},
    {"zh_Hant_TWN", "Chinese", "Taiwan"}, {"zu", "Zulu", ""},
};

std::string upper(std::string_view s) {
  std::string out(s);
  for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return out;
}

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t next = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = next;
    }
  }
  return row[b.size()];
}

// Empty when the name is none.
std::string parse(const std::string& name) {
  if (name.starts_with("UTF8_")) {
    for (std::string_view base : {"UTF8_BINARY", "UTF8_LCASE"}) {
      if (!name.starts_with(base)) continue;
      std::string_view rest = std::string_view(name).substr(base.size());
      return rest.empty() || rest == "_RTRIM" ? name : std::string();
    }
    return {};
  }
  const Locale* locale = nullptr;
  for (const Locale& l : kLocales)
    if (name.starts_with(upper(l.name)) && (!locale || l.name.size() > locale->name.size())) locale = &l;
  if (!locale) return {};
  std::string_view rest = std::string_view(name).substr(locale->name.size());
  std::string_view of_case, of_accent, of_spaces;
  if (!rest.empty() && rest[0] != '_') return {};
  while (!rest.empty()) {
    rest.remove_prefix(1);
    std::string_view specifier = rest.substr(0, rest.find('_'));
    rest.remove_prefix(specifier.size());
    std::string_view* kind = specifier == "CI" || specifier == "CS" ? &of_case
                           : specifier == "AI" || specifier == "AS" ? &of_accent
                           : specifier == "RTRIM"                   ? &of_spaces : nullptr;
    if (!kind || !kind->empty()) return {};
    *kind = specifier;
  }
  return std::string(locale->name) + (of_case == "CI" ? "_CI" : "") + (of_accent == "AI" ? "_AI" : "") + (of_spaces.empty() ? "" : "_RTRIM");
}

// Up to three names near the given one, with its specifiers.
std::string proposals(std::string_view given) {
  const bool utf8 = given.starts_with("UTF8_");
  std::vector<std::string_view> roots, specifiers;
  if (utf8) {
    roots = {"UTF8_BINARY", "UTF8_LCASE"};
    specifiers = {"_RTRIM"};
  } else {
    for (const Locale& l : kLocales) roots.push_back(l.name);
    specifiers = {"_CI", "_AI", "_CS", "_AS", "_RTRIM"};
  }
  const std::string whole = upper(given);
  std::string_view locale = whole;
  std::vector<std::string_view> found;
  for (bool more = true; more;) {
    more = false;
    for (std::string_view s : specifiers) {
      if (!locale.ends_with(s)) continue;
      locale.remove_suffix(s.size());
      if (std::find(found.begin(), found.end(), s) != found.end()) std::erase(found, s);
      found.insert(found.begin(), s);
      more = true;
      break;
    }
  }
  auto has = [&](std::string_view s) { return std::find(found.begin(), found.end(), s) != found.end(); };
  if (has("_CI") && has("_CS")) std::erase(found, std::string_view("_CI"));
  if (has("_AI") && has("_AS")) std::erase(found, std::string_view("_AI"));
  std::string suffix, out;
  for (std::string_view s : found) suffix += s;
  std::stable_sort(roots.begin(), roots.end(), [&](std::string_view a, std::string_view b) {
    return distance(upper(a), locale) < distance(upper(b), locale);
  });
  for (size_t i = 0; i < std::min<size_t>(3, roots.size()); ++i) {
    std::string one = std::string(roots[i]) + suffix;
    if (!out.empty() && distance(upper(one), whole) >= 3) break;
    out += (out.empty() ? "" : ", ") + one;
  }
  return out;
}

}  // namespace

std::string canonical_collation(std::string_view name) {
  std::string wanted = upper(name);
  std::string_view prefix = "SYSTEM.BUILTIN.";
  if (wanted.starts_with(prefix)) {
    wanted.erase(0, prefix.size());
    name.remove_prefix(prefix.size());
  }
  std::string found = parse(wanted);
  if (found.empty()) throw analysis_error("COLLATION_INVALID_NAME", {{"collationName", std::string(name)}, {"proposals", proposals(name)}});
  return found;
}

std::vector<CollationInfo> all_collations() {
  std::vector<CollationInfo> out;
  for (const char* name : {"UTF8_BINARY", "UTF8_LCASE", "UTF8_BINARY_RTRIM", "UTF8_LCASE_RTRIM"}) {
    CollationInfo c{name, {}, {}};
    c.case_sensitive = c.name.find("LCASE") == std::string::npos;
    c.trims = c.name.ends_with("_RTRIM");
    out.push_back(std::move(c));
  }
  const size_t first = out.size();
  for (const Locale& l : kLocales)
    for (const char* sensitivity : {"", "_AI", "_CI", "_CI_AI"})
      for (const char* trim : {"", "_RTRIM"}) {
        CollationInfo c{std::string(l.name) + sensitivity + trim, l.language, l.country};
        c.case_sensitive = std::string_view(sensitivity).find("_CI") == std::string_view::npos;
        c.accent_sensitive = std::string_view(sensitivity).find("_AI") == std::string_view::npos;
        c.trims = *trim != 0;
        c.icu = true;
        out.push_back(std::move(c));
      }
  std::sort(out.begin() + static_cast<std::ptrdiff_t>(first), out.end(), [](const CollationInfo& a, const CollationInfo& b) { return a.name < b.name; });
  return out;
}

DataType with_default_collation(const DataType& t, const std::string& collation) {
  switch (t.id()) {
    case TypeId::kString: return t.is_default_string() ? DataType::string(collation) : t;
    case TypeId::kArray: return DataType::array(with_default_collation(t.element(), collation), t.contains_null());
    case TypeId::kMap: return DataType::map(with_default_collation(t.key(), collation), with_default_collation(t.value(), collation), t.contains_null());
    case TypeId::kStruct: {
      std::vector<StructField> fields;
      for (const StructField& f : t.fields()) fields.push_back(make_field(f.name, with_default_collation(f.type(), collation), f.nullable, f.metadata));
      return DataType::structure(std::move(fields));
    }
    default: return t;
  }
}

bool has_collation(const DataType& t) {
  switch (t.id()) {
    case TypeId::kString: return t.collation() != "UTF8_BINARY";
    case TypeId::kArray: return has_collation(t.element());
    case TypeId::kMap: return has_collation(t.key()) || has_collation(t.value());
    case TypeId::kStruct:
      return std::any_of(t.fields().begin(), t.fields().end(), [](const StructField& f) { return has_collation(f.type()); });
    default: return false;
  }
}

}  // namespace tarn::plan
