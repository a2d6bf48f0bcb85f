#pragma once
#include <span>

namespace tarn::catalog {

// The versions of the catalog file: step i brings version i to i + 1. Steps that were released are never edited; a change is a new step.
std::span<const char* const> migrations();

}  // namespace tarn::catalog
