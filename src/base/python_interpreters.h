#pragma once
#include <string>
#include <vector>

namespace tarn {

// The Python interpreters to try, in this order, when none was named: PYSPARK_PYTHON alone if it is set, as Spark does; else the active virtual
// environment, the one that the build made beside or above this program, and python3 of the path.
std::vector<std::string> python_interpreters();

}  // namespace tarn
