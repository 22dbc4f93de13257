#include "pipeline/intent_parser.h"

#include <memory>

#include "capi/guard.h"

using sottovoce::InvalidArgument;
using sottovoce::Status;
using sottovoce::capi::Guard;
using sottovoce::capi::RequireIndex;
using sottovoce::capi::RequireNotNull;
using sottovoce::capi::RequireStructSize;

struct sv_intent_parser {
  std::shared_ptr<const sottovoce::IntentParser> parser;
};

struct sv_parse_result {
  sottovoce::ParseResult result;
};

sv_status sv_intent_parser_open(const char* path, sv_intent_parser** parser) {
  return sv_intent_parser_open_part(path, nullptr, parser);
}

sv_status sv_intent_parser_open_part(const char* path, const sv_intent_parser_options* options,
                                     sv_intent_parser** parser) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(path, "path"));
    SV_RETURN_IF_ERROR(RequireNotNull(parser, "parser"));
    sottovoce::SubNetwork part;
    SV_RETURN_IF_ERROR(RequireStructSize(options, "options"));
    if (options != nullptr) part = {options->width, options->depth};
    SV_ASSIGN_OR_RETURN(auto opened, sottovoce::IntentParser::Open(path, part));
    *parser = new sv_intent_parser{std::move(opened)};
    return Status();
  });
}

sv_status sv_intent_parser_open_memory(const void* data, size_t bytes, sv_intent_parser** parser) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(data, "data"));
    SV_RETURN_IF_ERROR(RequireNotNull(parser, "parser"));
    SV_ASSIGN_OR_RETURN(auto opened, sottovoce::IntentParser::OpenMemory(data, bytes));
    *parser = new sv_intent_parser{std::move(opened)};
    return Status();
  });
}

void sv_intent_parser_free(sv_intent_parser* parser) {
  delete parser;
}

sv_status sv_intent_parser_parse(const sv_intent_parser* parser, const char* text, size_t bytes,
                                 const sv_parse_options* options, sv_parse_result** result) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(parser, "parser"));
    SV_RETURN_IF_ERROR(RequireNotNull(result, "result"));
    if (bytes > 0) SV_RETURN_IF_ERROR(RequireNotNull(text, "text"));
    SV_RETURN_IF_ERROR(RequireStructSize(options, "options"));
    const int top_k = options != nullptr ? options->top_k : 1;
    if (top_k < 1) return InvalidArgument("options.top_k: wanted at least 1, found " + std::to_string(top_k));
    auto parsed = std::make_unique<sv_parse_result>();
    parsed->result = parser->parser->Parse({text, bytes}, top_k);
    *result = parsed.release();
    return Status();
  });
}

size_t sv_parse_result_num_intents(const sv_parse_result* result) {
  return result ? result->result.intents.size() : 0;
}

sv_status sv_parse_result_intent(const sv_parse_result* result, size_t index, sv_intent* intent) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(result, "result"));
    SV_RETURN_IF_ERROR(RequireNotNull(intent, "intent"));
    SV_RETURN_IF_ERROR(RequireIndex(index, result->result.intents.size(), "index"));
    const sottovoce::IntentScore& source = result->result.intents[index];
    *intent = {source.name.c_str(), source.score};
    return Status();
  });
}

size_t sv_parse_result_num_slots(const sv_parse_result* result) {
  return result ? result->result.slots.size() : 0;
}

sv_status sv_parse_result_slot(const sv_parse_result* result, size_t index, sv_slot* slot) {
  return Guard([&]() -> Status {
    SV_RETURN_IF_ERROR(RequireNotNull(result, "result"));
    SV_RETURN_IF_ERROR(RequireNotNull(slot, "slot"));
    SV_RETURN_IF_ERROR(RequireIndex(index, result->result.slots.size(), "index"));
    const sottovoce::Slot& source = result->result.slots[index];
    *slot = {source.name.c_str(), source.value.c_str(), source.start, source.end, source.score};
    return Status();
  });
}

int32_t sv_parse_result_out_of_scope(const sv_parse_result* result) {
  return result != nullptr && result->result.out_of_scope ? 1 : 0;
}

size_t sv_parse_result_num_warnings(const sv_parse_result* result) {
  return result ? result->result.warnings.size() : 0;
}

const char* sv_parse_result_warning(const sv_parse_result* result, size_t index) {
  return result != nullptr && index < result->result.warnings.size() ? result->result.warnings[index].c_str() : nullptr;
}

void sv_parse_result_free(sv_parse_result* result) {
  delete result;
}
