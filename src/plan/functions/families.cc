#include "plan/functions/families.h"

namespace tarn::plan {

const std::vector<FunctionTable>& function_families() {
  static const std::vector<FunctionTable> all = {
      operator_functions(),   conditional_functions(), math_functions(),       string_functions(),    aggregate_functions(),
      window_functions(),     collection_functions(),  lambda_functions(),     datetime_functions(),  conversion_functions(),
      hash_functions(),       json_functions(),        misc_functions(),       generator_functions(), geo_functions(),
      internal_functions(),   sketch_functions(),      avro_functions(),
  };
  return all;
}

}  // namespace tarn::plan
