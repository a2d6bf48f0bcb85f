#include "plan/functions/entry.h"
#include "plan/functions/families.h"

namespace tarn::plan {
namespace {

// The type follows a constant SRID; a computed one makes it mixed. Source: StExpressionUtils.
DataType geometry_of(const Expression& srid, bool geography) {
  auto v = constant_integer(srid);
  if (v) {
    const bool known = geography ? *v == 4326 : *v == 0 || *v == 3857 || *v == 4326;
    if (!known) throw SparkError(ErrorKind::kIllegalArgument, "ST_INVALID_SRID_VALUE", {{"srid", std::to_string(*v)}});
  }
  int id = v ? static_cast<int>(*v) : -1;
  return geography ? DataType::geography(id) : DataType::geometry(id);
}

TypedCall from_wkb(const CallContext&, std::vector<ExprPtr>& args) { return {geometry_of(*args[1], false), any_nullable(args)}; }

TypedCall set_srid(const CallContext& c, std::vector<ExprPtr>& args) {
  static const FunctionEntry geography{"st_setsrid", FunctionKind::kScalar, "", "spark_geo_set_srid($1, $2, true)", kHidden};
  expect(c, args, 0, "{geometry|geography}");
  expect(c, args, 1, "int");
  const bool geo = args[0]->type.id() == TypeId::kGeography;
  return {geometry_of(*args[1], geo), any_nullable(args), geo ? &geography : nullptr};
}

const FunctionEntry kTable[] = {
    scalar("st_geomfromwkb", "(binary, [int = 0]) -> @", "spark_geo_from_wkb($1, $2, false)", kNone, from_wkb),
    scalar("st_geogfromwkb", "(binary) -> @", "spark_geo_from_wkb($1, 4326, true)", kNone,
           [](const CallContext&, std::vector<ExprPtr>& a) -> TypedCall { return {DataType::geography(4326), a[0]->nullable}; }),
    scalar("st_asbinary", "({geography|geometry}, [string = 'NDR']) -> binary", "spark_geo_as_binary($1, $2)"),
    scalar("st_srid", "({geography|geometry}) -> int", "struct_extract_at($1, 1)"),
    scalar("st_setsrid", "(any, any) -> @", "spark_geo_set_srid($1, $2, false)", kNone, set_srid),
};

}  // namespace

FunctionTable geo_functions() { return kTable; }

}  // namespace tarn::plan
