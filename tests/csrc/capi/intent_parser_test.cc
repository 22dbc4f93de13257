#include <doctest/doctest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "sottovoce/sottovoce.h"

namespace {

const std::string kModel = std::string(SV_MODELS) + "/snips-en.gguf";

struct Parser {
  explicit Parser(const std::string& path) { status = sv_intent_parser_open(path.c_str(), &handle); }
  ~Parser() { sv_intent_parser_free(handle); }
  Parser(const Parser&) = delete;
  sv_intent_parser* handle = nullptr;
  sv_status status = SV_INTERNAL;
};

}  // namespace

TEST_CASE("a request through the C API") {
  const Parser parser(kModel);
  REQUIRE_MESSAGE(parser.status == SV_OK, sv_last_error());
  const char* text = "play some jazz by miles davis";
  const sv_parse_options options = {sizeof(sv_parse_options), 3};
  sv_parse_result* result = nullptr;
  REQUIRE(sv_intent_parser_parse(parser.handle, text, std::strlen(text), &options, &result) == SV_OK);
  CHECK(sv_parse_result_num_intents(result) == 3);
  sv_intent intent = {};
  REQUIRE(sv_parse_result_intent(result, 0, &intent) == SV_OK);
  CHECK(std::string(intent.name) == "PlayMusic");
  CHECK(intent.score > 0.5f);
  CHECK(sv_parse_result_out_of_scope(result) == 0);
  bool artist = false;
  for (size_t i = 0; i < sv_parse_result_num_slots(result); ++i) {
    sv_slot slot = {};
    REQUIRE(sv_parse_result_slot(result, i, &slot) == SV_OK);
    CHECK(std::string(text).substr(static_cast<size_t>(slot.start), static_cast<size_t>(slot.end - slot.start)) ==
          slot.value);
    artist = artist || (std::string(slot.name) == "artist" && std::string(slot.value) == "miles davis");
  }
  CHECK(artist);
  CHECK(sv_parse_result_intent(result, 3, &intent) == SV_INVALID_ARGUMENT);
  CHECK(std::string(sv_last_error()).find("below 3, found 3") != std::string::npos);
  CHECK(sv_parse_result_warning(result, 0) == nullptr);
  sv_parse_result_free(result);
}

TEST_CASE("invalid UTF-8 and empty text are parsed, the first with a warning") {
  const Parser parser(kModel);
  REQUIRE(parser.status == SV_OK);
  sv_parse_result* result = nullptr;
  REQUIRE(sv_intent_parser_parse(parser.handle, "play \xff\xfe jazz", 12, nullptr, &result) == SV_OK);
  CHECK(sv_parse_result_num_warnings(result) == 1);
  CHECK(std::string(sv_parse_result_warning(result, 0)).find("UTF-8") != std::string::npos);
  sv_parse_result_free(result);
  REQUIRE(sv_intent_parser_parse(parser.handle, nullptr, 0, nullptr, &result) == SV_OK);
  CHECK(sv_parse_result_num_intents(result) == 1);
  sv_parse_result_free(result);
}

TEST_CASE("memory opens as a file does, and mistakes are told") {
  std::ifstream file(kModel, std::ios::binary);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  sv_intent_parser* parser = nullptr;
  REQUIRE(sv_intent_parser_open_memory(bytes.data(), bytes.size(), &parser) == SV_OK);
  sv_parse_result* result = nullptr;
  sv_parse_options options = {4, 1};
  CHECK(sv_intent_parser_parse(parser, "x", 1, &options, &result) == SV_INVALID_ARGUMENT);
  options = {sizeof(options), 0};
  CHECK(sv_intent_parser_parse(parser, "x", 1, &options, &result) == SV_INVALID_ARGUMENT);
  CHECK(sv_intent_parser_parse(parser, nullptr, 1, nullptr, &result) == SV_INVALID_ARGUMENT);
  CHECK(result == nullptr);
  sv_intent_parser_free(parser);

  parser = nullptr;
  CHECK(sv_intent_parser_open_memory(bytes.data(), bytes.size() / 2, &parser) == SV_DATA_LOSS);
  CHECK(sv_intent_parser_open("/no/such/model.gguf", &parser) == SV_NOT_FOUND);
  CHECK(std::string(sv_last_error()).find("/no/such/model.gguf") != std::string::npos);
  CHECK(sv_intent_parser_open(nullptr, &parser) == SV_INVALID_ARGUMENT);
  CHECK(parser == nullptr);
  sv_intent_parser_free(nullptr);
}

TEST_CASE("names") {
  CHECK(std::string(sv_status_name(SV_DATA_LOSS)) == "data loss");
  CHECK(std::strlen(sv_version()) > 0);
  CHECK(std::strlen(sv_active_isa()) > 0);
}
