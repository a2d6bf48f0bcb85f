#pragma once
// The opening handshake of a WebSocket (RFC 6455, 4.2.1), as far as the head of a request tells. The frames are the listener's.
#include <string>
#include <vector>

#include "http/message.h"

namespace tarn::http {

constexpr const char* kWebSocketVersion = "13";
// The subprotocol of our messages. A client that cannot set headers (a browser) offers it together with its token as kBearerPrefix + token:
// the token is read there and never sent back.
constexpr const char* kSubprotocol = "tarn.v1";
constexpr const char* kBearerPrefix = "tarn.bearer.";

// Whether the head asks for a WebSocket. RestError: 400 for one that is not well formed, 426 for another version than 13.
bool wants_websocket(const Request& head);
// What the client offers, in its order. RestError 400 for what is no list of tokens (RFC 9110, 5.6.2).
std::vector<std::string> subprotocols_of(const Request& head);
// kSubprotocol if it is offered, else "". RestError 400 for a token without it: a browser would end the connection that has none of its protocols.
std::string choose_subprotocol(const Request& head);
// The bearer token among the subprotocols of a request with upgrade; "" if there is none.
std::string bearer_of_subprotocols(const Request& head);

}  // namespace tarn::http
