#pragma once
// Inside the room: which names an unresolved tree mentions (to keep permanent objects free of temporary ones, and views free of cycles).
#include <set>
#include <string>
#include <vector>

namespace google::protobuf {
class Message;
}

namespace tarn::engine::commands {

struct References {
  std::set<std::vector<std::string>> tables;      // without the names that WITH defines
  std::set<std::string> functions;                // bare names, lower case
  std::set<std::vector<std::string>> columns;     // attribute names, split
};
// Walks every field, and the tarn.sql messages in extensions.
References references_of(const google::protobuf::Message& tree);

}  // namespace tarn::engine::commands
